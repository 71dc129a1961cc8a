"""The audit trail as it goes on: each entry once, also of transactions that commit late with an earlier id.

Ids are drawn before their transactions commit, and transactions get their numbers before they wait for locks, so that
neither says what a reader has seen. What is new is therefore the difference of two snapshots: rows of transactions that
had ended at the second one, and not yet at the first. In it they are ordered by id, which is right for each object: a
row's id is drawn while its object is locked.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from service.database.pool import Connection
from service.repositories.audit import Entry, read_entry
from service.repositories.times import bounded

PAGE_SIZE: Final = 100
"""Entries read at once, each with two states of up to 80 kB."""


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """A place in the feed: all that the first snapshot sees was read, and of what the second sees, ids up to one."""

    seen: str
    """A snapshot in PostgreSQL's own form, xmin:xmax:transactions under way."""
    target: str | None = None
    """The snapshot up to which is being read; None: the next reading takes a new one."""
    after: int = 0

    def goes_back_to(self, snapshot: str) -> bool:
        """Return whether a later snapshot is of an earlier state: the database was restored, or is another one."""
        return int(snapshot.split(":")[1]) < int(self.seen.split(":")[0])


async def snapshot(connection: Connection) -> str:
    """Return which transactions have ended by now."""
    row = await connection.fetch_one("audit_feed.snapshot", "SELECT pg_current_snapshot()::text AS snapshot")
    return str(row["snapshot"])


async def page(
    connection: Connection,
    organization_id: UUID,
    *,
    seen: str,
    target: str,
    after: int,
    actor: str | None,
    action: str | None,
    on: str | None,
) -> list[Entry]:
    """Return the next entries between two snapshots, by id; fewer than PAGE_SIZE if they are the last.

    Args:
        connection: of a database whose present state is not before the second snapshot.
        organization_id: whose trail it is.
        seen: the first snapshot.
        target: the second snapshot.
        after: the id of the last entry that was read between them.
        actor: by whom, if only by one.
        action: what was done, if only one kind.
        on: to what it was done, if only to one thing.
    """
    rows = await connection.fetch(
        "audit_feed.page",
        f"""
        SELECT a.id, {bounded("a.at")} AS at, a.actor, a.token_id, a.action, a.target,
               a.before::text, a.after::text, a.request_id
        FROM audit a
        WHERE a.organization_id = $1
          AND a.transaction_id >= pg_snapshot_xmin($2::text::pg_snapshot)
          AND a.transaction_id < pg_snapshot_xmax($3::text::pg_snapshot)
          AND NOT pg_visible_in_snapshot(a.transaction_id, $2::text::pg_snapshot)
          AND pg_visible_in_snapshot(a.transaction_id, $3::text::pg_snapshot)
          -- Restored into another cluster, a row has the number of a transaction that is yet to come there; of its own
          -- transaction, or a savepoint in it, it would have been written by that number or a later one.
          AND ((a.xmin::text::bigint - (a.transaction_id::text::bigint & 4294967295)) & 4294967295) < 2147483648
          AND a.id > $4
          AND ($5::text IS NULL OR lower(a.actor) = lower($5))
          AND ($6::text IS NULL OR a.action = $6)
          AND ($7::text IS NULL OR a.target = $7)
        ORDER BY a.id
        LIMIT $8
        """,
        organization_id,
        seen,
        target,
        after,
        actor,
        action,
        on,
        PAGE_SIZE,
    )
    return [read_entry(row) for row in rows]
