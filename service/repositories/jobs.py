"""Statements on jobs, and on which pipelines they are in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from service.database.pool import Connection
from service.repositories import revisions, tokens
from service.repositories.pipelines import GRANTED_FIRST, GrantedPipeline


@dataclass(frozen=True, slots=True)
class Job:
    """A job."""

    id: str
    owner_id: UUID
    owner: str
    name: str
    created_at: datetime


FIND: Final = """
    SELECT j.id, j.owner_id, u.username, j.name, j.created_at
    FROM jobs j
    JOIN users u ON u.organization_id = j.organization_id AND u.id = j.owner_id
    WHERE j.organization_id = $1 AND j.id = $2
"""


async def find(connection: Connection, organization_id: UUID, job_id: str) -> Job | None:
    """A job, None if there is none of that id."""
    row = await connection.fetch_row("jobs.find", FIND, organization_id, job_id)
    return Job(*row) if row else None


async def find_for_update(connection: Connection, organization_id: UUID, job_id: str) -> Job | None:
    """The same, locked: whoever else wants to change it or its pipelines waits until this transaction ends."""
    row = await connection.fetch_row("jobs.find_for_update", f"{FIND} FOR NO KEY UPDATE OF j", organization_id, job_id)
    return Job(*row) if row else None


async def insert(connection: Connection, organization_id: UUID, job_id: str, owner_id: UUID, name: str) -> bool:
    """Add a job; False if there is one of that id."""
    row = await connection.fetch_row(
        "jobs.insert",
        """
        INSERT INTO jobs (organization_id, id, owner_id, name) VALUES ($1, $2, $3, $4)
        ON CONFLICT (organization_id, id) DO NOTHING
        RETURNING id
        """,
        organization_id,
        job_id,
        owner_id,
        name,
    )
    return row is not None


async def update(connection: Connection, organization_id: UUID, job_id: str, owner_id: UUID, name: str) -> None:
    """Change a locked job's owner and name."""
    await connection.execute(
        "jobs.update",
        "UPDATE jobs SET owner_id = $3, name = $4 WHERE organization_id = $1 AND id = $2",
        organization_id,
        job_id,
        owner_id,
        name,
    )


async def delete(connection: Connection, organization_id: UUID, job_id: str) -> None:
    """Forget a job, and its places in pipelines."""
    await connection.execute(
        "jobs.delete", "DELETE FROM jobs WHERE organization_id = $1 AND id = $2", organization_id, job_id
    )


