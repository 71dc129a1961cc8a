"""The pool of connections to PostgreSQL: named statements, deadlines, retries, and what becomes of a failure."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
from asyncpg import exceptions as postgres
from prometheus_client.metrics_core import Metric

from service.database.asyncpg_internals import end_idle_connections
from service.database.connector import Connector, Raw
from service.database.errors import (
    CONNECTION_ERRORS,
    RETRYABLE_ERRORS,
    ConnectionLost,
    NoConnection,
    NoRow,
    is_lost,
    leaves_unusable,
    to_service_error,
)
from service.database.fair_queue import FairQueue, Presence
from service.database.session import prepare, reset_nothing, session_settings
from service.database.spares import SpareConnections
from service.deadlines import Deadlines
from service.errors import Aborted, Unavailable
from service.settings import Settings
from service.telemetry.metrics import SECONDS, Histogram, Histograms, counters, gauge, gauges, histogram, histograms
from service.telemetry.request_record import Asking, current_asking, current_record

PooledConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Result = TypeVar("Result")

CONNECT_TIMEOUT: Final = 2.0
"""Seconds for one connection to be made."""
ACQUIRE_TIMEOUT: Final = 3.0
"""Seconds for a connection to become free, the making of one included."""
STATEMENT_CACHE_SIZE: Final = 100
"""Prepared statements that a connection keeps."""
BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
"""Whatever server, database or role have as their default: what a transaction sees decides its answer."""
RETRY_PAUSE: Final = 0.01
"""Seconds of the mean pause before an operation is run again after a conflict; twice as long before the next time.

Random, as those that got in each other's way would meet again.
"""
ATTEMPTS: Final = 3
"""Attempts at an operation that fails by a concurrent change or a lost connection, the first one included."""


class Connection:
    """A connection, checked out for one unit of work. Each statement has a name, its label in metrics and traces."""

    __slots__ = ("_durations", "_raw", "authority_ends_at")

    def __init__(self, raw: "PooledConnection | Raw", durations: Histograms | None = None) -> None:
        self._raw = raw
        self.authority_ends_at: float | None = None
        """The moment by the monotonic clock at which what its transaction has proved expires; None: there is none."""
        self._durations = Histograms(SECONDS) if durations is None else durations

    async def fetch(self, name: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Return all rows of a statement."""
        with timed(self._durations[name]):
            return await self._raw.fetch(statement, *arguments)

    async def fetch_row(self, name: str, statement: str, *arguments: object) -> asyncpg.Record | None:
        """Return the first row of a statement; None if it has none."""
        with timed(self._durations[name]):
            return await self._raw.fetchrow(statement, *arguments)

    async def fetch_one(self, name: str, statement: str, *arguments: object) -> asyncpg.Record:
        """Return the row of a statement that always has one, such as an INSERT ... RETURNING or an aggregate.

        Raises:
            NoRow: it has none, which is a fault of the service's own.
        """
        row = await self.fetch_row(name, statement, *arguments)
        if row is None:
            raise NoRow(f"The statement {name} always returns a row, but returned none.")
        return row

    async def execute(self, name: str, statement: str, *arguments: object) -> None:
        """Run a statement that returns nothing."""
        with timed(self._durations[name]):
            await self._raw.execute(statement, *arguments)


ConnectionType: TypeAlias = Callable[[PooledConnection, Histograms], Connection]
"""A wrapper of connections: Connection itself, or one that does more about each statement."""


class timed:  # noqa: N801 - a context manager is called like a function
    """A timer around a statement: adds it, and the seconds waited for it, to the request's record and a histogram."""

    __slots__ = ("_durations", "_started", "_statements")

    def __init__(self, durations: Histogram | None = None, statements: int = 1) -> None:
        self._durations = durations
        self._statements = statements

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, *_: object) -> None:
        seconds = perf_counter() - self._started
        if self._durations is not None:
            self._durations.observe(seconds)
        record = current_record.get()
        if record is not None:
            record.statements += self._statements
            record.database_seconds += seconds


@dataclass(frozen=True, slots=True)
class PoolSize:
    """The connections of a pool, counted."""

    used: int
    idle: int
    max: int
    """The connections that the pool may open."""


