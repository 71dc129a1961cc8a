-- Revisions are drawn at random, so that equal ones mean equal state whatever the database went through. A sequence gives
-- values out again: on a standby that lacks the primary's tail, from an older copy of the data, after a reset.
--
-- 64 random bits, in the column as it is, so that versions before work on unchanged. No two revisions are compared but a
-- user's (with their groups', perhaps the organization's) and those that a process keeps of the same user, so a change goes
-- unnoticed with a chance of 2^-64 for each state that is kept: at a million changes a second, less than once in 500,000
-- years. uuid columns (2^-122) would take a new type in every statement, and a release in between; an epoch in front of a
-- sequence would have to be told of each promotion and restore. A draw takes 4.9 microseconds, from the sequence it took
-- 0.3 (100,000 each, in PostgreSQL 18); a change of a user's grant, with all of this file, 0.16 ms instead of 0.11.
--
-- jobs.revision stays a count: it is compared only within one statement, between its snapshot and its lock, and a
-- statement outlives neither the server nor its history.
--
-- And no way to change what is seen goes without a draw: triggers fire for every session_replication_role (which also
-- leaves foreign keys unchecked, so that grants may point to what is not there), on TRUNCATE, and for changed keys.
--
-- Bumps are made by their owner, for any role that may make the change, and with names looked up in these schemas alone:
-- pg_restore and the workers of logical replication look nothing up in public, and others could put tables of theirs ahead.

-- These tables are locked together, for milliseconds, in the order in which most writers come to them: those that began
-- end, and others wait at their first. In a block that is tried again, with short waits, as some come the other way: a
-- writer must neither be held up for long nor be the one that a deadlock ends.
DO $$ BEGIN
    FOR attempt IN 1..100 LOOP
        BEGIN
            SET LOCAL lock_timeout = '100ms';
            LOCK TABLE pipelines, user_grants, group_grants, memberships IN SHARE ROW EXCLUSIVE MODE;
            LOCK TABLE organizations, groups, users IN ACCESS EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.05 + random() / 10);
        END;
    END LOOP;
    RAISE lock_not_available;
END $$;

-- The first and the last 32 bits of a random UUID: it has none of its own in them.
CREATE FUNCTION next_revision() RETURNS bigint LANGUAGE sql VOLATILE
    RETURN ('x' || overlay(gen_random_uuid()::text PLACING '' FROM 9 FOR 20))::bit(64)::bigint;
COMMENT ON FUNCTION next_revision() IS 'a value that no revision has had';
COMMENT ON SEQUENCE revisions IS 'of former versions: nothing is drawn from it any more';

ALTER TABLE organizations ALTER COLUMN revision SET DEFAULT next_revision();
ALTER TABLE users ALTER COLUMN revision SET DEFAULT next_revision();
ALTER TABLE groups ALTER COLUMN revision SET DEFAULT next_revision();

-- Whatever a statement says that the revision be, such as one that copies rows from a backup: it is a new one.
CREATE OR REPLACE FUNCTION bump_self() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := public.next_revision();
    RETURN NEW;
END $$;

CREATE TRIGGER bump_on_insert BEFORE INSERT ON organizations FOR EACH ROW EXECUTE FUNCTION bump_self();
CREATE TRIGGER bump_on_insert BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION bump_self();
CREATE TRIGGER bump_on_insert BEFORE INSERT ON groups FOR EACH ROW EXECUTE FUNCTION bump_self();
CREATE TRIGGER bump_on_update BEFORE UPDATE ON organizations FOR EACH ROW
    WHEN ((OLD.id, OLD.revision) IS DISTINCT FROM (NEW.id, NEW.revision)) EXECUTE FUNCTION bump_self();
CREATE OR REPLACE TRIGGER bump_on_update BEFORE UPDATE ON users FOR EACH ROW
    WHEN ((OLD.organization_id, OLD.id, OLD.revision, OLD.role, OLD.disabled)
          IS DISTINCT FROM (NEW.organization_id, NEW.id, NEW.revision, NEW.role, NEW.disabled)) EXECUTE FUNCTION bump_self();
CREATE TRIGGER bump_on_update BEFORE UPDATE ON groups FOR EACH ROW
    WHEN ((OLD.organization_id, OLD.id, OLD.revision) IS DISTINCT FROM (NEW.organization_id, NEW.id, NEW.revision)) EXECUTE FUNCTION bump_self();

