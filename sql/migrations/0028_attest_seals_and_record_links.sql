-- A seal says what the database finds to be so: the role that serves can insert no other one. It makes a seal as before, and
-- each thing that it says is made anew here, of the trail itself, and compared. Whoever may change the seals anyway, their
-- owner, is not asked: that is a restore.

-- The root of the Merkle tree of RFC 9162 over hashes of 32 bytes each, one behind the other.
CREATE FUNCTION merkle_root(leaves bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    level bytea := leaves;
BEGIN
    WHILE octet_length(level) > 32 LOOP
        SELECT string_agg(CASE octet_length(p.pair) WHEN 64 THEN sha256('\x01'::bytea || p.pair) ELSE p.pair END, '' ORDER BY p.place)
        INTO level
        FROM (
            SELECT s.place, substring(level FROM s.place * 64 + 1 FOR 64) AS pair
            FROM generate_series(0, (octet_length(level) - 1) / 64) AS s (place)
        ) p;
    END LOOP;
    RETURN level;
END $$;
REVOKE EXECUTE ON FUNCTION merkle_root(bytea) FROM PUBLIC;

-- The hash of an entry as a leaf of that tree, of all that the entry says.
CREATE FUNCTION audit_leaf(a audit) RETURNS bytea LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256('\x00'::bytea || convert_to(jsonb_build_array(
        a.id, a.organization_id, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), a.actor_id, a.actor, a.token_id,
        a.action, a.target, a.before, a.after, a.request_id, a.transaction_id::text
    )::text, 'UTF8'))
$$;
REVOKE EXECUTE ON FUNCTION audit_leaf(audit) FROM PUBLIC;

CREATE FUNCTION attest_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    former public.audit_seals;
    system text := '0';
    present text;
    seen pg_snapshot;
    claimed CONSTANT pg_snapshot := NEW.snapshot::pg_snapshot;
    hashes bytea;
    left_out boolean;
    said text;
