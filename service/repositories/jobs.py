"""Statements on jobs, and on which pipelines they are in."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from service.database import Connection


@dataclass(frozen=True, slots=True)
class Job:
    """A job, as far as deciding about it takes."""

    id: str
    owner_id: UUID


FIND = "SELECT j.id, j.owner_id FROM jobs j WHERE j.organization_id = $1 AND j.id = $2"


async def find(connection: Connection, organization_id: UUID, job_id: str) -> Job | None:
    """A job, None if there is none of that id."""
    row = await connection.row("jobs.find", FIND, organization_id, job_id)
    return Job(*row) if row else None


async def find_for_update(connection: Connection, organization_id: UUID, job_id: str) -> Job | None:
    """The same, locked: whoever else wants to change its pipelines waits until this transaction ends."""
    row = await connection.row("jobs.find_for_update", f"{FIND} FOR NO KEY UPDATE", organization_id, job_id)
    return Job(*row) if row else None


async def replace_assignments(
    connection: Connection, organization_id: UUID, job_id: str, pipeline_ids: Sequence[UUID]
) -> None:
    """Put a locked job into exactly these pipelines, in this order; where it stays, it keeps its place in the queue."""
    await connection.execute(
        "jobs.replace_assignments",
        """
        WITH gone AS (
            DELETE FROM assignments a
            WHERE a.organization_id = $1 AND a.job_id = $2 AND a.pipeline_id <> ALL ($3)
        )
        INSERT INTO assignments AS a (organization_id, job_id, pipeline_id, position)
        SELECT $1, $2, wanted.pipeline_id, wanted.position
        FROM unnest($3::uuid[]) WITH ORDINALITY AS wanted (pipeline_id, position)
        ON CONFLICT (organization_id, job_id, pipeline_id) DO UPDATE SET position = excluded.position
        WHERE a.position <> excluded.position
        """,
        organization_id,
        job_id,
        pipeline_ids,
    )