class Database:
    """A pool of connections to one PostgreSQL, and the rules for using it."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        connector: Connector,
        connection_type: ConnectionType = Connection,
        presence: Presence | None = None,
        queue: FairQueue | None = None,
    ) -> None:
        """Wrap a pool.

        Args:
            pool: open already.
            connector: makes the pool's connections.
            connection_type: wraps each connection that is checked out, such as in spans.
            presence: who is there, for shares of this and of other things.
            queue: of those who wait for its connections.
        """
        self.connector = connector
        self.connection_type = connection_type
        self._pool = pool
        self.presence = presence or Presence()
        self._queue = queue or FairQueue(pool.get_max_size(), self.presence)
        self._holders: dict[PooledConnection, Asking | None] = {}
        """The caller that each connection in use is for."""
        self.spares = SpareConnections()
        self._acquiring = Deadlines(ACQUIRE_TIMEOUT)
        self.waiting = 0
        """Units of work that wait for a connection."""
        self.waits = Histogram(SECONDS)
        """Seconds that they waited."""
        self.durations = Histograms(SECONDS)
        """Seconds of statements, by name."""
        self.retries = Counter(conflict=0, connection_lost=0)
        """Operations run again, by reason."""
        self.expired = 0
        """Calls of expire()."""
        self.on_forget: list[Callable[[], None]] = []
        """Callbacks that drop what is kept of what was read: the database may have gone back, or be another."""

    @property
    def exhausted(self) -> bool:
        """True while units of work wait because all connections are in use."""
        return self.waiting > 0 and not self._queue.free

    def describe(self, error: NoConnection) -> str:
        """Say in one sentence for an operator where the database is, and why it can't be reached or used."""
        return self.connector.describe(error.__cause__)

    def pool_size(self) -> PoolSize:
        """Count the pool's connections as they are now."""
        idle = self._pool.get_idle_size() + len(self.spares)
        return PoolSize(self._pool.get_size() - idle, idle, self._pool.get_max_size())

    def collect(self) -> Iterator[Metric]:
        """Yield the pool's connections and waits, the durations of statements, and retries."""
        name, size = "db_client_connection_", self.pool_size()
        states = {"used": size.used, "idle": size.idle}
        yield gauges(name + "count", "Open connections of the pool.", "db_client_connection_state", states)
        yield gauge(name + "max", "Connections that the pool may open.", size.max)
        yield gauge(name + "pending_requests", "Units of work that wait for a connection.", self.waiting)
        yield histogram(name + "wait_time_seconds", "From asking for a connection to having it.", self.waits)
        name, help_ = "db_client_operation_duration_seconds", "One statement, by its name."
        yield histograms(name, help_, ("db_query_summary",), self.durations)
        yield counters("flow_pipelines_retries", "Retried operations, by reason.", "reason", self.retries)

    async def expire(self) -> None:
        """Use none of the present connections again: those in use end with their unit of work, idle ones at once."""
        self.expired += 1
        self.forget()
        await self._pool.expire_connections()
        end_idle_connections(self._pool)
        await self.spares.release_all()

    def forget(self) -> None:
        """Have everything dropped that is kept of what was read."""
        for callback in self.on_forget:
            callback()

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Check out a connection for one unit of work.

        Raises:
            Unavailable: none could be had, or it was lost.
            DeadlineExceeded: the database took longer than it may.
        """
        return _Checkout(self)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Check out a connection, with a READ COMMITTED transaction around the unit of work; an error rolls it back.

        Raises:
            Unavailable: no connection could be had, or it was lost; if at the commit, the change may have been made.
            DeadlineExceeded: the database took longer than it may.
        """
        async with self.connection() as connection:
            await connection.execute("begin", BEGIN)
            try:
                yield connection
            except BaseException as error:
                if not leaves_unusable(error):
                    await connection.execute("rollback", "ROLLBACK")
                raise
            await connection.execute("commit", "COMMIT")

    async def acquire(self) -> PooledConnection:
        """Acquire a connection, which has to be released.

        Raises:
            Unavailable: none could be had.
        """
        self.waiting += 1
        asking, queueing = current_asking(), True
        try:
            with timed(self.waits, statements=0), self._acquiring.begin():
                if self.spares and not self._queue.free:
                    await self.spares.release_one()
                await self._queue.acquire(asking)
                queueing = False
                try:
                    raw = await self._pool.acquire()
                except BaseException:
                    self._queue.release(asking)
                    raise
                self._holders[raw] = asking
                return raw
        except TimeoutError as error:
            if queueing:
                raise Unavailable(
                    "No connection to the database could be had in time; try again.", reason="pool_exhausted"
                ) from error
            raise NoConnection("The database did not answer in time; try again.", reason="database_lost") from error
        except CONNECTION_ERRORS as error:
            raise NoConnection("The database can't be reached; try again.", reason="database_lost") from error
        except postgres.PostgresError as error:
            raise NoConnection("The database takes no connection; try again.", reason="database_not_ready") from error
        finally:
            self.waiting -= 1

    async def release(self, raw: PooledConnection, error: BaseException | None) -> None:
        """Release a connection, with the error that its unit of work ended in, if any.

        Raises:
            ServiceError: the error's meaning to the caller, if it is one of the database.
        """
        try:
            if error is None:
                return
            if leaves_unusable(error):
                with suppress(postgres.InterfaceError):  # asyncpg released it itself when it saw that it is gone
                    # Before the release, which would wait for a server that may be gone. This drops asyncpg's request
                    # to cancel the statement too; the server ends it within CHECK_INTERVAL, as the client is gone.
                    raw.terminate()
            if is_lost(error) or isinstance(error, TimeoutError):  # the server's own limit is shorter: it is gone too
                await self.expire()
            service_error = to_service_error(error)
            if service_error is not None:
                raise service_error from error
        finally:
            try:
                await self._pool.release(raw, timeout=ACQUIRE_TIMEOUT)
            except (OSError, postgres.PostgresConnectionError):
                pass  # an expired one is closed here, and may be gone already; what was done by it has been answered
            finally:
                self._queue.release(self._holders.pop(raw))

    async def run(self, operation: Callable[[], Awaitable[Result]], *, only_reads: bool) -> Result:
        """Run an operation, and retry it after a concurrent change, or a lost connection if it only reads.

        An operation is one transaction and does nothing outside of it, so it can be run again from its start.

        Raises:
            Aborted: concurrent changes kept coming between.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                return await operation()
            except RETRYABLE_ERRORS:
                self.retries["conflict"] += 1
                await asyncio.sleep(random.uniform(0, RETRY_PAUSE * 2**attempt))  # noqa: S311 - no secret
            except ConnectionLost:
                if not only_reads:
                    raise
                self.retries["connection_lost"] += 1
        try:
            return await operation()
        except RETRYABLE_ERRORS as error:
            raise Aborted("Other changes to the same things kept coming between; try again.") from error


class _Checkout:
    """A connection of the pool, from its checkout to its release."""

    __slots__ = ("_database", "_raw")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Connection:
        self._raw = await self._database.acquire()
        return self._database.connection_type(self._raw, self._database.durations)

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        await self._database.release(self._raw, error)


@asynccontextmanager
async def open_database(
    dsn: str,
    settings: Settings,
    beside: Database | None = None,
    connection_type: ConnectionType = Connection,
) -> AsyncIterator[Database]:
    """Open a pool that connects when it is first needed, so that the database may be down at the start.

    Args:
        dsn: of one server or several.
        settings: the pool's size, deadlines, and whether plain text is allowed.
        beside: another pool on the same database, whose connector is shared: the primary is found out for both.
        connection_type: wraps each connection that is checked out, such as in spans.

    Raises:
        StartupError: the address can't be understood, or leads to another machine unprotected.
    """
    connector = beside.connector if beside else Connector(dsn, plaintext=settings.database_plaintext)
    connect: Any = connector.connect  # asyncpg's stubs name its keywords one by one
    pool = asyncpg.create_pool(
        dsn,
        connect=connect,
        min_size=0,
        max_size=settings.database_pool_size,
        timeout=CONNECT_TIMEOUT,
        command_timeout=settings.statement_timeout + 1,  # for a server that is gone; its own limit is shorter
        init=prepare,
        reset=reset_nothing,
        statement_cache_size=STATEMENT_CACHE_SIZE if settings.database_prepared_statements else 0,
        server_settings=session_settings(settings),
    )
    await pool
    presence, size = Presence(), settings.database_pool_size
    queue = FairQueue(size, presence, settings.max_organization_share, settings.max_token_share)
    database = Database(pool, connector, connection_type, presence, queue)
    connector.on_primary_change.append(database.expire)
    connector.on_new_history.append(database.forget)
    try:
        yield database
    finally:
        pool.terminate()
