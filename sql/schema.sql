-- What sql/migrations make of an empty database: written by `make schema`. It is for reading, and its triggers
-- are those that `doctor` looks for, and that `migrate` makes where one is missing.

CREATE FUNCTION public.attest_audit_row() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    known pg_catalog.text;
BEGIN
    IF pg_catalog.has_table_privilege(TG_RELID, 'UPDATE') THEN
        RETURN NEW;
    END IF;
    SELECT u.username INTO known
    FROM public.tokens t
    JOIN public.users u ON u.organization_id = t.organization_id AND u.id = t.user_id
    WHERE t.organization_id = NEW.organization_id AND t.id = NEW.token_id AND t.user_id = NEW.actor_id
      AND (t.revoked_at IS NULL OR t.revoked_at >= pg_catalog.now())
      AND (t.expires_at IS NULL OR t.expires_at >= pg_catalog.now());
    IF NOT FOUND THEN
        SELECT u.username INTO known
        FROM public.identity_links l
        JOIN public.users u ON u.organization_id = l.organization_id AND u.id = l.user_id
        WHERE l.organization_id = NEW.organization_id AND l.id = NEW.token_id AND l.user_id = NEW.actor_id;
    END IF;
    IF NOT FOUND THEN
        RAISE insufficient_privilege USING MESSAGE =
            'a change must be audited with its user and a token or link of theirs; commands that change something connect as flow_migrator';
    END IF;
    NEW.actor := known;
    NEW.at := pg_catalog.clock_timestamp();
    RETURN NEW;
END $$;

CREATE FUNCTION public.attest_seal() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
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

CREATE TABLE public.audit (
    organization_id uuid NOT NULL,
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor_id uuid,
    actor text NOT NULL COLLATE pg_catalog."C",
    token_id uuid,
    action text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL COLLATE pg_catalog."C",
    before jsonb,
    after jsonb,
    request_id text COLLATE pg_catalog."C",
    transaction_id xid8 DEFAULT pg_current_xact_id()
)
PARTITION BY RANGE (at);

COMMENT ON COLUMN public.audit.actor IS 'a username, or "command line" with no actor_id';

COMMENT ON COLUMN public.audit.target IS 'what was changed, as kind:key, such as job:4711';

COMMENT ON COLUMN public.audit.transaction_id IS 'the transaction that has written the row, by which the trail is followed';

CREATE FUNCTION public.audit_leaf(a public.audit) RETURNS bytea
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT sha256('\x00'::bytea || convert_to(jsonb_build_array(
        a.id, a.organization_id, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), a.actor_id, a.actor, a.token_id,
        a.action, a.target, a.before, a.after, a.request_id, a.transaction_id::text
    )::text, 'UTF8'))
$$;

