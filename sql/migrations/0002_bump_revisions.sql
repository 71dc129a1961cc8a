-- What a user may see carries revisions, and the database itself draws new ones, so that no writer can forget to.
-- A user's list of pipelines is decided by the revisions of the user, of each of their groups and, for administrators, of
-- the organization: as long as these are equal, the list is (but for grants that expire, which readers must watch for).
--
--   memberships come or go           -> the users
--   a user's role or disabled        -> the user
--   grants come, change or go        -> the user, or the group
--   pipelines come, go, are renamed  -> the organization, and everyone who holds a grant on them
--
-- Locks are always taken in the order pipelines, organizations, groups, users, and within one table by key, so that two
-- changes wait for each other instead of deadlocking.

CREATE FUNCTION bump_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH concerned AS MATERIALIZED (
        SELECT u.organization_id, u.id FROM users u
        WHERE (u.organization_id, u.id) IN (SELECT c.organization_id, c.user_id FROM changed c)
        ORDER BY u.organization_id, u.id FOR NO KEY UPDATE
    )
    UPDATE users u SET revision = nextval('revisions') FROM concerned c
    WHERE u.organization_id = c.organization_id AND u.id = c.id;
    RETURN NULL;
END $$;

CREATE FUNCTION bump_groups() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH concerned AS MATERIALIZED (
        SELECT g.organization_id, g.id FROM groups g
        WHERE (g.organization_id, g.id) IN (SELECT c.organization_id, c.group_id FROM changed c)
        ORDER BY g.organization_id, g.id FOR NO KEY UPDATE
    )
    UPDATE groups g SET revision = nextval('revisions') FROM concerned c
    WHERE g.organization_id = c.organization_id AND g.id = c.id;
    RETURN NULL;
END $$;

-- A grant made while its pipeline is being renamed must not slip between the rename and its bump: wait for the other, or
-- make it wait. (The foreign key's own lock allows renames.) Named to run before the bumps: triggers run in name order.
CREATE FUNCTION hold_pipelines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM pipelines p
    WHERE (p.organization_id, p.id) IN (SELECT c.organization_id, c.pipeline_id FROM changed c)
    ORDER BY p.organization_id, p.id FOR SHARE;
    RETURN NULL;
END $$;

CREATE TRIGGER bump_on_insert AFTER INSERT ON memberships REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_users();
CREATE TRIGGER bump_on_delete AFTER DELETE ON memberships REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_users();
CREATE TRIGGER bump_on_update_from AFTER UPDATE ON memberships REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_users();
CREATE TRIGGER bump_on_update_to AFTER UPDATE ON memberships REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_users();

CREATE TRIGGER a_hold_on_insert AFTER INSERT ON user_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION hold_pipelines();
CREATE TRIGGER a_hold_on_update AFTER UPDATE ON user_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION hold_pipelines();
CREATE TRIGGER bump_on_insert AFTER INSERT ON user_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_users();
CREATE TRIGGER bump_on_delete AFTER DELETE ON user_grants REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_users();
CREATE TRIGGER bump_on_update_from AFTER UPDATE ON user_grants REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_users();
CREATE TRIGGER bump_on_update_to AFTER UPDATE ON user_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_users();

CREATE TRIGGER a_hold_on_insert AFTER INSERT ON group_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION hold_pipelines();
CREATE TRIGGER a_hold_on_update AFTER UPDATE ON group_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION hold_pipelines();
CREATE TRIGGER bump_on_insert AFTER INSERT ON group_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_groups();
CREATE TRIGGER bump_on_delete AFTER DELETE ON group_grants REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_groups();
CREATE TRIGGER bump_on_update_from AFTER UPDATE ON group_grants REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_groups();
CREATE TRIGGER bump_on_update_to AFTER UPDATE ON group_grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_groups();

CREATE FUNCTION bump_self() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := nextval('revisions');
    RETURN NEW;
END $$;

CREATE TRIGGER bump_on_update BEFORE UPDATE ON users FOR EACH ROW
    WHEN (OLD.role IS DISTINCT FROM NEW.role OR OLD.disabled IS DISTINCT FROM NEW.disabled) EXECUTE FUNCTION bump_self();

-- New pipelines are few or come by the thousand in one import: once per statement, after it.
CREATE FUNCTION bump_organizations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH concerned AS MATERIALIZED (
        SELECT o.id FROM organizations o WHERE o.id IN (SELECT c.organization_id FROM changed c)
        ORDER BY o.id FOR NO KEY UPDATE
    )
    UPDATE organizations o SET revision = nextval('revisions') FROM concerned c WHERE o.id = c.id;
    RETURN NULL;
END $$;

CREATE TRIGGER bump_on_insert AFTER INSERT ON pipelines REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bump_organizations();

-- Before the row goes, so that the organization is locked ahead of the grants' users and groups, whose rows the cascade bumps.
CREATE FUNCTION bump_organization_of_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE organizations SET revision = nextval('revisions') WHERE id = OLD.organization_id;
    RETURN COALESCE(NEW, OLD);
END $$;

CREATE TRIGGER bump_on_delete BEFORE DELETE ON pipelines FOR EACH ROW EXECUTE FUNCTION bump_organization_of_row();
CREATE TRIGGER bump_on_rename BEFORE UPDATE ON pipelines FOR EACH ROW
    WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION bump_organization_of_row();

-- After the rename, in a snapshot of its own: it sees the grants of every change that was waited for.
CREATE FUNCTION bump_holders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH concerned AS MATERIALIZED (
        SELECT g.id FROM groups g
        WHERE g.organization_id = NEW.organization_id
          AND g.id IN (SELECT gg.group_id FROM group_grants gg WHERE gg.organization_id = NEW.organization_id AND gg.pipeline_id = NEW.id)
        ORDER BY g.id FOR NO KEY UPDATE
    )
    UPDATE groups g SET revision = nextval('revisions') FROM concerned c
    WHERE g.organization_id = NEW.organization_id AND g.id = c.id;
    WITH concerned AS MATERIALIZED (
        SELECT u.id FROM users u
        WHERE u.organization_id = NEW.organization_id
          AND u.id IN (SELECT ug.user_id FROM user_grants ug WHERE ug.organization_id = NEW.organization_id AND ug.pipeline_id = NEW.id)
        ORDER BY u.id FOR NO KEY UPDATE
    )
    UPDATE users u SET revision = nextval('revisions') FROM concerned c
    WHERE u.organization_id = NEW.organization_id AND u.id = c.id;
    RETURN NULL;
END $$;

CREATE TRIGGER bump_holders_on_rename AFTER UPDATE ON pipelines FOR EACH ROW
    WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION bump_holders();
