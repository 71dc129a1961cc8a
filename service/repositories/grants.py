"""Statements on grants. Those to users and those to groups are in two tables of one shape; a view reads both."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from service.database.pool import Connection
from service.identity import MappedUser
from service.permissions import MAX_REASONS, GrantedAccess, is_manager, permission_names
from service.repositories.ordering import LAST, Column, Order, Orders, Rows, Span, fetch_page, never
from service.repositories.texts import folded
from service.repositories.times import bounded

Kind = Literal["user", "group"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant on a pipeline, with the name of the user or group that it is to."""

    kind: Kind
    name: str
    access: int
    expires_at: datetime | None
    updated_at: datetime


def state(access: int, expires_at: datetime | None) -> dict[str, Any]:
    """Return a grant as the audit trail shows it."""
    return {"permissions": permission_names(access), "is_manager": is_manager(access), "expires_at": expires_at}


def state_to(grantee_id: UUID, access: int, expires_at: datetime | None) -> dict[str, Any]:
    """Return a grant as the audit trail shows it, with the id of the user or group that its target only names."""
    return {**state(access, expires_at), "to_id": grantee_id}


_OF_PIPELINE: Final = f"""
    SELECT CASE WHEN g.user_id IS NULL THEN 'group' ELSE 'user' END AS kind, coalesce(u.username, r.name) AS name,
           g.access, {bounded("g.expires_at")} AS expires_at, {bounded("g.updated_at")} AS updated_at
    FROM grants g
    LEFT JOIN users u ON u.organization_id = g.organization_id AND u.id = g.user_id
    LEFT JOIN groups r ON r.organization_id = g.organization_id AND r.id = g.group_id
    WHERE g.organization_id = $1 AND g.pipeline_id = $2
"""


_NAMED: Final = (Column("kind"), Column("lower(name)"))

ORDERS: Final = Orders(
    "name",
    {
        "name": Order(_NAMED, lambda grant: (grant.kind, grant.name.lower())),
        "expires_at": Order(
            (never("expires_at"), *_NAMED), lambda grant: (grant.expires_at or LAST, grant.kind, grant.name.lower())
        ),
        "updated_at": Order(
            (Column("updated_at", "timestamptz"), *_NAMED),
            lambda grant: (grant.updated_at, grant.kind, grant.name.lower()),
        ),
    },
)
"""The orders of the grants on a pipeline; by name, groups come first."""


async def list_of_pipeline(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, span: Span, text: str | None = None
) -> Rows[Grant]:
    """Return a page of the grants on a pipeline, also those that have expired.

    Args:
        text: if given, only those to a user or a group with it in the name.
    """
    return await fetch_page(
        connection,
        "grants.list_of_pipeline",
        f"""
        SELECT kind, name, access, expires_at, updated_at
        FROM ({_OF_PIPELINE}) granted
        WHERE ($3::text IS NULL OR position({folded(3)} IN lower(name)) > 0)
        """,
        (organization_id, pipeline_id, text),
        span,
        lambda row: Grant(*row),
    )


async def find(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, kind: Kind, grantee_id: UUID
) -> Grant | None:
    """Return the grant to one user or group; None if there is none."""
    row = await connection.fetch_row(
        f"grants.find_{kind}",
        f"{_OF_PIPELINE} AND g.{kind}_id = $3",
        organization_id,
        pipeline_id,
        grantee_id,
    )
    return Grant(*row) if row else None


async def put(
    connection: Connection,
    organization_id: UUID,
    pipeline_id: UUID,
    kind: Kind,
    grantee_id: UUID,
    access: int,
    expires_at: datetime | None,
) -> bool:
    """Insert a grant to a locked user or group, or replace the one that there is; return False if they are gone."""
    row = await connection.fetch_row(
        f"grants.put_{kind}",
        f"""
        INSERT INTO {kind}_grants (organization_id, pipeline_id, {kind}_id, access, expires_at)
        SELECT $1, $2, grantee.id, $4, $5
        FROM {kind}s grantee
        WHERE grantee.organization_id = $1 AND grantee.id = $3
        ON CONFLICT (organization_id, {kind}_id, pipeline_id) DO UPDATE
        SET access = excluded.access, expires_at = excluded.expires_at, updated_at = now()
        RETURNING pipeline_id
        """,
        organization_id,
        pipeline_id,
        grantee_id,
        access,
        expires_at,
    )
    return row is not None


async def delete(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, kind: Kind, grantee_id: UUID
) -> None:
    """Delete the grant to a locked user or group."""
    await connection.execute(
        f"grants.delete_{kind}",
        f"DELETE FROM {kind}_grants WHERE organization_id = $1 AND pipeline_id = $2 AND {kind}_id = $3",
        organization_id,
        pipeline_id,
        grantee_id,
    )


class Concerning(NamedTuple):
    """A grant that concerns a user."""

    grant: Grant
    others: int
    """Further grants of the same access, which has expired as this one has or has not, that are not listed."""


async def list_concerning(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, user_id: UUID
) -> list[Concerning]:
    """Return the grants to a user and to each of their groups on a pipeline, also those that have expired.

    Of each access the first MAX_REASONS, as users may be in thousands of groups; the last of these counts the others.
    """
    groups = [*user_id.groups] if isinstance(user_id, MappedUser) else []
    rows = await connection.fetch(
        "grants.list_concerning",
        f"""
        SELECT c.kind, c.name, c.access, c.expires_at, c.updated_at,
               CASE WHEN c.place = {MAX_REASONS} THEN c.number - c.place ELSE 0 END AS others
        FROM (
            SELECT granted.*, row_number() OVER (alike ORDER BY kind DESC, lower(name)) AS place,
                   count(*) OVER alike AS number
            FROM ({_OF_PIPELINE} AND (
                g.user_id = $3
                OR g.group_id IN (SELECT group_id FROM memberships WHERE organization_id = $1 AND user_id = $3)
                OR g.group_id = ANY ($4)
            )) granted
            WINDOW alike AS (PARTITION BY access, expires_at <= now())
        ) c
        WHERE c.place <= {MAX_REASONS}
        ORDER BY c.kind DESC, lower(c.name)
        """,
        organization_id,
        pipeline_id,
        user_id,
        groups,
    )
    return [Concerning(Grant(*grant), others) for *grant, others in rows]


async def list_held(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, user_id: UUID
) -> list[GrantedAccess]:
    """Return what is granted to a user and to their groups on a pipeline: each access once, with its latest end.

    Of users in thousands of groups, the grants one by one would be as many objects.
    """
    groups = [*user_id.groups] if isinstance(user_id, MappedUser) else []
    rows = await connection.fetch(
        "grants.list_held",
        f"""
        SELECT g.access, CASE WHEN bool_and(g.expires_at IS NOT NULL) THEN {bounded("max(g.expires_at)")} END
        FROM grants g
        WHERE g.organization_id = $1 AND g.pipeline_id = $2 AND (
            g.user_id = $3
            OR g.group_id IN (SELECT group_id FROM memberships WHERE organization_id = $1 AND user_id = $3)
            OR g.group_id = ANY ($4)
        )
        GROUP BY g.access
        """,
        organization_id,
        pipeline_id,
        user_id,
        groups,
    )
    return [GrantedAccess(*row) for row in rows]