-- What is bumped is first locked, in the order of keys, and then updated by a statement of its own, which sees what was
-- waited for. One statement for both would go on to update the rows of its older snapshot, and wait in the queue of those
-- who wait for the very lock that it holds: a deadlock.
CREATE OR REPLACE FUNCTION bump_users() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM users u
    WHERE (u.organization_id, u.id) IN (SELECT c.organization_id, c.user_id FROM changed c)
    ORDER BY u.organization_id, u.id FOR NO KEY UPDATE;
    UPDATE users u SET revision = next_revision()
    WHERE (u.organization_id, u.id) IN (SELECT c.organization_id, c.user_id FROM changed c);
    RETURN NULL;
END $$;

-- The members of groups that are not there, two arrays side by side: they have no other revision that would tell.
CREATE FUNCTION bump_members(organization_ids uuid[], group_ids uuid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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

-- The administrators of organizations that are not there, for the same reason.
CREATE FUNCTION bump_administrators(organization_ids uuid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM users u
    WHERE u.organization_id = ANY (organization_ids) AND u.role <> 'member'
    ORDER BY u.organization_id, u.id FOR NO KEY UPDATE;
    UPDATE users u SET revision = next_revision()
    WHERE u.organization_id = ANY (organization_ids) AND u.role <> 'member';
END $$;

CREATE OR REPLACE FUNCTION bump_groups() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
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

ALTER FUNCTION hold_pipelines() SECURITY DEFINER;
ALTER FUNCTION hold_pipelines() SET search_path = pg_catalog, public, pg_temp;

CREATE OR REPLACE FUNCTION bump_organizations() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM organizations o
    WHERE o.id IN (SELECT c.organization_id FROM changed c)
    ORDER BY o.id FOR NO KEY UPDATE;
    UPDATE organizations o SET revision = next_revision()
    WHERE o.id IN (SELECT c.organization_id FROM changed c);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION bump_organization_of_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE organizations o SET revision = next_revision()
    WHERE o.id = least(OLD.organization_id, NEW.organization_id);
    IF OLD.organization_id <> NEW.organization_id THEN -- moved between two, which are locked in order
        UPDATE organizations o SET revision = next_revision()
        WHERE o.id = greatest(OLD.organization_id, NEW.organization_id);
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;

-- Everyone who holds a grant on these pipelines, two arrays side by side; the organizations are bumped by then.
CREATE FUNCTION bump_viewers(organization_ids uuid[], pipeline_ids uuid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM groups g
    WHERE (g.organization_id, g.id) IN (
        SELECT gg.organization_id, gg.group_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
    )
    ORDER BY g.organization_id, g.id FOR NO KEY UPDATE;
    UPDATE groups g SET revision = next_revision()
    WHERE (g.organization_id, g.id) IN (
        SELECT gg.organization_id, gg.group_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
    );
    PERFORM FROM users u
    WHERE (u.organization_id, u.id) IN (
        SELECT ug.organization_id, ug.user_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN user_grants ug ON ug.organization_id = p.organization_id AND ug.pipeline_id = p.id
    )
    ORDER BY u.organization_id, u.id FOR NO KEY UPDATE;
    UPDATE users u SET revision = next_revision()
    WHERE (u.organization_id, u.id) IN (
        SELECT ug.organization_id, ug.user_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN user_grants ug ON ug.organization_id = p.organization_id AND ug.pipeline_id = p.id
    );
    -- Apart, and only if there are any: together with the others they would make the planner read all users.
    PERFORM bump_members(array_agg(gg.organization_id), array_agg(gg.group_id))
    FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
    JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
    WHERE NOT EXISTS (SELECT FROM groups g WHERE g.organization_id = gg.organization_id AND g.id = gg.group_id)
    HAVING count(*) > 0;
    PERFORM bump_administrators(array_agg(p.organization_id))
    FROM unnest(organization_ids) p (organization_id)
    WHERE NOT EXISTS (SELECT FROM organizations o WHERE o.id = p.organization_id)
    HAVING count(*) > 0;
END $$;

-- Row by row, for changes of the name or the key: the viewers of the pipeline that it was, and of the one that it is.
CREATE OR REPLACE FUNCTION bump_holders() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM bump_viewers(ARRAY[OLD.organization_id, NEW.organization_id], ARRAY[OLD.id, NEW.id]);
    RETURN NULL;
END $$;

-- After all else of a statement: the cascade has taken the grants on what was deleted, and bumped who held them. What is
-- left are grants that the cascade was kept from, or that were there before their pipeline.
CREATE FUNCTION bump_holders_of_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM changed c JOIN grants g ON g.organization_id = c.organization_id AND g.pipeline_id = c.id)
       OR EXISTS (SELECT FROM changed c WHERE NOT EXISTS (SELECT FROM organizations o WHERE o.id = c.organization_id))
    THEN
        PERFORM bump_viewers(array_agg(c.organization_id), array_agg(c.id)) FROM changed c;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER bump_on_rename BEFORE UPDATE ON pipelines FOR EACH ROW
    WHEN ((OLD.organization_id, OLD.id, OLD.name) IS DISTINCT FROM (NEW.organization_id, NEW.id, NEW.name)) EXECUTE FUNCTION bump_organization_of_row();
CREATE OR REPLACE TRIGGER bump_holders_on_rename AFTER UPDATE ON pipelines FOR EACH ROW
    WHEN ((OLD.organization_id, OLD.id, OLD.name) IS DISTINCT FROM (NEW.organization_id, NEW.id, NEW.name)) EXECUTE FUNCTION bump_holders();
CREATE TRIGGER bump_viewers_on_insert AFTER INSERT ON pipelines REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_holders_of_changed();
CREATE TRIGGER bump_viewers_on_delete AFTER DELETE ON pipelines REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_holders_of_changed();

-- Who is left behind by a group or an organization that goes: without its revision, theirs would be those of before it came.
CREATE FUNCTION bump_left_behind() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'groups' THEN
        PERFORM bump_members(ARRAY[OLD.organization_id], ARRAY[OLD.id]);
    ELSE
        PERFORM bump_administrators(ARRAY[OLD.id]);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER bump_left_behind_on_delete AFTER DELETE ON groups FOR EACH ROW EXECUTE FUNCTION bump_left_behind();
CREATE TRIGGER bump_left_behind_on_update AFTER UPDATE ON groups FOR EACH ROW
    WHEN ((OLD.organization_id, OLD.id) IS DISTINCT FROM (NEW.organization_id, NEW.id)) EXECUTE FUNCTION bump_left_behind();
CREATE TRIGGER bump_left_behind_on_delete AFTER DELETE ON organizations FOR EACH ROW EXECUTE FUNCTION bump_left_behind();
CREATE TRIGGER bump_left_behind_on_update AFTER UPDATE ON organizations FOR EACH ROW
    WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE FUNCTION bump_left_behind();

-- TRUNCATE has no rows to tell whom it concerns, so it concerns all: each list is made at its user's own revision, too.
CREATE FUNCTION bump_everybody() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM users u ORDER BY u.organization_id, u.id FOR NO KEY UPDATE;
    UPDATE users u SET revision = next_revision();
    RETURN NULL;
END $$;

CREATE TRIGGER bump_on_truncate AFTER TRUNCATE ON pipelines FOR EACH STATEMENT EXECUTE FUNCTION bump_everybody();
CREATE TRIGGER bump_on_truncate AFTER TRUNCATE ON memberships FOR EACH STATEMENT EXECUTE FUNCTION bump_everybody();
CREATE TRIGGER bump_on_truncate AFTER TRUNCATE ON user_grants FOR EACH STATEMENT EXECUTE FUNCTION bump_everybody();
CREATE TRIGGER bump_on_truncate AFTER TRUNCATE ON group_grants FOR EACH STATEMENT EXECUTE FUNCTION bump_everybody();

DO $$
DECLARE
    named record;
BEGIN
    FOR named IN
        SELECT t.tgrelid::regclass AS relation, t.tgname AS name
        FROM pg_trigger t
        JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE NOT t.tgisinternal AND p.pronamespace = 'public'::regnamespace
          AND (p.proname LIKE 'bump\_%' OR p.proname = 'hold_pipelines')
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', named.relation, named.name);
    END LOOP;
END $$;
