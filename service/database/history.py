"""The history of a database: whether what an earlier connection read came before what is there now."""

from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

TIMEOUT: Final = 1.0
"""Seconds for the server to tell its history, at the start of a connection."""


class History(NamedTuple):
    """The place in a history that a server is at, as it tells.

    The start alone tells most, as data can't be replaced under a server that runs; after a crash it starts anew without
    another start, and may have lost what was not yet written.
    """

    database: int
    """The number that the server gave to the database: another one may have been given its name."""
    system: int
    """The identifier that initdb gave to the data, and to all physical copies of it."""
    timeline: int
    """The timeline of the last checkpoint: a number that is new after a promotion or a recovery to a point in time."""
    started: datetime
    position: int
    """The end of the write-ahead log, in bytes."""

    def follows(self, earlier: "History") -> bool:
        """Return whether this was read of the same history, and no earlier in it."""
        return self[:4] == earlier[:4] and self.position >= earlier.position

    def is_elsewhere_than(self, earlier: "History") -> bool:
        """Return whether this was read of another database, or of a server that has started anew since."""
        return (self.database, self.system, self.started) != (earlier.database, earlier.system, earlier.started)


READ: Final = """
    SELECT (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())::bigint,
           s.system_identifier, c.timeline_id, pg_postmaster_start_time(),
           coalesce(
               CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END
               - '0/0'::pg_lsn, 0
           )::bigint
    FROM pg_control_system() s, pg_control_checkpoint() c
"""


async def read_history(connection: "asyncpg.Connection[asyncpg.Record]") -> History | None:
    """Read the history of a new connection's server; None if it does not tell, as some that others manage do not.

    Raises:
        TimeoutError: it did not answer.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: the connection was lost.
    """
    try:
        row = await connection.fetchrow(READ, timeout=TIMEOUT)
    except asyncpg.PostgresError:
        if connection.is_closed():
            raise
        return None
    return History(*row) if row else None
