"""What changes leave behind: write-ahead log, transaction numbers, dead rows, and tables that have grown."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from service.database.pool import Connection
from service.repositories import job_updates, jobs
from tests.scale.calls import Place, update_of
from tests.scale.filling import Raw

BATCH: Final = 12
"""Updates of one statement, as the service has them under load."""


@dataclass(frozen=True)
class Left:
    """What changes have left behind, each on average."""

    log: float
    """Bytes of the write-ahead log, without whole pages."""
    pages: float
    """Bytes of whole pages in it: those changed for the first time since a checkpoint."""
    transactions: float
    by_manager: dict[str, float]
    """The bytes of both, by what they are about."""


async def left_by(raw: Raw, count: int, change: Callable[[], Awaitable[object]], *, checkpoint: bool = True) -> Left:
    """Make changes, and return what each has left behind.

    Args:
        raw: a superuser's connection.
        count: the number of changes that are made.
        change: makes them all.
        checkpoint: make one before, so that each page is written whole when it is changed first.
    """
    await raw.execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
    if checkpoint:
        await raw.execute("VACUUM jobs, assignments")  # else hints on what was written before would count, too
        await raw.execute("CHECKPOINT")
    here = "SELECT pg_current_wal_flush_lsn() AS at, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next"
    before = await raw.fetchrow(here)
    await change()
    after = await raw.fetchrow(here)
    assert before
    assert after
    rows = await raw.fetch(
        'SELECT "resource_manager/record_type" AS manager, record_size, fpi_size FROM pg_get_wal_stats($1, $2)',
        before["at"],
        after["at"],
    )
    return Left(
        sum(row["record_size"] for row in rows) / count,
        sum(row["fpi_size"] for row in rows) / count,
        (after["next"] - before["next"]) / count,
        {row["manager"]: (row["record_size"] + row["fpi_size"]) / count for row in rows if row["record_size"]},
    )


async def update(raw: Raw, places: Sequence[Place], *, back: bool = False, batch: int = 1) -> None:
    """Update the jobs, so many at a time."""
    connection = Connection(raw)
    for first in range(0, len(places), batch):
        updates = [update_of(place, back=back) for place in places[first : first + batch]]
        assert None not in await job_updates.update_each(connection, updates)


async def register(raw: Raw, place: Place, ids: Sequence[str]) -> None:
    """Register jobs of a caller, each in the pipelines of one that there is."""
    connection, caller = Connection(raw), place.caller
    for job_id in ids:
        async with raw.transaction():
            assert await jobs.insert(connection, caller.organization_id, job_id, caller.user_id, "nightly import")
            await jobs.replace_assignments(connection, caller.organization_id, job_id, place.current)


def random_ids(count: int) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


def ordered_ids(count: int) -> list[str]:
    """Return ids that grow, as UUIDs of version 7 do: a time, then random bits."""
    return [str(UUID(int=(n << 80) | (7 << 76) | (uuid4().int & ((1 << 76) - 1)))) for n in range(2**40, 2**40 + count)]


async def sizes(raw: Raw) -> dict[str, int]:
    """Return the bytes of the tables of jobs, and of their indexes."""
    rows = await raw.fetch(
        """
        SELECT c.relname::text, pg_relation_size(c.oid)
        FROM pg_class c LEFT JOIN pg_index x ON x.indexrelid = c.oid
        WHERE coalesce(x.indrelid, c.oid) IN ('jobs'::regclass, 'assignments'::regclass) ORDER BY 1
        """
    )
    return dict(map(tuple, rows))


async def hot_share(raw: Raw, table: str) -> float:
    """Return the share of a table's updates that touched no index."""
    await raw.execute("SELECT pg_stat_force_next_flush()")
    share: float = await raw.fetchval(
        "SELECT (n_tup_hot_upd / greatest(1, n_tup_upd)::float8) FROM pg_stat_user_tables WHERE relname = $1", table
    )
    return share