BEGIN
    SELECT s.* INTO former FROM public.audit_seals s ORDER BY s.number DESC LIMIT 1;
    IF NEW.number <> COALESCE(former.number, 0) + 1 OR NEW.previous <> COALESCE(former.chain, decode(repeat('00', 32), 'hex')) THEN
        RAISE insufficient_privilege USING MESSAGE = 'a seal must follow the last one';
    END IF;
    IF NEW.sealed_at < now() OR NEW.sealed_at > clock_timestamp() THEN
        RAISE insufficient_privilege USING MESSAGE = 'a seal must have the time at which it is made';
    END IF;

    -- The database as the service names it, which is told of no system where it may not ask.
    IF has_function_privilege(session_user, 'pg_control_system()', 'EXECUTE') THEN
        SELECT mod(s.system_identifier + 18446744073709551616::numeric, 18446744073709551616::numeric)::text
        INTO system FROM pg_control_system() s;
    END IF;
    SELECT concat_ws('/', system, d.oid, 'public.audit'::regclass::oid) INTO present
    FROM pg_database d WHERE d.datname = current_database();
    seen := CASE WHEN former.epoch = present THEN former.snapshot END;
    -- Without an epoch, as the first of several that have no room for all, a seal leaves out what it may.
    IF NEW.epoch <> present AND (NEW.epoch <> '' OR seen IS NOT NULL) THEN
        RAISE insufficient_privilege USING MESSAGE = 'a seal must name the database that it is made in';
    END IF;
    IF claimed::text <> NEW.snapshot OR pg_snapshot_xmax(claimed) > pg_snapshot_xmax(pg_current_snapshot())
       OR EXISTS (SELECT FROM pg_snapshot_xip(pg_current_snapshot()) x WHERE pg_visible_in_snapshot(x, claimed))
       OR pg_snapshot_xmax(claimed) < pg_snapshot_xmax(seen)
       OR EXISTS (SELECT FROM pg_snapshot_xip(claimed) x WHERE pg_visible_in_snapshot(x, seen))
    THEN
        RAISE insufficient_privilege USING MESSAGE = 'a seal must have a snapshot between the last one and the present one';
    END IF;

    IF isempty(NEW.ids) OR EXISTS (SELECT FROM public.audit_seals s WHERE s.ids && NEW.ids) THEN
        RAISE insufficient_privilege USING MESSAGE = 'a seal must have entries, and none that another one has';
    END IF;
    -- The entries are found by their transactions; behind another database's seal, they are of all times.
    IF seen IS NULL THEN
        SELECT string_agg(audit_leaf(a), '' ORDER BY a.id) INTO hashes
        FROM public.audit a
        WHERE a.id >= lower(NEW.ids) AND a.id < upper(NEW.ids) AND NEW.ids @> a.id;
    ELSE
        SELECT string_agg(audit_leaf(a), '' ORDER BY a.id) INTO hashes
        FROM public.audit a
        WHERE a.transaction_id >= pg_snapshot_xmin(seen) AND NEW.ids @> a.id;
    END IF;
    -- A seal that has no room for all says so by the former snapshot, or by no epoch. A row that names another transaction
    -- than its own was restored, or put in, and is sealed only behind another database's seal.
    IF NEW.epoch <> '' AND NEW.snapshot IS DISTINCT FROM seen::text THEN
        WITH entries AS (
            SELECT a.id, a.transaction_id AS written,
                   ((a.xmin::text::bigint - (a.transaction_id::text::bigint & 4294967295)) & 4294967295) < 2147483648 AS own
            FROM public.audit a
            WHERE (a.transaction_id >= pg_snapshot_xmin(seen) OR seen IS NULL) AND NOT NEW.ids @> a.id
        ),
        claimed_entries AS (
            SELECT e.id FROM entries e
            WHERE CASE WHEN seen IS NULL THEN e.own IS NOT TRUE OR pg_visible_in_snapshot(e.written, claimed)
                       ELSE e.own AND pg_visible_in_snapshot(e.written, claimed) AND NOT pg_visible_in_snapshot(e.written, seen)
                  END
        )
        SELECT EXISTS (
            SELECT FROM claimed_entries e WHERE NOT EXISTS (SELECT FROM public.audit_seals s WHERE s.ids @> e.id)
        )
        INTO left_out;
        IF left_out THEN
            RAISE insufficient_privilege USING MESSAGE = 'a seal must leave out no entry that its snapshot sees';
        END IF;
    END IF;
    IF hashes IS DISTINCT FROM NEW.leaves
       OR octet_length(NEW.leaves) <> 32 * (SELECT sum(upper(r) - lower(r)) FROM unnest(NEW.ids) r)
       OR NEW.root <> merkle_root(NEW.leaves)
    THEN
        RAISE insufficient_privilege USING MESSAGE = 'a seal must have the hashes of its entries, and their root';
    END IF;
    said := format(
        '[%s,"%s","%s","%s",[%s],"%s"]', NEW.number,
        to_char(NEW.sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), NEW.epoch, NEW.snapshot,
        (SELECT string_agg(format('[%s,%s]', lower(r), upper(r)), ',' ORDER BY r) FROM unnest(NEW.ids) r), encode(NEW.root, 'hex')
    );
    IF NEW.chain <> sha256(NEW.previous || convert_to(said, 'UTF8')) THEN
        RAISE insufficient_privilege USING MESSAGE = 'a seal must have the chain of what it says';
    END IF;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION attest_seal() FROM PUBLIC;

CREATE TRIGGER attest_seal_on_insert BEFORE INSERT ON audit_seals FOR EACH ROW
WHEN (NOT has_table_privilege('public.audit_seals', 'UPDATE')) EXECUTE FUNCTION attest_seal();
ALTER TABLE audit_seals ENABLE ALWAYS TRIGGER attest_seal_on_insert;

-- A token that was made by a call with an identity provider's token goes with the link by which that came, as others go with
-- their parent: what ends the link ends the token, and what was made with that.
ALTER TABLE tokens ADD COLUMN link_id uuid;
COMMENT ON COLUMN tokens.link_id IS 'the link of the person by whose provider''s token it was made; NULL for one that another token made, or none';

CREATE FUNCTION end_tokens_of_link() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM tokens t WHERE t.organization_id = OLD.organization_id AND t.link_id = OLD.id;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION end_tokens_of_link() FROM PUBLIC;

CREATE TRIGGER end_tokens_on_delete AFTER DELETE ON identity_links FOR EACH ROW EXECUTE FUNCTION end_tokens_of_link();
ALTER TABLE identity_links ENABLE ALWAYS TRIGGER end_tokens_on_delete;
