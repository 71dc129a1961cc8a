"""Statements on what the database says of its own shape."""

from dataclasses import dataclass

from service.database import Connection


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that the database has."""

    version: int
    name: str
    checksum: str


async def list_applied(connection: Connection) -> list[Applied]:
    """The migrations that a database has, in order; none if it has never been migrated."""
    table = await connection.row("migrations.table", "SELECT to_regclass('schema_migrations') AS name")
    if table is None or table["name"] is None:
        return []
    rows = await connection.rows(
        "migrations.list", "SELECT version, name, checksum FROM schema_migrations ORDER BY version"
    )
    return [Applied(*row) for row in rows]
