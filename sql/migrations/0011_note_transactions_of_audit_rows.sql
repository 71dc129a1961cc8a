-- Whoever follows the trail asks which transactions have ended since. A row's xmin can't tell, as in a savepoint it is
-- the savepoint's. Earlier rows have none, and take none: whoever follows begins after them.
ALTER TABLE audit ADD COLUMN transaction_id xid8;
ALTER TABLE audit ALTER COLUMN transaction_id SET DEFAULT pg_current_xact_id();
COMMENT ON COLUMN audit.transaction_id IS 'the transaction that has written the row, by which the trail is followed';
