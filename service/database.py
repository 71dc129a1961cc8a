"""The way to PostgreSQL: the pool, deadlines, named statements, and what each of its errors means to a caller."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Final, TypeVar

import asyncpg
from asyncpg import exceptions as postgres

from service.errors import Aborted, DeadlineExceeded, ServiceError, StartupError, Unavailable
from service.metrics import SECONDS, Histogram, Histograms
from service.observation import current_observation
from service.settings import Settings

Result = TypeVar("Result")

CONNECT_TIMEOUT: Final = 2.0
"""Seconds for one connection to be made."""
ACQUIRE_TIMEOUT: Final = 3.0
"""Seconds for a connection to become free, the making of one included."""
STATEMENTS_KEPT: Final = 100
"""Statements that a connection keeps prepared."""
ATTEMPTS: Final = 3
"""How often an operation is tried when another change, or a lost connection, came between."""

LOST: Final = (
    postgres.PostgresConnectionError,
    postgres.AdminShutdownError,
    postgres.CrashShutdownError,
    postgres.CannotConnectNowError,
    postgres.ReadOnlySQLTransactionError,  # a demoted primary: the connection leads to the wrong server
    postgres.InternalClientError,
    postgres.InterfaceError,
    OSError,
)
"""What asyncpg raises when a connection is gone or leads to the wrong place; all mean the same to a caller."""

REFUSED: Final = (
    postgres.InsufficientResourcesError,
    postgres.InvalidAuthorizationSpecificationError,
    postgres.InvalidCatalogNameError,
    postgres.InsufficientPrivilegeError,
    postgres.UndefinedTableError,
    postgres.UndefinedColumnError,
)
"""The database answers, but is full, not the right one, or not migrated: an operator must act, and the caller wait."""


class Overtaken(Exception):
    """What an operation has found is gone before it could be locked."""


CONFLICT: Final = (
    postgres.SerializationError,
    postgres.DeadlockDetectedError,
    postgres.ForeignKeyViolationError,
    Overtaken,
)
"""Another change came between reading and writing: the whole operation is decided again. (What an operation writes
refers only to rows it has just found, so a violated foreign key means that one of them has gone since.)"""


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

    async def rows(self, name: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows of a statement."""
        with timed(self._durations[name]):
            return await self._raw.fetch(statement, *arguments)

    async def row(self, name: str, statement: str, *arguments: object) -> asyncpg.Record | None:
        """The first row of a statement, None if it has none."""
        with timed(self._durations[name]):
            return await self._raw.fetchrow(statement, *arguments)

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
        observation = current_observation.get()
        if observation is not None:
            observation.statements += self._statements
            observation.database_seconds += seconds


class ConnectionLost(Unavailable):
    """The connection went while it was in use: what only reads can be tried again at once on another."""

    reason = "connection_lost"


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many connections there are."""

    used: int
    idle: int
    most: int


class Database:
    """The pool of connections to one PostgreSQL, and the rules for using it."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self.connection_type: Callable[..., Connection] = Connection
        self.waiting = 0
        """How many wait for a connection."""
        self.waits = Histogram(SECONDS)
        """How long they waited."""
        self.durations = Histograms(SECONDS)
        """Of statements, by name."""
        self.retries = Counter(conflict=0, connection_lost=0)
        """Operations run again, by reason."""

    def pool_size(self) -> PoolSize:
        """The pool's connections now."""
        idle = self._pool.get_idle_size()
        return PoolSize(self._pool.get_size() - idle, idle, self._pool.get_max_size())

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for one unit of work.

        Raises:
            Unavailable: none could be had, or it was lost.
            DeadlineExceeded: the database took longer than it may.
        """
        raw = await self._acquire()
        try:
            yield self.connection_type(raw, self.durations)
        except BaseException as error:
            if _breaks(error):
                with suppress(postgres.InterfaceError):  # asyncpg took it back itself when it saw that it is gone
                    raw.terminate()  # before the release, which would wait for a server that may be gone
            if _is_lost(error):
                await self._pool.expire_connections()
            meaning = _meaning(error)
            if meaning is None:
                raise
            raise meaning from error
        finally:
            await self._pool.release(raw)

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
                if not _breaks(error):
                    await connection.execute("rollback", "ROLLBACK")
                raise
            await connection.execute("commit", "COMMIT")

    async def _acquire(self) -> "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]":
        self.waiting += 1
        try:
            with timed(self.waits, statements=0):
                return await self._pool.acquire(timeout=ACQUIRE_TIMEOUT)
        except TimeoutError as error:
            size = self.pool_size()
            reason = "pool_exhausted" if size.used == size.most else "database_lost"
            raise Unavailable(
                "No connection to the database could be had in time; try again.", reason=reason
            ) from error
        except (*LOST, *REFUSED) as error:
            raise Unavailable("The database can't be reached; try again.", reason="database_lost") from error
        finally:
            self.waiting -= 1

    async def run(self, operation: Callable[[], Awaitable[Result]], *, only_reads: bool) -> Result:
        """Run an operation, and again when another change came between, or a lost connection in one that only reads.

        An operation is one transaction and does nothing outside of it, so it can be run again from its start.

        Raises:
            Aborted: other changes kept coming between.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return await operation()
            except CONFLICT:
                self.retries["conflict"] += 1
            except ConnectionLost:
                if not only_reads:
                    raise
                self.retries["connection_lost"] += 1
        try:
            return await operation()
        except CONFLICT as error:
            raise Aborted("Other changes to the same things kept coming between; try again.") from error


def _is_lost(error: BaseException) -> bool:
    """Whether the connection is gone. A bad argument and a deadline are kinds of InterfaceError and OSError too."""
    return isinstance(error, LOST) and not isinstance(error, postgres.DataError | asyncpg.DataError | TimeoutError)


def _breaks(error: BaseException) -> bool:
    """Whether the connection is in a state that nobody knows: it is gone, or a statement on it was abandoned."""
    return _is_lost(error) or isinstance(error, TimeoutError) or not isinstance(error, Exception)


def _meaning(error: BaseException) -> ServiceError | None:
    """What an error of the database means to the caller; None if it is none, or is for others to judge."""
    if isinstance(error, (ServiceError, *CONFLICT)):
        return None
    if _is_lost(error):
        return ConnectionLost("The connection to the database was lost; try again.")
    if isinstance(error, postgres.QueryCanceledError | postgres.LockNotAvailableError | TimeoutError):
        return DeadlineExceeded("The database took longer than it may; try again.")
    if isinstance(error, REFUSED):
        return Unavailable("The database is not ready for this service; try again.", reason="database_not_ready")
    return None


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
    }


@asynccontextmanager
async def open_database(dsn: str, settings: Settings) -> AsyncIterator[Database]:
    """The database behind a pool that connects when it is first needed, so that it may be down at the start.

    Raises:
        StartupError: the address can't be understood.
    """
    try:
        pool = asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=settings.database_pool_size,
            timeout=CONNECT_TIMEOUT,
            command_timeout=settings.statement_timeout + 1,  # for when the server, whose own limit is below, is gone
            reset=_keep_as_it_is,
            statement_cache_size=STATEMENTS_KEPT if settings.database_prepared_statements else 0,
            server_settings=session_settings(settings),
        )
        await pool
    except ValueError as error:
        raise StartupError(
            "DATABASE_URL can't be understood: it must be like postgresql://user@host:5432/name."
        ) from error
    try:
        yield Database(pool)
    finally:
        pool.terminate()
