-- The timelines of the write-ahead log that this database has come by, and where each begins: what a standby had got when it
-- was promoted, or the point that a recovery went to. By it, a place in the feed that lies before is told from one that has
-- seen what is lost. Rows are replicated with the database, and so are those of a timeline's ancestors alone.
CREATE TABLE timelines (
    system bigint NOT NULL,
    timeline bigint NOT NULL,
    begins pg_lsn,
    CONSTRAINT timelines_pkey PRIMARY KEY (system, timeline)
);
COMMENT ON COLUMN timelines.system IS 'the identifier of the cluster: a dump brings rows of another one along';
COMMENT ON COLUMN timelines.begins IS 'the end of the log that was replayed before it; NULL: it is not known any more';

-- Notes the present timeline, once. All that it says it reads itself: those who serve may call it, and not write the table.
--
-- What a server says to have replayed last is where its timeline begins, unless it has recovered from a crash since: then it
-- is later, and worth nothing. It has not where it has received a log (which a crash lets it forget), where the last
-- checkpoint is of an earlier timeline, or is the one that ended the recovery (the one behind a crash names no earlier one).
CREATE FUNCTION note_timeline() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    this record;
    last record;
    present bigint;
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN;
    END IF;
    present := ('x' || lpad(left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), 16, '0'))::bit(64)::bigint;
    SELECT s.system_identifier INTO this FROM pg_control_system() s;
    SELECT c.timeline_id, c.prev_timeline_id INTO last FROM pg_control_checkpoint() c;
    INSERT INTO public.timelines (system, timeline, begins)
    SELECT this.system_identifier, present,
           CASE WHEN pg_last_wal_receive_lsn() IS NOT NULL OR last.timeline_id < present
                     OR last.prev_timeline_id < last.timeline_id
                THEN pg_last_wal_replay_lsn()
           END
    WHERE NOT EXISTS (SELECT FROM public.timelines t WHERE t.system = this.system_identifier AND t.timeline = present)
    ON CONFLICT DO NOTHING;
EXCEPTION WHEN insufficient_privilege THEN  -- some servers that others manage do not tell
    RETURN;
END $$;
REVOKE EXECUTE ON FUNCTION note_timeline() FROM PUBLIC;
