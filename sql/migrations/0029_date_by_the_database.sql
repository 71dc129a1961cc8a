-- Times that say when something was done are the database's own, whoever serves: the role that serves must be able to set
-- them, as it does, and a privilege can't tell to what. Whoever may change the whole table, its owner, is not asked: that is
-- the command line, an import, and a restore.

-- Waited for in short turns: what waits for such a lock holds up all changes behind it.
DO $$ BEGIN
    FOR attempt IN 1..20 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '300ms', true);
            LOCK TABLE pipelines, user_grants, group_grants, provisioned_users, provisioned_groups, tokens, identity_links
                IN SHARE ROW EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 20 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
END $$;

CREATE FUNCTION date_update() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION date_update() FROM PUBLIC;

CREATE FUNCTION date_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.changed_at := now();
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION date_change() FROM PUBLIC;

-- The last use only comes later, and not beyond the present.
CREATE FUNCTION date_use() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.last_used_at := GREATEST(
        OLD.last_used_at, CASE WHEN NEW.last_used_at IS NOT NULL THEN LEAST(NEW.last_used_at, clock_timestamp()) END
    );
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION date_use() FROM PUBLIC;

CREATE TRIGGER date_update BEFORE UPDATE ON pipelines FOR EACH ROW
WHEN (NOT has_table_privilege('public.pipelines', 'UPDATE')) EXECUTE FUNCTION date_update();
ALTER TABLE pipelines ENABLE ALWAYS TRIGGER date_update;

CREATE TRIGGER date_update BEFORE UPDATE ON user_grants FOR EACH ROW
WHEN (NOT has_table_privilege('public.user_grants', 'UPDATE')) EXECUTE FUNCTION date_update();
ALTER TABLE user_grants ENABLE ALWAYS TRIGGER date_update;

CREATE TRIGGER date_update BEFORE UPDATE ON group_grants FOR EACH ROW
WHEN (NOT has_table_privilege('public.group_grants', 'UPDATE')) EXECUTE FUNCTION date_update();
ALTER TABLE group_grants ENABLE ALWAYS TRIGGER date_update;

CREATE TRIGGER date_change BEFORE UPDATE ON provisioned_users FOR EACH ROW
WHEN (NOT has_table_privilege('public.provisioned_users', 'UPDATE')) EXECUTE FUNCTION date_change();
ALTER TABLE provisioned_users ENABLE ALWAYS TRIGGER date_change;

CREATE TRIGGER date_change BEFORE UPDATE ON provisioned_groups FOR EACH ROW
WHEN (NOT has_table_privilege('public.provisioned_groups', 'UPDATE')) EXECUTE FUNCTION date_change();
ALTER TABLE provisioned_groups ENABLE ALWAYS TRIGGER date_change;

CREATE TRIGGER date_use BEFORE UPDATE OF last_used_at ON tokens FOR EACH ROW
WHEN (NOT has_table_privilege('public.tokens', 'UPDATE')) EXECUTE FUNCTION date_use();
ALTER TABLE tokens ENABLE ALWAYS TRIGGER date_use;

CREATE TRIGGER date_use BEFORE UPDATE OF last_used_at ON identity_links FOR EACH ROW
WHEN (NOT has_table_privilege('public.identity_links', 'UPDATE')) EXECUTE FUNCTION date_use();
ALTER TABLE identity_links ENABLE ALWAYS TRIGGER date_use;

-- As before, and a token goes with its link for as long as it lives: nothing takes it away from it.
CREATE OR REPLACE FUNCTION keep_token_ended() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
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

CREATE OR REPLACE TRIGGER keep_ended_on_update BEFORE UPDATE OF revoked_at, expires_at, link_id ON tokens FOR EACH ROW
WHEN (NOT has_table_privilege('public.tokens', 'UPDATE')) EXECUTE FUNCTION keep_token_ended();
ALTER TABLE tokens ENABLE ALWAYS TRIGGER keep_ended_on_update;
