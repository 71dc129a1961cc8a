"""Statements on many jobs at once, for updates that are decided by reading them; those of one job are in jobs.py."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from service.database.pool import Connection
from service.repositories.granted import GRANTED_FIRST, reading_as
from service.repositories.literals import array_literal
from service.repositories.pipelines import GrantedPipeline


async def find_owners(connection: Connection, organization_id: UUID, job_ids: Sequence[str]) -> dict[str, UUID]:
    """Return the owners of those jobs that there are, by job."""
    rows = await connection.fetch(
        "jobs.find_owners",
        "SELECT id, owner_id FROM jobs WHERE organization_id = $1 AND id = ANY ($2)",
        organization_id,
        job_ids,
    )
    return {row["id"]: row["owner_id"] for row in rows}


async def lock(connection: Connection, organization_id: UUID, job_ids: Sequence[str]) -> None:
    """Lock jobs, by id: other changes of them and of their pipelines wait until this transaction ends."""
    await connection.execute(
        "jobs.lock_each",
        "SELECT FROM jobs WHERE organization_id = $1 AND id = ANY ($2) ORDER BY id FOR NO KEY UPDATE",
        organization_id,
        job_ids,
    )


async def find_granted(
    connection: Connection, organization_id: UUID, user_id: UUID, pipeline_ids: Sequence[UUID]
) -> list[GrantedPipeline]:
    """Return those pipelines that there are, with what is granted on each to a user."""
    rows = await reading_as(connection, user_id).fetch(
        "pipelines.find_granted",
        f"""
        {GRANTED_FIRST}
        SELECT p.id, p.name, coalesce(granted.access, 0)
        FROM looked
        LEFT JOIN (
            pipelines p LEFT JOIN granted ON granted.pipeline_id = p.id
        ) ON looked.up >= 0 AND p.organization_id = $1 AND p.id = ANY ($3)
        """,
        organization_id,
        user_id,
        pipeline_ids,
    )
    return [GrantedPipeline(*row) for row in rows if row["id"]]


async def replace_each(
    connection: Connection, organization_id: UUID, pipelines_of: Mapping[str, Sequence[UUID]]
) -> None:
    """Put locked jobs each into exactly these locked pipelines, in this order; where one stays, it keeps its place."""
    await connection.execute(
        "jobs.replace_each",
        """
        -- MATERIALIZED: the lists are read once.
        WITH wanted AS MATERIALIZED (
            SELECT w.job_id, w.pipeline_ids::uuid[] FROM unnest($2::text[], $3::text[]) w (job_id, pipeline_ids)
        ), revised AS (
            -- The new revisions tell pre-authorized updates under way that their snapshots of the jobs are outdated.
            UPDATE jobs j SET revision = j.revision + 1
            FROM wanted w
            WHERE j.organization_id = $1 AND j.id = w.job_id
        ), removed AS (
            -- Apart from what follows, as both see the snapshot: no row is touched by both.
            DELETE FROM assignments a
            USING wanted w
            WHERE a.organization_id = $1 AND a.job_id = w.job_id AND a.pipeline_id <> ALL (w.pipeline_ids)
        )
        INSERT INTO assignments AS a (organization_id, job_id, pipeline_id, position)
        SELECT $1, w.job_id, p.id, p.position
        FROM wanted w CROSS JOIN unnest(w.pipeline_ids) WITH ORDINALITY p (id, position)
        ON CONFLICT (organization_id, job_id, pipeline_id) DO UPDATE SET position = excluded.position
        WHERE a.position <> excluded.position
        """,
        organization_id,
        [*pipelines_of],
        [*map(array_literal, pipelines_of.values())],
    )
