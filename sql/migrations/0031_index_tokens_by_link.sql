-- no transaction
-- A link's tokens end with it, and those of a user's links with the user: without this, each end reads all tokens there are.
CREATE INDEX CONCURRENTLY IF NOT EXISTS tokens_by_link ON tokens (organization_id, link_id) WHERE link_id IS NOT NULL;
