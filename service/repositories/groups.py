"""Statements on groups and their members."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.errors import AlreadyExists


@dataclass(frozen=True, slots=True)
class Group:
    """A group."""

    id: UUID
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a group."""

    username: str
    created_at: datetime


async def find_by_name(
    connection: Connection, organization_id: UUID, name: str, *, for_update: bool = False
) -> Group | None:
    """A group by name, regardless of case; locked if it is to be changed."""
    row = await connection.fetch_row(
        "groups.find_by_name",
        f"""
        SELECT g.id, g.name, g.created_at FROM groups g
        WHERE g.organization_id = $1 AND lower(g.name) = lower($2)
        {"FOR UPDATE" if for_update else ""}
        """,
        organization_id,
        name,
    )
    return Group(*row) if row else None


async def page(
    connection: Connection, organization_id: UUID, name: str | None, after: Sequence[Any] | None, limit: int | None
) -> list[Group]:
    """Groups by name, those with a part of it if one is given."""
    rows = await connection.fetch(
        "groups.page",
        """
        SELECT g.id, g.name, g.created_at
        FROM groups g
        WHERE g.organization_id = $1
          AND ($2::text IS NULL OR position(lower($2) IN lower(g.name)) > 0)
          AND ($3::text IS NULL OR lower(g.name) > $3)
        ORDER BY lower(g.name)
        LIMIT $4
        """,
        organization_id,
        name,
        after[0] if after else None,
        limit,
    )
    return [Group(*row) for row in rows]


async def names_of_user(connection: Connection, organization_id: UUID, user_id: UUID) -> list[str]:
    """The groups that a user is in, by name."""
    rows = await connection.fetch(
        "groups.names_of_user",
        """
        SELECT g.name
        FROM memberships m
        JOIN groups g ON g.organization_id = m.organization_id AND g.id = m.group_id
        WHERE m.organization_id = $1 AND m.user_id = $2
        ORDER BY lower(g.name)
        """,
        organization_id,
        user_id,
    )
    return [row["name"] for row in rows]


async def insert(connection: Connection, organization_id: UUID, group_id: UUID, name: str) -> Group:
    """Add a group.

    Raises:
        AlreadyExists: there is one of that name, regardless of case.
    """
    try:
        row = await connection.fetch_row(
            "groups.insert",
            "INSERT INTO groups (organization_id, id, name) VALUES ($1, $2, $3) RETURNING id, name, created_at",
            organization_id,
            group_id,
            name,
        )
    except asyncpg.UniqueViolationError as error:
        raise _taken(error, name) from error
    assert row is not None  # noqa: S101 - an INSERT returns its row or fails
    return Group(*row)


async def rename(connection: Connection, organization_id: UUID, group_id: UUID, name: str) -> None:
    """Give a group another name.

    Raises:
        AlreadyExists: there is another one of that name, regardless of case.
    """
    try:
        await connection.execute(
            "groups.rename",
            "UPDATE groups SET name = $3 WHERE organization_id = $1 AND id = $2",
            organization_id,
            group_id,
            name,
        )
    except asyncpg.UniqueViolationError as error:
        raise _taken(error, name) from error


def _taken(error: asyncpg.UniqueViolationError, name: str) -> Exception:
    if error.constraint_name == "groups_name_unique":
        return AlreadyExists(f"There is a group called {name}, regardless of case.")
    return error


async def delete(connection: Connection, organization_id: UUID, group_id: UUID) -> None:
    """Delete a group, its memberships, and what was granted to it."""
    await connection.execute(
        "groups.delete", "DELETE FROM groups WHERE organization_id = $1 AND id = $2", organization_id, group_id
    )


async def page_members(
    connection: Connection, organization_id: UUID, group_id: UUID, after: Sequence[Any] | None, limit: int | None
) -> list[Member]:
    """The members of a group, by name."""
    rows = await connection.fetch(
        "groups.page_members",
        """
        SELECT u.username, m.created_at
        FROM memberships m
        JOIN users u ON u.organization_id = m.organization_id AND u.id = m.user_id
        WHERE m.organization_id = $1 AND m.group_id = $2
          AND ($3::text IS NULL OR lower(u.username) > $3)
        ORDER BY lower(u.username)
        LIMIT $4
        """,
        organization_id,
        group_id,
        after[0] if after else None,
        limit,
    )
    return [Member(*row) for row in rows]


async def add_member(connection: Connection, organization_id: UUID, group_id: UUID, user_id: UUID) -> bool:
    """Put a user into a group; False if they are in it already."""
    row = await connection.fetch_row(
        "groups.add_member",
        """
        INSERT INTO memberships (organization_id, group_id, user_id) VALUES ($1, $2, $3)
        ON CONFLICT (organization_id, user_id, group_id) DO NOTHING
        RETURNING user_id
        """,
        organization_id,
        group_id,
        user_id,
    )
    return row is not None


async def remove_member(connection: Connection, organization_id: UUID, group_id: UUID, user_id: UUID) -> bool:
    """Take a user out of a group; False if they are not in it."""
    row = await connection.fetch_row(
        "groups.remove_member",
        """
        DELETE FROM memberships WHERE organization_id = $1 AND group_id = $2 AND user_id = $3
        RETURNING user_id
        """,
        organization_id,
        group_id,
        user_id,
    )
    return row is not None
