"""A connection that a batcher keeps from one batch to the next, and lends back to the pool while it rests."""

from contextlib import suppress
from typing import Final

from asyncpg import exceptions as postgres

from service.database.pool import Connection, Database, PooledConnection

RELEASE_FAILURES: Final = (
    postgres.PostgresError,
    postgres.InterfaceError,
    postgres.InternalClientError,
    OSError,
    TimeoutError,
)
"""Errors that asyncpg may raise when a connection is released to the pool."""


class ReusedConnection:
    """A connection kept over units of work that follow one another, until `release`, an error, or others wait for one.

    A checkout and a release for each would cost as much as a small statement, and turns of the event loop.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._raw: PooledConnection | None = None
        self._expired = 0

    async def __aenter__(self) -> Connection:
        self._database.spares.use(self)
        if self._raw is None or not self._usable(self._raw):
            await self.release()
            self._raw = await self._database.acquire()
            self._expired = self._database.expired
        return self._database.connection_type(self._raw, self._database.durations)

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        if error is not None or self._database.exhausted:
            await self._release(error)

    def _usable(self, raw: PooledConnection) -> bool:
        try:
            return self._expired == self._database.expired and not raw.is_closed()
        except postgres.InterfaceError:  # asyncpg released it when it saw that it is gone
            return False

    async def rest(self) -> None:
        """Keep the connection for a while, as no unit of work is to come for now, but mostly one does soon.

        A client that calls alone would otherwise pay a checkout and a release with each request: a tenth of its time.
        """
        if self._database.exhausted:
            await self.release()
        elif self._raw is not None:
            self._database.spares.keep(self)

    async def release(self) -> None:
        """Release the connection to the pool."""
        self._database.spares.use(self)
        # If that fails, asyncpg ends the connection, or the pool has ended meanwhile, and nothing is lost.
        with suppress(*RELEASE_FAILURES):
            await self._release(None)

    async def _release(self, error: BaseException | None) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            await self._database.release(raw, error)
