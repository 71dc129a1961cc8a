"""Statements on what a database server says of itself, of the role that asks, and of what stands between."""

from dataclasses import dataclass
from datetime import datetime

from service.database.pool import Connection


@dataclass(frozen=True, slots=True)
class Server:
    """A server, as the role that asks meets it."""

    version: int
    """15 or newer is what this service is written for."""
    role: str
    superuser: bool
    migrated: bool
    """Whether there are tables at all."""
    can_become_owner: bool
    """Whether the role is, or may act as, whom the tables belong to."""
    read_only: bool
    """A standby, or a server that was made to only read."""
    statement_timeout: int
    """Of the session, in milliseconds; 0 is none."""
    connections: int
    """As many as the role can have, by the narrowest of the limits of server, database and role."""


async def server(connection: Connection) -> Server:
    """What the server is to the role."""
    row = await connection.fetch_row(
        "installation.server",
        """
        SELECT current_setting('server_version_num')::integer / 10000 AS version,
            current_user::text AS role, r.rolsuper,
            t.oid IS NOT NULL AS migrated,
            COALESCE(pg_has_role(t.relowner, 'MEMBER'), false) AS can_become_owner,
            pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only,
            (SELECT s.setting::integer FROM pg_settings s WHERE s.name = 'statement_timeout') AS statement_timeout,
            LEAST(
                current_setting('max_connections')::integer
                    - current_setting('superuser_reserved_connections')::integer
                    - COALESCE(current_setting('reserved_connections', true)::integer, 0),
                NULLIF(d.datconnlimit, -1),
                NULLIF(r.rolconnlimit, -1)
            ) AS connections
        FROM pg_roles r
        JOIN pg_database d ON d.datname = current_database()
        LEFT JOIN pg_class t ON t.oid = to_regclass('schema_migrations')
        WHERE r.rolname = current_user
        """,
    )
    assert row is not None  # noqa: S101 - a role that is logged in is in pg_roles
    return Server(*row)


async def privileges(connection: Connection) -> set[tuple[str, str]]:
    """What the role may do, on each relation of the tables' owner: (name, "SELECT") or (name, "UPDATE (column)")."""
    rows = await connection.fetch(
        "installation.privileges",
        """
        WITH ours AS (
            SELECT c.oid, c.relname::text AS name, c.relkind FROM pg_class c
            JOIN pg_class t ON t.oid = to_regclass('schema_migrations')
            WHERE c.relnamespace = t.relnamespace AND c.relowner = t.relowner
        )
        SELECT o.name, p.name FROM ours o
        CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p (name)
        WHERE o.relkind IN ('r', 'p', 'v') AND has_table_privilege(o.oid, p.name)
        UNION ALL
        SELECT o.name, format('%s (%s)', p.name, a.attname) FROM ours o
        JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
        CROSS JOIN unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS p (name)
        WHERE o.relkind IN ('r', 'p', 'v')
          AND has_column_privilege(o.oid, a.attnum, p.name) AND NOT has_table_privilege(o.oid, p.name)
        UNION ALL
        SELECT o.name, p.name FROM ours o CROSS JOIN unnest('{USAGE,SELECT,UPDATE}'::text[]) AS p (name)
        WHERE o.relkind = 'S' AND has_sequence_privilege(o.oid, p.name)
        """,
    )
    return {(row[0], row[1]) for row in rows}


async def clock(connection: Connection) -> datetime:
    """What time it is for the server."""
    row = await connection.fetch_row("installation.clock", "SELECT clock_timestamp() AS at")
    assert row is not None  # noqa: S101 - it is one row
    at: datetime = row["at"]
    return at


async def backend(connection: Connection) -> int:
    """The process of the server that answers: behind a pooler not the one that the connection was told of."""
    row = await connection.fetch_row("installation.backend", "SELECT pg_backend_pid() AS process")
    assert row is not None  # noqa: S101 - it is one row
    return int(row["process"])


async def prepared_statements(connection: Connection) -> set[str]:
    """The names of the statements that the process of the server holds prepared."""
    rows = await connection.fetch("installation.prepared", "SELECT name FROM pg_prepared_statements")
    return {row["name"] for row in rows}
