-- Rows that a subscription brings draw new revisions too: the workers of logical replication fire triggers of rows and of
-- TRUNCATE, and none of other statements. What the publisher has drawn comes as well, but perhaps not: by another
-- subscription, at another time, or not at all, as a publication may leave out tables, columns and rows.
--
-- These triggers fire only where session_replication_role is replica. A session in which somebody has set that fires those
-- of statements too, and the first copy of a table, so one of these draws only if the last row of its kind in the same
-- transaction was another's: that has become visible to nobody in between. Without this, a million grants in one
-- transaction would make a million versions of few rows, and each would look through all before it.

-- Waited for in short turns: what waits for such a lock holds up all changes behind it.
DO $$ BEGIN
    FOR attempt IN 1..20 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '300ms', true);
            LOCK TABLE pipelines, user_grants, group_grants, memberships IN SHARE ROW EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 20 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
END $$;

-- True unless the same was asked last of this kind of thing in this transaction.
CREATE FUNCTION is_first_in_a_row(kind text, organization_id uuid, id uuid) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
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
REVOKE EXECUTE ON FUNCTION is_first_in_a_row(text, uuid, uuid) FROM PUBLIC;

CREATE FUNCTION follow_user(organization uuid, followed uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF is_first_in_a_row('user', organization, followed) THEN
        UPDATE users u SET revision = next_revision() WHERE u.organization_id = organization AND u.id = followed;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION follow_user(uuid, uuid) FROM PUBLIC;

-- The members of a group that is not there have no other revision that would tell.
CREATE FUNCTION follow_group(organization uuid, followed uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF is_first_in_a_row('group', organization, followed) THEN
        UPDATE groups g SET revision = next_revision() WHERE g.organization_id = organization AND g.id = followed;
        IF NOT FOUND THEN
            PERFORM bump_members(ARRAY[organization], ARRAY[followed]);
        END IF;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION follow_group(uuid, uuid) FROM PUBLIC;

CREATE FUNCTION follow_membership() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM follow_user(OLD.organization_id, OLD.user_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM follow_user(NEW.organization_id, NEW.user_id);
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION follow_membership() FROM PUBLIC;

-- Whoever renames or deletes a pipeline waits for its new grants, and the other way round: they would not see each other.
CREATE FUNCTION follow_user_grant() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
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
REVOKE EXECUTE ON FUNCTION follow_user_grant() FROM PUBLIC;

CREATE FUNCTION follow_group_grant() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
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
REVOKE EXECUTE ON FUNCTION follow_group_grant() FROM PUBLIC;

-- A pipeline may come after the grants on it, or after its organization has gone, and it may go before the grants on it.
CREATE FUNCTION follow_pipeline() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
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
REVOKE EXECUTE ON FUNCTION follow_pipeline() FROM PUBLIC;

CREATE TRIGGER follow_replicated AFTER INSERT OR UPDATE OR DELETE ON user_grants FOR EACH ROW EXECUTE FUNCTION follow_user_grant();
ALTER TABLE user_grants ENABLE REPLICA TRIGGER follow_replicated;

CREATE TRIGGER follow_replicated AFTER INSERT OR UPDATE OR DELETE ON group_grants FOR EACH ROW EXECUTE FUNCTION follow_group_grant();
ALTER TABLE group_grants ENABLE REPLICA TRIGGER follow_replicated;

CREATE TRIGGER follow_replicated AFTER INSERT OR UPDATE OR DELETE ON memberships FOR EACH ROW EXECUTE FUNCTION follow_membership();
ALTER TABLE memberships ENABLE REPLICA TRIGGER follow_replicated;

CREATE TRIGGER follow_replicated AFTER INSERT OR DELETE ON pipelines FOR EACH ROW EXECUTE FUNCTION follow_pipeline();
ALTER TABLE pipelines ENABLE REPLICA TRIGGER follow_replicated;
