"""Statements on pipelines, on what is granted on them, and on their queues."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.errors import AlreadyExists
from service.permissions import FULL_ACCESS, MANAGER
from service.repositories import revisions
from service.repositories.granted import GRANTED, GRANTED_FIRST, GRANTS, grants_of, reading_as
from service.repositories.literals import column_literal
from service.repositories.times import bounded
from service.slices import in_slices
from service.values.casefold import casefold
from service.values.named_tuples import make_each
from service.values.names import name_key


class GrantedPipeline(NamedTuple):
    """A pipeline, and the union of what is granted on it to a user and their groups (an access of permissions/).

    A tuple, as lists are made of thousands.
    """

    id: UUID
    name: str
    granted: int


class Pipeline(NamedTuple):
    """A pipeline with all of its fields, and the union of what is granted on it to a user and their groups."""

    id: UUID
    name: str
    granted: int
    description: str
    created_at: datetime
    updated_at: datetime


class PlacedPipeline(NamedTuple):
    """A pipeline and the union of what is granted on it, with its place in one job's order.

    The place is None if the job is not in it.
    """

    id: UUID
    name: str
    granted: int
    position: int | None


class FilteredPipeline(NamedTuple):
    """A pipeline and the union of what is granted on it, and whether its name fits a filter."""

    id: UUID
    name: str
    granted: int
    fits: bool


Granted: TypeAlias = GrantedPipeline | PlacedPipeline | FilteredPipeline
"""A pipeline with what is granted on it, in any form that rules are applied to."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The conditions and the page of a list of pipelines."""

    name: str | None = None
    """A part of the name, regardless of case."""
    holding: int = 0
    """Permissions that the user must have been granted at least; a manager has all of them."""
    lacking: int = 0
    """Permissions that the user must not have been granted."""
    after: Sequence[Any] | None = None
    """The name and id of the last pipeline of the page before."""
    limit: int | None = None


NO_FILTERS: Final = Filters()


@dataclass(frozen=True, slots=True)
class PipelineList:
    """A list of pipelines, and the version that it was read at, in one snapshot."""

    pipelines: list[GrantedPipeline]
    version: revisions.ReadVersion


async def list_granted(
    connection: Connection, organization_id: UUID, user_id: UUID, filters: Filters = NO_FILTERS
) -> PipelineList:
    """Return the pipelines on which anything is granted to a user, by name, then id."""
    rows = await reading_as(connection, user_id).fetch(
        "pipelines.list_granted",
        f"""
        WITH state AS MATERIALIZED (
            SELECT {revisions.OF_USER} AS revisions FROM users u WHERE u.organization_id = $1 AND u.id = $2
        )
        -- The revisions are in the first row alone: nothing carries or sorts those of thousands of groups with each of
        -- thousands of pipelines.
        SELECT CASE WHEN coalesce(listed.place, 1) = 1 THEN (SELECT s.revisions FROM state s) END,
               {bounded("listed.expires_at")}, listed.id, listed.name, listed.access
        FROM (SELECT FROM state) present
        -- LEFT, as an empty list has a version too.
        LEFT JOIN (
            SELECT p.id, p.name, granted.access, granted.expires_at, row_number() OVER (ORDER BY p.name, p.id) AS place
            FROM ({GRANTED}) granted
            JOIN pipelines p ON p.organization_id = $1 AND p.id = granted.pipeline_id
            WHERE ($3::text IS NULL OR position($3 IN p.name_key) > 0)
              AND CASE WHEN granted.access & {MANAGER} = {MANAGER} THEN {FULL_ACCESS} ELSE granted.access END & $4 = $4
              AND granted.access & $5 = 0
              AND ($6::text IS NULL OR (p.name, p.id) > ($6, $7::uuid))
            ORDER BY p.name, p.id
            LIMIT $8
        ) listed ON true
        ORDER BY listed.place
        """,
        organization_id,
        user_id,
        _key(filters.name),
        filters.holding,
        filters.lacking,
        *(filters.after or (None, None)),
        filters.limit,
    )
    return await _listing(rows)


MAX_BATCHED_GRANTS: Final = 500
"""Grants of one user beyond which their list is not read in a batch, where the others would have to wait for it."""

