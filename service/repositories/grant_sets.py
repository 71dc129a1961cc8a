"""Statements on many grants at once: those on one pipeline, and those to one group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from service.database.pool import Connection
from service.permissions import MANAGE_PIPELINES, MANAGER
from service.repositories.granted import GRANTED, reading_as
from service.repositories.grants import Kind
from service.repositories.ordering import LAST, Column, Order, Orders, Rows, Span, fetch_page, never
from service.repositories.texts import any_folded
from service.repositories.times import bounded
from service.values.casefold import casefold


@dataclass(frozen=True, slots=True)
class GroupGrant:
    """A grant to a group, with the pipeline that it is on."""

    pipeline_id: UUID
    pipeline_name: str
    access: int
    expires_at: datetime | None


class Grantee(NamedTuple):
    """A user or a group to whom something is granted or may be."""

    id: UUID
    name: str
    """As it is written."""


class NewGrant(NamedTuple):
    """A grant that is to be, to the user or group of an id."""

    grantee_id: UUID
    access: int
    expires_at: datetime | None


_NAMED: Final = (Column("p.name"), Column("p.id", "uuid"))

GROUP_GRANT_ORDERS: Final = Orders(
    "name",
    {
        "name": Order(_NAMED, lambda grant: (grant.pipeline_name, grant.pipeline_id)),
        "expires_at": Order(
            (never(bounded("g.expires_at")), *_NAMED),
            lambda grant: (grant.expires_at or LAST, grant.pipeline_name, grant.pipeline_id),
        ),
    },
)
"""The orders of the grants to a group, of which the first is by the pipelines' names."""


async def list_of_group(
    connection: Connection,
    organization_id: UUID,
    user_id: UUID,
    group_id: UUID,
    span: Span,
    *,
    everything: bool,
    text: str | None = None,
) -> Rows[GroupGrant]:
    """Return a page of the grants to a group, also those that have expired.

    Args:
        everything: False for those on pipelines alone whose grants the user may manage by what is granted to them.
        text: if given, only those on pipelines with it in the name.
    """
    return await fetch_page(
        reading_as(connection, user_id),
        "grants.list_of_group",
        f"""
        SELECT p.id, p.name, g.access, {bounded("g.expires_at")}
        FROM group_grants g
        JOIN pipelines p ON p.organization_id = g.organization_id AND p.id = g.pipeline_id
        WHERE g.organization_id = $1 AND g.group_id = $3
          AND ($4 OR g.pipeline_id IN (
              SELECT m.pipeline_id FROM ({GRANTED}) m WHERE m.access & {MANAGE_PIPELINES | MANAGER} > 0
          ))
          AND ($5::text IS NULL OR position($5 IN p.name_key) > 0)
        """,
        (organization_id, user_id, group_id, everything, None if text is None else casefold(text)),
        span,
        lambda row: GroupGrant(*row),
    )


async def find_grantees(
    connection: Connection, organization_id: UUID, kind: Kind, names: Sequence[str]
) -> list[Grantee]:
    """Return the users or groups of some names, regardless of case."""
    name = "username" if kind == "user" else "name"
    rows = await connection.fetch(
        f"grants.find_{kind}s",
        f"""
        SELECT g.id, g.{name}
        FROM {kind}s g
        WHERE g.organization_id = $1
          AND lower(g.{name}) = {any_folded(2)}
        """,
        organization_id,
        names,
    )
    return [Grantee(*row) for row in rows]


async def put_each(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, kind: Kind, grants: Sequence[NewGrant]
) -> int:
    """Insert grants on a locked pipeline to locked users or groups, or replace those that there are.

    Returns:
        How many, without those whose user or group is gone.
    """
    ids, accesses, ends = zip(*grants, strict=True) if grants else ((), (), ())
    rows = await connection.fetch(
        f"grants.put_each_{kind}",
        f"""
        INSERT INTO {kind}_grants (organization_id, pipeline_id, {kind}_id, access, expires_at)
        SELECT $1, $2, grantee.id, new.access, new.expires_at
        FROM unnest($3::uuid[], $4::smallint[], $5::timestamptz[]) new (id, access, expires_at)
        JOIN {kind}s grantee ON grantee.organization_id = $1 AND grantee.id = new.id
        ORDER BY grantee.id
        ON CONFLICT (organization_id, {kind}_id, pipeline_id) DO UPDATE
        SET access = excluded.access, expires_at = excluded.expires_at, updated_at = now()
        RETURNING {kind}_id
        """,
        organization_id,
        pipeline_id,
        ids,
        accesses,
        ends,
    )
    return len(rows)


async def delete_each(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, kind: Kind, ids: Sequence[UUID]
) -> None:
    """Delete the grants on a locked pipeline to some locked users or groups."""
    await connection.execute(
        f"grants.delete_each_{kind}",
        f"""
        DELETE FROM {kind}_grants g
        WHERE g.organization_id = $1 AND g.pipeline_id = $2 AND g.{kind}_id = ANY ($3)
        """,
        organization_id,
        pipeline_id,
        ids,
    )
