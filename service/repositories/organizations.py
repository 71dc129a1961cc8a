"""Statements on organizations."""

from dataclasses import dataclass
from uuid import UUID

from service.database.pool import Connection
from service.repositories.texts import folded


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization. Its name is for people, and need not be unique."""

    id: UUID
    name: str


async def insert(connection: Connection, organization_id: UUID, name: str) -> None:
    """Insert an organization."""
    await connection.execute(
        "organizations.insert", "INSERT INTO organizations (id, name) VALUES ($1, $2)", organization_id, name
    )


async def lock(connection: Connection, organization_id: UUID) -> None:
    """Lock an organization: others that draw it a new revision, or rename in it, wait until this transaction ends."""
    await connection.execute("organizations.lock", "SELECT hold_organization($1)", organization_id)


async def find(connection: Connection, name_or_id: str | None, limit: int | None = None) -> list[Organization]:
    """Return the organizations of a name or id, or all if it is None, by name; no more than `limit` if it is given."""
    rows = await connection.fetch(
        "organizations.find",
        f"""
        SELECT o.id, o.name FROM organizations o
        WHERE $1::text IS NULL OR o.id::text = {folded(1)} OR o.name = $1
        ORDER BY o.name, o.id
        LIMIT $2
        """,
        name_or_id,
        limit,
    )
    return [Organization(*row) for row in rows]
