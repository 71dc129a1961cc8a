"""Statements on users."""

from dataclasses import dataclass
from uuid import UUID

from service.database import Connection


@dataclass(frozen=True, slots=True)
class User:
    """A user, as far as naming one takes."""

    id: UUID
    username: str


async def find_by_name(connection: Connection, organization_id: UUID, username: str) -> User | None:
    """A user by name, regardless of case."""
    row = await connection.row(
        "users.find_by_name",
        """
        SELECT u.id, u.username FROM users u
        WHERE u.organization_id = $1 AND lower(u.username) = lower($2)
        """,
        organization_id,
        username,
    )
    return User(*row) if row else None
