"""Statements on pipelines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.errors import AlreadyExists
from service.identifiers import name_key
from service.repositories import revisions


class GrantedPipeline(NamedTuple):
    """A pipeline, and the union of what is granted on it to a user and their groups (an access of permissions.py).

    A tuple, as lists are made of thousands.
    """

    id: UUID
    name: str
    granted: int


class Pipeline(NamedTuple):
    """A whole pipeline, likewise."""

    id: UUID
    name: str
    granted: int
    description: str
    created_at: datetime
    updated_at: datetime


class PlacedPipeline(NamedTuple):
    """A pipeline beside one job, likewise: its place in the job's own order, None if the job is not in it."""

    id: UUID
    name: str
    granted: int
    position: int | None


Granted: TypeAlias = GrantedPipeline | PlacedPipeline
"""Any pipeline of which it is known what is granted."""


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job in a pipeline's queue."""

    id: str
    name: str
    owner: str
    assigned_at: datetime


@dataclass(frozen=True, slots=True)
class Filters:
    """Which pipelines of a list are wanted, and from where on."""

    name: str | None = None
    """A part of the name, regardless of case."""
    holding: int = 0
    """What the user must have been granted at least, managers everything."""
    lacking: int = 0
    """What the user must not have been granted."""
    after: Sequence[Any] | None = None
    """The name and id of the last pipeline of the page before."""
    limit: int | None = None


NO_FILTERS: Final = Filters()


def _grants(organization_id: str, user_id: str) -> str:
    """The grants to a user and to their groups that have not expired; who it is, as SQL says it."""
    return f"""
        SELECT ug.pipeline_id, ug.access, ug.expires_at
        FROM user_grants ug
        WHERE ug.organization_id = {organization_id} AND ug.user_id = {user_id}
          AND (ug.expires_at IS NULL OR ug.expires_at > now())
        UNION ALL
        SELECT gg.pipeline_id, gg.access, gg.expires_at
        FROM memberships m
        JOIN group_grants gg ON gg.organization_id = m.organization_id AND gg.group_id = m.group_id
        WHERE m.organization_id = {organization_id} AND m.user_id = {user_id}
          AND (gg.expires_at IS NULL OR gg.expires_at > now())
    """


GRANTS: Final = _grants("$1", "$2")
"""The same of user $2 of organization $1."""

GRANTED: Final = f"""
    SELECT g.pipeline_id, bit_or(g.access) AS access, min(g.expires_at) AS expires_at
    FROM ({GRANTS}) g
    GROUP BY g.pipeline_id
"""
"""What is granted to user $2 of organization $1, by pipeline, and when the first of it expires."""

GRANTED_FIRST: Final = f"""
    WITH granted AS MATERIALIZED ({GRANTED}), looked AS (SELECT count(*) AS up FROM granted)
"""
"""The same, to be looked up in any case: `FROM looked LEFT JOIN (...) ON looked.up >= 0`.

Where it is only read for what there is, the time tells that there is something, also to who may not see it.
"""


@dataclass(frozen=True, slots=True)
class PipelineList:
    """Pipelines, and the state they were read at, in one snapshot."""

    pipelines: list[GrantedPipeline]
    version: revisions.ReadVersion


