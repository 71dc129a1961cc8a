-- What the service's own role may do, set anew by every `migrate`: what a request needs, and nothing else. In particular
-- the audit trail is added to and read, never changed; time, number and actor of a row are the database's own. What is
-- updated is named by columns: the others are set once, or by triggers. Where there is no role flow_service, nothing is
-- granted.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flow_service') THEN
        RETURN;
    END IF;
    -- Large objects may be made by every role until a superuser takes that back, as deploy/roles.sql does.
    IF current_setting('is_superuser')::boolean THEN
        REVOKE EXECUTE ON FUNCTION
            pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;
    END IF;
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM flow_service;
    GRANT USAGE ON SEQUENCE revisions TO flow_service;
    GRANT USAGE ON SEQUENCE audit_id_seq TO flow_service;
    GRANT EXECUTE ON FUNCTION hold_organization(uuid) TO flow_service;
    GRANT EXECUTE ON FUNCTION delete_user(uuid,uuid) TO flow_service;
    GRANT EXECUTE ON FUNCTION make_audit_months() TO flow_service;
    GRANT EXECUTE ON FUNCTION note_timeline() TO flow_service;
    GRANT SELECT ON schema_migrations, organizations, grants, audit_archives, timelines TO flow_service;
    GRANT SELECT, INSERT (organization_id, actor_id, actor, token_id, action, target, before, after, request_id)
        ON audit TO flow_service;
    GRANT SELECT, INSERT ON audit_seals TO flow_service;
    GRANT SELECT, INSERT, UPDATE (role, disabled, display_name, display_name_key, email, email_key)
        ON users TO flow_service;
    GRANT SELECT, INSERT (organization_id, id, user_id, name, digest, scopes, expires_at, parent_id, link_id),
        UPDATE (last_used_at, revoked_at, expires_at, parent_id, link_id, replaced_by_id) ON tokens TO flow_service;
    GRANT SELECT, INSERT, UPDATE (name), DELETE ON groups TO flow_service;
    GRANT SELECT, INSERT, DELETE ON memberships TO flow_service;
    GRANT SELECT, INSERT (organization_id, id, user_id, issuer, subject), UPDATE (last_used_at)
        ON identity_links TO flow_service;
    GRANT SELECT, INSERT, UPDATE (external_id, gives_role, deprovisioned, changed_at) ON provisioned_users TO flow_service;
    GRANT SELECT, INSERT, UPDATE (external_id, changed_at) ON provisioned_groups TO flow_service;
    GRANT SELECT, INSERT, UPDATE (name, name_key, description, updated_at), DELETE ON pipelines TO flow_service;
    GRANT SELECT, INSERT, UPDATE (access, expires_at, updated_at), DELETE ON user_grants, group_grants TO flow_service;
    GRANT SELECT, INSERT, UPDATE (owner_id, name, revision), DELETE ON jobs TO flow_service;
    GRANT SELECT, INSERT, UPDATE (position), DELETE ON assignments TO flow_service;
END $$;
