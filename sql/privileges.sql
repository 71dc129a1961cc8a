-- What the service's own role may do, set anew by every `migrate`: what a request needs, and nothing else. In particular
-- the audit trail is added to and read, never changed. Where there is no role flow_service, nothing is granted.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flow_service') THEN
        RETURN;
    END IF;
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM flow_service;
    GRANT USAGE ON SEQUENCE revisions TO flow_service;
    GRANT SELECT ON schema_migrations, grants TO flow_service;
    GRANT SELECT, INSERT ON audit TO flow_service;
    GRANT SELECT, UPDATE (revision) ON organizations TO flow_service;
    GRANT SELECT, INSERT, UPDATE ON users, tokens TO flow_service;
    GRANT SELECT, INSERT, UPDATE, DELETE ON groups, memberships, pipelines, user_grants, group_grants, jobs, assignments
        TO flow_service;
END $$;
