-- A pipeline with very many holders is renamed or deleted by one new revision instead of one for each of them: a hundred
-- thousand rows took seconds, and whoever needed one of them waited. An organization has a second revision, which counts
-- for its members as the first one does for its administrators: what changes it, changes the list of any member.
--
--   a pipeline is renamed or deleted
--     to no more than max_holders_bumped() users  -> these, as before
--     to more of them                             -> the organization's members
--   and to groups likewise.
--
-- A list of a member is decided by the revisions of the user, of each of their groups and of the organization's members.
-- Versions that know no such revision would go on to answer lists of before: so it is only drawn where the database is
-- served by none of them, as a later migration says that is compatible from this one; or this one, of an empty database:
-- compatible-from: 0033 if there is no organization yet

-- Waited for in short turns: what waits for such a lock holds up all requests behind it.
DO $$ BEGIN
    FOR attempt IN 1..20 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '300ms', true);
            LOCK TABLE organizations IN ACCESS EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 20 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
END $$;

-- 0 where nothing was drawn yet, as a random value would take a new version of each row; it never comes back.
ALTER TABLE organizations ADD COLUMN members_revision bigint NOT NULL DEFAULT 0;
ALTER TABLE organizations ALTER COLUMN members_revision SET DEFAULT next_revision();

CREATE FUNCTION bump_organization() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.revision := next_revision();
    IF TG_OP = 'INSERT' OR (OLD.id, OLD.members_revision) IS DISTINCT FROM (NEW.id, NEW.members_revision) THEN
        NEW.members_revision := next_revision();
    END IF;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION bump_organization() FROM PUBLIC;

CREATE OR REPLACE TRIGGER bump_on_insert BEFORE INSERT ON organizations FOR EACH ROW EXECUTE FUNCTION bump_organization();
CREATE OR REPLACE TRIGGER bump_on_update BEFORE UPDATE ON organizations FOR EACH ROW
    WHEN ((OLD.id, OLD.revision, OLD.members_revision) IS DISTINCT FROM (NEW.id, NEW.revision, NEW.members_revision))
    EXECUTE FUNCTION bump_organization();
ALTER TABLE organizations ENABLE ALWAYS TRIGGER bump_on_insert;
ALTER TABLE organizations ENABLE ALWAYS TRIGGER bump_on_update;

CREATE FUNCTION max_holders_bumped() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM schema_migrations WHERE needs >= 33) THEN 1000 ELSE 2::bigint ^ 62 END
$$;
COMMENT ON FUNCTION max_holders_bumped() IS 'the users, and the groups, with a grant on a pipeline up to which each gets a new revision';
REVOKE EXECUTE ON FUNCTION max_holders_bumped() FROM PUBLIC;

