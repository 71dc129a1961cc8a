"""Statements on groups as provisioning has them, and on who is in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.repositories.groups import COLUMNS, Group
from service.repositories.texts import folded
from service.repositories.times import bounded


@dataclass(frozen=True, slots=True)
class ProvisionedGroup:
    """A group, whether provisioning manages it already or may begin to."""

    group: Group
    external_id: str | None
    """The identity provider's own id of it."""
    changed_at: datetime
    """The time of the last change by provisioning, or of its creation."""
    members_digest: str = ""
    """A digest of its members' ids; empty where it was not asked for."""


@dataclass(frozen=True, slots=True)
class ProvisionedGroupFilters:
    """The conditions of a list, each of which must hold; None: there is none of that kind."""

    id: UUID | None = None
    name: str | None = None
    external_id: str | None = None
    member_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class SeenMember:
    """A member of a group, as provisioning sees them."""

    group_id: UUID
    user_id: UUID
    username: str


_DIGEST: Final = """
    (
        SELECT coalesce(md5(string_agg(m.user_id::text, '' ORDER BY m.user_id)), 'none')
        FROM memberships m
        WHERE m.organization_id = g.organization_id AND m.group_id = g.id
    )
"""
_SEEN: Final = f"""
    SELECT {COLUMNS}, p.external_id, {bounded("coalesce(p.changed_at, g.created_at)")} AS changed_at
    FROM groups g
    LEFT JOIN provisioned_groups p ON p.organization_id = g.organization_id AND p.group_id = g.id
    WHERE g.organization_id = $1
"""


def _seen(row: asyncpg.Record) -> ProvisionedGroup:
    *columns, external_id, changed_at = row
    return ProvisionedGroup(Group(*columns), external_id, changed_at)


async def find(connection: Connection, organization_id: UUID, group_id: UUID) -> ProvisionedGroup | None:
    """Return a group by id, with the digest of its members."""
    row = await connection.fetch_row(
        "provisioned_groups.find",
        f"""
        SELECT seen.*, {_DIGEST.replace("g.organization_id", "$1").replace("g.id", "seen.id")} AS members_digest
        FROM ({_SEEN} AND g.id = $2) seen
        """,
        organization_id,
        group_id,
    )
    if row is None:
        return None
    *columns, external_id, changed_at, digest = row
    return ProvisionedGroup(Group(*columns), external_id, changed_at, digest)


async def lock(connection: Connection, organization_id: UUID, group_id: UUID) -> None:
    """Lock a group that is to be changed, if there is one."""
    await connection.execute(
        "provisioned_groups.lock",
        "SELECT FROM groups g WHERE g.organization_id = $1 AND g.id = $2 FOR UPDATE",
        organization_id,
        group_id,
    )


async def page(
    connection: Connection, organization_id: UUID, filters: ProvisionedGroupFilters, offset: int, limit: int
) -> tuple[list[ProvisionedGroup], int]:
    """Return some of the groups that fit, by name, and how many there are."""
    conditions = f"""
        AND ($2::uuid IS NULL OR g.id = $2)
        AND ($3::text IS NULL OR lower(g.name) = {folded(3)})
        AND ($4::text IS NULL OR p.external_id = $4)
        AND ($5::uuid IS NULL OR EXISTS (
            SELECT FROM memberships m WHERE m.organization_id = $1 AND m.group_id = g.id AND m.user_id = $5
        ))
    """
    values = (organization_id, filters.id, filters.name, filters.external_id, filters.member_id)
    counted = await connection.fetch_one(
        "provisioned_groups.count", f"SELECT count(*) FROM ({_SEEN} {conditions}) seen", *values
    )
    rows = await connection.fetch(
        "provisioned_groups.page",
        f"{_SEEN} {conditions} ORDER BY lower(g.name) OFFSET $6 LIMIT $7",
        *values,
        offset,
        limit,
    )
    return [_seen(row) for row in rows], int(counted[0])


async def count_members(
    connection: Connection, organization_id: UUID, group_ids: Sequence[UUID]
) -> dict[UUID, tuple[int, str]]:
    """Return how many members each of some groups has, and the digest of their ids; groups without any are left out."""
    rows = await connection.fetch(
        "provisioned_groups.count_members",
        """
        SELECT m.group_id, count(*), md5(string_agg(m.user_id::text, '' ORDER BY m.user_id))
        FROM memberships m
        WHERE m.organization_id = $1 AND m.group_id = ANY ($2)
        GROUP BY m.group_id
        """,
        organization_id,
        group_ids,
    )
    return {group_id: (number, digest) for group_id, number, digest in rows}


async def list_members(connection: Connection, organization_id: UUID, group_ids: Sequence[UUID]) -> list[SeenMember]:
    """Return the members of some groups whom provisioning sees, by name."""
    rows = await connection.fetch(
        "provisioned_groups.list_members",
        """
        SELECT m.group_id, u.id, u.username
        FROM memberships m
        JOIN users u ON u.organization_id = m.organization_id AND u.id = m.user_id
        LEFT JOIN provisioned_users p ON p.organization_id = u.organization_id AND p.user_id = u.id
        WHERE m.organization_id = $1 AND m.group_id = ANY ($2) AND NOT (u.disabled AND coalesce(p.deprovisioned, false))
        ORDER BY lower(u.username)
        """,
        organization_id,
        group_ids,
    )
    return [SeenMember(*row) for row in rows]


async def ids_of_members(connection: Connection, organization_id: UUID, group_id: UUID) -> set[UUID]:
    """Return the ids of all members of a locked group."""
    rows = await connection.fetch(
        "provisioned_groups.ids_of_members",
        "SELECT m.user_id FROM memberships m WHERE m.organization_id = $1 AND m.group_id = $2",
        organization_id,
        group_id,
    )
    return {row["user_id"] for row in rows}


async def put(connection: Connection, organization_id: UUID, group_id: UUID, external_id: str | None) -> None:
    """Let provisioning manage a locked group."""
    await connection.execute(
        "provisioned_groups.put",
        """
        INSERT INTO provisioned_groups (organization_id, group_id, external_id) VALUES ($1, $2, $3)
        ON CONFLICT (organization_id, group_id) DO UPDATE SET external_id = $3, changed_at = now()
        """,
        organization_id,
        group_id,
        external_id,
    )


async def find_managed(connection: Connection, organization_id: UUID, ids: Sequence[UUID]) -> list[ProvisionedGroup]:
    """Return those of some locked groups that provisioning manages."""
    rows = await connection.fetch(
        "provisioned_groups.find_managed",
        f"{_SEEN} AND g.id = ANY ($2) AND p.group_id IS NOT NULL ORDER BY g.id",
        organization_id,
        ids,
    )
    return [_seen(row) for row in rows]