async def replace_assignments(
    connection: Connection, organization_id: UUID, job_id: str, pipeline_ids: Sequence[UUID]
) -> None:
    """Put a locked job into exactly these pipelines, in this order; where it stays, it keeps its place in the queue."""
    await connection.execute(
        "jobs.replace_assignments",
        """
        WITH revised AS (
            UPDATE jobs SET revision = revision + 1 WHERE organization_id = $1 AND id = $2
        ), gone AS (
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


class Update(NamedTuple):
    """The whole set of pipelines that a job is to be in, and at what state of the caller and the job that is allowed.

    A tuple: every update makes one, and a column of each goes to the database.
    """

    organization_id: UUID
    job_id: str
    caller_id: UUID
    digest: bytes
    """Of the caller's token."""
    scopes: int | None
    """Of the token, as it was decided by."""
    revisions: str
    """Of the caller, as it was decided at, as an array of PostgreSQL."""
    until: datetime | None
    """When the first of the grants that it was decided by expires."""
    wanted: str
    """The pipelines' ids, as an array."""
    within: str | None
    """The caller owns the job, or it is in some pipelines and only in these, an array; None: it may be anywhere."""
    actor: str
    token_id: UUID | None
    request_id: str | None


async def update_each(connection: Connection, updates: Sequence[Update]) -> list[list[str] | None]:
    """Make those of some updates whose reasons still hold, each of another job: all in one statement, each for itself.

    The statement proves who calls and each decision in the snapshot in which it reads the job's set; then it locks the
    job, and goes on only if no other update of it was committed since: its revision would be another. It waits for
    nobody: a job that is locked is left alone.

    Returns:
        For each the names of its pipelines; None if nothing was done, as it must be decided again.
    """
    rows = await connection.fetch("jobs.update_each", UPDATE_EACH, [*range(len(updates))], *zip(*updates, strict=True))
    done = {row["number"]: row["names"] for row in rows}
    return [done.get(number) for number in range(len(updates))]


UPDATE_EACH: Final = f"""
    WITH asked AS MATERIALIZED (
        SELECT a.number, a.organization_id, a.job_id, a.caller_id, a.digest, a.scopes, a.revisions::bigint[], a.until,
               a.wanted::uuid[], a.within::uuid[], a.actor, a.token_id, a.request_id
        FROM unnest(
            $1::integer[], $2::uuid[], $3::text[], $4::uuid[], $5::bytea[], $6::integer[], $7::text[],
            $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::uuid[], $13::text[]
        ) AS a (
            number, organization_id, job_id, caller_id, digest, scopes, revisions, until, wanted, within, actor,
            token_id, request_id
        )
    ), found AS MATERIALIZED (
        SELECT a.*, j.owner_id, j.revision, {revisions.OF_USER} AS actual_revisions,
               (t.organization_id, t.user_id, t.id, coalesce(t.scopes, 0), u.username)
               = (a.organization_id, a.caller_id, a.token_id, coalesce(a.scopes, 0), a.actor) AS calls,
               ARRAY(
                   SELECT s.pipeline_id FROM assignments s
                   WHERE s.organization_id = a.organization_id AND s.job_id = a.job_id
                   ORDER BY s.position
               ) AS current,
               ARRAY(
                   SELECT (SELECT p.name FROM pipelines p WHERE p.organization_id = a.organization_id AND p.id = w.id)
                   FROM unnest(a.wanted) WITH ORDINALITY w (id, position)
                   ORDER BY w.position
               ) AS names
        FROM asked a
        JOIN jobs j ON j.organization_id = a.organization_id AND j.id = a.job_id
        JOIN users u ON u.organization_id = a.organization_id AND u.id = a.caller_id
        JOIN tokens t ON t.digest = a.digest
        WHERE {tokens.ACTIVE}
    ), allowed AS MATERIALIZED (
        SELECT f.*
        FROM found f
        WHERE f.calls
          AND f.revisions = f.actual_revisions
          AND (f.until IS NULL OR f.until > now())
          AND (f.owner_id = f.caller_id OR f.within IS NULL OR (f.current <> '{{}}' AND f.current <@ f.within))
          AND array_position(f.names, NULL) IS NULL
    ), locked AS MATERIALIZED (
        SELECT a.*
        FROM allowed a
        JOIN jobs j ON j.organization_id = a.organization_id AND j.id = a.job_id
        WHERE a.current <> a.wanted AND j.revision = a.revision
        ORDER BY j.organization_id, j.id
        FOR NO KEY UPDATE OF j SKIP LOCKED
    ), revised AS (
        UPDATE jobs j SET revision = j.revision + 1
        FROM locked l
        WHERE j.organization_id = l.organization_id AND j.id = l.job_id
    ), gone AS (
        DELETE FROM assignments s
        USING locked l
        WHERE s.organization_id = l.organization_id AND s.job_id = l.job_id AND s.pipeline_id <> ALL (l.wanted)
    ), placed AS (
        INSERT INTO assignments AS s (organization_id, job_id, pipeline_id, position)
        SELECT l.organization_id, l.job_id, w.id, w.position
        FROM locked l CROSS JOIN unnest(l.wanted) WITH ORDINALITY w (id, position)
        ON CONFLICT (organization_id, job_id, pipeline_id) DO UPDATE SET position = excluded.position
        WHERE s.position <> excluded.position
    ), audited AS (
        INSERT INTO audit (organization_id, actor_id, actor, token_id, action, target, before, after, request_id)
        SELECT l.organization_id, l.caller_id, l.actor, l.token_id, 'job.update_pipelines', 'job:' || l.job_id,
               jsonb_build_object('pipeline_ids', l.current), jsonb_build_object('pipeline_ids', l.wanted), l.request_id
        FROM locked l
    )
    SELECT l.number, l.names FROM locked l
    UNION ALL
    SELECT a.number, a.names FROM allowed a WHERE a.current = a.wanted
"""


_PAGE: Final = """
    SELECT j.id, j.owner_id, u.username, j.name, j.created_at
    FROM jobs j
    JOIN users u ON u.organization_id = j.organization_id AND u.id = j.owner_id
    WHERE j.organization_id = $1
      AND ($3::uuid IS NULL OR EXISTS (
          SELECT FROM assignments a WHERE a.organization_id = $1 AND a.job_id = j.id AND a.pipeline_id = $3
      ))
      AND ($4::uuid IS NULL OR j.owner_id = $4)
      AND ($5::text IS NULL OR (j.created_at, j.id) < ($5::text::timestamptz, $6))
"""


SORT_LIMIT: Final = 2000
"""As many jobs as are better read, and sorted by age, than looked for among all of an organization."""


async def page(
    connection: Connection,
    organization_id: UUID,
    user_id: UUID,
    *,
    everything: bool,
    readable: Sequence[UUID],
    pipeline_id: UUID | None,
    owner_id: UUID | None,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Job]:
    """Jobs, newest first: all of them, or a user's own and those in one of the pipelines that they may read.

    Who sees few is given them by what makes them visible; who sees many, or all, by walking from the newest on, as
    there the next one is near. Only one of the two is run.
    """
    rows = await connection.fetch(
        "jobs.page",
        f"""
        WITH visible AS MATERIALIZED (
            SELECT v.id
            FROM (
                SELECT a.job_id AS id FROM assignments a WHERE a.organization_id = $1 AND a.pipeline_id = ANY ($8)
                UNION ALL
                SELECT o.id FROM jobs o WHERE o.organization_id = $1 AND o.owner_id = $2
            ) v
            WHERE NOT $7
            LIMIT {SORT_LIMIT} + 1
        )
        (
            {_PAGE}
              AND j.id IN (SELECT v.id FROM visible v)
              AND NOT $7 AND (SELECT count(*) FROM visible) <= {SORT_LIMIT}
            ORDER BY j.created_at DESC, j.id DESC
            LIMIT $9
        ) UNION ALL (
            {_PAGE}
              AND ($7 OR j.owner_id = $2 OR EXISTS (
                  SELECT FROM assignments a
                  WHERE a.organization_id = $1 AND a.job_id = j.id AND a.pipeline_id = ANY ($8)
              ))
              AND ($7 OR (SELECT count(*) FROM visible) > {SORT_LIMIT})
            ORDER BY j.created_at DESC, j.id DESC
            LIMIT $9
        )
        ORDER BY created_at DESC, id DESC
        """,
        organization_id,
        user_id,
        pipeline_id,
        owner_id,
        *(after or (None, None)),
        everything,
        readable,
        limit,
    )
    return [Job(*row) for row in rows]


async def pipelines_of_each(
    connection: Connection, organization_id: UUID, user_id: UUID, job_ids: Sequence[str]
) -> Mapping[str, list[GrantedPipeline]]:
    """The pipelines that each of some jobs is in, in its own order, with what is granted on each to a user."""
    rows = await connection.fetch(
        "jobs.pipelines_of_each",
        f"""
        {GRANTED_FIRST}
        SELECT a.job_id, p.id, p.name, coalesce(granted.access, 0)
        FROM looked
        LEFT JOIN (
            assignments a
            JOIN pipelines p ON p.organization_id = a.organization_id AND p.id = a.pipeline_id
            LEFT JOIN granted ON granted.pipeline_id = p.id
        ) ON looked.up >= 0 AND a.organization_id = $1 AND a.job_id = ANY ($3)
        ORDER BY a.job_id, a.position
        """,
        organization_id,
        user_id,
        job_ids,
    )
    found: dict[str, list[GrantedPipeline]] = {job_id: [] for job_id in job_ids}
    for job_id, *pipeline in rows if rows[0]["job_id"] else ():
        found[job_id].append(GrantedPipeline(*pipeline))
    return found
