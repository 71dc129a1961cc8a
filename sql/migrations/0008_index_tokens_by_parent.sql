-- no transaction
-- The tokens made with a token are looked for when it is revoked.
CREATE INDEX CONCURRENTLY IF NOT EXISTS tokens_by_parent ON tokens (organization_id, parent_id) WHERE parent_id IS NOT NULL;
