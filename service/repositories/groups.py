"""Statements on groups and memberships."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.errors import AlreadyExists
from service.repositories.granted import reading_as
from service.repositories.ordering import Column, Order, Orders, Rows, Span, fetch_page
from service.repositories.texts import folded
from service.repositories.times import bounded
from service.values.casefold import casefold


@dataclass(frozen=True, slots=True)
class Group:
    """A group."""

    id: UUID
    name: str
    created_at: datetime
    provisioned: bool = False
    """True if provisioning manages it, as of the statement's beginning; under a lock: see require_unmanaged."""


COLUMNS: Final = f"""
    g.id, g.name, {bounded("g.created_at")} AS created_at,
    EXISTS (
        SELECT FROM provisioned_groups managed
        WHERE managed.organization_id = g.organization_id AND managed.group_id = g.id
    ) AS provisioned
"""
"""The columns of groups g that make a Group."""


@dataclass(frozen=True, slots=True)
class Member:
    """A user as a member of a group, and since when."""

    username: str
    created_at: datetime


async def find_by_name(
    connection: Connection, organization_id: UUID, name: str, *, for_update: bool = False
) -> Group | None:
    """Return a group by name, regardless of case; lock it if it is to be changed."""
    row = await connection.fetch_row(
        "groups.find_by_name",
        f"""
        SELECT {COLUMNS} FROM groups g
        WHERE g.organization_id = $1 AND lower(g.name) = {folded(2)}
        {"FOR UPDATE" if for_update else ""}
        """,
        organization_id,
        name,
    )
    return Group(*row) if row else None


_CREATED: Final = Column("g.created_at", "timestamptz")
_NAME: Final = Column("lower(g.name)")

ORDERS: Final = Orders(
    "name",
    {
        "name": Order((_NAME,), lambda group: (group.name.lower(),)),
        "created_at": Order((_CREATED, _NAME), lambda group: (group.created_at, group.name.lower())),
    },
)
"""The orders of groups; all but that by name only for callers who see the rest."""

MEMBER_ORDERS: Final = Orders(
    "username",
    {
        "username": Order((Column("lower(u.username)"),), lambda member: (member.username.lower(),)),
        "created_at": Order(
            (Column("m.created_at", "timestamptz"), Column("lower(u.username)")),
            lambda member: (member.created_at, member.username.lower()),
        ),
    },
)
"""The orders of the members of a group."""


def _group(row: asyncpg.Record) -> Group:
    return Group(*row)


def _member(row: asyncpg.Record) -> Member:
    return Member(*row)


async def page(connection: Connection, organization_id: UUID, name: str | None, span: Span) -> Rows[Group]:
    """Return a page of groups; if a name is given, of those that have it in theirs."""
    return await fetch_page(
        connection,
        "groups.page",
        f"""
        SELECT {COLUMNS}
        FROM groups g
        WHERE g.organization_id = $1
          AND ($2::text IS NULL OR position($2 IN lower(g.name)) > 0)
        """,
        (organization_id, None if name is None else casefold(name)),
        span,
        _group,
    )


async def page_of_user(connection: Connection, organization_id: UUID, user_id: UUID, span: Span) -> Rows[Group]:
    """Return a page of the groups that a user is in."""
    return await fetch_page(
        connection,
        "groups.page_of_user",
        f"""
        SELECT {COLUMNS}
        FROM memberships m
        JOIN groups g ON g.organization_id = m.organization_id AND g.id = m.group_id
        WHERE m.organization_id = $1 AND m.user_id = $2
        """,
        (organization_id, user_id),
        span,
        _group,
    )


async def names_of_user(
    connection: Connection, organization_id: UUID, user_id: UUID, limit: int
) -> tuple[list[str], int]:
    """Return the names of the first groups that a user is in, in order, and how many there are."""
    rows = await reading_as(connection, user_id).fetch(
        "groups.names_of_user",
        """
        SELECT g.name, count(*) OVER () AS total
        FROM memberships m
        JOIN groups g ON g.organization_id = m.organization_id AND g.id = m.group_id
        WHERE m.organization_id = $1 AND m.user_id = $2
        ORDER BY lower(g.name)
        LIMIT $3
        """,
        organization_id,
        user_id,
        limit,
    )
    return [row["name"] for row in rows], rows[0]["total"] if rows else 0


async def names_among(
    connection: Connection, organization_id: UUID, user_id: UUID, group_ids: Sequence[UUID]
) -> set[str]:
    """Return the names of those groups, given by their ids, that a user is in."""
    rows = await connection.fetch(
        "groups.names_among",
        """
        SELECT g.name
        FROM memberships m
        JOIN groups g ON g.organization_id = m.organization_id AND g.id = m.group_id
        WHERE m.organization_id = $1 AND m.user_id = $2 AND m.group_id = ANY ($3)
        """,
        organization_id,
        UUID(int=user_id.int),
        group_ids,
    )
    return {row["name"] for row in rows}


async def insert(connection: Connection, organization_id: UUID, group_id: UUID, name: str) -> Group:
    """Insert a group.

    Raises:
        AlreadyExists: there is one of that name, regardless of case.
    """
    try:
        row = await connection.fetch_one(
            "groups.insert",
            "INSERT INTO groups (organization_id, id, name) VALUES ($1, $2, $3) RETURNING id, name, created_at",
            organization_id,
            group_id,
            name,
        )
    except asyncpg.UniqueViolationError as error:
        raise _taken(error, name) from error
    return Group(*row)


async def rename(connection: Connection, organization_id: UUID, group_id: UUID, name: str) -> None:
    """Rename a group.

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
    """Delete a group, its memberships and its grants."""
    await connection.execute(
        "groups.delete", "DELETE FROM groups WHERE organization_id = $1 AND id = $2", organization_id, group_id
    )


async def page_members(
    connection: Connection, organization_id: UUID, group_id: UUID, span: Span, text: str | None = None
) -> Rows[Member]:
    """Return a page of the members of a group; if a text is given, of those known by a name or address with it."""
    return await fetch_page(
        connection,
        "groups.page_members",
        f"""
        SELECT u.username, {bounded("m.created_at")}
        FROM memberships m
        JOIN users u ON u.organization_id = m.organization_id AND u.id = m.user_id
        WHERE m.organization_id = $1 AND m.group_id = $2
          AND ($3::text IS NULL OR position($3 IN lower(u.username)) > 0
               OR position($3 IN u.display_name_key) > 0 OR position($3 IN u.email_key) > 0)
        """,
        (organization_id, group_id, None if text is None else casefold(text)),
        span,
        _member,
    )


async def add_member(connection: Connection, organization_id: UUID, group_id: UUID, user_id: UUID) -> bool:
    """Insert a membership; return False if the user is in the group already."""
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
    """Delete a membership; return False if the user is not in the group."""
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
