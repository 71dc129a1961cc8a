-- The roles of an installation, to be run by a superuser in the service's own database, once for each such database:
--
--     psql --dbname flow_pipelines --file roles.sql
--     psql --dbname flow_pipelines --command "\password flow_migrator" --command "\password flow_service"
--
-- `migrate`, `import` and `export` connect as flow_migrator; `serve` connects as flow_service. What flow_service may do
-- is set by every `migrate` (sql/privileges.sql): it can add to the audit trail and read it, not change it.

-- Roles are the whole server's, and may be there already.
DO $$ BEGIN
    -- Owns everything and logs in nowhere.
    IF to_regrole('flow_owner') IS NULL THEN
        CREATE ROLE flow_owner NOLOGIN;
    END IF;
    IF to_regrole('flow_migrator') IS NULL THEN
        CREATE ROLE flow_migrator LOGIN NOINHERIT IN ROLE flow_owner;
    END IF;
    IF to_regrole('flow_service') IS NULL THEN
        CREATE ROLE flow_service LOGIN;
    END IF;
END $$;

-- Acts as the owner from the moment it connects, so that all it creates is the owner's.
ALTER ROLE flow_migrator SET role = 'flow_owner';

-- The limits that the service asks for by default (STATEMENT_TIMEOUT, REQUEST_TIMEOUT, 1.5 s to wait for a lock, and 1 s
-- until the server notices that a client is gone), for sessions in which a pooler keeps it from asking.
ALTER ROLE flow_service SET statement_timeout = '5s';
ALTER ROLE flow_service SET lock_timeout = '1500ms';
ALTER ROLE flow_service SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE flow_service SET client_connection_check_interval = '1s';

-- How its statements are planned, likewise: by indexes, to one organization's rows, however small a table is.
ALTER ROLE flow_service SET enable_seqscan = off;
ALTER ROLE flow_service SET jit = off;

-- Nobody else gets in, and only the owner makes temporary tables (`import` does).
DO $$ BEGIN
    EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO flow_migrator, flow_service', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO flow_owner', current_database());
END $$;

-- Nor does the service make large objects, which every role may by default. The owner may, without using it: a dump says
-- so, too, and only a role that may something itself restores that without an error.
REVOKE EXECUTE ON FUNCTION
    pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea) TO flow_owner;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO flow_owner;
GRANT USAGE ON SCHEMA public TO flow_service;
