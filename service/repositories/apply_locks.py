"""Statements that find and lock what a declared state is to change; see operations/apply_locks.py."""

from collections.abc import Sequence
from uuid import UUID

from service.database.pool import Connection
from service.repositories.texts import any_folded


async def lock_pipelines(connection: Connection, organization_id: UUID, ids: Sequence[UUID]) -> None:
    """Lock pipelines as those that change one alone do."""
    await connection.execute(
        "apply.lock_pipelines",
        "SELECT FROM pipelines WHERE organization_id = $1 AND id = ANY ($2) ORDER BY id FOR UPDATE",
        organization_id,
        ids,
    )


async def find_groups(
    connection: Connection, organization_id: UUID, names: Sequence[str], pipeline_ids: Sequence[UUID]
) -> list[UUID]:
    """Return the groups of some names, and those to which something is granted on locked pipelines.

    Of a pipeline that very many groups hold, none gets a revision of its own, and none is returned.
    """
    rows = await connection.fetch(
        "apply.find_groups",
        f"""
        SELECT g.id
        FROM groups g
        WHERE g.organization_id = $1
          AND lower(g.name) = {any_folded(2)}
        UNION
        SELECT gg.group_id
        FROM unnest($3::uuid[]) p (id)
        JOIN group_grants gg ON gg.organization_id = $1 AND gg.pipeline_id = p.id
        WHERE NOT is_held_by_many_groups($1, p.id)
        """,
        organization_id,
        names,
        pipeline_ids,
    )
    return [row["id"] for row in rows]


async def lock_groups(connection: Connection, organization_id: UUID, ids: Sequence[UUID]) -> None:
    """Lock groups as those that change who is in one do."""
    await connection.execute(
        "apply.lock_groups",
        "SELECT FROM groups WHERE organization_id = $1 AND id = ANY ($2) ORDER BY id FOR UPDATE",
        organization_id,
        ids,
    )


async def find_users(
    connection: Connection,
    organization_id: UUID,
    names: Sequence[str],
    groups: Sequence[str],
    pipeline_ids: Sequence[UUID],
) -> list[UUID]:
    """Return the users of some names, those in some locked groups, and those to whom something is granted likewise."""
    rows = await connection.fetch(
        "apply.find_users",
        f"""
        SELECT u.id
        FROM users u
        WHERE u.organization_id = $1
          AND lower(u.username) = {any_folded(2)}
        UNION
        SELECT m.user_id
        FROM memberships m
        WHERE m.organization_id = $1 AND m.group_id = ANY (ARRAY(
            SELECT g.id FROM groups g
            WHERE g.organization_id = $1
              AND lower(g.name) = {any_folded(3)}
        ))
        UNION
        SELECT ug.user_id
        FROM unnest($4::uuid[]) p (id)
        JOIN user_grants ug ON ug.organization_id = $1 AND ug.pipeline_id = p.id
        WHERE NOT is_held_by_many_users($1, p.id)
        """,
        organization_id,
        names,
        groups,
        pipeline_ids,
    )
    return [row["id"] for row in rows]
