"""The audit trail as it goes on: each entry once, also of transactions that commit late with an earlier id.

Ids are drawn before their transactions commit, and transactions get their numbers before they wait for locks, so that
neither says what a reader has seen. What is new is therefore the difference of two snapshots: rows of transactions that
had ended at the second one, and not yet at the first. In it they are ordered by id, which is right for each object: a
row's id is drawn while its object is locked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.repositories.audit import MAX_PAGE_BYTES, Entry, read_entry, within_bytes
from service.repositories.audit_epochs import (
    LAST,
    MARK,
    MARK_LAST,
    NOT_RESTORED,
    Epoch,
    Mark,
    durable_snapshot,
    holds,
    last_of,
)
from service.repositories.texts import folded
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
    epoch: Epoch | None = None
    """The database and the point in its history at which the last of both was taken; None: it is not known."""

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
          AND ($5::text IS NULL OR lower(a.actor) = {folded(5)})
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


BEGINNING: Final = "1:1:"
"""A snapshot that sees nothing: what is read from it on is all that is kept."""


class FeedState(NamedTuple):
    """The state of the feed of one organization."""

    epoch: Epoch
    snapshot: str
    oldest: int | None
    newest: int | None
    """The ids of the first and the last entry that are kept; None if there is none."""
    holds: bool = True
    """False: this is another history than that of the epoch that was asked about."""


_SYSTEM: Final = "(SELECT s.system_identifier FROM pg_control_system() s)"
STATE: Final = f"""
    WITH {LAST}
    SELECT ({durable_snapshot("'3'::xid8")}) AS snapshot,
           {_SYSTEM} AS system, d.oid::bigint AS database, 'audit'::regclass::oid::bigint AS trail,
           {MARK}, {MARK_LAST}, {holds("$2", "$3")} AS holds,
           (SELECT min(a.id) FROM audit a WHERE a.organization_id = $1) AS oldest,
           (SELECT max(a.id) FROM audit a WHERE a.organization_id = $1) AS newest
    FROM pg_database d
    WHERE d.datname = current_database()
"""
"""The snapshot, the epoch, and the bounds of the trail of organization $1.

And whether this is the history that has the entry of transaction $2 and digest $3.
"""


async def read_state(connection: Connection, organization_id: UUID, then: Epoch | None = None) -> FeedState:
    """Return where the feed of an organization is now.

    Args:
        connection: of the database.
        organization_id: whose trail it is.
        then: the epoch of a place, of which is asked whether its history is the present one.
    """
    arguments = organization_id, *last_of(then)
    try:
        row = await connection.fetch_one("audit_feed.state", STATE, *arguments)
    except asyncpg.InsufficientPrivilegeError:  # some servers that others manage do not tell
        statement = STATE.replace(_SYSTEM, "0::bigint")
        row = await connection.fetch_one("audit_feed.state", statement, *arguments)
    epoch = Epoch(row["system"] % 2**64, row["database"], row["trail"], *_mark(row))
    return FeedState(epoch, row["snapshot"], row["oldest"], row["newest"], row["holds"])


_PRESENT: Final = durable_snapshot("pg_snapshot_xmax($2::text::pg_snapshot)")
_FRESH: Final = """
        SELECT a.*
        FROM fresh f
        -- LATERAL: row by row, each in its month.
        CROSS JOIN LATERAL (
            SELECT r.* FROM audit r WHERE r.organization_id = f.organization_id AND r.at = f.at AND r.id = f.id OFFSET 0
        ) a
"""
BETWEEN: Final = f"""
    -- Of one statement, so that the rows that it sees are those of this snapshot.
    WITH {LAST},
    now AS MATERIALIZED (SELECT coalesce($3::text, ({_PRESENT})) AS target),
    -- Keys alone, and always by transaction: were the rows looked for in the order of their ids, all that the trail
    -- has would be walked along where nothing is new. With the time, each row is in one month.
    fresh AS MATERIALIZED (
        SELECT a.organization_id, a.at, a.id
        FROM audit a
        WHERE a.transaction_id >= pg_snapshot_xmin($2::text::pg_snapshot)
          AND a.transaction_id < (SELECT pg_snapshot_xmax(n.target::pg_snapshot) FROM now n)
          -- SELECT: read once, and not for each row, as a client may name thousands of transactions in it.
          AND NOT pg_visible_in_snapshot(a.transaction_id, (SELECT $2::text::pg_snapshot))
          AND pg_visible_in_snapshot(a.transaction_id, (SELECT n.target::pg_snapshot FROM now n))
          AND {NOT_RESTORED}
          AND a.organization_id = ANY ($1) AND a.id > $4
        ORDER BY a.id
        LIMIT $5
    )
    SELECT n.target AS snapshot, m.timeline, m.position, m.reach, m.last, m.digest, m.holds, e.*
    FROM now n
    CROSS JOIN (
        SELECT {MARK}, {MARK_LAST}, {holds("$7", "$8")} AS holds
    ) m
    LEFT JOIN (
        {within_bytes(_FRESH, "a.id", "$6")}
    ) e ON true
    ORDER BY e.id
