"""Statements on jobs and on their assignments to pipelines; the pre-authorized updates are in job_updates.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.repositories import examining
from service.repositories.examining import Source, few_or_examined
from service.repositories.granted import GRANTED_FIRST, reading_as
from service.repositories.ordering import MAX_COUNTED, Column, Order, Orders, Rows, Span
from service.repositories.pipelines import GrantedPipeline
from service.repositories.texts import folded
from service.repositories.times import bounded
from service.slices import in_slices


@dataclass(frozen=True, slots=True)
class Job:
    """A job."""

    id: str
    owner_id: UUID
    owner: str
    name: str
    created_at: datetime


FIND: Final = f"""
    SELECT j.id, j.owner_id, u.username, j.name, {bounded("j.created_at")} AS created_at
    FROM jobs j
    JOIN users u ON u.organization_id = j.organization_id AND u.id = j.owner_id
    WHERE j.organization_id = $1 AND j.id = $2
"""


async def find(connection: Connection, organization_id: UUID, job_id: str) -> Job | None:
    """Return the job of an id; None if there is none."""
    row = await connection.fetch_row("jobs.find", FIND, organization_id, job_id)
    return Job(*row) if row else None


async def find_for_update(connection: Connection, organization_id: UUID, job_id: str) -> Job | None:
    """Return the job of `find`, locked: other changes of it and of its pipelines wait until this transaction ends."""
    row = await connection.fetch_row("jobs.find_for_update", f"{FIND} FOR NO KEY UPDATE OF j", organization_id, job_id)
    return Job(*row) if row else None


async def insert(
    connection: Connection, organization_id: UUID, job_id: str, owner_id: UUID, name: str
) -> datetime | None:
    """Insert a job; return the time of that, or None if there is one of that id."""
    row = await connection.fetch_row(
        "jobs.insert",
        """
        INSERT INTO jobs (organization_id, id, owner_id, name) VALUES ($1, $2, $3, $4)
        ON CONFLICT (organization_id, id) DO NOTHING
        RETURNING created_at
        """,
        organization_id,
        job_id,
        owner_id,
        name,
    )
    return row["created_at"] if row else None


async def update(connection: Connection, organization_id: UUID, job_id: str, owner_id: UUID, name: str) -> None:
    """Update a locked job's owner and name."""
    await connection.execute(
        "jobs.update",
        "UPDATE jobs SET owner_id = $3, name = $4 WHERE organization_id = $1 AND id = $2",
        organization_id,
        job_id,
        owner_id,
        name,
    )


async def delete(connection: Connection, organization_id: UUID, job_id: str) -> None:
    """Delete a job, and its places in pipelines."""
    await connection.execute(
        "jobs.delete", "DELETE FROM jobs WHERE organization_id = $1 AND id = $2", organization_id, job_id
    )