async def list_granted(
    connection: Connection, organization_id: UUID, user_id: UUID, filters: Filters = NO_FILTERS
) -> PipelineList:
    """The pipelines on which anything is granted to a user, by name, then id."""
    rows = await connection.fetch(
        "pipelines.list_granted",
        f"""
        SELECT CASE row_number() OVER listing WHEN 1 THEN state.revisions END, listed.expires_at, listed.id,
               listed.name, listed.access
        FROM (
            SELECT {revisions.OF_USER} AS revisions
            FROM users u
            WHERE u.organization_id = $1 AND u.id = $2
            OFFSET 0 -- once, and not for each row
        ) state
        LEFT JOIN (
            SELECT p.id, p.name, granted.access, granted.expires_at
            FROM ({GRANTED}) granted
            JOIN pipelines p ON p.organization_id = $1 AND p.id = granted.pipeline_id
            WHERE ($3::text IS NULL OR position($3 IN p.name_key) > 0)
              AND (CASE WHEN granted.access & 32 = 32 THEN 63 ELSE granted.access END) & $4 = $4
              AND granted.access & $5 = 0
              AND ($6::text IS NULL OR (p.name, p.id) > ($6, $7::uuid))
            ORDER BY p.name, p.id
            LIMIT $8
        ) listed ON true
        WINDOW listing AS (ORDER BY listed.name, listed.id)
        ORDER BY listed.name, listed.id
        """,
        organization_id,
        user_id,
        _key(filters.name),
        filters.holding,
        filters.lacking,
        *(filters.after or (None, None)),
        filters.limit,
    )
    return _listing(rows)


MAX_BATCHED_GRANTS: Final = 500
"""Grants of one user beyond which they are not read together with others, who would have to wait for them."""

LIST_GRANTED_EACH: Final = f"""
    SELECT asked.number, {revisions.OF_USER} AS revisions, listed.*
    FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[])) -- in a SELECT, so that it is not planned anew for each length
         WITH ORDINALITY AS asked (organization_id, user_id, number)
    JOIN users u ON u.organization_id = asked.organization_id AND u.id = asked.user_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(row.grants), 0) <= {MAX_BATCHED_GRANTS} AS whole, min(row.expires_at) AS expires_at,
               array_agg(row.id) AS ids, array_agg(row.name) AS names, array_agg(row.access) AS accesses
        FROM (
            SELECT p.id, p.name, granted.access, granted.expires_at, granted.grants
            FROM (
                SELECT g.pipeline_id, bit_or(g.access) AS access, min(g.expires_at) AS expires_at, count(*) AS grants
                FROM ({_grants("u.organization_id", "u.id")} LIMIT {MAX_BATCHED_GRANTS + 1}) g
                GROUP BY g.pipeline_id
            ) granted
            JOIN pipelines p ON p.organization_id = u.organization_id AND p.id = granted.pipeline_id
            ORDER BY p.name, p.id
        ) row
    ) listed
"""


async def list_granted_each(connection: Connection, users: Sequence[tuple[UUID, UUID]]) -> list[PipelineList | None]:
    """The same for each of some users, given by organization and id, in one statement; None for who has too many."""
    rows = await connection.fetch("pipelines.list_granted_each", LIST_GRANTED_EACH, *zip(*users, strict=True))
    found: list[PipelineList | None] = [PipelineList([], revisions.ReadVersion((), None))] * len(
        users
    )  # of users who are gone
    for number, state, whole, until, ids, names, accesses in rows:
        granted = [*map(GrantedPipeline, ids or (), names or (), accesses or ())]
        found[number - 1] = PipelineList(granted, revisions.ReadVersion(tuple(state), until)) if whole else None
    return found


async def list_all(
    connection: Connection, organization_id: UUID, user_id: UUID, filters: Filters = NO_FILTERS
) -> PipelineList:
    """Every pipeline of an organization, by name, then id, whatever is granted: for those whose role gives all."""
    rows = await connection.fetch(
        "pipelines.list_all",
        f"""
        SELECT CASE row_number() OVER listing WHEN 1 THEN state.revisions END, NULL::timestamptz, listed.id,
               listed.name, 0
        FROM (
            SELECT {revisions.OF_USER} AS revisions
            FROM (VALUES (true)) always -- an operator at the command line is no user, and sees all
            LEFT JOIN users u ON u.organization_id = $1 AND u.id = $2
            OFFSET 0 -- once, and not for each row
        ) state
        LEFT JOIN (
            SELECT p.id, p.name
            FROM pipelines p
            WHERE p.organization_id = $1
              AND ($3::text IS NULL OR position($3 IN p.name_key) > 0)
              AND ($4::text IS NULL OR (p.name, p.id) > ($4, $5::uuid))
            ORDER BY p.name, p.id
            LIMIT $6
        ) listed ON true
        WINDOW listing AS (ORDER BY listed.name, listed.id)
        ORDER BY listed.name, listed.id
        """,
        organization_id,
        user_id,
        _key(filters.name),
        *(filters.after or (None, None)),
        filters.limit,
    )
    return _listing(rows)


