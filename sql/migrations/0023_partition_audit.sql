-- The trail by months, so that old ones can be archived without touching the others, and a page touches no more than it shows.
-- The table that there was becomes the partition of all that is earlier: nothing is copied, and nothing is read while the
-- tables change their names, as the constraint of 0021 is there and all indexes are. The last partition takes whatever is
-- later than the months that were made: a missing month fails no change.
--
-- There is no key over all partitions, which would have to hold the time; each has its own, as before.
-- compatible-from: 0004

-- Waited for in short turns: what waits for such a lock holds up all changes behind it.
DO $$ BEGIN
    FOR attempt IN 1..20 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '300ms', true);
            LOCK TABLE audit, audit_later IN ACCESS EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 20 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
END $$;

ALTER TABLE audit RENAME TO audit_earlier;
ALTER TABLE audit_earlier RENAME CONSTRAINT audit_pkey TO audit_earlier_pkey;
ALTER INDEX audit_by_time RENAME TO audit_earlier_by_time;
ALTER INDEX audit_by_target_and_time RENAME TO audit_earlier_by_target_and_time;
ALTER INDEX audit_by_transaction RENAME TO audit_earlier_by_transaction;
DROP INDEX audit_by_target;
DROP TRIGGER attest_on_insert ON audit_earlier;

CREATE TABLE audit (LIKE audit_earlier INCLUDING STORAGE INCLUDING COMMENTS INCLUDING DEFAULTS) PARTITION BY RANGE (at);
-- An entry of a command is dated when it is written, as those of requests are, not when its transaction began: so the order
-- of time is that of what happened to each thing.
ALTER TABLE audit ALTER COLUMN at SET DEFAULT clock_timestamp();
CREATE INDEX audit_by_time ON audit (organization_id, at, id);
CREATE INDEX audit_by_target_and_time ON audit (organization_id, target, at, id);
CREATE INDEX audit_by_transaction ON audit (transaction_id, id) WHERE transaction_id IS NOT NULL;
CREATE TRIGGER attest_on_insert BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION attest_audit_row();
ALTER TABLE audit ENABLE ALWAYS TRIGGER attest_on_insert;

-- Numbers go on. Up to PostgreSQL 16, a partitioned table has no identity columns.
DO $$
DECLARE
    former record;
BEGIN
    SELECT s.last_value, s.is_called INTO former FROM audit_id_seq s;
    ALTER TABLE audit_earlier ALTER COLUMN id DROP IDENTITY;
    CREATE SEQUENCE audit_id_seq AS bigint OWNED BY audit.id;
    PERFORM setval('audit_id_seq', former.last_value, former.is_called);
    ALTER TABLE audit ALTER COLUMN id SET DEFAULT nextval('audit_id_seq');
END $$;

-- Whoever had rights on the table has them on the whole, and none on its parts.
DO $$
DECLARE
    given record;
BEGIN
    FOR given IN
        SELECT r.grantee, CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE r.grantee::regrole::text END AS name,
               r.privilege_type || r.of_column AS privilege, r.privilege_type = 'INSERT' AS inserts
        FROM (
            SELECT e.grantee, e.privilege_type, '' AS of_column, c.relowner
            FROM pg_class c CROSS JOIN aclexplode(c.relacl) e WHERE c.oid = 'audit_earlier'::regclass
            UNION ALL
            SELECT e.grantee, e.privilege_type, format(' (%I)', t.attname), c.relowner
            FROM pg_class c
            JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0
            CROSS JOIN aclexplode(t.attacl) e WHERE c.oid = 'audit_earlier'::regclass
        ) r
        WHERE r.grantee <> r.relowner
    LOOP
        EXECUTE format('GRANT %s ON audit TO %s', given.privilege, given.name);
        EXECUTE format('REVOKE %s ON audit_earlier FROM %s', given.privilege, given.name);
        IF given.inserts THEN
            EXECUTE format('GRANT USAGE ON SEQUENCE audit_id_seq TO %s', given.name);
        END IF;
    END LOOP;
