-- no transaction
-- What was written since is looked for each time that somebody who follows the trail asks for more.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_by_transaction ON audit (transaction_id, id) WHERE transaction_id IS NOT NULL;