LIST_GRANTED_EACH: Final = f"""
    SELECT requested.number, {revisions.OF_USER} AS revisions, listed.*
    -- Each array in a SELECT, which hides its length from the planner: else each length would be planned anew.
    FROM unnest((SELECT $1::text::uuid[]), (SELECT $2::text::uuid[]))
         WITH ORDINALITY AS requested (organization_id, user_id, number)
    JOIN users u ON u.organization_id = requested.organization_id AND u.id = requested.user_id
    -- LATERAL: user by user, by the indexes. One row of arrays for each, so the revisions are sent once.
    CROSS JOIN LATERAL (
        -- Whole, or cut: the limit below is one more than is allowed, which tells more from exactly as many.
        SELECT coalesce(sum(row.grants), 0) <= {MAX_BATCHED_GRANTS} AS whole,
               {bounded("min(row.expires_at)")} AS expires_at,
               array_agg(row.id) AS ids, array_agg(row.name) AS names, array_agg(row.access) AS accesses
        FROM (
            SELECT p.id, p.name, granted.access, granted.expires_at, granted.grants
            FROM (
                SELECT g.pipeline_id, bit_or(g.access) AS access, min(g.expires_at) AS expires_at, count(*) AS grants
                FROM ({grants_of("u.organization_id", "u.id")} LIMIT {MAX_BATCHED_GRANTS + 1}) g
                GROUP BY g.pipeline_id
            ) granted
            JOIN pipelines p ON p.organization_id = u.organization_id AND p.id = granted.pipeline_id
            ORDER BY p.name, p.id
        ) row
    ) listed
"""


async def list_granted_each(connection: Connection, users: Sequence[tuple[UUID, UUID]]) -> list[PipelineList | None]:
    """Return the list of `list_granted` for each of some users, given by organization and id, in one statement.

    Returns:
        For each the list, empty for a user who does not exist any more; None where the user has too many grants.
    """
    arrays = (column_literal("uuid", ids) for ids in zip(*users, strict=True))
    rows = await connection.fetch("pipelines.list_granted_each", LIST_GRANTED_EACH, *arrays)
    found: list[PipelineList | None] = [PipelineList([], revisions.ReadVersion((), None))] * len(users)
    for number, state, whole, expires_at, ids, names, accesses in rows:
        granted = make_each(GrantedPipeline, zip(ids or (), names or (), accesses or (), strict=True))
        found[number - 1] = PipelineList(granted, revisions.ReadVersion(tuple(state), expires_at)) if whole else None
    return found


async def list_all(
    connection: Connection, organization_id: UUID, user_id: UUID, filters: Filters = NO_FILTERS
) -> PipelineList:
    """Return the pipelines of an organization, by name, then id: the list of users whose role gives access to all."""
    rows = await reading_as(connection, user_id).fetch(
        "pipelines.list_all",
        f"""
        WITH state AS MATERIALIZED (
            SELECT {revisions.OF_USER} AS revisions
            FROM (VALUES (true)) always -- a row in any case: an operator is no user, and sees all
            LEFT JOIN users u ON u.organization_id = $1 AND u.id = $2
        )
        -- The revisions are in the first row alone, as in list_granted.
        SELECT CASE WHEN coalesce(listed.place, 1) = 1 THEN (SELECT s.revisions FROM state s) END, NULL::timestamptz,
               listed.id, listed.name, 0
        FROM (SELECT FROM state) present
        LEFT JOIN (
            SELECT p.id, p.name, row_number() OVER (ORDER BY p.name, p.id) AS place
            FROM pipelines p
            WHERE p.organization_id = $1
              AND ($3::text IS NULL OR position($3 IN p.name_key) > 0)
              AND ($4::text IS NULL OR (p.name, p.id) > ($4, $5::uuid))
            ORDER BY p.name, p.id
            LIMIT $6
        ) listed ON true
        ORDER BY listed.place
        """,
        organization_id,
        user_id,
        _key(filters.name),
        *(filters.after or (None, None)),
        filters.limit,
    )
    return await _listing(rows)


async def _listing(rows: list[asyncpg.Record]) -> PipelineList:
    """Return rows as a list: the first has the revisions, and no pipeline if there is none; no row: no such user."""
    state = tuple(rows[0][0]) if rows else ()
    expiries: set[datetime] = set()

    def granted(some: list[asyncpg.Record]) -> list[GrantedPipeline]:
        expiries.update(row[1] for row in some if row[1] is not None)
        return [GrantedPipeline(*row[2:]) for row in some if row[2] is not None]

    listed = await in_slices(granted, rows)
    return PipelineList(listed, revisions.ReadVersion(state, min(expiries, default=None)))


def _key(name: str | None) -> str | None:
    return None if name is None else casefold(name)