-- Counts no further than it takes to tell.
CREATE FUNCTION is_held_by_many_users(organization uuid, pipeline uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(*) > max_holders_bumped() FROM (
        SELECT FROM user_grants ug WHERE ug.organization_id = organization AND ug.pipeline_id = pipeline
        LIMIT max_holders_bumped() + 1
    ) counted
$$;
REVOKE EXECUTE ON FUNCTION is_held_by_many_users(uuid, uuid) FROM PUBLIC;

CREATE FUNCTION is_held_by_many_groups(organization uuid, pipeline uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(*) > max_holders_bumped() FROM (
        SELECT FROM group_grants gg WHERE gg.organization_id = organization AND gg.pipeline_id = pipeline
        LIMIT max_holders_bumped() + 1
    ) counted
$$;
REVOKE EXECUTE ON FUNCTION is_held_by_many_groups(uuid, uuid) FROM PUBLIC;

-- As before, but for those who are very many: their organization's members. Where it is missing, nobody is.
CREATE OR REPLACE FUNCTION bump_viewers(organization_ids uuid[], pipeline_ids uuid[]) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    many_users boolean[];
    many_groups boolean[];
BEGIN
    SELECT array_agg(o.id IS NOT NULL AND is_held_by_many_users(p.organization_id, p.id) ORDER BY p.place),
           array_agg(o.id IS NOT NULL AND is_held_by_many_groups(p.organization_id, p.id) ORDER BY p.place)
    INTO many_users, many_groups
    FROM unnest(organization_ids, pipeline_ids) WITH ORDINALITY p (organization_id, id, place)
    LEFT JOIN organizations o ON o.id = p.organization_id;
    UPDATE organizations o SET members_revision = next_revision()
    WHERE o.id IN (
        SELECT p.organization_id
        FROM unnest(organization_ids, many_users, many_groups) p (organization_id, many_users, many_groups)
        WHERE p.many_users OR p.many_groups
    );
    PERFORM FROM groups g
    WHERE (g.organization_id, g.id) IN (
        SELECT gg.organization_id, gg.group_id
        FROM unnest(organization_ids, pipeline_ids, many_groups) p (organization_id, id, many)
        JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
        WHERE NOT p.many
    )
    ORDER BY g.organization_id, g.id FOR NO KEY UPDATE;
    UPDATE groups g SET revision = next_revision()
    WHERE (g.organization_id, g.id) IN (
        SELECT gg.organization_id, gg.group_id
        FROM unnest(organization_ids, pipeline_ids, many_groups) p (organization_id, id, many)
        JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
        WHERE NOT p.many
    );
    PERFORM FROM users u
    WHERE (u.organization_id, u.id) IN (
        SELECT ug.organization_id, ug.user_id
        FROM unnest(organization_ids, pipeline_ids, many_users) p (organization_id, id, many)
        JOIN user_grants ug ON ug.organization_id = p.organization_id AND ug.pipeline_id = p.id
        WHERE NOT p.many
    )
    ORDER BY u.organization_id, u.id FOR NO KEY UPDATE;
    UPDATE users u SET revision = next_revision()
    WHERE (u.organization_id, u.id) IN (
        SELECT ug.organization_id, ug.user_id
        FROM unnest(organization_ids, pipeline_ids, many_users) p (organization_id, id, many)
        JOIN user_grants ug ON ug.organization_id = p.organization_id AND ug.pipeline_id = p.id
        WHERE NOT p.many
    );
    -- Apart, and only if there are any: together with the others they would make the planner read all users.
    PERFORM bump_members(array_agg(gg.organization_id), array_agg(gg.group_id))
    FROM unnest(organization_ids, pipeline_ids, many_groups) p (organization_id, id, many)
    JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
    WHERE NOT p.many
      AND NOT EXISTS (SELECT FROM groups g WHERE g.organization_id = gg.organization_id AND g.id = gg.group_id)
    HAVING count(*) > 0;
    PERFORM bump_administrators(array_agg(p.organization_id))
    FROM unnest(organization_ids) p (organization_id)
    WHERE NOT EXISTS (SELECT FROM organizations o WHERE o.id = p.organization_id)
    HAVING count(*) > 0;
END $$;

-- The members of organizations, all at once, for grants on pipelines, two arrays side by side: if all of these are gone, so
-- that nothing can rest on what was granted. Returns whether that could be done.
CREATE FUNCTION bump_members_together(organization_ids uuid[], pipeline_ids uuid[]) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
REVOKE EXECUTE ON FUNCTION bump_members_together(uuid[], uuid[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION bump_users() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
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

CREATE OR REPLACE FUNCTION bump_groups() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
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

-- Of very many groups, none is locked: the cascade takes the grants, once the pipeline is gone.
CREATE OR REPLACE FUNCTION release_grants() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
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

-- Members, too, are left behind by an organization that goes: without its revisions, theirs would be those of before it came.
CREATE OR REPLACE FUNCTION bump_left_behind() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'groups' THEN
        PERFORM bump_members(ARRAY[OLD.organization_id], ARRAY[OLD.id]);
    ELSE
        PERFORM FROM users u WHERE u.organization_id = OLD.id ORDER BY u.id FOR NO KEY UPDATE;
        UPDATE users u SET revision = next_revision() WHERE u.organization_id = OLD.id;
    END IF;
    RETURN NULL;
END $$;