def _listing(rows: Sequence[asyncpg.Record]) -> PipelineList:
    """Rows of which the first has the state; it has no pipeline if there is none."""
    state = tuple(rows[0][0]) if rows else ()
    until = min((row[1] for row in rows if row[1] is not None), default=None)
    return PipelineList(
        [GrantedPipeline(*row[2:]) for row in rows if row[2] is not None], revisions.ReadVersion(state, until)
    )


def _key(name: str | None) -> str | None:
    return None if name is None else name_key(name)


async def list_of_job(
    connection: Connection, organization_id: UUID, user_id: UUID, job_id: str
) -> list[GrantedPipeline]:
    """The pipelines that a job is in, by name, then id, with what is granted on each to a user (0: nothing)."""
    rows = await connection.fetch(
        "pipelines.list_of_job",
        f"""
        {GRANTED_FIRST}
        SELECT p.id, p.name, coalesce(granted.access, 0)
        FROM looked
        LEFT JOIN (
            assignments a
            JOIN pipelines p ON p.organization_id = a.organization_id AND p.id = a.pipeline_id
            LEFT JOIN granted ON granted.pipeline_id = p.id
        ) ON looked.up >= 0 AND a.organization_id = $1 AND a.job_id = $3
        ORDER BY p.name, p.id
        """,
        organization_id,
        user_id,
        job_id,
    )
    return [GrantedPipeline(*row) for row in rows if row["id"]]


async def list_for_update_of_job(
    connection: Connection, organization_id: UUID, user_id: UUID, job_id: str, pipeline_ids: Sequence[UUID]
) -> list[PlacedPipeline]:
    """The pipelines that a job is in, in its own order, and those others of the ids that exist, at one moment."""
    rows = await connection.fetch(
        "pipelines.list_for_update_of_job",
        f"""
        {GRANTED_FIRST}
        SELECT p.id, p.name, coalesce(granted.access, 0), a.position
        FROM looked
        LEFT JOIN (
            (
                SELECT pipeline_id AS id FROM assignments WHERE organization_id = $1 AND job_id = $3
                UNION
                SELECT unnest($4::uuid[])
            ) concerned
            JOIN pipelines p ON p.organization_id = $1 AND p.id = concerned.id
            LEFT JOIN assignments a ON a.organization_id = $1 AND a.job_id = $3 AND a.pipeline_id = p.id
            LEFT JOIN granted ON granted.pipeline_id = p.id
        ) ON looked.up >= 0
        ORDER BY a.position
        """,
        organization_id,
        user_id,
        job_id,
        pipeline_ids,
    )
    return [PlacedPipeline(*row) for row in rows if row["id"]]


FIND: Final = f"""
    SELECT p.id, p.name, coalesce(granted.access, 0), p.description, p.created_at, p.updated_at
    FROM (
        SELECT bit_or(g.access) AS access
        FROM ({GRANTS}) g
        WHERE g.pipeline_id = $3
    ) granted
    LEFT JOIN pipelines p ON p.organization_id = $1 AND p.id = $3
"""
"""What is granted comes first, whether there is such a pipeline or not: else the time would tell that there is none."""


async def find(connection: Connection, organization_id: UUID, user_id: UUID, pipeline_id: UUID) -> Pipeline | None:
    """A pipeline, with what is granted on it to a user."""
    row = await connection.fetch_row("pipelines.find", FIND, organization_id, user_id, pipeline_id)
    return Pipeline(*row) if row and row["id"] else None


