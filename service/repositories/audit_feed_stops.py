"""Where a page of the feed stops: how far it looks, whatever lies between the places that a client names.

A client may have been away for months, or has made its cursor up. So what is read for one page is bounded by what is
looked at, not only by what it has.
"""

from typing import Final
from uuid import UUID

from service.database.pool import Connection

FAR: Final = 1_000
"""Transactions between two snapshots from which on it is worth to look for one in between."""
STRIDE: Final = 5_000
"""Entries of all organizations that are looked at for a page of one's, as far as there is a snapshot to stop at."""


def is_far(seen: str, target: str) -> bool:
    """Return whether there may be many entries between two snapshots."""
    return int(target.split(":")[1]) - int(seen.split(":")[1]) > FAR


async def find_stop(connection: Connection, seen: str, target: str, epoch: str) -> str | None:
    """Return a snapshot between two, some thousand entries behind the first; None: there is none, or no need of one.

    It is one that was taken then, by a seal: cut by numbers of transactions, entries would come in another order.

    Args:
        connection: of a database whose present state is not before the second snapshot.
        seen: the first snapshot.
        target: the second one.
        epoch: the database that they are of, as seals name it.
    """
    if not is_far(seen, target):
        return None
    row = await connection.fetch_row(
        "audit_feed.find_stop",
        """
        SELECT s.snapshot
        FROM audit_seals s
        WHERE s.epoch = $3
          AND pg_snapshot_xmax(s.snapshot::pg_snapshot) > pg_snapshot_xmax($1::text::pg_snapshot)
          AND pg_snapshot_xmax(s.snapshot::pg_snapshot) < pg_snapshot_xmax($2::text::pg_snapshot)
          -- From the seal on that has the entry which is that far; where none has, there is no stop.
          AND s.number >= (
              SELECT f.number
              FROM audit_seals f
              WHERE f.ids @> (
                  SELECT a.id
                  FROM audit a
                  WHERE a.transaction_id >= pg_snapshot_xmax($1::text::pg_snapshot)
                    AND a.transaction_id < pg_snapshot_xmax($2::text::pg_snapshot)
                  ORDER BY a.transaction_id, a.id
                  OFFSET $4 LIMIT 1
              )
              LIMIT 1
          )
        ORDER BY s.number
        LIMIT 1
        """,
        seen,
        target,
        epoch,
        STRIDE,
    )
    return str(row["snapshot"]) if row else None


async def find_far(connection: Connection, organization_id: UUID, after: int) -> int | None:
    """Return the id of the entry that is some thousand behind another one; None: there are not so many."""
    row = await connection.fetch_row(
        "audit_feed.find_far",
        "SELECT a.id FROM audit a WHERE a.organization_id = $1 AND a.id > $2 ORDER BY a.id OFFSET $3 LIMIT 1",
        organization_id,
        after,
        STRIDE,
    )
    return int(row["id"]) if row else None
