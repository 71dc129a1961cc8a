-- Who did what, and when, is said by the database: the role that serves can't write a row of the trail for somebody whose
-- token it was not given, nor date it. (Nor number it, nor change it: sql/privileges.sql.)
--
-- It runs as whoever inserts, so that it can tell them apart; that is safe, as every name is qualified and that role can
-- create nothing. Whoever may change the trail anyway, its owner, is trusted: that is the command line, and a restore.
CREATE FUNCTION attest_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    known pg_catalog.text;
BEGIN
    IF pg_catalog.has_table_privilege(TG_RELID, 'UPDATE') THEN
        RETURN NEW;
    END IF;
    SELECT u.username INTO known
    FROM public.tokens t
    JOIN public.users u ON u.organization_id = t.organization_id AND u.id = t.user_id
    WHERE t.organization_id = NEW.organization_id AND t.id = NEW.token_id AND t.user_id = NEW.actor_id;
    IF NOT FOUND THEN
        RAISE insufficient_privilege USING MESSAGE =
            'a change must be audited with its user and a token of theirs; commands that change something connect as flow_migrator';
    END IF;
    NEW.actor := known;
    NEW.at := pg_catalog.clock_timestamp();
    RETURN NEW;
END $$;

CREATE TRIGGER attest_on_insert BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION attest_audit_row();
ALTER TABLE audit ENABLE ALWAYS TRIGGER attest_on_insert;

-- What goes with a pipeline is locked in the order of all other changes: pipelines, organizations, groups, users. By
-- itself, the cascade would take the grants to users first. Named to run after bump_on_delete, which takes the organization.
CREATE FUNCTION release_grants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM groups g
    WHERE g.organization_id = OLD.organization_id
      AND g.id IN (SELECT gg.group_id FROM group_grants gg WHERE gg.organization_id = OLD.organization_id AND gg.pipeline_id = OLD.id)
    ORDER BY g.id FOR NO KEY UPDATE;
    DELETE FROM group_grants gg WHERE gg.organization_id = OLD.organization_id AND gg.pipeline_id = OLD.id;
    RETURN OLD;
END $$;

CREATE TRIGGER release_grants_on_delete BEFORE DELETE ON pipelines FOR EACH ROW EXECUTE FUNCTION release_grants();

-- The other triggers work for the tables, not for whoever changes them: they draw revisions and take locks by the rights of
-- their owner, so that the role that serves needs none on these columns. Nothing but a trigger of the owner's calls them.
DO $$
DECLARE
    called regprocedure;
    triggered boolean;
BEGIN
    FOR called, triggered IN
        SELECT p.oid, p.prorettype = 'trigger'::regtype FROM pg_proc p
        JOIN pg_class audit ON audit.oid = 'audit'::regclass AND audit.relnamespace = p.pronamespace
        WHERE (p.prorettype = 'trigger'::regtype OR starts_with(p.proname, 'bump_')) AND p.proowner = audit.relowner
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', called);
        IF triggered AND called <> 'attest_audit_row()'::regprocedure THEN
            EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp', called);
        END IF;
    END LOOP;
END $$;

-- A change of users draws a revision for the organization, whose row is locked ahead. A lock takes the right to update: the
-- role that serves gets the lock by this function, and no right.
CREATE FUNCTION hold_organization(held uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM 1 FROM organizations o WHERE o.id = held FOR NO KEY UPDATE;
END $$;

REVOKE EXECUTE ON FUNCTION hold_organization(uuid) FROM PUBLIC;
