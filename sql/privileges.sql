-- What the service's own role may do, set anew by every `migrate`: what a request needs, and nothing else. In particular
-- the audit trail is added to and read, never changed; time, number and actor of a row are the database's own. What is
-- inserted and updated is named by columns: the others have their defaults, are set once, or by triggers. Where there is no
-- role flow_service, nothing is granted.
DO $$
DECLARE
    owner oid;
    made record;
    place text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flow_service') THEN
        RETURN;
    END IF;
    -- Large objects may be made by every role until a superuser takes that back, as deploy/roles.sql does.
    IF current_setting('is_superuser')::boolean THEN
        REVOKE EXECUTE ON FUNCTION
            pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;
    END IF;
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM flow_service;
    SELECT c.relowner INTO owner FROM pg_class c WHERE c.oid = 'public.schema_migrations'::regclass;
    -- Sequences and functions of the same owner, but for those of extensions. A function is everybody's at first.
    FOR made IN
        SELECT format('SEQUENCE %s', c.oid::regclass) AS named, 'flow_service' AS takers
        FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relowner = owner AND c.relkind = 'S'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        UNION ALL
        SELECT format('FUNCTION %s', p.oid::regprocedure), 'PUBLIC, flow_service'
        FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proowner = owner AND p.prokind = 'f'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', made.named, made.takers);
    END LOOP;
    -- What is made between two migrations, as the months of the audit trail are, is not the service's by default either.
    FOREACH place IN ARRAY '{"","IN SCHEMA public"}'::text[] LOOP
        place := format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s', pg_get_userbyid(owner), place);
        EXECUTE place || ' REVOKE ALL ON TABLES FROM flow_service';
        EXECUTE place || ' REVOKE ALL ON SEQUENCES FROM flow_service';
    END LOOP;

    GRANT USAGE ON SEQUENCE audit_id_seq TO flow_service;
    GRANT EXECUTE ON FUNCTION next_revision() TO flow_service;
    GRANT EXECUTE ON FUNCTION hold_organization(uuid) TO flow_service;
    GRANT EXECUTE ON FUNCTION is_held_by_many_users(uuid,uuid), is_held_by_many_groups(uuid,uuid) TO flow_service;
    GRANT EXECUTE ON FUNCTION delete_user(uuid,uuid) TO flow_service;
    GRANT EXECUTE ON FUNCTION delete_tokens(uuid,uuid[]) TO flow_service;
    GRANT EXECUTE ON FUNCTION audit_partitions() TO flow_service;
    GRANT EXECUTE ON FUNCTION make_audit_months() TO flow_service;
    GRANT EXECUTE ON FUNCTION note_timeline() TO flow_service;
    GRANT SELECT ON schema_migrations, organizations, grants, audit_archives, timelines TO flow_service;
    GRANT SELECT, INSERT (organization_id, actor_id, actor, token_id, action, target, before, after, request_id)
        ON audit TO flow_service;
    GRANT SELECT, INSERT (number, sealed_at, epoch, snapshot, ids, leaves, root, previous, chain)
        ON audit_seals TO flow_service;
    GRANT SELECT, INSERT (organization_id, id, username, role, display_name, display_name_key, email, email_key),
        UPDATE (role, disabled, display_name, display_name_key, email, email_key) ON users TO flow_service;
    GRANT SELECT, INSERT (organization_id, id, user_id, name, digest, scopes, expires_at, parent_id, link_id),
        UPDATE (last_used_at, revoked_at, expires_at, parent_id, link_id, replaced_by_id) ON tokens TO flow_service;
    GRANT SELECT, INSERT (organization_id, id, name), UPDATE (name), DELETE ON groups TO flow_service;
    GRANT SELECT, INSERT (organization_id, user_id, group_id), DELETE ON memberships TO flow_service;
    GRANT SELECT, INSERT (organization_id, id, user_id, issuer, subject), UPDATE (last_used_at)
        ON identity_links TO flow_service;
    GRANT SELECT, INSERT (organization_id, user_id, external_id, gives_role, deprovisioned),
        UPDATE (external_id, gives_role, deprovisioned, changed_at) ON provisioned_users TO flow_service;
    GRANT SELECT, INSERT (organization_id, group_id, external_id), UPDATE (external_id, changed_at)
        ON provisioned_groups TO flow_service;
    GRANT SELECT, INSERT (organization_id, id, name, name_key, description),
        UPDATE (name, name_key, description, updated_at), DELETE ON pipelines TO flow_service;
    GRANT SELECT, INSERT (organization_id, user_id, pipeline_id, access, expires_at),
        UPDATE (access, expires_at, updated_at), DELETE ON user_grants TO flow_service;
    GRANT SELECT, INSERT (organization_id, group_id, pipeline_id, access, expires_at),
        UPDATE (access, expires_at, updated_at), DELETE ON group_grants TO flow_service;
    GRANT SELECT, INSERT (organization_id, id, owner_id, name), UPDATE (owner_id, name, revision), DELETE
        ON jobs TO flow_service;
    GRANT SELECT, INSERT (organization_id, job_id, pipeline_id, position), UPDATE (position), DELETE
        ON assignments TO flow_service;
END $$;