async def find_for_update(
    connection: Connection, organization_id: UUID, user_id: UUID, pipeline_id: UUID
) -> Pipeline | None:
    """The same, locked against every other change of it, of its grants and of its queue.

    The lock comes first, in a statement of its own: one that waits for a lock does not see what others did meanwhile in
    other tables.
    """
    await connection.execute(
        "pipelines.lock",
        "SELECT 1 FROM pipelines WHERE organization_id = $1 AND id = $2 FOR UPDATE",
        organization_id,
        pipeline_id,
    )
    return await find(connection, organization_id, user_id, pipeline_id)


async def insert(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, name: str, description: str
) -> tuple[datetime, datetime]:
    """Add a pipeline; returns when it was created and last changed.

    Raises:
        AlreadyExists: the organization has one of that name, regardless of case.
    """
    try:
        row = await connection.fetch_row(
            "pipelines.insert",
            """
            INSERT INTO pipelines (organization_id, id, name, name_key, description)
            VALUES ($1, $2, $3, $4, $5)
            RETURNING created_at, updated_at
            """,
            organization_id,
            pipeline_id,
            name,
            name_key(name),
            description,
        )
    except asyncpg.UniqueViolationError as error:
        raise _taken(error, name) from error
    assert row is not None  # noqa: S101 - an INSERT returns its row or fails
    return row["created_at"], row["updated_at"]


async def update(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, name: str, description: str
) -> datetime:
    """Rename and describe a locked pipeline; returns when that was.

    Raises:
        AlreadyExists: the organization has another one of that name, regardless of case.
    """
    try:
        row = await connection.fetch_row(
            "pipelines.update",
            """
            UPDATE pipelines SET name = $3, name_key = $4, description = $5, updated_at = now()
            WHERE organization_id = $1 AND id = $2
            RETURNING updated_at
            """,
            organization_id,
            pipeline_id,
            name,
            name_key(name),
            description,
        )
    except asyncpg.UniqueViolationError as error:
        raise _taken(error, name) from error
    assert row is not None  # noqa: S101 - the row is locked
    updated_at: datetime = row["updated_at"]
    return updated_at


def _taken(error: asyncpg.UniqueViolationError, name: str) -> Exception:
    if error.constraint_name == "pipelines_name_unique":
        return AlreadyExists(f"There is a pipeline called {name}, regardless of case.")
    return error


async def delete(connection: Connection, organization_id: UUID, pipeline_id: UUID) -> None:
    """Delete a pipeline, its grants, and the places that jobs have in it."""
    await connection.execute(
        "pipelines.delete",
        "DELETE FROM pipelines WHERE organization_id = $1 AND id = $2",
        organization_id,
        pipeline_id,
    )


async def count_jobs(connection: Connection, organization_id: UUID, pipeline_id: UUID) -> int:
    """How many jobs are in a pipeline."""
    row = await connection.fetch_row(
        "pipelines.count_jobs",
        "SELECT count(*) FROM assignments WHERE organization_id = $1 AND pipeline_id = $2",
        organization_id,
        pipeline_id,
    )
    return int(row[0]) if row else 0


async def list_jobs(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, after: Sequence[Any] | None, limit: int
) -> list[QueuedJob]:
    """The jobs in a pipeline, oldest first, from behind a time and an id on."""
    rows = await connection.fetch(
        "pipelines.list_jobs",
        """
        SELECT a.job_id, j.name, u.username, a.assigned_at
        FROM assignments a
        JOIN jobs j ON j.organization_id = a.organization_id AND j.id = a.job_id
        JOIN users u ON u.organization_id = j.organization_id AND u.id = j.owner_id
        WHERE a.organization_id = $1 AND a.pipeline_id = $2
          AND ($3::text IS NULL OR (a.assigned_at, a.job_id) > ($3::text::timestamptz, $4))
        ORDER BY a.assigned_at, a.job_id
        LIMIT $5
        """,
        organization_id,
        pipeline_id,
        *(after or (None, None)),
        limit,
    )
    return [QueuedJob(*row) for row in rows]
