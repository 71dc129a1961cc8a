"""Statements on the timelines that the database has come by: where each begins, as far as that was noted in time."""

from typing import NamedTuple

from service.database.pool import Connection


class Passed(NamedTuple):
    """The timelines from one to another, both with them."""

    noted: int
    """The number of those that are noted."""
    begun: int
    """The number of those of them behind the first one whose begin is known."""
    begins: int | None
    """The earliest begin of these, in bytes of the write-ahead log."""


async def note(connection: Connection) -> None:
    """Note the present timeline, unless it is."""
    await connection.execute("timelines.note", "SELECT note_timeline()")


async def find_passed(connection: Connection, system: int, first: int, last: int) -> Passed:
    """Return what is noted of the timelines of a cluster, from one to another."""
    row = await connection.fetch_one(
        "timelines.passed",
        """
        SELECT count(*) AS noted, count(t.begins) FILTER (WHERE t.timeline > $2) AS begun,
               (min(t.begins) FILTER (WHERE t.timeline > $2) - '0/0'::pg_lsn)::bigint AS begins
        FROM timelines t
        WHERE t.system = $1 AND t.timeline BETWEEN $2 AND $3
        """,
        system if system < 2**63 else system - 2**64,
        first,
        last,
    )
    return Passed(*row)