END $$;

-- In an empty database the months begin with the present one.
DO $$
DECLARE
    bound text;
BEGIN
    IF EXISTS (SELECT FROM audit_earlier) OR EXISTS (SELECT FROM audit_later) THEN
        SELECT substring(pg_get_expr(c.conbin, c.conrelid) FROM '''([^'']+)''') INTO bound
        FROM pg_constraint c WHERE c.conrelid = 'audit_earlier'::regclass AND c.conname = 'audit_earlier_bounded';
    ELSE
        bound := to_char(date_trunc('month', now() AT TIME ZONE 'UTC'), 'YYYY-MM-DD') || ' 00:00:00+00';
    END IF;
    EXECUTE format('ALTER TABLE audit ATTACH PARTITION audit_earlier FOR VALUES FROM (MINVALUE) TO (%L)', bound);
    EXECUTE format('ALTER TABLE audit ATTACH PARTITION audit_later FOR VALUES FROM (%L) TO (MAXVALUE)', bound);
END $$;
ALTER TABLE audit_earlier DROP CONSTRAINT audit_earlier_bounded;

-- The partitions of the trail, in the order of time, with the times at which they begin and end; NULL: open.
CREATE FUNCTION audit_partitions() RETURNS TABLE (name text, begins timestamptz, ends timestamptz, detaching boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    WITH parts AS (
        SELECT c.relname::text AS name, i.inhdetachpending, pg_get_expr(c.relpartbound, c.oid) AS bound
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.audit'::regclass
    )
    SELECT p.name, substring(p.bound FROM 'FROM \(''([^'']+)''\)')::timestamptz,
           substring(p.bound FROM 'TO \(''([^'']+)''\)')::timestamptz, p.inhdetachpending
    FROM parts p
    ORDER BY 2 NULLS FIRST
$$;

-- Makes the months that are missing, up to the second behind the present one, and returns how many. What is in the last
-- partition meanwhile, as nobody called this for months, goes to where it belongs. Those who serve may call it, by the rights
-- of the owner; if the trail is in use for long, it fails at once, and is called again.
CREATE FUNCTION make_audit_months() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET timezone = 'UTC' SET lock_timeout = '300ms' AS $$
DECLARE
    wanted CONSTANT timestamptz := date_trunc('month', clock_timestamp()) + interval '3 months';
    bound timestamptz;
    month text;
    made integer := 0;
BEGIN
    SELECT p.begins INTO bound FROM audit_partitions() p WHERE p.name = 'audit_later';
    IF bound >= wanted THEN
        RETURN 0;
    END IF;
    LOCK TABLE ONLY audit IN ACCESS EXCLUSIVE MODE;
    SELECT p.begins INTO bound FROM audit_partitions() p WHERE p.name = 'audit_later';
    IF bound >= wanted THEN
        RETURN 0;
    END IF;
    ALTER TABLE audit DETACH PARTITION audit_later;
    WHILE bound < wanted LOOP
        month := to_char(bound, '"audit_"YYYY_MM');
        EXECUTE format(
            'CREATE TABLE public.%I (LIKE audit INCLUDING STORAGE, CONSTRAINT %I PRIMARY KEY (organization_id, id))',
            month, month || '_pkey'
        );
        EXECUTE format(
            'ALTER TABLE audit ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', month, bound, bound + interval '1 month'
        );
        bound := bound + interval '1 month';
        made := made + 1;
    END LOOP;
    WITH moved AS (DELETE FROM audit_later WHERE at < bound RETURNING *)
    INSERT INTO audit SELECT * FROM moved;
    EXECUTE format('ALTER TABLE audit ATTACH PARTITION audit_later FOR VALUES FROM (%L) TO (MAXVALUE)', bound);
    RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION make_audit_months() FROM PUBLIC;
SELECT make_audit_months();
