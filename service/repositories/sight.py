"""Statements on what users may see of some pipelines and jobs, many users in one."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from service.database.pool import Connection
from service.repositories.granted import grants_of
from service.repositories.times import bounded


class JobNow(NamedTuple):
    """A job as it is now."""

    owner_id: UUID
    pipeline_ids: Sequence[UUID]
    created_at: datetime
    """Of what has had the same id before and is gone, entries are older."""


async def find_jobs(connection: Connection, organization_id: UUID, ids: Collection[str]) -> Mapping[str, JobNow]:
    """Return the jobs of those ids that exist."""
    rows = await connection.fetch(
        "sight.find_jobs",
        f"""
        SELECT j.id, j.owner_id, {bounded("j.created_at")} AS created_at,
               ARRAY(
                   SELECT a.pipeline_id
                   FROM assignments a
                   WHERE a.organization_id = j.organization_id AND a.job_id = j.id
               ) AS pipeline_ids
        FROM jobs j
        WHERE j.organization_id = $1 AND j.id = ANY ($2)
        """,
        organization_id,
        [*ids],
    )
    return {row["id"]: JobNow(row["owner_id"], row["pipeline_ids"], row["created_at"]) for row in rows}


async def list_granted(
    connection: Connection, organization_id: UUID, user_ids: Sequence[UUID], pipeline_ids: Collection[UUID]
) -> Mapping[UUID, Mapping[UUID, int]]:
    """Return what is granted to each of some users on some pipelines, where anything is."""
    rows = await connection.fetch(
        "sight.list_granted",
        f"""
        SELECT u.id, g.pipeline_id, bit_or(g.access) AS access
        FROM unnest($2::uuid[]) u (id)
        -- LATERAL: user by user, by the indexes.
        CROSS JOIN LATERAL ({grants_of("$1", "u.id")}) g
        WHERE g.pipeline_id = ANY ($3)
        GROUP BY u.id, g.pipeline_id
        """,
        organization_id,
        user_ids,
        [*pipeline_ids],
    )
    found: dict[UUID, dict[UUID, int]] = {user_id: {} for user_id in user_ids}
    for user_id, pipeline_id, access in rows:
        found[user_id][pipeline_id] = access
    return found


async def list_granted_to_groups(
    connection: Connection, organization_id: UUID, group_ids: Collection[UUID], pipeline_ids: Collection[UUID]
) -> Mapping[UUID, Mapping[UUID, int]]:
    """Return what is granted to each of some groups on some pipelines, where anything is."""
    rows = await connection.fetch(
        "sight.list_granted_to_groups",
        """
        SELECT g.group_id, g.pipeline_id, g.access
        FROM group_grants g
        WHERE g.organization_id = $1 AND g.group_id = ANY ($2) AND g.pipeline_id = ANY ($3)
          AND (g.expires_at IS NULL OR g.expires_at > now())
        """,
        organization_id,
        [*group_ids],
        [*pipeline_ids],
    )
    found: dict[UUID, dict[UUID, int]] = {group_id: {} for group_id in group_ids}
    for group_id, pipeline_id, access in rows:
        found[group_id][pipeline_id] = access
    return found


async def list_groups(
    connection: Connection,
    organization_id: UUID,
    user_ids: Sequence[UUID],
    ids: Collection[UUID],
    names: Collection[str],
) -> Mapping[UUID, Mapping[UUID | str, datetime]]:
    """Return in which of some groups each of some users is, and since when: by ids, and by names in lower case.

    Args:
        connection: to read by.
        organization_id: whose users and groups they are.
        user_ids: of the users.
        ids: of some of the groups.
        names: of others, in lower case.
    """
    rows = await connection.fetch(
        "sight.list_groups",
        f"""
        SELECT m.user_id, g.id, lower(g.name) AS name, {bounded("m.created_at")} AS joined_at
        FROM groups g
        JOIN memberships m ON m.organization_id = g.organization_id AND m.group_id = g.id
        WHERE g.organization_id = $1 AND (g.id = ANY ($3) OR lower(g.name) = ANY ($4)) AND m.user_id = ANY ($2)
        """,
        organization_id,
        user_ids,
        [*ids],
        [*names],
    )
    found: dict[UUID, dict[UUID | str, datetime]] = {user_id: {} for user_id in user_ids}
    for user_id, group_id, name, joined_at in rows:
        found[user_id] |= {group_id: joined_at, name: joined_at}
    return found