async def list_of_job(
    connection: Connection, organization_id: UUID, user_id: UUID, job_id: str, name: str | None = None
) -> list[FilteredPipeline]:
    """Return the pipelines of a job, by name, then id, with what is granted on each to a user (0: nothing).

    Each says whether its name holds `name`. All are returned, as all of them decide who may see the job.
    """
    rows = await reading_as(connection, user_id).fetch(
        "pipelines.list_of_job",
        f"""
        {GRANTED_FIRST}
        SELECT p.id, p.name, coalesce(granted.access, 0), $4::text IS NULL OR position($4 IN p.name_key) > 0
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
        _key(name),
    )
    return [FilteredPipeline(*row) for row in rows if row["id"]]


async def hold(connection: Connection, organization_id: UUID, pipeline_ids: Sequence[UUID]) -> None:
    """Keep pipelines from being deleted until the transaction ends: locked ahead of users, as by their deletion."""
    await connection.execute(
        "pipelines.hold",
        "SELECT FROM pipelines WHERE organization_id = $1 AND id = ANY ($2) ORDER BY id FOR KEY SHARE",
        organization_id,
        pipeline_ids,
    )


async def list_for_update_of_job(
    connection: Connection, organization_id: UUID, user_id: UUID, job_id: str, pipeline_ids: Sequence[UUID]
) -> list[PlacedPipeline]:
    """Return the pipelines of a job, in its own order, and the others of some ids that exist, in one snapshot."""
    rows = await reading_as(connection, user_id).fetch(
        "pipelines.list_for_update_of_job",
        f"""
        {GRANTED_FIRST}
        SELECT p.id, p.name, coalesce(granted.access, 0), a.position
        FROM looked
        LEFT JOIN (
            (
                -- Where the job is, and where it is to be.
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
    SELECT p.id, p.name, coalesce(granted.access, 0), p.description,
           {bounded("p.created_at")}, {bounded("p.updated_at")}
    FROM (
        -- An aggregate: always one row, so grants are read before the pipeline, and in any case.
        SELECT bit_or(g.access) AS access
        FROM ({GRANTS}) g
        WHERE g.pipeline_id = $3
    ) granted
    LEFT JOIN pipelines p ON p.organization_id = $1 AND p.id = $3
"""
"""A pipeline after what is granted on it: were grants read only if it exists, the time would tell whether it does."""


async def find(connection: Connection, organization_id: UUID, user_id: UUID, pipeline_id: UUID) -> Pipeline | None:
    """Return a pipeline, with what is granted on it to a user; None if there is none."""
    row = await reading_as(connection, user_id).fetch_row("pipelines.find", FIND, organization_id, user_id, pipeline_id)
    return Pipeline(*row) if row and row["id"] else None


async def find_for_update(
    connection: Connection, organization_id: UUID, user_id: UUID, pipeline_id: UUID
) -> Pipeline | None:
    """Return the pipeline of `find`, locked against every other change of it, of its grants and of its queue.

    The lock comes first, in a statement of its own: the snapshot of a statement that waits for a lock lacks what was
    committed meanwhile in other tables.
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
    """Insert a pipeline; return the times of its creation and its last change.

    Raises:
        AlreadyExists: the organization has one of that name, regardless of case.
    """
    try:
        row = await connection.fetch_one(
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
    return row["created_at"], row["updated_at"]


async def update(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, name: str, description: str
) -> datetime:
    """Update the name and description of a locked pipeline; return the time of that.

    Raises:
        AlreadyExists: the organization has another one of that name, regardless of case.
    """
    try:
        row = await connection.fetch_one(
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
    updated_at: datetime = row["updated_at"]
    return updated_at


def _taken(error: asyncpg.UniqueViolationError, name: str) -> Exception:
    if error.constraint_name == "pipelines_name_unique":
        return AlreadyExists(f"There is a pipeline called {name}, regardless of case.")
    return error


async def delete(connection: Connection, organization_id: UUID, pipeline_id: UUID) -> None:
    """Delete a pipeline, its grants, and the places of jobs in it, once it and those who hold grants are locked."""
    await connection.execute(
        "pipelines.delete",
        "DELETE FROM pipelines WHERE organization_id = $1 AND id = $2",
        organization_id,
        pipeline_id,
    )


async def count_jobs(connection: Connection, organization_id: UUID, pipeline_id: UUID) -> int:
    """Count the jobs in a pipeline."""
    row = await connection.fetch_one(
        "pipelines.count_jobs",
        "SELECT count(*) FROM assignments WHERE organization_id = $1 AND pipeline_id = $2",
        organization_id,
        pipeline_id,
    )
    return int(row[0])
