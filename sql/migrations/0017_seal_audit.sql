-- Entries of the audit trail are sealed every minute: the root of a Merkle tree (RFC 9162) over those that are new, chained
-- to the one before. The service adds seals and reads them, and never changes one.
CREATE TABLE audit_seals (
    number bigint NOT NULL,
    sealed_at timestamptz NOT NULL,
    epoch text COLLATE "C" NOT NULL,
    snapshot text COLLATE "C" NOT NULL,
    ids int8multirange NOT NULL,
    leaves bytea NOT NULL,
    root bytea NOT NULL,
    previous bytea NOT NULL,
    chain bytea NOT NULL,
    CONSTRAINT audit_seals_pkey PRIMARY KEY (number),
    CONSTRAINT audit_seals_times_bounded CHECK (
        sealed_at >= '1970-01-01 00:00:00+00' AND sealed_at < '2200-01-01 00:00:00+00'
    )
);
ALTER TABLE audit_seals ALTER COLUMN leaves SET STORAGE EXTERNAL;
CREATE INDEX audit_seals_by_ids ON audit_seals USING gist (ids);
COMMENT ON COLUMN audit_seals.epoch IS 'the database whose transaction numbers the snapshot has';
COMMENT ON COLUMN audit_seals.snapshot IS 'every transaction that it sees is sealed by this seal or one before';
COMMENT ON COLUMN audit_seals.leaves IS 'the hashes of the entries, 32 bytes each, in the order of their ids';
COMMENT ON COLUMN audit_seals.chain IS 'the hash of the previous chain and of all that this seal says';