"""
"""Entries of organizations $1 behind id $4 between snapshots $2 and $3 (NULL: now); at most $5, in $6 bytes.

And whether what is read is of the history that has the entry of transaction $7 and digest $8.
"""


_SINCE_LOWEST: Final = "a.transaction_id >= pg_snapshot_xmin($2::text::pg_snapshot)"
BETWEEN_WIDE: Final = BETWEEN.replace(
    _SINCE_LOWEST,
    """(a.transaction_id >= pg_snapshot_xmax($2::text::pg_snapshot)
               OR a.transaction_id = ANY (ARRAY(SELECT pg_snapshot_xip($2::text::pg_snapshot))))""",
)
"""The same for a first snapshot that begins long before it ends: what it sees between is not read.

A transaction that ran for hours makes one, and so can a client. It looks at two places of the index instead of one.
"""
WIDE: Final = 10_000
"""Transactions between the begin and the end of a wide snapshot."""


def _is_wide(seen: str) -> bool:
    lowest, beyond, _ = seen.split(":")
    return int(beyond) - int(lowest) > WIDE


class Read(NamedTuple):
    """An entry as it was read."""

    organization_id: UUID
    entry: Entry
    bytes: int
    """The length of its states."""


class Between(NamedTuple):
    """Entries between two snapshots."""

    target: str
    """The second snapshot."""
    mark: Mark
    holds: bool
    """False: this is another history than that of the first snapshot, and the entries mean nothing."""
    entries: list[Read]
    more: bool
    """True if there may be more between them."""


async def read_between(
    connection: Connection,
    organization_ids: Sequence[UUID],
    *,
    seen: str,
    target: str | None,
    after: int,
    epoch: Epoch | None = None,
    limit: int = PAGE_SIZE,
    max_bytes: int = MAX_PAGE_BYTES,
) -> Between:
    """Return the next entries of some organizations between two snapshots, by id.

    Args:
        connection: of a database whose present state is not before the second snapshot.
        organization_ids: whose trails they are.
        seen: the first snapshot.
        target: the second snapshot; None: the present one.
        after: the id of the last entry that was read between them.
        epoch: of the last of both that is not the present one; None: it is not compared with the present history.
        limit: entries.
        max_bytes: of their states, but that there is one entry at least.
    """
    rows = await connection.fetch(
        "audit_feed.between",
        BETWEEN_WIDE if _is_wide(seen) else BETWEEN,
        organization_ids,
        seen,
        target,
        after,
        limit,
        max_bytes,
        *last_of(epoch),
    )
    entries, more = _cut([row for row in rows if row["id"] is not None], limit)
    return Between(rows[0]["snapshot"], _mark(rows[0]), rows[0]["holds"], entries, more)


_KEPT: Final = f"""
    SELECT a.*
    FROM audit a
    WHERE a.organization_id = $1 AND a.id > $3 AND a.id <= coalesce($6, 9223372036854775807)
      AND (a.transaction_id IS NULL OR NOT {NOT_RESTORED}
           OR pg_visible_in_snapshot(a.transaction_id, (SELECT $2::text::pg_snapshot)))
    ORDER BY a.id
    LIMIT $4
"""
FROM_BEGINNING: Final = f"{within_bytes(_KEPT, 'a.id', '$5')} ORDER BY id"


async def read_from_beginning(
    connection: Connection,
    organization_id: UUID,
    *,
    target: str,
    after: int,
    last: int | None = None,
    limit: int = PAGE_SIZE,
    max_bytes: int = MAX_PAGE_BYTES,
) -> tuple[list[Read], bool]:
    """Return the next of all entries that are kept, up to a snapshot, by id: those, too, that name no transaction.

    Args:
        connection: of a database whose present state is not before the snapshot.
        organization_id: whose trail it is.
        target: the snapshot.
        after: the id of the last entry that was read.
        last: the id of the last entry that is looked at; None: there is none.
        limit: entries.
        max_bytes: of their states, but that there is one entry at least.

    Returns:
        The entries, and whether there may be more; both as of `read_between`.
    """
    rows = await connection.fetch(
        "audit_feed.from_beginning",
        FROM_BEGINNING,
        organization_id,
        target,
        after,
        limit,
        max_bytes,
        last,
    )
    return _cut(rows, limit)


def _cut(rows: Sequence[asyncpg.Record], limit: int) -> tuple[list[Read], bool]:
    """Return what was read, and whether there may be more behind it."""
    entries = [Read(row["organization_id"], read_entry(row), row["bytes"]) for row in rows]
    return entries, bool(rows) and (len(rows) == limit or len(rows) < rows[0]["count"])


def _mark(row: asyncpg.Record) -> Mark:
    return Mark(*(row[field] for field in Mark._fields))
