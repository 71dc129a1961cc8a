"""Statements on many memberships of one group at once."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from service.database.pool import Connection


async def add_each(connection: Connection, organization_id: UUID, group_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Insert the memberships of locked users in a group; return those who were not in it."""
    rows = await connection.fetch(
        "memberships.add_each",
        """
        INSERT INTO memberships (organization_id, group_id, user_id)
        SELECT $1, $2, added.id
        FROM unnest($3::uuid[]) added (id)
        ORDER BY added.id
        ON CONFLICT (organization_id, user_id, group_id) DO NOTHING
        RETURNING user_id
        """,
        organization_id,
        group_id,
        ids,
    )
    return {row["user_id"] for row in rows}


async def remove_each(connection: Connection, organization_id: UUID, group_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Delete the memberships of locked users in a group; return those who were in it."""
    rows = await connection.fetch(
        "memberships.remove_each",
        """
        DELETE FROM memberships m
        WHERE m.organization_id = $1 AND m.group_id = $2 AND m.user_id = ANY ($3)
        RETURNING m.user_id
        """,
        organization_id,
        group_id,
        ids,
    )
    return {row["user_id"] for row in rows}


async def find_crowded(connection: Connection, organization_id: UUID, ids: Sequence[UUID], limit: int) -> Sequence[str]:
    """Return the names of those of some locked users who are in more groups than a limit."""
    rows = await connection.fetch(
        "memberships.find_crowded",
        """
        SELECT u.username
        FROM unnest($2::uuid[]) joined (id)
        JOIN users u ON u.organization_id = $1 AND u.id = joined.id
        CROSS JOIN LATERAL (
            -- No more of them than tell that they are too many.
            SELECT count(*) AS groups
            FROM (SELECT FROM memberships m WHERE m.organization_id = $1 AND m.user_id = u.id LIMIT $3 + 1) counted
        ) counted
        WHERE counted.groups > $3
        ORDER BY lower(u.username)
        """,
        organization_id,
        ids,
        limit,
    )
    return [row["username"] for row in rows]


async def find_first(connection: Connection, organization_id: UUID, group_id: UUID, limit: int) -> Mapping[UUID, str]:
    """Return the names of the first members of a locked group, by their ids and in the order of these."""
    rows = await connection.fetch(
        "memberships.find_first",
        """
        SELECT u.id, u.username
        FROM memberships m
        JOIN users u ON u.organization_id = m.organization_id AND u.id = m.user_id
        WHERE m.organization_id = $1 AND m.group_id = $2
        ORDER BY m.user_id
        LIMIT $3
        """,
        organization_id,
        group_id,
        limit,
    )
    return {row["id"]: row["username"] for row in rows}
