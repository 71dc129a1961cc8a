"""The places in a history of the database at which snapshots are taken, and the SQL that tells histories apart.

Transactions have numbers that another history has, too: of a server with the same data that has gone another way, of a
recovery to an earlier point, or behind a log that was reset. The entries that they have written are others there.
"""

from typing import Final, NamedTuple

NOT_RESTORED: Final = (
    "((a.xmin::text::bigint - (a.transaction_id::text::bigint & 4294967295)) & 4294967295) < 2147483648"
)
"""The condition that row a was written by the transaction that it names; see `page`."""


class Epoch(NamedTuple):
    """The database that snapshots are of, and how far it had come: of another one, transactions have other numbers."""

    system: int
    """The identifier that initdb gave to the data; 0 where the server does not tell."""
    database: int
    table: int
    """The object ids of the database and of the trail in it, which a restored one has others of."""
    timeline: int
    """The timeline that it writes on: a new one after a promotion or a recovery to a point in time."""
    position: int
    """The end of what was on disk of the write-ahead log, in bytes, once the snapshot was taken: a crash keeps it."""
    reach: int
    """The end of all of it: where that was replayed, everything is there that the snapshot sees."""
    last: int = 0
    """The transaction of the last entry that the snapshot sees; 0: it sees none."""
    digest: int = 0
    """Of what makes that entry the one that it is: in another history, its transaction has written another one."""


class Mark(NamedTuple):
    """The place in its history that the database was at when a snapshot was taken: the last fields of its epoch."""

    timeline: int
    position: int
    reach: int
    last: int = 0
    digest: int = 0


MARK: Final = """
    CASE WHEN NOT pg_is_in_recovery()
         THEN ('x' || lpad(left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), 16, '0'))::bit(64)::bigint
         ELSE 0
    END AS timeline,
    CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn() - '0/0'::pg_lsn ELSE 0 END::bigint AS position,
    CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_insert_lsn() - '0/0'::pg_lsn ELSE 0 END::bigint AS reach
"""
"""The SQL of the mark. Its functions are volatile, and so called once the statement has its snapshot, never before.

What a commit has written is on disk before others see it, unless it was asynchronous (`synchronous_commit = off`). So
what a snapshot sees lies before the end of the whole log in any case. A crash can't be told by that end, as it may lose
what others had written and not yet committed.
"""


DIGEST: Final = "hash_record_extended(ROW(a.organization_id, a.id, a.at, a.request_id), 0) & 562949953421311"
"""The SQL of the digest of row a, in 49 bits: two histories do the same at no two moments that are the same."""
LAST: Final = f"""
    last AS MATERIALIZED (
        SELECT a.transaction_id, {DIGEST} AS digest
        FROM audit a
        WHERE a.transaction_id < pg_snapshot_xmax(pg_current_snapshot()) AND {NOT_RESTORED}
        ORDER BY a.transaction_id DESC, a.id DESC
        LIMIT 1
    )
"""
"""The SQL of the last entry, for a statement's WITH, and of the fields of the mark that name it."""
MARK_LAST: Final = """
    coalesce((SELECT l.transaction_id::text::bigint FROM last l), 0) AS last,
    coalesce((SELECT l.digest FROM last l), 0) AS digest
"""


def holds(last: str, digest: str) -> str:
    """Return the SQL of whether an entry is there, so that this is its history; also if all was archived up to it.

    Args:
        last: the SQL of its transaction; 0: there was none.
        digest: the SQL of its digest.
    """
    return f"""
        (
            {last}::bigint = 0
            OR {last}::bigint::text::xid8 < pg_snapshot_xmax(pg_current_snapshot()) AND coalesce(
                (
                    SELECT a.transaction_id = {last}::bigint::text::xid8 AND {DIGEST} = {digest}::bigint
                    FROM audit a
                    WHERE a.transaction_id <= {last}::bigint::text::xid8 AND {NOT_RESTORED}
                    ORDER BY a.transaction_id DESC, a.id DESC
                    LIMIT 1
                ),
                true
            )
        )
    """


def durable_snapshot(least: str) -> str:
    """Return the SQL of the present snapshot, but that it ends behind the last transaction that has written an entry.

    Others have written none, so that the same entries are seen by it. But of those that were rolled back nothing may be
    on disk: after a crash their numbers are given out again, and what is written by them then must not count as seen.

    It is for a statement with LAST.

    Args:
        least: the SQL of a transaction number at which it ends at least.
    """
    return f"""
        SELECT format(
            '%s:%s:%s', least(pg_snapshot_xmin(s.now), e.beyond), e.beyond,
            (SELECT string_agg(x::text, ',' ORDER BY x) FROM pg_snapshot_xip(s.now) x WHERE x < e.beyond)
        )
        FROM (SELECT pg_current_snapshot() AS now) s
        CROSS JOIN LATERAL (
            SELECT greatest(
                {least}, (SELECT (l.transaction_id::text::bigint + 1)::text::xid8 FROM last l)
            ) AS beyond
        ) e
    """


def last_of(epoch: Epoch | None) -> tuple[int, int]:
    """Return the transaction and the digest of the last entry that was seen in an epoch; zeros if it is not known."""
    return (epoch.last, epoch.digest) if epoch else (0, 0)
