"""Statements on users."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.errors import AlreadyExists
from service.permissions import Role
from service.repositories.times import bounded
from service.values.casefold import casefold


@dataclass(frozen=True, slots=True)
class User:
    """A user."""

    id: UUID
    username: str
    role: Role
    disabled: bool
    created_at: datetime


_COLUMNS: Final = f"u.id, u.username, u.role, u.disabled, {bounded('u.created_at')} AS created_at"


def role_of(name: str) -> Role:
    """Return the role of a name; a member's, which may least, if this version does not know it."""
    return _ROLES.get(name, Role.MEMBER)


_ROLES: Final = {role.value: role for role in Role}


def _user(row: asyncpg.Record) -> User:
    return User(row["id"], row["username"], role_of(row["role"]), row["disabled"], row["created_at"])


async def find_by_name(connection: Connection, organization_id: UUID, username: str) -> User | None:
    """Return a user by name, regardless of case."""
    row = await connection.fetch_row(
        "users.find_by_name",
        f"SELECT {_COLUMNS} FROM users u WHERE u.organization_id = $1 AND lower(u.username) = lower($2)",
        organization_id,
        username,
    )
    return _user(row) if row else None


async def page(
    connection: Connection, organization_id: UUID, name: str | None, after: Sequence[Any] | None, limit: int | None
) -> list[User]:
    """Return a page of users by name; if a name is given, of those that have it in theirs."""
    rows = await connection.fetch(
        "users.page",
        f"""
        SELECT {_COLUMNS}
        FROM users u
        WHERE u.organization_id = $1
          AND ($2::text IS NULL OR position($2 IN lower(u.username)) > 0)
          AND ($3::text IS NULL OR lower(u.username) > $3)
        ORDER BY lower(u.username)
        LIMIT $4
        """,
        organization_id,
        None if name is None else casefold(name),
        after[0] if after else None,
        limit,
    )
    return [_user(row) for row in rows]


async def insert(connection: Connection, organization_id: UUID, user_id: UUID, username: str, role: Role) -> User:
    """Insert a user.

    Raises:
        AlreadyExists: there is one of that name, regardless of case.
    """
    try:
        row = await connection.fetch_one(
            "users.insert",
            f"""
            INSERT INTO users AS u (organization_id, id, username, role) VALUES ($1, $2, $3, $4)
            RETURNING {_COLUMNS}
            """,
            organization_id,
            user_id,
            username,
            role.value,
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "users_username_unique":
            raise
        raise AlreadyExists(f"There is a user called {username}, regardless of case.") from error
    return _user(row)


async def lock_with_administrators(
    connection: Connection, organization_id: UUID, user_id: UUID, caller_id: UUID
) -> list[User]:
    """Lock a user, and the administrators who are not disabled: none is demoted or disabled meanwhile.

    And the caller, who was an administrator, in the order of all of them, as the proof of their authority locks them.

    Returns:
        all of them, as they are now.
    """
    rows = await connection.fetch(
        "users.lock_with_administrators",
        f"""
        SELECT {_COLUMNS}
        FROM users u
        WHERE u.organization_id = $1
          AND u.id = ANY (ARRAY(
              SELECT a.id FROM users a WHERE a.organization_id = $1 AND a.role = 'admin' AND NOT a.disabled
              UNION
              SELECT unnest(ARRAY[$2, $3]::uuid[])
          ))
        ORDER BY u.id FOR NO KEY UPDATE
        """,
        organization_id,
        user_id,
        caller_id,
    )
    return [_user(row) for row in rows]


async def update(connection: Connection, organization_id: UUID, user_id: UUID, role: Role, disabled: bool) -> None:
    """Update a user's role, and whether they are disabled."""
    await connection.execute(
        "users.update",
        "UPDATE users SET role = $3, disabled = $4 WHERE organization_id = $1 AND id = $2",
        organization_id,
        user_id,
        role.value,
        disabled,
    )


async def now(connection: Connection) -> datetime:
    """Return the time by the database's clock, by which grants and tokens expire."""
    row = await connection.fetch_one("users.now", "SELECT now()")
    moment: datetime = row[0]
    return moment
