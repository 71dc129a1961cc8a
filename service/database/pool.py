"""The way to PostgreSQL: the pool, deadlines, named statements."""

import asyncio
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, TypeVar

import asyncpg
from asyncpg import exceptions as postgres
from prometheus_client.metrics_core import Metric

from service.database.connector import INVALID_ADDRESS, Connector
from service.database.errors import (
    CONNECTION_ERRORS,
    NOT_READY_ERRORS,
    RETRYABLE_ERRORS,
    ConnectionLost,
    NoRow,
    is_lost,
    leaves_unusable,
    to_service_error,
)
from service.deadlines import Deadlines
from service.errors import Aborted, StartupError, Unavailable
from service.settings import Settings
from service.telemetry.metrics import SECONDS, Histogram, Histograms, counters, gauge, gauges, histogram, histograms
from service.telemetry.request_record import current_record

Result = TypeVar("Result")

CONNECT_TIMEOUT: Final = 2.0
"""Seconds for one connection to be made."""
ACQUIRE_TIMEOUT: Final = 3.0
"""Seconds for a connection to become free, the making of one included."""
CHECK_INTERVAL: Final = 1.0
"""Seconds after which the server ends a statement of a client that is gone: those who leave early, one after the other,
would otherwise have it work for all of them, on more connections than there are in the pool."""
PEER_TIMEOUT: Final = 2.0
"""Seconds for a packet to be acknowledged by the other end of a connection."""
KEEPALIVE: Final = 5
"""Seconds after which the other end of an idle connection is asked whether it is there."""
STATEMENT_CACHE_SIZE: Final = 100
"""Statements that a connection keeps prepared."""
RELEASE_FAILURES: Final = (
    postgres.PostgresError,
    postgres.InterfaceError,
    postgres.InternalClientError,
    OSError,
    TimeoutError,
)
"""What asyncpg may raise of a connection that is given back to the pool."""
ATTEMPTS: Final = 3
"""How often an operation is tried when another change, or a lost connection, came between."""


