"""Statements on grants. Those to users and those to groups are in two tables of one shape; a view reads both."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from service.database.pool import Connection
from service.identity import MappedUser
from service.permissions import (
    FULL_ACCESS,
    MANAGER,
    MAX_REASONS,
    READ,
    GrantedAccess,
    Role,
    is_manager,
    permission_names,
)
from service.repositories import examining
from service.repositories.examining import Source, few_or_examined
from service.repositories.granted import grants_of
from service.repositories.ordering import LAST, MAX_COUNTED, Column, Order, Orders, Rows, Span, fetch_page, never
from service.repositories.texts import folded
from service.repositories.times import bounded
from service.repositories.users import role_of

Kind = Literal["user", "group"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant on a pipeline, with the name of the user or group that it is to."""

    kind: Kind
    name: str
    access: int
    expires_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class GrantedUser:
    """A user, with the union of what is granted to them and their groups on one pipeline."""

    username: str
    role: Role
    granted: int


@dataclass(frozen=True, slots=True)
class KeptGrant:
    """A grant that a user holds, whatever their role: directly, or by a group of theirs."""

    id: UUID
    """The pipeline's."""
    name: str
    """The pipeline's."""
    access: int
    expires_at: datetime | None
    group: str | None
    """The group that it is to; None if it is to the user."""
    by_themselves: bool
    """True if the audit trail says that they made it."""


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

ACCESS_ORDERS: Final = Orders(
    "username", {"username": Order((Column("lower(u.username)"),), lambda user: (user.username.lower(),))}
)
"""The orders of the users with access to a pipeline."""


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


async def list_holders(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, holding: int, span: Span
) -> Rows[GrantedUser]:
    """Return a page of the users that hold an access on a pipeline by grants or role.

    Disabled users hold nothing.

    Args:
        holding: the permissions that they hold at least.
    """
    part = FULL_ACCESS if holding == READ else MANAGER | (holding & ~READ)  # of each grant that can give it
    arguments = (organization_id, pipeline_id, holding, part)
    after = [] if span.after is None else [*map(str, span.after)]
    behind = f"AND {span.order.behind(6)}" if after else ""
    statement = holders_statement(span.order, examining.MAX_EXAMINED, behind)
    rows = await connection.fetch("grants.list_holders", statement, *arguments, span.size + 1, *after)
    total = None
    if span.total:
        whole = holders_statement(span.order, examining.MAX_EXAMINED + 1)
        total = await examining.count_examined(
            connection, "grants.list_holders_total", whole, (*arguments, MAX_COUNTED + 1)
        )
    return examining.rows_of(
        [tuple(row) for row in rows], span, lambda row: GrantedUser(row[0], role_of(row[1]), row[2]), total
    )


def holders_statement(order: Order, limit: int, behind: str = "") -> str:
    """Return the statement of a page of the users with access to a pipeline, whose rows are those of `examined`.

    The parameters are the organization, the pipeline, the permissions that the users hold at least, those of which a
    grant has one that can give them, how many rows are wanted, and the parts of the key behind which the page begins.
    """
    return few_or_examined(
        Source(
            "users",
            "u",
            "u.organization_id = $1",
            f"""
            NOT u.disabled
            AND (u.role <> 'member' OR found.access & {MANAGER} = {MANAGER} OR found.access & $3 = $3) IS TRUE
            """,
            "u.username, u.role, coalesce(u.access, 0) AS access",
            "",
            f"""
            CROSS JOIN LATERAL (
                SELECT bit_or(g.access) AS access FROM ({grants_of("$1", "u.id")}) g WHERE g.pipeline_id = $2
            ) found
            """,
        ),
        order,
        limit,
        behind,
        few="""
            SELECT u.id FROM users u WHERE u.organization_id = $1 AND u.role <> 'member'
            UNION ALL
            SELECT ug.user_id FROM user_grants ug
            WHERE ug.organization_id = $1 AND ug.pipeline_id = $2 AND ug.access & $4 <> 0
            UNION ALL
            SELECT m.user_id FROM group_grants gg
            JOIN memberships m ON m.organization_id = gg.organization_id AND m.group_id = gg.group_id
            WHERE gg.organization_id = $1 AND gg.pipeline_id = $2 AND gg.access & $4 <> 0
        """,
        everything="false",
        wanted="$5",
    )


