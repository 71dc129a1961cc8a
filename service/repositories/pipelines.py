"""Statements on pipelines, and on what is granted on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from service.database import Connection


@dataclass(frozen=True, slots=True)
class GrantedPipeline:
    """A pipeline, and the union of what is granted on it to a user and their groups (an access of permissions.py)."""

    id: UUID
    name: str
    granted: int


GRANTED: Final = """
    SELECT g.pipeline_id, bit_or(g.access) AS access
    FROM (
        SELECT ug.pipeline_id, ug.access, ug.expires_at
        FROM user_grants ug
        WHERE ug.organization_id = $1 AND ug.user_id = $2
        UNION ALL
        SELECT gg.pipeline_id, gg.access, gg.expires_at
        FROM memberships m
        JOIN group_grants gg ON gg.organization_id = m.organization_id AND gg.group_id = m.group_id
        WHERE m.organization_id = $1 AND m.user_id = $2
    ) g
    WHERE g.expires_at IS NULL OR g.expires_at > now()
    GROUP BY g.pipeline_id
"""
"""What is granted to user $2 of organization $1, by pipeline: what has expired does not count."""


async def list_granted(connection: Connection, organization_id: UUID, user_id: UUID) -> list[GrantedPipeline]:
    """The pipelines on which anything is granted to a user, by name, then id."""
    rows = await connection.rows(
        "pipelines.list_granted",
        f"""
        SELECT p.id, p.name, granted.access
        FROM ({GRANTED}) granted
        JOIN pipelines p ON p.organization_id = $1 AND p.id = granted.pipeline_id
        ORDER BY p.name, p.id
        """,
        organization_id,
        user_id,
    )
    return [GrantedPipeline(*row) for row in rows]


async def list_all(connection: Connection, organization_id: UUID) -> list[GrantedPipeline]:
    """Every pipeline of an organization, by name, then id, whatever is granted: for those whose role gives all."""
    rows = await connection.rows(
        "pipelines.list_all",
        "SELECT p.id, p.name, 0 FROM pipelines p WHERE p.organization_id = $1 ORDER BY p.name, p.id",
        organization_id,
    )
    return [GrantedPipeline(*row) for row in rows]


async def list_of_job(
    connection: Connection, organization_id: UUID, user_id: UUID, job_id: str
) -> list[GrantedPipeline]:
    """The pipelines that a job is in, by name, then id, with what is granted on each to a user (0: nothing)."""
    rows = await connection.rows(
        "pipelines.list_of_job",
        f"""
        SELECT p.id, p.name, coalesce(granted.access, 0)
        FROM assignments a
        JOIN pipelines p ON p.organization_id = a.organization_id AND p.id = a.pipeline_id
        LEFT JOIN ({GRANTED}) granted ON granted.pipeline_id = p.id
        WHERE a.organization_id = $1 AND a.job_id = $3
        ORDER BY p.name, p.id
        """,
        organization_id,
        user_id,
        job_id,
    )
    return [GrantedPipeline(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class PlacedPipeline(GrantedPipeline):
    """A pipeline beside one job: its place in the job's own order, None if the job is not in it."""

    position: int | None


async def list_for_update_of_job(
    connection: Connection, organization_id: UUID, user_id: UUID, job_id: str, pipeline_ids: Sequence[UUID]
) -> list[PlacedPipeline]:
    """The pipelines that a job is in, in its own order, and those others of the ids that exist, at one moment."""
    rows = await connection.rows(
        "pipelines.list_for_update_of_job",
        f"""
        SELECT p.id, p.name, coalesce(granted.access, 0), a.position
        FROM (
            SELECT pipeline_id AS id FROM assignments WHERE organization_id = $1 AND job_id = $3
            UNION
            SELECT unnest($4::uuid[])
        ) concerned
        JOIN pipelines p ON p.organization_id = $1 AND p.id = concerned.id
        LEFT JOIN assignments a ON a.organization_id = $1 AND a.job_id = $3 AND a.pipeline_id = p.id
        LEFT JOIN ({GRANTED}) granted ON granted.pipeline_id = p.id
        ORDER BY a.position
        """,
        organization_id,
        user_id,
        job_id,
        pipeline_ids,
    )
    return [PlacedPipeline(*row) for row in rows]