class Connection:
    """One connection, for one unit of work. Each statement has a name, its label in logs and metrics."""

    __slots__ = ("_durations", "_raw")

    def __init__(
        self,
        raw: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]",
        durations: Histograms | None = None,
    ) -> None:
        self._raw = raw
        self._durations = Histograms(SECONDS) if durations is None else durations

    async def fetch(self, name: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows of a statement."""
        with timed(self._durations[name]):
            return await self._raw.fetch(statement, *arguments)

    async def fetch_row(self, name: str, statement: str, *arguments: object) -> asyncpg.Record | None:
        """The first row of a statement, None if it has none."""
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


class timed:  # noqa: N801 - a context manager is called like a function
    """Adds a statement, and the time it was waited for, to what is noted about the request, and to a histogram."""

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
    """How many connections there are."""

    used: int
    idle: int
    most: int


class Database:
    """The pool of connections to one PostgreSQL, and the rules for using it."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        connector: Connector,
        connection_type: Callable[..., Connection] = Connection,
    ) -> None:
        self.connector = connector
        """Makes the pool's connections."""
        self._pool = pool
        self.connection_type = connection_type
        self._acquiring = Deadlines(ACQUIRE_TIMEOUT)
        self.waiting = 0
        """How many wait for a connection."""
        self.waits = Histogram(SECONDS)
        """How long they waited."""
        self.durations = Histograms(SECONDS)
        """Of statements, by name."""
        self.retries = Counter(conflict=0, connection_lost=0)
        """Operations run again, by reason."""
        self.expired = 0
        """How often all connections of the time were no longer to be used."""

    def pool_size(self) -> PoolSize:
        """The pool's connections now."""
        idle = self._pool.get_idle_size()
        return PoolSize(self._pool.get_size() - idle, idle, self._pool.get_max_size())

    def collect(self) -> Iterator[Metric]:
        """Yield the pool's connections and waits, the durations of statements, and retries."""
        name, size = "db_client_connection_", self.pool_size()
        states = {"used": size.used, "idle": size.idle}
        yield gauges(name + "count", "Open connections of the pool.", "db_client_connection_state", states)
        yield gauge(name + "max", "Connections that the pool may open.", size.most)
        yield gauge(name + "pending_requests", "Units of work that wait for a connection.", self.waiting)
        yield histogram(name + "wait_time_seconds", "From asking for a connection to having it.", self.waits)
        name, help_ = "db_client_operation_duration_seconds", "One statement, by its name."
        yield histograms(name, help_, ("db_query_summary",), self.durations)
        yield counters("flow_pipelines_retries", "Operations that were run again, by why.", "reason", self.retries)

    async def expire(self) -> None:
        """Use none of the present connections again: those in use end with what they are used for, the others now."""
        self.expired += 1
        await self._pool.expire_connections()
        # asyncpg has no public way to end idle ones, and keeps them until they are next asked for.
        holders: Any = self._pool._holders  # type: ignore[attr-defined]
        for holder in holders:
            if holder.is_idle():
                holder.terminate()

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for one unit of work.

        Raises:
            Unavailable: none could be had, or it was lost.
            DeadlineExceeded: the database took longer than it may.
        """
        return _Checkout(self)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection with a READ COMMITTED transaction around the unit of work; an error rolls it back.

        Raises:
            Unavailable: no connection could be had, or it was lost; if at the commit, the change may have been made.
            DeadlineExceeded: the database took longer than it may.
        """
        async with self.connection() as connection:
            await connection.execute("begin", "BEGIN")
            try:
                yield connection
            except BaseException as error:
                if not leaves_unusable(error):
                    await connection.execute("rollback", "ROLLBACK")
                raise
            await connection.execute("commit", "COMMIT")

    async def acquire(self) -> "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]":
        """A connection that has to be given back.

        Raises:
            Unavailable: none could be had.
        """
        self.waiting += 1
        try:
            with timed(self.waits, statements=0), self._acquiring.begin():
                return await self._pool.acquire()
        except TimeoutError as error:
            size = self.pool_size()
            if size.used == size.most:
                raise Unavailable(
                    "No connection to the database could be had in time; try again.", reason="pool_exhausted"
                ) from error
            raise Unavailable("The database did not answer in time; try again.", reason="database_lost") from error
        except CONNECTION_ERRORS as error:
            raise Unavailable("The database can't be reached; try again.", reason="database_lost") from error
        except NOT_READY_ERRORS as error:
            raise Unavailable("The database takes no connection; try again.", reason="database_not_ready") from error
        finally:
            self.waiting -= 1

    async def release(
        self, raw: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", error: BaseException | None
    ) -> None:
        """Give back a connection, with the error that its unit of work ended in, if it did.

        Raises:
            ServiceError: what the error means to the caller, if it is one of the database.
        """
        try:
            if error is None:
                return
            if leaves_unusable(error):
                with suppress(postgres.InterfaceError):  # asyncpg took it back itself when it saw that it is gone
                    # Before the release, which would wait for a server that may be gone. It drops asyncpg's request to
                    # cancel the statement too; the server notices within CHECK_INTERVAL that nobody wants its answer.
                    raw.terminate()
            if is_lost(error) or isinstance(error, TimeoutError):  # the server's own limit is shorter: it is gone too
                await self.expire()
            told = to_service_error(error)
            if told is not None:
                raise told from error
        finally:
            await self._pool.release(raw, timeout=ACQUIRE_TIMEOUT)

    async def run(self, operation: Callable[[], Awaitable[Result]], *, only_reads: bool) -> Result:
        """Run an operation, and again when another change came between, or a lost connection in one that only reads.

        An operation is one transaction and does nothing outside of it, so it can be run again from its start.

        Raises:
            Aborted: other changes kept coming between.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return await operation()
            except RETRYABLE_ERRORS:
                self.retries["conflict"] += 1
            except ConnectionLost:
                if not only_reads:
                    raise
                self.retries["connection_lost"] += 1
        try:
            return await operation()
        except RETRYABLE_ERRORS as error:
            raise Aborted("Other changes to the same things kept coming between; try again.") from error


class _Checkout:
    """A connection of the pool, from its being acquired to its being given back."""

    __slots__ = ("_database", "_raw")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Connection:
        self._raw = await self._database.acquire()
        return self._database.connection_type(self._raw, self._database.durations)

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        await self._database.release(self._raw, error)


class ReusedConnection:
    """A connection for units of work that follow one another, until `release` or somebody else waits for one.

    To take one from the pool and to give it back costs as much as a small statement, and turns of the event loop.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._raw: asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | None = None
        self._expired = 0

    async def __aenter__(self) -> Connection:
        if self._raw is None or not self._usable(self._raw):
            await self.release()
            self._raw = await self._database.acquire()
            self._expired = self._database.expired
        return self._database.connection_type(self._raw, self._database.durations)

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        if error is not None or self._database.waiting:
            await self._release(error)

    def _usable(self, raw: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> bool:
        try:
            return self._expired == self._database.expired and not raw.is_closed()
        except postgres.InterfaceError:  # asyncpg has taken it back when it saw that it is gone
            return False

    async def release(self) -> None:
        """Nobody has anything to do with it now."""
        # If that fails, asyncpg ends the connection, or the pool has ended meanwhile, and nothing is lost.
        with suppress(*RELEASE_FAILURES):
            await self._release(None)

    async def _release(self, error: BaseException | None) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            await self._database.release(raw, error)


async def _keep_as_it_is(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Reset nothing, where asyncpg's default is one more round trip for every request.

    No statement of this service changes the session (a test proves it), and asyncpg itself rolls back a transaction
    left open.
    """


def session_settings(settings: Settings) -> dict[str, str]:
    """What each connection asks of the server from its start, by the names of PostgreSQL's parameters."""
    return {
        "application_name": "flow-pipelines",
        "statement_timeout": f"{settings.statement_timeout * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{settings.request_timeout * 1000:.0f}",
        "client_connection_check_interval": f"{CHECK_INTERVAL * 1000:.0f}",
    }


async def _notice_a_dead_peer(raw: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Have the kernel end a connection whose packets nobody acknowledges any more.

    A server that is merely slow acknowledges them. Without this, a statement sent into a cut network fails at its
    deadline only, and after a short cut goes on as late as TCP, which doubles its pauses, sends it again.
    """
    transport: asyncio.Transport = getattr(raw, "_transport")  # noqa: B009 - asyncpg has no public way to it
    found = transport.get_extra_info("socket")
    if found is None or found.family not in {socket.AF_INET, socket.AF_INET6} or not sys.platform.startswith("linux"):
        return
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(PEER_TIMEOUT * 1000))
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)


@asynccontextmanager
async def open_database(
    dsn: str,
    settings: Settings,
    beside: Database | None = None,
    connection_type: Callable[..., Connection] = Connection,
) -> AsyncIterator[Database]:
    """The database behind a pool that connects when it is first needed, so that it may be down at the start.

    Args:
        dsn: of one server or several.
        settings: the pool's size, and deadlines.
        beside: another pool on the same database: which server takes writes is found out for both.

    Raises:
        StartupError: the address can't be understood.
    """
    try:
        connector = beside.connector if beside else Connector(dsn)
    except ValueError as error:
        raise StartupError(INVALID_ADDRESS) from error
    connect: Any = connector.connect  # whose keywords asyncpg's stubs name one by one
    pool = asyncpg.create_pool(
        dsn,
        connect=connect,
        min_size=0,
        max_size=settings.database_pool_size,
        timeout=CONNECT_TIMEOUT,
        command_timeout=settings.statement_timeout + 1,  # for when the server, whose own limit is below, is gone
        init=_notice_a_dead_peer,
        reset=_keep_as_it_is,
        statement_cache_size=STATEMENT_CACHE_SIZE if settings.database_prepared_statements else 0,
        server_settings=session_settings(settings),
    )
    await pool
    database = Database(pool, connector, connection_type)
    connector.on_primary_change.append(database.expire)
    try:
        yield database
    finally:
        pool.terminate()
