"""Statements on what needs an administrator's attention, each bounded in what it reads, counts and lists."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.permissions import EXECUTE, MANAGER
from service.repositories.ordering import MAX_COUNTED
from service.repositories.times import bounded

Item = TypeVar("Item")

MAX_EXAMINED: Final = 50_000
"""Rows that one statement looks at: there may be millions of jobs and of grants."""
MAX_LISTED: Final = 10
"""Items that are named of those that were counted."""


@dataclass(frozen=True, slots=True)
class Finding(Generic[Item]):
    """Things that need attention: their number, whether there may be more, and the first of them."""

    number: int
    at_least: bool
    first: list[Item]


@dataclass(frozen=True, slots=True)
class NamedPipeline:
    """A pipeline by its id and name."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class EndingGrant:
    """A grant that ends soon, to a user or to a group."""

    pipeline: NamedPipeline
    username: str | None
    group: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class UnusedToken:
    """A token that could be used, and has not been."""

    id: UUID
    username: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class LooseJob:
    """A job in no pipeline."""

    id: str
    name: str
    owner: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SelfGranted:
    """A user who has made themselves a manager of a pipeline."""

    username: str
    pipeline: NamedPipeline


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of a pipeline: the jobs in it by how long they have been, and since when the first has."""

    pipeline: NamedPipeline
    oldest_at: datetime
    under_a_day: int
    under_a_week: int
    under_a_month: int
    longer: int

    @property
    def counted(self) -> int:
        """The jobs in it, from the oldest on, as far as they are counted."""
        return self.under_a_day + self.under_a_week + self.under_a_month + self.longer


async def _find(
    connection: Connection,
    name: str,
    organization_id: UUID,
    *,
    examined: str,
    found: str,
    item: str,
    make: Callable[[asyncpg.Record], Item],
    first: str = "",
) -> Finding[Item]:
    """Count what is found among the first rows that are examined, and read the first of it.

    Args:
        connection: to read by.
        name: of the statement.
        organization_id: $1.
        examined: the statement of the rows, in the order of an index, without its limit.
        found: a condition on a row `e` of these, and what it joins: "JOIN ... WHERE ...".
        item: the columns of an item, and what they join: "x.a, x.b FROM f JOIN ...", of the row `f` that was found.
        make: an item from a row.
        first: the order of what is listed, "ORDER BY ..."; that of the rows if it is empty.
    """
    columns, _, joined = item.partition(" FROM ")
    rows = await connection.fetch(
        name,
        f"""
        -- The rows that are looked at, and one more, which tells that there are others.
        WITH examined AS MATERIALIZED ({examined} LIMIT {MAX_EXAMINED + 1}),
        -- Those of them that need attention, as far as they are counted.
        found AS MATERIALIZED (
            SELECT e.*, row_number() OVER ({first}) AS place
            FROM examined e {found}
            ORDER BY place
            LIMIT {MAX_COUNTED + 1}
        ),
        -- The first of these, as they are shown.
        listed AS (SELECT f.place, {columns} FROM (SELECT * FROM found WHERE place <= {MAX_LISTED}) {joined}),
        -- Always one row.
        counted AS (
            SELECT (SELECT count(*) FROM found) AS number, (SELECT count(*) FROM examined) AS looked_at
        )
        SELECT c.number, c.looked_at, l.* FROM counted c LEFT JOIN listed l ON true ORDER BY l.place
        """,
        organization_id,
    )
    number, looked_at = rows[0]["number"], rows[0]["looked_at"]
    listed = [make(row) for row in rows if row["place"] is not None]
    return Finding(min(number, MAX_COUNTED), number > MAX_COUNTED or looked_at > MAX_EXAMINED, listed)


_CURRENT: Final = "(g.expires_at IS NULL OR g.expires_at > now())"
_GIVES_EXECUTE: Final = f"g.access & {EXECUTE | MANAGER} > 0 AND {_CURRENT}"


async def find_unexecuted_pipelines(connection: Connection, organization_id: UUID) -> Finding[NamedPipeline]:
    """Find pipelines on which no user who is not disabled is granted `execute`, alone or by a group.

    OFFSET 0: each pipeline is looked up by the indexes. The planner would read all grants and memberships for the rare
    organization in which that were less.
    """
    return await _find(
        connection,
        "overview.find_unexecuted_pipelines",
        organization_id,
        examined="SELECT p.id, p.name FROM pipelines p WHERE p.organization_id = $1 ORDER BY p.name, p.id",
        found=f"""
            WHERE NOT EXISTS (
                SELECT FROM user_grants g
                JOIN users u ON u.organization_id = g.organization_id AND u.id = g.user_id
                WHERE g.organization_id = $1 AND g.pipeline_id = e.id AND {_GIVES_EXECUTE} AND NOT u.disabled
                OFFSET 0
            ) AND NOT EXISTS (
                SELECT FROM group_grants g
                JOIN memberships m ON m.organization_id = g.organization_id AND m.group_id = g.group_id
                JOIN users u ON u.organization_id = m.organization_id AND u.id = m.user_id
                WHERE g.organization_id = $1 AND g.pipeline_id = e.id AND {_GIVES_EXECUTE} AND NOT u.disabled
                OFFSET 0
            )
        """,
        item="f.id, f.name FROM f",
        make=lambda row: NamedPipeline(row["id"], row["name"]),
    )


async def find_ending_grants(connection: Connection, organization_id: UUID) -> list[Finding[EndingGrant]]:
    """Find grants that end within a week: those to users, and those to groups."""
    return [
        await _find(
            connection,
            f"overview.find_ending_{kind}_grants",
            organization_id,
            examined=f"""
                SELECT g.{kind}_id, g.pipeline_id, g.expires_at
                FROM {kind}_grants g
                WHERE g.organization_id = $1
                ORDER BY g.{kind}_id, g.pipeline_id
            """,
            found="WHERE e.expires_at > now() AND e.expires_at < now() + interval '7 days'",
            item=f"""
                p.id, p.name, {names} AS name_of, {bounded("f.expires_at")} AS expires_at FROM f
                JOIN pipelines p ON p.organization_id = $1 AND p.id = f.pipeline_id
                JOIN {kind}s n ON n.organization_id = $1 AND n.id = f.{kind}_id
            """,
            make=make,
            first="ORDER BY e.expires_at",
        )
        for kind, names, make in (("user", "n.username", _to_user), ("group", "n.name", _to_group))
    ]


def _to_user(row: asyncpg.Record) -> EndingGrant:
    return EndingGrant(NamedPipeline(row["id"], row["name"]), row["name_of"], None, row["expires_at"])


def _to_group(row: asyncpg.Record) -> EndingGrant:
    return EndingGrant(NamedPipeline(row["id"], row["name"]), None, row["name_of"], row["expires_at"])


async def find_unused_tokens(connection: Connection, organization_id: UUID) -> Finding[UnusedToken]:
    """Find tokens that could be used, and have not been for 90 days; the oldest first."""
    return await _find(
        connection,
        "overview.find_unused_tokens",
        organization_id,
        examined="""
            SELECT t.id, t.user_id, t.name, t.created_at, t.last_used_at, t.expires_at
            FROM tokens t
            WHERE t.organization_id = $1 AND t.revoked_at IS NULL AND t.created_at < now() - interval '90 days'
            ORDER BY t.created_at, t.id
        """,
        found="""
            JOIN users u ON u.organization_id = $1 AND u.id = e.user_id AND NOT u.disabled
            WHERE (e.last_used_at IS NULL OR e.last_used_at < now() - interval '90 days')
              AND (e.expires_at IS NULL OR e.expires_at > now())
        """,
        item=f"""
            f.id, u.username, f.name, {bounded("f.created_at")} AS created_at,
            {bounded("f.last_used_at")} AS last_used_at FROM f
            JOIN users u ON u.organization_id = $1 AND u.id = f.user_id
        """,
        make=lambda row: UnusedToken(*[row[name] for name in UnusedToken.__slots__]),
    )


async def find_loose_jobs(connection: Connection, organization_id: UUID) -> Finding[LooseJob]:
    """Find jobs in no pipeline, the newest first."""
    return await _find(
        connection,
        "overview.find_loose_jobs",
        organization_id,
        examined="""
            SELECT j.id, j.name, j.owner_id, j.created_at
            FROM jobs j
            WHERE j.organization_id = $1
            ORDER BY j.created_at DESC, j.id DESC
        """,
        found="""
            WHERE NOT EXISTS (
                SELECT FROM assignments a WHERE a.organization_id = $1 AND a.job_id = e.id OFFSET 0
            )
        """,
        item=f"""
            f.id, f.name, u.username AS owner, {bounded("f.created_at")} AS created_at FROM f
            JOIN users u ON u.organization_id = $1 AND u.id = f.owner_id
        """,
        make=lambda row: LooseJob(*[row[name] for name in LooseJob.__slots__]),
    )


async def find_self_granted(connection: Connection, organization_id: UUID) -> Finding[SelfGranted]:
    """Find users who manage a pipeline by a grant that they were the last to set, by the audit trail.

    OFFSET 0: the trail is read by its targets, and not from its end on until one fits.
    """
    return await _find(
        connection,
        "overview.find_self_granted",
        organization_id,
        examined=f"""
            SELECT g.user_id, g.pipeline_id
            FROM user_grants g
            WHERE g.organization_id = $1 AND g.access & {MANAGER} > 0 AND {_CURRENT}
            ORDER BY g.user_id, g.pipeline_id
        """,
        found="""
            JOIN users u ON u.organization_id = $1 AND u.id = e.user_id
            CROSS JOIN LATERAL (
                SELECT a.actor_id
                FROM (
                    SELECT a.id, a.actor_id, a.action
                    FROM audit a
                    WHERE a.organization_id = $1 AND a.target = 'grant:' || e.pipeline_id || '/user:' || u.username
                    OFFSET 0
                ) a
                WHERE a.action = 'grant.set'
                ORDER BY a.id DESC
                LIMIT 1
            ) made
            WHERE made.actor_id = e.user_id
        """,
        item="""
            u.username, p.id, p.name FROM f
            JOIN users u ON u.organization_id = $1 AND u.id = f.user_id
            JOIN pipelines p ON p.organization_id = $1 AND p.id = f.pipeline_id
        """,
        make=lambda row: SelfGranted(row["username"], NamedPipeline(row["id"], row["name"])),
    )


async def list_oldest_queues(connection: Connection, organization_id: UUID) -> list[Queue]:
    """List the queues whose first job has been in them longest, with the ages of the oldest jobs in each."""
    rows = await connection.fetch(
        "overview.list_oldest_queues",
        f"""
        -- The pipelines that are looked at.
        WITH examined AS MATERIALIZED (
            SELECT p.id, p.name FROM pipelines p WHERE p.organization_id = $1 ORDER BY p.name, p.id LIMIT {MAX_EXAMINED}
        ),
        -- Those in which a job has been longest.
        oldest AS MATERIALIZED (
            SELECT e.id, e.name, first.assigned_at
            FROM examined e
            CROSS JOIN LATERAL (
                SELECT a.assigned_at
                FROM assignments a
                WHERE a.organization_id = $1 AND a.pipeline_id = e.id
                ORDER BY a.assigned_at
                LIMIT 1
            ) first
            ORDER BY first.assigned_at, e.name, e.id
            LIMIT {MAX_LISTED}
        )
        SELECT o.id, o.name, {bounded("o.assigned_at")} AS oldest_at, ages.*
        FROM oldest o
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE a.age < interval '1 day') AS under_a_day,
                   count(*) FILTER (WHERE a.age >= interval '1 day' AND a.age < interval '7 days') AS under_a_week,
                   count(*) FILTER (WHERE a.age >= interval '7 days' AND a.age < interval '30 days') AS under_a_month,
                   count(*) FILTER (WHERE a.age >= interval '30 days') AS longer
            FROM (
                SELECT now() - {bounded("a.assigned_at")} AS age
                FROM assignments a
                WHERE a.organization_id = $1 AND a.pipeline_id = o.id
                ORDER BY a.assigned_at
                LIMIT {MAX_COUNTED + 1}
            ) a
        ) ages
        ORDER BY o.assigned_at, o.name, o.id
        """,
        organization_id,
    )
    return [_queue(row) for row in rows]


def _queue(row: asyncpg.Record) -> Queue:
    ages: list[Any] = [row[name] for name in ("oldest_at", "under_a_day", "under_a_week", "under_a_month", "longer")]
    return Queue(NamedPipeline(row["id"], row["name"]), *ages)
