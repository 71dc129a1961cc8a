"""Statements on what the database says of its own shape."""

from dataclasses import dataclass

from service.database.pool import Connection


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that the database has."""

    version: int
    name: str
    checksum: str
    needs: int
    """The last migration that a version of the service must know to work with a database that has this one."""


async def list_applied(connection: Connection) -> list[Applied]:
    """The migrations that a database has, in order; none if it has never been migrated."""
    table = await connection.fetch_row("migrations.table", "SELECT to_regclass('schema_migrations') AS name")
    if table is None or table["name"] is None:
        return []
    # By way of JSON, as a database that was last migrated before there was this column has no needs.
    rows = await connection.fetch(
        "migrations.list",
        """
        SELECT version, name, checksum, COALESCE((to_jsonb(m) ->> 'needs')::integer, 0) AS needs
        FROM schema_migrations m ORDER BY version
        """,
    )
    return [Applied(*row) for row in rows]
