-- The roles of an installation, to be run once by a superuser in the service's own database:
--
--     psql --dbname flow_pipelines --file roles.sql
--     psql --dbname flow_pipelines --command "\password flow_migrator" --command "\password flow_service"
--
-- `migrate`, `import` and `export` connect as flow_migrator; `serve` connects as flow_service. What flow_service may do
-- is set by every `migrate` (sql/privileges.sql): it can add to the audit trail and read it, not change it.

-- Owns everything and logs in nowhere.
CREATE ROLE flow_owner NOLOGIN;

-- Acts as the owner from the moment it connects, so that all it creates is the owner's.
CREATE ROLE flow_migrator LOGIN NOINHERIT IN ROLE flow_owner;
ALTER ROLE flow_migrator SET role = 'flow_owner';

CREATE ROLE flow_service LOGIN;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO flow_owner;
GRANT USAGE ON SCHEMA public TO flow_service;
