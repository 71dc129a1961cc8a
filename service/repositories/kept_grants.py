"""Statements on the grants that a user keeps without a role, and on those that they made to themselves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from service.database.pool import Connection
from service.repositories.times import bounded


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


async def list_first(
    connection: Connection, organization_id: UUID, user_id: UUID, username: str, limit: int
) -> tuple[list[KeptGrant], int]:
    """Return the first grants that a user keeps without a role, by pipeline, and how many there are.

    Those to them, whoever made them, and those that they made to groups of theirs.
    """
    rows = await connection.fetch(
        "kept_grants.list_first",
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
        "kept_grants.lock_granted",
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
        "kept_grants.delete_self_granted",
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
