-- What was archived, so that an entry that is no longer in the trail is told from one that was taken away. It is noted
-- before its partition is taken out, and only once the archive was read again. Those who serve may read it.
CREATE TABLE audit_archives (
    month text COLLATE "C" NOT NULL,
    partition text COLLATE "C" NOT NULL,
    ids int8multirange NOT NULL,
    entries bigint NOT NULL,
    manifest_sha256 bytea NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT audit_archives_pkey PRIMARY KEY (month),
    CONSTRAINT audit_archives_times_bounded CHECK (
        archived_at >= '1970-01-01 00:00:00+00' AND archived_at < '2200-01-01 00:00:00+00'
    )
);
COMMENT ON COLUMN audit_archives.ids IS 'the numbers of the entries that the archive has';
COMMENT ON COLUMN audit_archives.manifest_sha256 IS 'of the file manifest.json, which has the hashes of the others';
