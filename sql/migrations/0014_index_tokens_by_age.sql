-- no transaction
-- The inventory of an organization's tokens, newest first: without it, each page would sort all that were ever made.
CREATE INDEX CONCURRENTLY IF NOT EXISTS tokens_by_age ON tokens (organization_id, created_at, id) WHERE revoked_at IS NULL;