_KEPT: Final = f"""
    -- The grants to user $2, called $3, and to their groups, with the last actor who is known to have set each.
    SELECT p.id, p.name, g.access, {bounded("g.expires_at")} AS expires_at, r.name AS "group",
           coalesce(made.actor_id = $2, false) AS by_themselves
    FROM grants g
    JOIN pipelines p ON p.organization_id = g.organization_id AND p.id = g.pipeline_id
    LEFT JOIN groups r ON r.organization_id = g.organization_id AND r.id = g.group_id
    LEFT JOIN LATERAL (
        SELECT a.actor_id
        FROM audit a
        WHERE a.organization_id = $1
          AND (
              (a.action = 'grant.set'
               AND a.target = 'grant:' || p.id || coalesce('/group:' || r.name, '/user:' || $3::text))
              OR (a.action = 'pipeline.create' AND a.target = 'pipeline:' || p.id AND g.group_id IS NULL)
          )
        ORDER BY a.id DESC
        LIMIT 1
    ) made ON true
    WHERE g.organization_id = $1
      AND (g.user_id = $2
           OR g.group_id IN (SELECT m.group_id FROM memberships m WHERE m.organization_id = $1 AND m.user_id = $2))
      AND (g.expires_at IS NULL OR g.expires_at > now())
"""


async def list_kept(
    connection: Connection, organization_id: UUID, user_id: UUID, username: str, limit: int
) -> tuple[list[KeptGrant], int]:
    """Return the first grants that a user keeps without a role, by pipeline, and how many there are.

    Those to them, whoever made them, and those that they made to groups of theirs.
    """
    rows = await connection.fetch(
        "grants.list_kept",
        f"""
        SELECT kept.*, count(*) OVER () AS total FROM ({_KEPT}) kept
        WHERE kept."group" IS NULL OR kept.by_themselves
        ORDER BY kept.name, kept.id, kept."group"
        LIMIT $4
        """,
        organization_id,
        user_id,
        username,
        limit,
    )
    return [KeptGrant(*row[:6]) for row in rows], rows[0]["total"] if rows else 0


async def lock_granted(connection: Connection, organization_id: UUID, user_id: UUID) -> None:
    """Lock the pipelines with a grant to a user, as every change of grants does ahead of all else.

    Whoever made the grant: to look that up takes longer than all else, and once is enough, behind the locks. Updates of
    jobs share these.
    """
    await connection.execute(
        "grants.lock_granted",
        """
        -- Counted, so that no row of the locked is sent.
        SELECT count(*)
        FROM (
            SELECT FROM pipelines p
            WHERE p.organization_id = $1 AND p.id IN (
                SELECT ug.pipeline_id FROM user_grants ug WHERE ug.organization_id = $1 AND ug.user_id = $2
            )
            ORDER BY p.id FOR NO KEY UPDATE
        ) locked
        """,
        organization_id,
        user_id,
    )


async def delete_self_granted(
    connection: Connection, organization_id: UUID, user_id: UUID, username: str
) -> list[KeptGrant]:
    """Delete the grants that a user has made to themselves; return what they were, by pipeline."""
    rows = await connection.fetch(
        "grants.delete_self_granted",
        f"""
        WITH
        -- What they granted themselves, locked by pipeline, as other changes of grants lock.
        own AS MATERIALIZED (
            SELECT kept.*
            FROM ({_KEPT}) kept
            JOIN user_grants ug ON ug.organization_id = $1 AND ug.user_id = $2 AND ug.pipeline_id = kept.id
            WHERE kept."group" IS NULL AND kept.by_themselves
            ORDER BY kept.id FOR UPDATE OF ug
        ),
        -- The same, gone.
        gone AS (
            DELETE FROM user_grants ug USING own
            WHERE ug.organization_id = $1 AND ug.user_id = $2 AND ug.pipeline_id = own.id
            RETURNING ug.pipeline_id
        )
        SELECT own.* FROM own JOIN gone ON gone.pipeline_id = own.id ORDER BY own.id
        """,
        organization_id,
        user_id,
        username,
    )
    return [KeptGrant(*row) for row in rows]
