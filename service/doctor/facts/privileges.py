"""Facts of the role: what it may do on the tables, and what is open to it that nothing has granted."""

from dataclasses import dataclass

from service.database.pool import Connection


async def read_privileges(connection: Connection) -> set[tuple[str, str]]:
    """Read what the role may do on relations and by functions of the tables' owner, and may create in this database.

    Returns:
        pairs such as ("jobs", "SELECT"), or ("audit", "UPDATE (actor)") for a privilege on one column alone.
    """
    rows = await connection.fetch(
        "doctor.privileges",
        """
        -- The relations of the tables' owner, in their schema.
        WITH ours AS (
            SELECT c.oid, c.relname::text AS name, c.relkind FROM pg_class c
            JOIN pg_class t ON t.oid = to_regclass('schema_migrations')
            WHERE c.relnamespace = t.relnamespace AND c.relowner = t.relowner
        )
        -- Privileges on whole tables, partitioned ones included, and views.
        SELECT o.name, p.name FROM ours o
        CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p (name)
        WHERE o.relkind IN ('r', 'p', 'v') AND has_table_privilege(o.oid, p.name)
        UNION ALL
        -- Privileges on single columns, where the whole table is not granted.
        SELECT o.name, format('%s (%s)', p.name, a.attname) FROM ours o
        JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
        CROSS JOIN unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS p (name)
        WHERE o.relkind IN ('r', 'p', 'v')
          AND has_column_privilege(o.oid, a.attnum, p.name) AND NOT has_table_privilege(o.oid, p.name)
        UNION ALL
        -- Privileges on sequences.
        SELECT o.name, p.name FROM ours o CROSS JOIN unnest('{USAGE,SELECT,UPDATE}'::text[]) AS p (name)
        WHERE o.relkind = 'S' AND has_sequence_privilege(o.oid, p.name)
        UNION ALL
        -- Privileges on functions that run by their owner's rights.
        SELECT p.oid::regprocedure::text, 'EXECUTE' FROM pg_proc p
        JOIN pg_class t ON t.oid = to_regclass('schema_migrations')
        WHERE p.pronamespace = t.relnamespace AND p.proowner = t.relowner AND p.prosecdef
          AND has_function_privilege(p.oid, 'EXECUTE')
        UNION ALL
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
        """,
    )
    return {(row[0], row[1]) for row in rows}


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