async def replace_assignments(
    connection: Connection, organization_id: UUID, job_id: str, pipeline_ids: Sequence[UUID]
) -> None:
    """Put a locked job into exactly these locked pipelines, in this order; where it stays, it keeps its place there."""
    await connection.execute(
        "jobs.replace_assignments",
        """
        -- The new revision tells a pre-authorized update under way that its snapshot of the job is outdated.
        WITH revised AS (
            UPDATE jobs SET revision = revision + 1 WHERE organization_id = $1 AND id = $2
        ), removed AS (
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


ORDERS: Final = Orders(
    "-created_at",
    {
        "created_at": Order(
            (Column("j.created_at", "timestamptz"), Column("j.id")), lambda job: (job.created_at, job.id)
        ),
        "id": Order((Column("j.id"),), lambda job: (job.id,)),
    },
)
"""The orders of jobs, each by an index: any other would sort all that an administrator sees, which may be millions."""


async def add_assignment(connection: Connection, organization_id: UUID, job_id: str, pipeline_id: UUID) -> None:
    """Put a locked job into one more pipeline, which is locked: the last in the job's own order."""
    await connection.execute(
        "jobs.add_assignment",
        """
        -- The new revision, likewise.
        WITH revised AS (
            UPDATE jobs SET revision = revision + 1 WHERE organization_id = $1 AND id = $2
        )
        INSERT INTO assignments (organization_id, job_id, pipeline_id, position)
        SELECT $1, $2, $3, coalesce(max(a.position), 0) + 1
        FROM assignments a
        WHERE a.organization_id = $1 AND a.job_id = $2
        """,
        organization_id,
        job_id,
        pipeline_id,
    )


async def delete_assignment(connection: Connection, organization_id: UUID, job_id: str, pipeline_id: UUID) -> None:
    """Take a locked job out of one pipeline."""
    await connection.execute(
        "jobs.delete_assignment",
        """
        -- The new revision, likewise.
        WITH revised AS (
            UPDATE jobs SET revision = revision + 1 WHERE organization_id = $1 AND id = $2
        )
        DELETE FROM assignments a WHERE a.organization_id = $1 AND a.job_id = $2 AND a.pipeline_id = $3
        """,
        organization_id,
        job_id,
        pipeline_id,
    )


_COLUMNS: Final = f"j.id, j.owner_id, u.username, j.name, {bounded('j.created_at')} AS created_at"
_OWNER: Final = "JOIN users u ON u.organization_id = j.organization_id AND u.id = j.owner_id"


def searched(parameter: int) -> str:
    """Return the condition of jobs with a text in their id or name; of letters, A to Z match in either case."""
    text = folded(parameter)
    return f"(position({text} IN lower(j.id)) > 0 OR position({text} IN lower(j.name)) > 0)"


def page_statement(
    order: Order, limit: int, *, first: bool, text: bool = False, of_pipeline: bool = False, of_owner: bool = False
) -> str:
    """Return the statement of a page of jobs: of the first, or of one behind a key, whose parts are the last.

    Its rows are those of `examining.examined`. The parameters are the organization, the user, filters by pipeline and
    owner, whether the user sees all, the pipelines that they may read, how many rows are wanted, and a text to search
    for, if there is one.

    Args:
        order: of the list.
        limit: how many jobs are examined at most, where the user sees many.
        first: True for the first page.
        text: True if there is a text to search for.
        of_pipeline: True if only the jobs of a pipeline are wanted.
        of_owner: True if only those of an owner are.
    """
    # Filters by text, not by NULL, so that each plan is by what there is; all parameters are given, and have types.
    given = f"""
      j.organization_id = $1 {"AND j.owner_id = $4" if of_owner else ""}
      AND num_nulls($2::uuid, $3::uuid, $4::uuid, $5::boolean, $6::uuid[]) >= 0
    """.strip()
    if of_pipeline:  # which may be read, and so may all of its jobs be seen
        fits = """
          (
              SELECT true FROM assignments a
              WHERE a.organization_id = $1 AND a.job_id = j.id AND a.pipeline_id = $3
          ) IS TRUE
        """.strip()
        few = "SELECT a.job_id FROM assignments a WHERE a.organization_id = $1 AND a.pipeline_id = $3"
    else:
        # OFFSET 0: a job's pipelines are read, and compared with the readable ones by a hash. As conditions of the
        # index, each of thousands of these would be looked up for each job. IS TRUE: the hash is made once.
        fits = """
          ($5 OR j.owner_id = $2 OR EXISTS (
              SELECT FROM (
                  SELECT a.pipeline_id FROM assignments a WHERE a.organization_id = $1 AND a.job_id = j.id OFFSET 0
              ) a
              WHERE (a.pipeline_id IN (SELECT unnest($6::uuid[]))) IS TRUE
          ))
        """.strip()
        few = """
            SELECT a.job_id FROM assignments a WHERE a.organization_id = $1 AND a.pipeline_id = ANY ($6)
            UNION ALL
            SELECT o.id FROM jobs o WHERE o.organization_id = $1 AND o.owner_id = $2
        """
    return few_or_examined(
        Source("jobs", "j", given, f"{searched(8)} AND {fits}" if text else fits, _COLUMNS, _OWNER),
        order,
        limit,
        "" if first else f"AND {order.behind(9 if text else 8)}",
        few=few,
        everything="false" if of_pipeline else "$5",
        wanted="$7",
    )


async def page(
    connection: Connection,
    organization_id: UUID,
    user_id: UUID,
    *,
    everything: bool,
    readable: Sequence[UUID],
    pipeline_id: UUID | None,
    owner_id: UUID | None,
    span: Span,
    text: str | None = None,
) -> Rows[Job]:
    """Return a page of jobs: all, or a user's own and those in one of the pipelines that they may read.

    Where a user sees few, they are found by what makes them visible, and sorted; where a user sees many, or all, by
    walking from the newest on, as there the next one is near. Only one of the two is run.
    """
    filters = (organization_id, user_id, pipeline_id, owner_id, everything, readable)
    sought = [text] if text else []
    after = [] if span.after is None else [*map(str, span.after)]
    has = {"text": bool(text), "of_pipeline": pipeline_id is not None, "of_owner": owner_id is not None}
    statement = page_statement(span.order, examining.MAX_EXAMINED, first=not after, **has)
    rows = await connection.fetch("jobs.page", statement, *filters, span.size + 1, *sought, *after)
    total = None
    if span.total:
        whole = page_statement(ORDERS.find(None), examining.MAX_EXAMINED + 1, first=True, **has)
        arguments = (*filters, MAX_COUNTED + 1, *sought)
        total = await examining.count_examined(connection, "jobs.page_total", whole, arguments)
    return examining.rows_of([tuple(row) for row in rows], span, lambda row: Job(*row), total)


MAX_PIPELINES_OF_JOBS: Final = 5000
"""Pipelines that the jobs of one page are in together; one job alone may be in more."""


async def pipelines_of_each(
    connection: Connection, organization_id: UUID, user_id: UUID, job_ids: Sequence[str]
) -> Mapping[str, list[GrantedPipeline]]:
    """Return the pipelines of each of some jobs, in its own order, with what is granted on each to a user.

    Of the first job those of all, and of the others as many jobs as are in MAX_PIPELINES_OF_JOBS together.
    """
    rows = await reading_as(connection, user_id).fetch(
        "jobs.pipelines_of_each",
        f"""
        {GRANTED_FIRST},
        -- How many pipelines each job and those before it are in together.
        counted AS MATERIALIZED (
            SELECT requested.job_id, requested.number, sum(counted.up) OVER (ORDER BY requested.number) AS together
            FROM unnest($3::text[]) WITH ORDINALITY AS requested (job_id, number)
            CROSS JOIN LATERAL (
                SELECT count(*) AS up FROM assignments a WHERE a.organization_id = $1 AND a.job_id = requested.job_id
            ) counted
        ),
        -- Whole jobs, from the first on.
        taken AS MATERIALIZED (
            SELECT c.job_id FROM counted c WHERE c.number = 1 OR c.together <= {MAX_PIPELINES_OF_JOBS}
        )
        SELECT (SELECT count(*) FROM taken) AS jobs, a.job_id, p.id, p.name, coalesce(granted.access, 0)
        FROM looked
        LEFT JOIN (
            taken t
            JOIN assignments a ON a.organization_id = $1 AND a.job_id = t.job_id
            JOIN pipelines p ON p.organization_id = $1 AND p.id = a.pipeline_id
            LEFT JOIN granted ON granted.pipeline_id = p.id
        ) ON looked.up >= 0
        ORDER BY a.job_id, a.position
        """,
        organization_id,
        user_id,
        job_ids,
    )
    found: dict[str, list[GrantedPipeline]] = {job_id: [] for job_id in job_ids[: rows[0]["jobs"]]}

    def place(some: list[asyncpg.Record]) -> Sequence[None]:
        for _, job_id, *pipeline in some:
            found[job_id].append(GrantedPipeline(*pipeline))
        return ()

    if rows[0]["job_id"]:
        await in_slices(place, rows)  # one job alone may be in tens of thousands
    return found
