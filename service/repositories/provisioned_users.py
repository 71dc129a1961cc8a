"""Statements on users as provisioning has them: which it manages, and by which ids of the identity provider."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.repositories.texts import folded
from service.repositories.times import bounded
from service.repositories.users import COLUMNS, User, user_of
from service.values.names import name_key


@dataclass(frozen=True, slots=True)
class ProvisionedUser:
    """A user whom provisioning sees, whether it manages them already or may begin to."""

    user: User
    external_id: str | None
    """The identity provider's own id of them."""
    gives_role: bool
    """True if provisioning has said which role they have."""
    changed_at: datetime
    """The time of the last change by provisioning, or of their creation."""


@dataclass(frozen=True, slots=True)
class ProvisionedUserFilters:
    """The conditions of a list, each of which must hold; None: there is none of that kind."""

    id: UUID | None = None
    username: str | None = None
    external_id: str | None = None
    display_name: str | None = None
    active: bool | None = None
    email: str | None = None


_SEEN = f"""
    SELECT {COLUMNS}, p.external_id, coalesce(p.gives_role, false) AS gives_role,
           {bounded("coalesce(p.changed_at, u.created_at)")} AS changed_at
    FROM users u
    LEFT JOIN provisioned_users p ON p.organization_id = u.organization_id AND p.user_id = u.id
    WHERE u.organization_id = $1 AND NOT (u.disabled AND coalesce(p.deprovisioned, false))
"""
"""All but those whom the identity provider has deleted, unless an administrator has enabled them since."""


def _seen(row: asyncpg.Record) -> ProvisionedUser:
    *columns, external_id, gives_role, changed_at = row
    return ProvisionedUser(user_of(columns), external_id, gives_role, changed_at)


async def find(connection: Connection, organization_id: UUID, user_id: UUID) -> ProvisionedUser | None:
    """Return a user by id, if provisioning sees them."""
    row = await connection.fetch_row("provisioned_users.find", f"{_SEEN} AND u.id = $2", organization_id, user_id)
    return _seen(row) if row else None


async def page(
    connection: Connection, organization_id: UUID, filters: ProvisionedUserFilters, offset: int, limit: int
) -> tuple[list[ProvisionedUser], int]:
    """Return some of the users that fit, by name, and how many there are."""
    conditions = f"""
        AND ($2::uuid IS NULL OR u.id = $2)
        AND ($3::text IS NULL OR lower(u.username) = {folded(3)})
        AND ($4::text IS NULL OR p.external_id = $4)
        AND ($5::text IS NULL OR u.display_name_key = $5)
        AND ($6::boolean IS NULL OR u.disabled <> $6)
        AND ($7::text IS NULL OR lower(u.email) = {folded(7)})
    """
    values = (
        organization_id,
        filters.id,
        filters.username,
        filters.external_id,
        None if filters.display_name is None else name_key(filters.display_name),
        filters.active,
        filters.email,
    )
    counted = await connection.fetch_one(
        "provisioned_users.count", f"SELECT count(*) FROM ({_SEEN} {conditions}) seen", *values
    )
    rows = await connection.fetch(
        "provisioned_users.page",
        f"{_SEEN} {conditions} ORDER BY lower(u.username) OFFSET $8 LIMIT $9",
        *values,
        offset,
        limit,
    )
    return [_seen(row) for row in rows], int(counted[0])


async def names_of(connection: Connection, organization_id: UUID, ids: Sequence[UUID]) -> dict[UUID, tuple[str, bool]]:
    """Return the names of those of some users that there are, and whether provisioning sees each."""
    rows = await connection.fetch(
        "provisioned_users.names_of",
        """
        SELECT u.id, u.username, NOT (u.disabled AND coalesce(p.deprovisioned, false)) AS seen
        FROM users u
        LEFT JOIN provisioned_users p ON p.organization_id = u.organization_id AND p.user_id = u.id
        WHERE u.organization_id = $1 AND u.id = ANY ($2)
        """,
        organization_id,
        ids,
    )
    return {row["id"]: (row["username"], row["seen"]) for row in rows}


async def put(
    connection: Connection, organization_id: UUID, user_id: UUID, external_id: str | None, *, gives_role: bool
) -> None:
    """Let provisioning manage a locked user."""
    await connection.execute(
        "provisioned_users.put",
        """
        INSERT INTO provisioned_users (organization_id, user_id, external_id, gives_role) VALUES ($1, $2, $3, $4)
        ON CONFLICT (organization_id, user_id) DO UPDATE
        SET external_id = $3, gives_role = $4, deprovisioned = false, changed_at = now()
        """,
        organization_id,
        user_id,
        external_id,
        gives_role,
    )


async def end(connection: Connection, organization_id: UUID, user_id: UUID) -> None:
    """Let provisioning manage a locked user no more, and see them no more while they are disabled."""
    await connection.execute(
        "provisioned_users.end",
        """
        INSERT INTO provisioned_users (organization_id, user_id, deprovisioned) VALUES ($1, $2, true)
        ON CONFLICT (organization_id, user_id) DO UPDATE
        SET external_id = NULL, gives_role = false, deprovisioned = true, changed_at = now()
        """,
        organization_id,
        user_id,
    )


async def lock_groups_of(
    connection: Connection, organization_id: UUID, user_id: UUID, limit: int
) -> list[tuple[UUID, str]]:
    """Lock the first groups that a user is in and provisioning manages, by id, and return the id and name of each."""
    rows = await connection.fetch(
        "provisioned_users.lock_groups_of",
        """
        SELECT g.id, g.name
        FROM groups g
        WHERE g.organization_id = $1 AND g.id IN (
            SELECT m.group_id
            FROM memberships m
            JOIN provisioned_groups p ON p.organization_id = m.organization_id AND p.group_id = m.group_id
            WHERE m.organization_id = $1 AND m.user_id = $2
        )
        ORDER BY g.id
        LIMIT $3
        FOR UPDATE
        """,
        organization_id,
        user_id,
        limit,
    )
    return [(row["id"], row["name"]) for row in rows]


async def leave_groups(
    connection: Connection, organization_id: UUID, user_id: UUID, group_ids: Sequence[UUID]
) -> set[UUID]:
    """Take a user out of locked groups; return those that they were in."""
    rows = await connection.fetch(
        "provisioned_users.leave_groups",
        """
        DELETE FROM memberships m WHERE m.organization_id = $1 AND m.user_id = $2 AND m.group_id = ANY ($3)
        RETURNING m.group_id
        """,
        organization_id,
        user_id,
        group_ids,
    )
    return {row["group_id"] for row in rows}


async def find_managed(connection: Connection, organization_id: UUID, ids: Sequence[UUID]) -> list[ProvisionedUser]:
    """Return those of some locked users that provisioning manages."""
    rows = await connection.fetch(
        "provisioned_users.find_managed",
        f"{_SEEN} AND u.id = ANY ($2) AND p.user_id IS NOT NULL AND NOT p.deprovisioned ORDER BY u.id",
        organization_id,
        ids,
    )
    return [_seen(row) for row in rows]
