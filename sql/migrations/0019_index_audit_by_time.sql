-- no transaction
-- The trail is to be kept by months: then its pages are in the order of time, and this is their index.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_by_time ON audit (organization_id, at, id);
