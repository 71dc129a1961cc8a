"""Statements on organizations."""

from dataclasses import dataclass
from uuid import UUID

from service.database.pool import Connection


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization. Its name is for people, and need not be the only one of its kind."""

    id: UUID
    name: str


async def insert(connection: Connection, organization_id: UUID, name: str) -> None:
    """Add an organization."""
    await connection.execute(
        "organizations.insert", "INSERT INTO organizations (id, name) VALUES ($1, $2)", organization_id, name
    )


async def find(connection: Connection, name_or_id: str | None, most: int | None = None) -> list[Organization]:
    """The organizations of that name or id, or all if None is given; at most so many if a number is given, by name."""
    rows = await connection.fetch(
        "organizations.find",
        """
        SELECT o.id, o.name FROM organizations o
        WHERE $1::text IS NULL OR o.id::text = lower($1) OR o.name = $1
        ORDER BY o.name, o.id
        LIMIT $2
        """,
        name_or_id,
        most,
    )
    return [Organization(*row) for row in rows]