CREATE FUNCTION public.audit_partitions() RETURNS TABLE(name text, begins timestamp with time zone, ends timestamp with time zone, detaching boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
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

CREATE FUNCTION public.bump_administrators(organization_ids uuid[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM FROM users u
    WHERE u.organization_id = ANY (organization_ids) AND u.role <> 'member'
    ORDER BY u.organization_id, u.id FOR NO KEY UPDATE;
    UPDATE users u SET revision = next_revision()
    WHERE u.organization_id = ANY (organization_ids) AND u.role <> 'member';
END $$;

CREATE FUNCTION public.bump_everybody() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM FROM users u ORDER BY u.organization_id, u.id FOR NO KEY UPDATE;
    UPDATE users u SET revision = next_revision();
    RETURN NULL;
END $$;

CREATE FUNCTION public.bump_groups() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF (SELECT count(*) FROM changed) > max_holders_bumped() THEN
            IF (SELECT bump_members_together(array_agg(c.organization_id), array_agg(c.pipeline_id))
                FROM (SELECT DISTINCT changed.organization_id, changed.pipeline_id FROM changed) c)
            THEN
                RETURN NULL;
            END IF;
        END IF;
    END IF;
    PERFORM FROM groups g
    WHERE (g.organization_id, g.id) IN (SELECT c.organization_id, c.group_id FROM changed c)
    ORDER BY g.organization_id, g.id FOR NO KEY UPDATE;
    UPDATE groups g SET revision = next_revision()
    WHERE (g.organization_id, g.id) IN (SELECT c.organization_id, c.group_id FROM changed c);
    PERFORM bump_members(array_agg(c.organization_id), array_agg(c.group_id))
    FROM changed c
    WHERE NOT EXISTS (SELECT FROM groups g WHERE g.organization_id = c.organization_id AND g.id = c.group_id)
    HAVING count(*) > 0;
    RETURN NULL;
END $$;

CREATE FUNCTION public.bump_holders() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    organization uuid;
BEGIN
    FOREACH organization IN ARRAY ARRAY[
        least(OLD.organization_id, NEW.organization_id), greatest(OLD.organization_id, NEW.organization_id)
    ] LOOP
        IF is_first_in_a_row('organization', organization, organization) THEN
            UPDATE organizations o SET revision = next_revision() WHERE o.id = organization;
        END IF;
    END LOOP;
    PERFORM bump_viewers(ARRAY[OLD.organization_id, NEW.organization_id], ARRAY[OLD.id, NEW.id]);
    RETURN NULL;
END $$;

CREATE FUNCTION public.bump_holders_of_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (SELECT FROM changed c JOIN grants g ON g.organization_id = c.organization_id AND g.pipeline_id = c.id)
       OR EXISTS (SELECT FROM changed c WHERE NOT EXISTS (SELECT FROM organizations o WHERE o.id = c.organization_id))
    THEN
        PERFORM bump_viewers(array_agg(c.organization_id), array_agg(c.id)) FROM changed c;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION public.bump_left_behind() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF TG_TABLE_NAME = 'groups' THEN
        PERFORM bump_members(ARRAY[OLD.organization_id], ARRAY[OLD.id]);
    ELSE
        PERFORM FROM users u WHERE u.organization_id = OLD.id ORDER BY u.id FOR NO KEY UPDATE;
        UPDATE users u SET revision = next_revision() WHERE u.organization_id = OLD.id;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION public.bump_members(organization_ids uuid[], group_ids uuid[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM FROM users u
    WHERE (u.organization_id, u.id) IN (
        SELECT m.organization_id, m.user_id
        FROM unnest(organization_ids, group_ids) g (organization_id, id)
        JOIN memberships m ON m.organization_id = g.organization_id AND m.group_id = g.id
    )
    ORDER BY u.organization_id, u.id FOR NO KEY UPDATE;
    UPDATE users u SET revision = next_revision()
    WHERE (u.organization_id, u.id) IN (
        SELECT m.organization_id, m.user_id
        FROM unnest(organization_ids, group_ids) g (organization_id, id)
        JOIN memberships m ON m.organization_id = g.organization_id AND m.group_id = g.id
    );
END $$;

CREATE FUNCTION public.bump_members_together(organization_ids uuid[], pipeline_ids uuid[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (
        SELECT FROM unnest(organization_ids, pipeline_ids) c (organization_id, id)
        WHERE EXISTS (SELECT FROM pipelines p WHERE p.organization_id = c.organization_id AND p.id = c.id)
           OR NOT EXISTS (SELECT FROM organizations o WHERE o.id = c.organization_id)
    ) THEN
        RETURN false;
    END IF;
    PERFORM FROM organizations o WHERE o.id = ANY (organization_ids) ORDER BY o.id FOR NO KEY UPDATE;
    UPDATE organizations o SET members_revision = next_revision() WHERE o.id = ANY (organization_ids);
    RETURN true;
END $$;

CREATE FUNCTION public.bump_organization() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    NEW.revision := next_revision();
    IF TG_OP = 'INSERT' OR (OLD.id, OLD.members_revision) IS DISTINCT FROM (NEW.id, NEW.members_revision) THEN
        NEW.members_revision := next_revision();
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION public.bump_organization_of_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    UPDATE organizations o SET revision = next_revision()
    WHERE o.id = least(OLD.organization_id, NEW.organization_id);
    IF OLD.organization_id <> NEW.organization_id THEN -- moved between two, which are locked in order
        UPDATE organizations o SET revision = next_revision()
        WHERE o.id = greatest(OLD.organization_id, NEW.organization_id);
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;

CREATE FUNCTION public.bump_organizations() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM FROM organizations o
    WHERE o.id IN (SELECT c.organization_id FROM changed c)
    ORDER BY o.id FOR NO KEY UPDATE;
    UPDATE organizations o SET revision = next_revision()
    WHERE o.id IN (SELECT c.organization_id FROM changed c);
    RETURN NULL;
END $$;

CREATE FUNCTION public.bump_renamed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    organization_ids uuid[];
    pipeline_ids uuid[];
BEGIN
    SELECT array_agg(r.organization_id), array_agg(r.id) INTO organization_ids, pipeline_ids
    FROM (
        SELECT c.organization_id, c.id
        FROM (
            (SELECT b.organization_id, b.id, b.name FROM before b EXCEPT SELECT a.organization_id, a.id, a.name FROM after a)
            UNION ALL
            (SELECT a.organization_id, a.id, a.name FROM after a EXCEPT SELECT b.organization_id, b.id, b.name FROM before b)
        ) c
        GROUP BY c.organization_id, c.id
    ) r;
    IF organization_ids IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM FROM organizations o WHERE o.id = ANY (organization_ids) ORDER BY o.id FOR NO KEY UPDATE;
    UPDATE organizations o SET revision = next_revision() WHERE o.id = ANY (organization_ids);
    PERFORM bump_viewers(organization_ids, pipeline_ids);
    RETURN NULL;
END $$;

CREATE FUNCTION public.bump_self() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    NEW.revision := public.next_revision();
    RETURN NEW;
END $$;

CREATE FUNCTION public.bump_users() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF TG_TABLE_NAME = 'user_grants' AND TG_OP = 'DELETE' THEN
        IF (SELECT count(*) FROM changed) > max_holders_bumped() THEN
            IF (SELECT bump_members_together(array_agg(c.organization_id), array_agg(c.pipeline_id))
                FROM (SELECT DISTINCT changed.organization_id, changed.pipeline_id FROM changed) c)
            THEN
                RETURN NULL;
            END IF;
        END IF;
    END IF;
    PERFORM FROM users u
    WHERE (u.organization_id, u.id) IN (SELECT c.organization_id, c.user_id FROM changed c)
    ORDER BY u.organization_id, u.id FOR NO KEY UPDATE;
    UPDATE users u SET revision = next_revision()
    WHERE (u.organization_id, u.id) IN (SELECT c.organization_id, c.user_id FROM changed c);
    RETURN NULL;
END $$;

CREATE FUNCTION public.bump_viewers(organization_ids uuid[], pipeline_ids uuid[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    of_many_users uuid[];
    of_many_groups uuid[];
BEGIN
    SELECT coalesce(array_agg(h.organization_id) FILTER (WHERE h.many_users), '{}'),
           coalesce(array_agg(h.organization_id) FILTER (WHERE h.many_groups), '{}')
    INTO of_many_users, of_many_groups
    FROM held_by_many(organization_ids, pipeline_ids) h;
    UPDATE organizations o SET members_revision = next_revision() WHERE o.id = ANY (of_many_users || of_many_groups);
    PERFORM FROM groups g
    WHERE (g.organization_id, g.id) IN (
        SELECT gg.organization_id, gg.group_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
        WHERE p.organization_id <> ALL (of_many_groups)
    )
    ORDER BY g.organization_id, g.id FOR NO KEY UPDATE;
    UPDATE groups g SET revision = next_revision()
    WHERE (g.organization_id, g.id) IN (
        SELECT gg.organization_id, gg.group_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
        WHERE p.organization_id <> ALL (of_many_groups)
    );
    PERFORM FROM users u
    WHERE (u.organization_id, u.id) IN (
        SELECT ug.organization_id, ug.user_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN user_grants ug ON ug.organization_id = p.organization_id AND ug.pipeline_id = p.id
        WHERE p.organization_id <> ALL (of_many_users)
    )
    ORDER BY u.organization_id, u.id FOR NO KEY UPDATE;
    UPDATE users u SET revision = next_revision()
    WHERE (u.organization_id, u.id) IN (
        SELECT ug.organization_id, ug.user_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN user_grants ug ON ug.organization_id = p.organization_id AND ug.pipeline_id = p.id
        WHERE p.organization_id <> ALL (of_many_users)
    );
    -- Apart, and only if there are any: together with the others they would make the planner read all users.
    PERFORM bump_members(array_agg(gg.organization_id), array_agg(gg.group_id))
    FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
    JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
    WHERE p.organization_id <> ALL (of_many_groups)
      AND NOT EXISTS (SELECT FROM groups g WHERE g.organization_id = gg.organization_id AND g.id = gg.group_id)
    HAVING count(*) > 0;
    PERFORM bump_administrators(array_agg(p.organization_id))
    FROM unnest(organization_ids) p (organization_id)
    WHERE NOT EXISTS (SELECT FROM organizations o WHERE o.id = p.organization_id)
    HAVING count(*) > 0;
END $$;

CREATE FUNCTION public.date_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    NEW.changed_at := now();
    RETURN NEW;
END $$;

CREATE FUNCTION public.date_update() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;

CREATE FUNCTION public.date_use() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    NEW.last_used_at := GREATEST(
        OLD.last_used_at, CASE WHEN NEW.last_used_at IS NOT NULL THEN LEAST(NEW.last_used_at, clock_timestamp()) END
    );
    RETURN NEW;
END $$;

CREATE TABLE public.tokens (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    digest bytea NOT NULL,
    scopes smallint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    parent_id uuid,
    replaced_by_id uuid,
    link_id uuid,
    CONSTRAINT tokens_digest_is_sha256 CHECK ((octet_length(digest) = 32)),
    CONSTRAINT tokens_name_valid CHECK ((char_length(name) <= 255)),
    CONSTRAINT tokens_scopes_valid CHECK (((scopes >= 1) AND (scopes <= 255))),
    CONSTRAINT tokens_times_bounded CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '2200-01-01 00:00:00+00'::timestamp with time zone) AND (expires_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (expires_at < '2200-01-01 00:00:00+00'::timestamp with time zone) AND (last_used_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (last_used_at < '2200-01-01 00:00:00+00'::timestamp with time zone) AND (revoked_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (revoked_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
)
WITH (fillfactor='85');

COMMENT ON COLUMN public.tokens.digest IS 'SHA-256 of the raw token, which is stored nowhere';

COMMENT ON COLUMN public.tokens.scopes IS 'NULL: all that the user may';

COMMENT ON COLUMN public.tokens.parent_id IS 'the token that made it; NULL for one made at the command line, by an import, or before there was this column';

COMMENT ON COLUMN public.tokens.replaced_by_id IS 'the token that took its place by rotation';

COMMENT ON COLUMN public.tokens.link_id IS 'the link of the person by whose provider''s token it was made; NULL for one that another token made, or none';

CREATE FUNCTION public.delete_tokens(of_organization uuid, deleted uuid[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 DELETE FROM public.tokens t
   WHERE ((t.organization_id = delete_tokens.of_organization) AND (t.id = ANY (delete_tokens.deleted)) AND (NOT (EXISTS ( SELECT
            FROM public.tokens c
           WHERE ((c.organization_id = t.organization_id) AND (c.parent_id = t.id))))));
END;

CREATE FUNCTION public.next_revision() RETURNS bigint
    LANGUAGE sql
    RETURN ((('x'::text || OVERLAY((gen_random_uuid())::text PLACING ''::text FROM 9 FOR 20)))::bit(64))::bigint;

COMMENT ON FUNCTION public.next_revision() IS 'a value that no revision has had';

CREATE TABLE public.deleted_users (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    username text NOT NULL COLLATE pg_catalog."C",
    deleted_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT deleted_users_times_bounded CHECK (((deleted_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (deleted_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
);

CREATE TABLE public.users (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    username text NOT NULL COLLATE pg_catalog."C",
    role text DEFAULT 'member'::text NOT NULL COLLATE pg_catalog."C",
    disabled boolean DEFAULT false NOT NULL,
    revision bigint DEFAULT public.next_revision() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    display_name text COLLATE pg_catalog."C",
    display_name_key text COLLATE pg_catalog."C",
    email text COLLATE pg_catalog."C",
    email_key text COLLATE pg_catalog."C",
    CONSTRAINT users_display_name_valid CHECK (((char_length(display_name) >= 1) AND (char_length(display_name) <= 255))),
    CONSTRAINT users_email_valid CHECK (((char_length(email) >= 3) AND (char_length(email) <= 320))),
    CONSTRAINT users_role_valid CHECK ((role = ANY (ARRAY['member'::text, 'pipeline_admin'::text, 'admin'::text]))),
    CONSTRAINT users_times_bounded CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '2200-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT users_username_valid CHECK ((((char_length(username) >= 1) AND (char_length(username) <= 100)) AND (username !~ '[^A-Za-z0-9_.@-]'::text)))
)
WITH (fillfactor='85');

COMMENT ON COLUMN public.users.display_name_key IS 'display_name, normalised and case-folded by the service; NULL without one';

COMMENT ON COLUMN public.users.email_key IS 'email, normalised and case-folded by the service; NULL without one';

CREATE FUNCTION public.delete_user(of_organization uuid, deleted uuid) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    BEGIN ATOMIC
 WITH gone AS (
          DELETE FROM public.users u
           WHERE ((u.organization_id = delete_user.of_organization) AND (u.id = delete_user.deleted))
           RETURNING u.organization_id,
             u.id,
             u.username
         )
  INSERT INTO public.deleted_users (organization_id, id, username)  SELECT g.organization_id,
             g.id,
             g.username
            FROM gone g;
END;

CREATE FUNCTION public.end_tokens_of_link() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    DELETE FROM tokens t WHERE t.organization_id = OLD.organization_id AND t.link_id = OLD.id;
    RETURN NULL;
END $$;

CREATE FUNCTION public.follow_group(organization uuid, followed uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF is_first_in_a_row('group', organization, followed) THEN
        UPDATE groups g SET revision = next_revision() WHERE g.organization_id = organization AND g.id = followed;
        IF NOT FOUND THEN
            PERFORM bump_members(ARRAY[organization], ARRAY[followed]);
        END IF;
    END IF;
END $$;

CREATE FUNCTION public.follow_group_grant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM follow_group(OLD.organization_id, OLD.group_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM FROM pipelines p WHERE p.organization_id = NEW.organization_id AND p.id = NEW.pipeline_id FOR SHARE;
        PERFORM follow_group(NEW.organization_id, NEW.group_id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION public.follow_membership() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM follow_user(OLD.organization_id, OLD.user_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM follow_user(NEW.organization_id, NEW.user_id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION public.follow_pipeline() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    organization CONSTANT uuid := COALESCE(NEW.organization_id, OLD.organization_id);
    pipeline CONSTANT uuid := COALESCE(NEW.id, OLD.id);
BEGIN
    IF TG_OP = 'INSERT' AND is_first_in_a_row('organization', organization, organization) THEN
        UPDATE organizations o SET revision = next_revision() WHERE o.id = organization;
    END IF;
    IF EXISTS (SELECT FROM grants g WHERE g.organization_id = organization AND g.pipeline_id = pipeline)
       OR NOT EXISTS (SELECT FROM organizations o WHERE o.id = organization)
    THEN
        PERFORM bump_viewers(ARRAY[organization], ARRAY[pipeline]);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION public.follow_user(organization uuid, followed uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF is_first_in_a_row('user', organization, followed) THEN
        UPDATE users u SET revision = next_revision() WHERE u.organization_id = organization AND u.id = followed;
    END IF;
END $$;

CREATE FUNCTION public.follow_user_grant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM follow_user(OLD.organization_id, OLD.user_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM FROM pipelines p WHERE p.organization_id = NEW.organization_id AND p.id = NEW.pipeline_id FOR SHARE;
        PERFORM follow_user(NEW.organization_id, NEW.user_id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION public.held_by_many(organization_ids uuid[], pipeline_ids uuid[]) RETURNS TABLE(organization_id uuid, many_users boolean, many_groups boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    most CONSTANT bigint := max_holders_bumped();
BEGIN
    RETURN QUERY
    SELECT o.id, sum(held.users) > most, sum(held.groups) > most
    FROM (SELECT DISTINCT p.organization_id, p.id FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)) p
    JOIN organizations o ON o.id = p.organization_id
    CROSS JOIN LATERAL (
        SELECT (
            SELECT count(*) FROM (
                SELECT FROM user_grants ug WHERE ug.organization_id = p.organization_id AND ug.pipeline_id = p.id
                LIMIT most + 1
            ) counted
        ) AS users, (
            SELECT count(*) FROM (
                SELECT FROM group_grants gg WHERE gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
                LIMIT most + 1
            ) counted
        ) AS groups
    ) held
    GROUP BY o.id;
END $$;

CREATE FUNCTION public.hold_organization(held uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM 1 FROM organizations o WHERE o.id = held FOR NO KEY UPDATE;
END $$;

CREATE FUNCTION public.hold_pipelines() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM 1 FROM pipelines p
    WHERE (p.organization_id, p.id) IN (SELECT c.organization_id, c.pipeline_id FROM changed c)
    ORDER BY p.organization_id, p.id FOR SHARE;
    RETURN NULL;
END $$;

CREATE FUNCTION public.is_first_in_a_row(kind text, organization_id uuid, id uuid) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    setting CONSTANT text := 'flow_pipelines.last_' || kind;
    key CONSTANT text := concat_ws(' ', pg_current_xact_id(), organization_id, id);
BEGIN
    IF current_setting(setting, true) = key THEN
        RETURN false;
    END IF;
    PERFORM set_config(setting, key, true);
    RETURN true;
END $$;

CREATE FUNCTION public.is_held_by_many_groups(organization uuid, pipeline uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
    SELECT count(*) > max_holders_bumped() FROM (
        SELECT FROM group_grants gg WHERE gg.organization_id = organization AND gg.pipeline_id = pipeline
        LIMIT max_holders_bumped() + 1
    ) counted
$$;

CREATE FUNCTION public.is_held_by_many_users(organization uuid, pipeline uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
    SELECT count(*) > max_holders_bumped() FROM (
        SELECT FROM user_grants ug WHERE ug.organization_id = organization AND ug.pipeline_id = pipeline
        LIMIT max_holders_bumped() + 1
    ) counted
$$;

CREATE FUNCTION public.keep_token_ended() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL)
       OR (OLD.expires_at IS NOT NULL AND NEW.expires_at IS NULL) OR NEW.expires_at > OLD.expires_at
    THEN
        RAISE insufficient_privilege USING MESSAGE = 'a token that has ended stays so, and none is prolonged: make another';
    END IF;
    IF OLD.link_id IS NOT NULL AND NEW.link_id IS DISTINCT FROM OLD.link_id THEN
        RAISE insufficient_privilege USING MESSAGE = 'a token ends with the link by which it was made, and goes with no other';
    END IF;
    NEW.revoked_at := COALESCE(OLD.revoked_at, CASE WHEN NEW.revoked_at IS NOT NULL THEN now() END);
    RETURN NEW;
END $$;

CREATE FUNCTION public.make_audit_months() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '300ms'
    AS $$
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

CREATE FUNCTION public.max_holders_bumped() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM schema_migrations WHERE needs >= 33) THEN 1000 ELSE 2::bigint ^ 62 END
$$;

COMMENT ON FUNCTION public.max_holders_bumped() IS 'the users, and the groups, with a grant on a pipeline up to which each gets a new revision';

CREATE FUNCTION public.merkle_root(leaves bytea) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION public.note_timeline() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
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

CREATE FUNCTION public.release_grants() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF is_held_by_many_groups(OLD.organization_id, OLD.id) THEN
        RETURN OLD;
    END IF;
    PERFORM 1 FROM groups g
    WHERE g.organization_id = OLD.organization_id
      AND g.id IN (SELECT gg.group_id FROM group_grants gg WHERE gg.organization_id = OLD.organization_id AND gg.pipeline_id = OLD.id)
    ORDER BY g.id FOR NO KEY UPDATE;
    DELETE FROM group_grants gg WHERE gg.organization_id = OLD.organization_id AND gg.pipeline_id = OLD.id;
    RETURN OLD;
END $$;

CREATE FUNCTION public.reserve_username() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (
        SELECT FROM deleted_users d
        WHERE d.organization_id = NEW.organization_id AND lower(d.username) = lower(NEW.username) AND d.id <> NEW.id
    ) THEN
        RAISE unique_violation USING
            CONSTRAINT = 'deleted_users_username_unique', TABLE = 'deleted_users', SCHEMA = 'public',
            MESSAGE = format('the username %s was that of a user who was deleted', NEW.username);
    END IF;
    DELETE FROM deleted_users d WHERE d.organization_id = NEW.organization_id AND d.id = NEW.id;
    RETURN NULL;
END $$;

CREATE TABLE public.assignments (
    organization_id uuid NOT NULL,
    job_id text NOT NULL COLLATE pg_catalog."C",
    pipeline_id uuid NOT NULL,
    "position" integer NOT NULL,
    assigned_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT assignments_times_bounded CHECK (((assigned_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (assigned_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
);

COMMENT ON COLUMN public.assignments."position" IS 'the place of the pipeline in the job''s own order, ascending, not necessarily without gaps';

CREATE TABLE public.audit_archives (
    month text NOT NULL COLLATE pg_catalog."C",
    partition text NOT NULL COLLATE pg_catalog."C",
    ids int8multirange NOT NULL,
    entries bigint NOT NULL,
    manifest_sha256 bytea NOT NULL,
    archived_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT audit_archives_times_bounded CHECK (((archived_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (archived_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
);

COMMENT ON COLUMN public.audit_archives.ids IS 'the numbers of the entries that the archive has';

COMMENT ON COLUMN public.audit_archives.manifest_sha256 IS 'of the file manifest.json, which has the hashes of the others';

CREATE SEQUENCE public.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.audit_id_seq OWNED BY public.audit.id;

CREATE TABLE public.audit_seals (
    number bigint NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    epoch text NOT NULL COLLATE pg_catalog."C",
    snapshot text NOT NULL COLLATE pg_catalog."C",
    ids int8multirange NOT NULL,
    leaves bytea NOT NULL,
    root bytea NOT NULL,
    previous bytea NOT NULL,
    chain bytea NOT NULL,
    CONSTRAINT audit_seals_times_bounded CHECK (((sealed_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (sealed_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
);
ALTER TABLE ONLY public.audit_seals ALTER COLUMN leaves SET STORAGE EXTERNAL;

COMMENT ON COLUMN public.audit_seals.epoch IS 'the database whose transaction numbers the snapshot has';

COMMENT ON COLUMN public.audit_seals.snapshot IS 'every transaction that it sees is sealed by this seal or one before';

COMMENT ON COLUMN public.audit_seals.leaves IS 'the hashes of the entries, 32 bytes each, in the order of their ids';

COMMENT ON COLUMN public.audit_seals.chain IS 'the hash of the previous chain and of all that this seal says';

CREATE TABLE public.group_grants (
    organization_id uuid NOT NULL,
    group_id uuid NOT NULL,
    pipeline_id uuid NOT NULL,
    access smallint NOT NULL,
    expires_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT group_grants_include_read CHECK ((((access >= 1) AND (access <= 63)) AND (((access)::integer & 1) = 1))),
    CONSTRAINT group_grants_times_bounded CHECK (((expires_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (expires_at < '2200-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
);

CREATE TABLE public.user_grants (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    pipeline_id uuid NOT NULL,
    access smallint NOT NULL,
    expires_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT user_grants_include_read CHECK ((((access >= 1) AND (access <= 63)) AND (((access)::integer & 1) = 1))),
    CONSTRAINT user_grants_times_bounded CHECK (((expires_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (expires_at < '2200-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
);

CREATE VIEW public.grants AS
 SELECT user_grants.organization_id,
    user_grants.pipeline_id,
    user_grants.user_id,
    NULL::uuid AS group_id,
    user_grants.access,
    user_grants.expires_at,
    user_grants.updated_at
   FROM public.user_grants
UNION ALL
 SELECT group_grants.organization_id,
    group_grants.pipeline_id,
    NULL::uuid AS user_id,
    group_grants.group_id,
    group_grants.access,
    group_grants.expires_at,
    group_grants.updated_at
   FROM public.group_grants;

CREATE TABLE public.groups (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    revision bigint DEFAULT public.next_revision() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT groups_name_valid CHECK ((((char_length(name) >= 1) AND (char_length(name) <= 100)) AND (name !~ '[^A-Za-z0-9_.@-]'::text))),
    CONSTRAINT groups_times_bounded CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
)
WITH (fillfactor='85');

CREATE TABLE public.identity_links (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    issuer text NOT NULL COLLATE pg_catalog."C",
    subject text NOT NULL COLLATE pg_catalog."C",
    secret bytea DEFAULT sha256((uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    CONSTRAINT identity_links_issuer_valid CHECK (((char_length(issuer) >= 1) AND (char_length(issuer) <= 500))),
    CONSTRAINT identity_links_secret_is_sha256 CHECK ((octet_length(secret) = 32)),
    CONSTRAINT identity_links_subject_valid CHECK (((char_length(subject) >= 1) AND (char_length(subject) <= 255))),
    CONSTRAINT identity_links_times_bounded CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '2200-01-01 00:00:00+00'::timestamp with time zone) AND (last_used_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (last_used_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
)
WITH (fillfactor='85');

COMMENT ON COLUMN public.identity_links.secret IS 'signs the page tokens of whoever comes by the link, whose own tokens change every few minutes';

CREATE TABLE public.jobs (
    organization_id uuid NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    owner_id uuid NOT NULL,
    name text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revision bigint DEFAULT 0 NOT NULL,
    CONSTRAINT jobs_id_valid CHECK ((((char_length(id) >= 1) AND (char_length(id) <= 128)) AND (id !~ '[^A-Za-z0-9_.:-]'::text) AND (id <> 'pipelines'::text))),
    CONSTRAINT jobs_name_valid CHECK ((char_length(name) <= 255)),
    CONSTRAINT jobs_times_bounded CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
)
WITH (fillfactor='85');

COMMENT ON COLUMN public.jobs.revision IS 'how often its set of pipelines was replaced; changes only while the job is locked';

CREATE TABLE public.memberships (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    group_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT memberships_times_bounded CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
);

CREATE TABLE public.organizations (
    id uuid NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    revision bigint DEFAULT public.next_revision() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    members_revision bigint DEFAULT public.next_revision() NOT NULL,
    CONSTRAINT organizations_name_valid CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255))),
    CONSTRAINT organizations_times_bounded CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
);

COMMENT ON COLUMN public.organizations.revision IS 'of what its administrators see: drawn anew when a pipeline comes, goes or is renamed';

CREATE TABLE public.pipelines (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    name_key text NOT NULL COLLATE pg_catalog."C",
    description text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pipelines_description_valid CHECK ((char_length(description) <= 10000)),
    CONSTRAINT pipelines_name_valid CHECK ((((char_length(name) >= 1) AND (char_length(name) <= 255)) AND (name !~ '[\x01-\x1f\x7f]'::text))),
    CONSTRAINT pipelines_times_bounded CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '2200-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
);

COMMENT ON COLUMN public.pipelines.name_key IS 'name, normalised and case-folded by the service (the database folds only ASCII in every locale)';

CREATE TABLE public.provisioned_groups (
    organization_id uuid NOT NULL,
    group_id uuid NOT NULL,
    external_id text COLLATE pg_catalog."C",
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT provisioned_groups_external_id_valid CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 255))),
    CONSTRAINT provisioned_groups_times_bounded CHECK (((changed_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (changed_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
);

CREATE TABLE public.provisioned_users (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    external_id text COLLATE pg_catalog."C",
    gives_role boolean DEFAULT false NOT NULL,
    deprovisioned boolean DEFAULT false NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT provisioned_users_external_id_valid CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 255))),
    CONSTRAINT provisioned_users_times_bounded CHECK (((changed_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (changed_at < '2200-01-01 00:00:00+00'::timestamp with time zone)))
);

COMMENT ON COLUMN public.provisioned_users.gives_role IS 'true once provisioning has said which role they have: from then on it alone changes that';

COMMENT ON COLUMN public.provisioned_users.deprovisioned IS 'true once the identity provider has deleted them: nothing manages them, and while they are disabled it sees them no more';

CREATE SEQUENCE public.revisions
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

COMMENT ON SEQUENCE public.revisions IS 'of former versions: nothing is drawn from it any more';

CREATE TABLE public.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    needs integer DEFAULT 0 NOT NULL
);

CREATE TABLE public.timelines (
    system bigint NOT NULL,
    timeline bigint NOT NULL,
    begins pg_lsn
);

COMMENT ON COLUMN public.timelines.system IS 'the identifier of the cluster: a dump brings rows of another one along';

COMMENT ON COLUMN public.timelines.begins IS 'the end of the log that was replayed before it; NULL: it is not known any more';

ALTER TABLE ONLY public.audit ALTER COLUMN id SET DEFAULT nextval('public.audit_id_seq'::regclass);

ALTER TABLE ONLY public.assignments
    ADD CONSTRAINT assignments_pkey PRIMARY KEY (organization_id, job_id, pipeline_id);

ALTER TABLE ONLY public.audit_archives
    ADD CONSTRAINT audit_archives_pkey PRIMARY KEY (month);

ALTER TABLE ONLY public.audit_seals
    ADD CONSTRAINT audit_seals_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.deleted_users
    ADD CONSTRAINT deleted_users_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.group_grants
    ADD CONSTRAINT group_grants_pkey PRIMARY KEY (organization_id, group_id, pipeline_id);

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.identity_links
    ADD CONSTRAINT identity_links_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (organization_id, user_id, group_id);

ALTER TABLE ONLY public.organizations
    ADD CONSTRAINT organizations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pipelines
    ADD CONSTRAINT pipelines_name_unique UNIQUE (organization_id, name_key);

ALTER TABLE ONLY public.pipelines
    ADD CONSTRAINT pipelines_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.provisioned_groups
    ADD CONSTRAINT provisioned_groups_pkey PRIMARY KEY (organization_id, group_id);

ALTER TABLE ONLY public.provisioned_users
    ADD CONSTRAINT provisioned_users_pkey PRIMARY KEY (organization_id, user_id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.timelines
    ADD CONSTRAINT timelines_pkey PRIMARY KEY (system, timeline);

ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_digest_unique UNIQUE (digest);

ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.user_grants
    ADD CONSTRAINT user_grants_pkey PRIMARY KEY (organization_id, user_id, pipeline_id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (organization_id, id);

CREATE INDEX assignments_by_pipeline ON public.assignments USING btree (organization_id, pipeline_id, assigned_at, job_id);

CREATE INDEX audit_by_target_and_time ON ONLY public.audit USING btree (organization_id, target, at, id);

CREATE INDEX audit_by_time ON ONLY public.audit USING btree (organization_id, at, id);

CREATE INDEX audit_by_transaction ON ONLY public.audit USING btree (transaction_id, id) WHERE (transaction_id IS NOT NULL);

CREATE INDEX audit_seals_by_ids ON public.audit_seals USING gist (ids);

CREATE UNIQUE INDEX deleted_users_username_unique ON public.deleted_users USING btree (organization_id, lower(username));

CREATE INDEX group_grants_by_pipeline ON public.group_grants USING btree (organization_id, pipeline_id);

CREATE UNIQUE INDEX groups_name_unique ON public.groups USING btree (organization_id, lower(name));

CREATE INDEX identity_links_by_user ON public.identity_links USING btree (organization_id, user_id, created_at, id);

CREATE UNIQUE INDEX identity_links_identity_unique ON public.identity_links USING btree (issuer, subject, organization_id);

CREATE INDEX jobs_by_age ON public.jobs USING btree (organization_id, created_at, id);

CREATE INDEX jobs_by_owner ON public.jobs USING btree (organization_id, owner_id, created_at);

CREATE INDEX memberships_by_group ON public.memberships USING btree (organization_id, group_id, user_id);

CREATE INDEX pipelines_by_name ON public.pipelines USING btree (organization_id, name, id);

CREATE INDEX provisioned_groups_by_external_id ON public.provisioned_groups USING btree (organization_id, external_id);

CREATE INDEX provisioned_users_by_external_id ON public.provisioned_users USING btree (organization_id, external_id);

CREATE INDEX tokens_by_age ON public.tokens USING btree (organization_id, created_at, id) WHERE (revoked_at IS NULL);

CREATE INDEX tokens_by_link ON public.tokens USING btree (organization_id, link_id) WHERE (link_id IS NOT NULL);

CREATE INDEX tokens_by_parent ON public.tokens USING btree (organization_id, parent_id) WHERE (parent_id IS NOT NULL);

CREATE INDEX tokens_by_user ON public.tokens USING btree (organization_id, user_id, created_at, id);

CREATE INDEX user_grants_by_pipeline ON public.user_grants USING btree (organization_id, pipeline_id);

CREATE INDEX users_administrators ON public.users USING btree (organization_id) WHERE ((role = 'admin'::text) AND (NOT disabled));

CREATE UNIQUE INDEX users_username_unique ON public.users USING btree (organization_id, lower(username));

CREATE TRIGGER a_hold_on_insert AFTER INSERT ON public.group_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.hold_pipelines();

ALTER TABLE public.group_grants ENABLE ALWAYS TRIGGER a_hold_on_insert;

CREATE TRIGGER a_hold_on_insert AFTER INSERT ON public.user_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.hold_pipelines();

ALTER TABLE public.user_grants ENABLE ALWAYS TRIGGER a_hold_on_insert;

CREATE TRIGGER a_hold_on_update AFTER UPDATE ON public.group_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.hold_pipelines();

ALTER TABLE public.group_grants ENABLE ALWAYS TRIGGER a_hold_on_update;

CREATE TRIGGER a_hold_on_update AFTER UPDATE ON public.user_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.hold_pipelines();

ALTER TABLE public.user_grants ENABLE ALWAYS TRIGGER a_hold_on_update;

CREATE TRIGGER attest_on_insert BEFORE INSERT ON public.audit FOR EACH ROW EXECUTE FUNCTION public.attest_audit_row();

ALTER TABLE public.audit ENABLE ALWAYS TRIGGER attest_on_insert;

CREATE TRIGGER attest_seal_on_insert BEFORE INSERT ON public.audit_seals FOR EACH ROW WHEN ((NOT has_table_privilege('public.audit_seals'::text, 'UPDATE'::text))) EXECUTE FUNCTION public.attest_seal();

ALTER TABLE public.audit_seals ENABLE ALWAYS TRIGGER attest_seal_on_insert;

CREATE TRIGGER bump_holders_on_rename AFTER UPDATE ON public.pipelines FOR EACH ROW WHEN ((((old.organization_id IS DISTINCT FROM new.organization_id) OR (old.id IS DISTINCT FROM new.id)) OR (old.name IS DISTINCT FROM new.name))) EXECUTE FUNCTION public.bump_holders();

ALTER TABLE public.pipelines ENABLE REPLICA TRIGGER bump_holders_on_rename;

CREATE TRIGGER bump_left_behind_on_delete AFTER DELETE ON public.groups FOR EACH ROW EXECUTE FUNCTION public.bump_left_behind();

ALTER TABLE public.groups ENABLE ALWAYS TRIGGER bump_left_behind_on_delete;

CREATE TRIGGER bump_left_behind_on_delete AFTER DELETE ON public.organizations FOR EACH ROW EXECUTE FUNCTION public.bump_left_behind();

ALTER TABLE public.organizations ENABLE ALWAYS TRIGGER bump_left_behind_on_delete;

CREATE TRIGGER bump_left_behind_on_update AFTER UPDATE ON public.groups FOR EACH ROW WHEN (((old.organization_id IS DISTINCT FROM new.organization_id) OR (old.id IS DISTINCT FROM new.id))) EXECUTE FUNCTION public.bump_left_behind();

ALTER TABLE public.groups ENABLE ALWAYS TRIGGER bump_left_behind_on_update;

CREATE TRIGGER bump_left_behind_on_update AFTER UPDATE ON public.organizations FOR EACH ROW WHEN ((old.id IS DISTINCT FROM new.id)) EXECUTE FUNCTION public.bump_left_behind();

ALTER TABLE public.organizations ENABLE ALWAYS TRIGGER bump_left_behind_on_update;

CREATE TRIGGER bump_on_delete AFTER DELETE ON public.group_grants REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_groups();

ALTER TABLE public.group_grants ENABLE ALWAYS TRIGGER bump_on_delete;

CREATE TRIGGER bump_on_delete AFTER DELETE ON public.memberships REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_users();

ALTER TABLE public.memberships ENABLE ALWAYS TRIGGER bump_on_delete;

CREATE TRIGGER bump_on_delete BEFORE DELETE ON public.pipelines FOR EACH ROW EXECUTE FUNCTION public.bump_organization_of_row();

ALTER TABLE public.pipelines ENABLE ALWAYS TRIGGER bump_on_delete;

CREATE TRIGGER bump_on_delete AFTER DELETE ON public.user_grants REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_users();

ALTER TABLE public.user_grants ENABLE ALWAYS TRIGGER bump_on_delete;

CREATE TRIGGER bump_on_insert AFTER INSERT ON public.group_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_groups();

ALTER TABLE public.group_grants ENABLE ALWAYS TRIGGER bump_on_insert;

CREATE TRIGGER bump_on_insert BEFORE INSERT ON public.groups FOR EACH ROW EXECUTE FUNCTION public.bump_self();

ALTER TABLE public.groups ENABLE ALWAYS TRIGGER bump_on_insert;

CREATE TRIGGER bump_on_insert AFTER INSERT ON public.memberships REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_users();

ALTER TABLE public.memberships ENABLE ALWAYS TRIGGER bump_on_insert;

CREATE TRIGGER bump_on_insert BEFORE INSERT ON public.organizations FOR EACH ROW EXECUTE FUNCTION public.bump_organization();

ALTER TABLE public.organizations ENABLE ALWAYS TRIGGER bump_on_insert;

CREATE TRIGGER bump_on_insert AFTER INSERT ON public.pipelines REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_organizations();

ALTER TABLE public.pipelines ENABLE ALWAYS TRIGGER bump_on_insert;

CREATE TRIGGER bump_on_insert AFTER INSERT ON public.user_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_users();

ALTER TABLE public.user_grants ENABLE ALWAYS TRIGGER bump_on_insert;

CREATE TRIGGER bump_on_insert BEFORE INSERT ON public.users FOR EACH ROW EXECUTE FUNCTION public.bump_self();

ALTER TABLE public.users ENABLE ALWAYS TRIGGER bump_on_insert;

CREATE TRIGGER bump_on_rename AFTER UPDATE ON public.pipelines REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION public.bump_renamed();

ALTER TABLE public.pipelines ENABLE ALWAYS TRIGGER bump_on_rename;

CREATE TRIGGER bump_on_truncate AFTER TRUNCATE ON public.group_grants FOR EACH STATEMENT EXECUTE FUNCTION public.bump_everybody();

ALTER TABLE public.group_grants ENABLE ALWAYS TRIGGER bump_on_truncate;

CREATE TRIGGER bump_on_truncate AFTER TRUNCATE ON public.memberships FOR EACH STATEMENT EXECUTE FUNCTION public.bump_everybody();

ALTER TABLE public.memberships ENABLE ALWAYS TRIGGER bump_on_truncate;

CREATE TRIGGER bump_on_truncate AFTER TRUNCATE ON public.pipelines FOR EACH STATEMENT EXECUTE FUNCTION public.bump_everybody();

ALTER TABLE public.pipelines ENABLE ALWAYS TRIGGER bump_on_truncate;

CREATE TRIGGER bump_on_truncate AFTER TRUNCATE ON public.user_grants FOR EACH STATEMENT EXECUTE FUNCTION public.bump_everybody();

ALTER TABLE public.user_grants ENABLE ALWAYS TRIGGER bump_on_truncate;

CREATE TRIGGER bump_on_update BEFORE UPDATE ON public.groups FOR EACH ROW WHEN ((((old.organization_id IS DISTINCT FROM new.organization_id) OR (old.id IS DISTINCT FROM new.id)) OR (old.revision IS DISTINCT FROM new.revision))) EXECUTE FUNCTION public.bump_self();

ALTER TABLE public.groups ENABLE ALWAYS TRIGGER bump_on_update;

CREATE TRIGGER bump_on_update BEFORE UPDATE ON public.organizations FOR EACH ROW WHEN ((((old.id IS DISTINCT FROM new.id) OR (old.revision IS DISTINCT FROM new.revision)) OR (old.members_revision IS DISTINCT FROM new.members_revision))) EXECUTE FUNCTION public.bump_organization();

ALTER TABLE public.organizations ENABLE ALWAYS TRIGGER bump_on_update;

CREATE TRIGGER bump_on_update BEFORE UPDATE ON public.users FOR EACH ROW WHEN ((((((old.organization_id IS DISTINCT FROM new.organization_id) OR (old.id IS DISTINCT FROM new.id)) OR (old.revision IS DISTINCT FROM new.revision)) OR (old.role IS DISTINCT FROM new.role)) OR (old.disabled IS DISTINCT FROM new.disabled))) EXECUTE FUNCTION public.bump_self();

ALTER TABLE public.users ENABLE ALWAYS TRIGGER bump_on_update;

CREATE TRIGGER bump_on_update_from AFTER UPDATE ON public.group_grants REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_groups();

ALTER TABLE public.group_grants ENABLE ALWAYS TRIGGER bump_on_update_from;

CREATE TRIGGER bump_on_update_from AFTER UPDATE ON public.memberships REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_users();

ALTER TABLE public.memberships ENABLE ALWAYS TRIGGER bump_on_update_from;

CREATE TRIGGER bump_on_update_from AFTER UPDATE ON public.user_grants REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_users();

ALTER TABLE public.user_grants ENABLE ALWAYS TRIGGER bump_on_update_from;

CREATE TRIGGER bump_on_update_to AFTER UPDATE ON public.group_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_groups();

ALTER TABLE public.group_grants ENABLE ALWAYS TRIGGER bump_on_update_to;

CREATE TRIGGER bump_on_update_to AFTER UPDATE ON public.memberships REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_users();

ALTER TABLE public.memberships ENABLE ALWAYS TRIGGER bump_on_update_to;

CREATE TRIGGER bump_on_update_to AFTER UPDATE ON public.user_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_users();

ALTER TABLE public.user_grants ENABLE ALWAYS TRIGGER bump_on_update_to;

CREATE TRIGGER bump_viewers_on_delete AFTER DELETE ON public.pipelines REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_holders_of_changed();

ALTER TABLE public.pipelines ENABLE ALWAYS TRIGGER bump_viewers_on_delete;

CREATE TRIGGER bump_viewers_on_insert AFTER INSERT ON public.pipelines REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.bump_holders_of_changed();

ALTER TABLE public.pipelines ENABLE ALWAYS TRIGGER bump_viewers_on_insert;

CREATE TRIGGER date_change BEFORE UPDATE ON public.provisioned_groups FOR EACH ROW WHEN ((NOT has_table_privilege('public.provisioned_groups'::text, 'UPDATE'::text))) EXECUTE FUNCTION public.date_change();

ALTER TABLE public.provisioned_groups ENABLE ALWAYS TRIGGER date_change;

CREATE TRIGGER date_change BEFORE UPDATE ON public.provisioned_users FOR EACH ROW WHEN ((NOT has_table_privilege('public.provisioned_users'::text, 'UPDATE'::text))) EXECUTE FUNCTION public.date_change();

ALTER TABLE public.provisioned_users ENABLE ALWAYS TRIGGER date_change;

CREATE TRIGGER date_update BEFORE UPDATE ON public.group_grants FOR EACH ROW WHEN ((NOT has_table_privilege('public.group_grants'::text, 'UPDATE'::text))) EXECUTE FUNCTION public.date_update();

ALTER TABLE public.group_grants ENABLE ALWAYS TRIGGER date_update;

CREATE TRIGGER date_update BEFORE UPDATE ON public.pipelines FOR EACH ROW WHEN ((NOT has_table_privilege('public.pipelines'::text, 'UPDATE'::text))) EXECUTE FUNCTION public.date_update();

ALTER TABLE public.pipelines ENABLE ALWAYS TRIGGER date_update;

CREATE TRIGGER date_update BEFORE UPDATE ON public.user_grants FOR EACH ROW WHEN ((NOT has_table_privilege('public.user_grants'::text, 'UPDATE'::text))) EXECUTE FUNCTION public.date_update();

ALTER TABLE public.user_grants ENABLE ALWAYS TRIGGER date_update;

CREATE TRIGGER date_use BEFORE UPDATE OF last_used_at ON public.identity_links FOR EACH ROW WHEN ((NOT has_table_privilege('public.identity_links'::text, 'UPDATE'::text))) EXECUTE FUNCTION public.date_use();

ALTER TABLE public.identity_links ENABLE ALWAYS TRIGGER date_use;

CREATE TRIGGER date_use BEFORE UPDATE OF last_used_at ON public.tokens FOR EACH ROW WHEN ((NOT has_table_privilege('public.tokens'::text, 'UPDATE'::text))) EXECUTE FUNCTION public.date_use();

ALTER TABLE public.tokens ENABLE ALWAYS TRIGGER date_use;

CREATE TRIGGER end_tokens_on_delete AFTER DELETE ON public.identity_links FOR EACH ROW EXECUTE FUNCTION public.end_tokens_of_link();

ALTER TABLE public.identity_links ENABLE ALWAYS TRIGGER end_tokens_on_delete;

CREATE TRIGGER follow_replicated AFTER INSERT OR DELETE OR UPDATE ON public.group_grants FOR EACH ROW EXECUTE FUNCTION public.follow_group_grant();

ALTER TABLE public.group_grants ENABLE REPLICA TRIGGER follow_replicated;

CREATE TRIGGER follow_replicated AFTER INSERT OR DELETE OR UPDATE ON public.memberships FOR EACH ROW EXECUTE FUNCTION public.follow_membership();

ALTER TABLE public.memberships ENABLE REPLICA TRIGGER follow_replicated;

CREATE TRIGGER follow_replicated AFTER INSERT OR DELETE ON public.pipelines FOR EACH ROW EXECUTE FUNCTION public.follow_pipeline();

ALTER TABLE public.pipelines ENABLE REPLICA TRIGGER follow_replicated;

CREATE TRIGGER follow_replicated AFTER INSERT OR DELETE OR UPDATE ON public.user_grants FOR EACH ROW EXECUTE FUNCTION public.follow_user_grant();

ALTER TABLE public.user_grants ENABLE REPLICA TRIGGER follow_replicated;

CREATE TRIGGER keep_ended_on_update BEFORE UPDATE OF revoked_at, expires_at, link_id ON public.tokens FOR EACH ROW WHEN ((NOT has_table_privilege('public.tokens'::text, 'UPDATE'::text))) EXECUTE FUNCTION public.keep_token_ended();

ALTER TABLE public.tokens ENABLE ALWAYS TRIGGER keep_ended_on_update;

CREATE TRIGGER release_grants_on_delete BEFORE DELETE ON public.pipelines FOR EACH ROW EXECUTE FUNCTION public.release_grants();

CREATE TRIGGER reserve_on_insert AFTER INSERT ON public.users FOR EACH ROW EXECUTE FUNCTION public.reserve_username();

CREATE TRIGGER reserve_on_rename AFTER UPDATE OF username ON public.users FOR EACH ROW WHEN ((old.username IS DISTINCT FROM new.username)) EXECUTE FUNCTION public.reserve_username();

ALTER TABLE ONLY public.assignments
    ADD CONSTRAINT assignments_job_fkey FOREIGN KEY (organization_id, job_id) REFERENCES public.jobs(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.assignments
    ADD CONSTRAINT assignments_pipeline_fkey FOREIGN KEY (organization_id, pipeline_id) REFERENCES public.pipelines(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.deleted_users
    ADD CONSTRAINT deleted_users_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);

ALTER TABLE ONLY public.group_grants
    ADD CONSTRAINT group_grants_group_fkey FOREIGN KEY (organization_id, group_id) REFERENCES public.groups(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.group_grants
    ADD CONSTRAINT group_grants_pipeline_fkey FOREIGN KEY (organization_id, pipeline_id) REFERENCES public.pipelines(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);

ALTER TABLE ONLY public.identity_links
    ADD CONSTRAINT identity_links_user_fkey FOREIGN KEY (organization_id, user_id) REFERENCES public.users(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_owner_fkey FOREIGN KEY (organization_id, owner_id) REFERENCES public.users(organization_id, id);

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_group_fkey FOREIGN KEY (organization_id, group_id) REFERENCES public.groups(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_user_fkey FOREIGN KEY (organization_id, user_id) REFERENCES public.users(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.pipelines
    ADD CONSTRAINT pipelines_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);

ALTER TABLE ONLY public.provisioned_groups
    ADD CONSTRAINT provisioned_groups_group_fkey FOREIGN KEY (organization_id, group_id) REFERENCES public.groups(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.provisioned_users
    ADD CONSTRAINT provisioned_users_user_fkey FOREIGN KEY (organization_id, user_id) REFERENCES public.users(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_parent_fkey FOREIGN KEY (organization_id, parent_id) REFERENCES public.tokens(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_user_fkey FOREIGN KEY (organization_id, user_id) REFERENCES public.users(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.user_grants
    ADD CONSTRAINT user_grants_pipeline_fkey FOREIGN KEY (organization_id, pipeline_id) REFERENCES public.pipelines(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.user_grants
    ADD CONSTRAINT user_grants_user_fkey FOREIGN KEY (organization_id, user_id) REFERENCES public.users(organization_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);
