"""Facts of the role: what it may do on the tables, and what is open to it that nothing has granted."""

from dataclasses import dataclass
from typing import Final

from service.database.pool import Connection


async def read_privileges(connection: Connection) -> set[tuple[str, str]]:
    """Read what the role may do on relations and by functions of the tables' owner, and what else is open to it.

    Returns:
        pairs such as ("jobs", "SELECT"), or ("audit", "UPDATE (actor)") for a privilege on one column alone.
    """
    rows = await connection.fetch("doctor.privileges", f"{_ON_OBJECTS} UNION ALL {_BEYOND_THEM}")
    return {(row[0], row[1]) for row in rows}


_ON_OBJECTS: Final = """
    -- The owner of the tables, and their schema.
    WITH owner AS (
        SELECT t.relowner AS id, t.relnamespace AS namespace FROM pg_class t
        WHERE t.oid = to_regclass('schema_migrations')
    ),
    -- What belongs to extensions, which say themselves who may what.
    extended AS MATERIALIZED (
        SELECT d.classid, d.objid FROM pg_depend d WHERE d.deptype = 'e'
    ),
    -- The relations of the tables' owner, in their schema.
    ours AS (
        SELECT c.oid, c.relname::text AS name, c.relkind FROM pg_class c
        JOIN owner o ON c.relnamespace = o.namespace AND c.relowner = o.id
        WHERE NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
    ),
    -- MAINTAIN is new in PostgreSQL 17.
    known AS (
        SELECT unnest(
            '{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]
            || CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN ARRAY['MAINTAIN'] END
        ) AS name
    )
    -- Privileges on whole tables, partitioned and foreign ones included, and views.
    SELECT o.name, p.name FROM ours o CROSS JOIN known p
    WHERE o.relkind IN ('r', 'p', 'f', 'v', 'm') AND has_table_privilege(o.oid, p.name)
    UNION ALL
    -- Privileges on single columns, where the whole table is not granted.
    SELECT o.name, format('%s (%s)', p.name, a.attname) FROM ours o
    JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
    CROSS JOIN unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS p (name)
    WHERE o.relkind IN ('r', 'p', 'f', 'v', 'm')
      AND has_column_privilege(o.oid, a.attnum, p.name) AND NOT has_table_privilege(o.oid, p.name)
    UNION ALL
    -- Privileges on sequences.
    SELECT o.name, p.name FROM ours o CROSS JOIN unnest('{USAGE,SELECT,UPDATE}'::text[]) AS p (name)
    WHERE o.relkind = 'S' AND has_sequence_privilege(o.oid, p.name)
    UNION ALL
    -- Privileges on functions.
    SELECT p.oid::regprocedure::text, 'EXECUTE' FROM pg_proc p
    JOIN owner o ON p.pronamespace = o.namespace AND p.proowner = o.id
    WHERE has_function_privilege(p.oid, 'EXECUTE')
      AND NOT EXISTS (SELECT FROM extended e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
"""

_BEYOND_THEM: Final = """
    -- What lets a role make objects of its own: schemas, temporary tables, and anything in a schema.
    SELECT 'this database', p.name FROM unnest('{CREATE,TEMPORARY}'::text[]) AS p (name)
    WHERE has_database_privilege(current_database(), p.name)
    UNION ALL
    SELECT format('schema %s', n.nspname), 'CREATE' FROM pg_namespace n
    WHERE NOT starts_with(n.nspname, 'pg_temp_') AND NOT starts_with(n.nspname, 'pg_toast_temp_')
      AND has_schema_privilege(n.oid, 'CREATE')
    UNION ALL
    -- Large objects, which every role may make by default.
    SELECT 'large objects', 'CREATE'
    WHERE has_function_privilege('pg_catalog.lo_creat(integer)', 'EXECUTE')
       OR has_function_privilege('pg_catalog.lo_create(oid)', 'EXECUTE')
       OR has_function_privilege('pg_catalog.lo_from_bytea(oid, bytea)', 'EXECUTE')
    UNION ALL
    -- What the owner makes between two migrations, such as the months of the audit trail.
    SELECT CASE d.defaclobjtype WHEN 'r' THEN 'tables' ELSE 'sequences' END || ' that are yet to be made',
           a.privilege_type
    FROM owner o
    JOIN pg_default_acl d ON d.defaclrole = o.id AND d.defaclnamespace IN (0, o.namespace)
    CROSS JOIN aclexplode(d.defaclacl) a
    WHERE d.defaclobjtype IN ('r', 'S') AND a.grantee <> d.defaclrole
      AND CASE WHEN a.grantee = 0 THEN true ELSE pg_has_role(a.grantee, 'USAGE') END
    UNION ALL
    -- Parameters that are a superuser's to set, such as session_replication_role.
    SELECT format('parameter %s', p.parname), a.privilege_type
    FROM pg_parameter_acl p CROSS JOIN aclexplode(p.paracl) a
    WHERE CASE WHEN a.grantee = 0 THEN true ELSE pg_has_role(a.grantee, 'USAGE') END
    UNION ALL
    -- What a role is by itself, and through others.
    SELECT 'this server', p.name
    FROM pg_roles r
    CROSS JOIN LATERAL (
        VALUES ('CREATEDB', r.rolcreatedb), ('CREATEROLE', r.rolcreaterole), ('REPLICATION', r.rolreplication),
               ('BYPASSRLS', r.rolbypassrls)
    ) p (name, held)
    WHERE r.rolname = current_user AND p.held
    UNION ALL
    SELECT format('role %s', r.rolname), 'MEMBER' FROM pg_roles r
    WHERE r.rolname <> current_user AND pg_has_role(r.oid, 'MEMBER')
"""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The objects and databases of a server that are open to the role beside what it was granted."""

    owned: int
    """Objects that the role owns, in any database."""
    database: str
    open_databases: list[str]
    """Databases that every role may connect to."""


async def read_surroundings(connection: Connection) -> Surroundings:
    """Read what the role owns, and where it gets in without having been let in."""
    row = await connection.fetch_one(
        "doctor.surroundings",
        """
        SELECT
            (
                SELECT count(*) FROM pg_shdepend d
                WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = current_user::regrole AND d.deptype = 'o'
            ) AS owned,
            current_database()::text AS database,
            ARRAY(
                SELECT d.datname::text FROM pg_database d
                -- Privileges never set are the default ones, by which PUBLIC (grantee 0) may connect.
                CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
                WHERE d.datallowconn AND a.grantee = 0 AND a.privilege_type = 'CONNECT'
                ORDER BY d.datname
            ) AS open_databases
        """,
    )
    return Surroundings(*row)
