-- no transaction
-- The same for the pages of one thing. It takes the place of audit_by_target, which versions before use until 0023.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_by_target_and_time ON audit (organization_id, target, at, id);
