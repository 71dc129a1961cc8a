"""Forward-only migrations: sql/migrations/NNNN_verb_thing.sql, each applied once, by whoever comes first."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg

from service.database.connector import INVALID_ADDRESS, Connector
from service.database.pool import Connection
from service.errors import StartupError
from service.repositories.migrations import Applied, list_applied

NO_TRANSACTION: Final = "-- no transaction"
"""The first line of a file whose one statement can't run in a transaction, such as CREATE INDEX CONCURRENTLY.

It is written so that it may run twice (IF NOT EXISTS): it can be killed after its work and before that is noted."""

NEEDS: Final = re.compile(r"^-- needs: ([0-9]{4})$", re.MULTILINE)
"""A line of a file that takes away what earlier versions use: which migration before it a version must know to go on.

A version that knows less refuses the database; where no file has such a line, all versions may go on."""

_FILE_NAME: Final = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")
_CONCURRENT_INDEX: Final = re.compile(r"\bINDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?([a-z0-9_.]+)", re.IGNORECASE)
_LOCK: Final = 0x666C6F77  # "flow": any number that nothing else in this database locks
_POLL: Final = 0.1
_CONNECT_TIMEOUT: Final = 10.0
_LOST: Final = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256, in hex: an applied file is never edited."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def needs(self) -> int:
        """The last migration that a version of the service must know to work with a database that has this one."""
        match = NEEDS.search(self.sql)
        return int(match[1]) if match else 0


def sql_directory() -> Path:
    """Where the SQL is: inside of the installed package, or beside it in a checkout."""
    installed = Path(__file__).parents[1] / "sql"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "sql"


def load_migrations(directory: Path | None = None) -> tuple[Migration, ...]:
    """The migrations of this version of the service, in order.

    Raises:
        StartupError: a file's name is not of the pattern, or a number is missing or used twice.
    """
    migrations: list[Migration] = []
    for path in sorted((directory or sql_directory() / "migrations").glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None or int(match[1]) != len(migrations) + 1:
            raise StartupError(
                f"{path.name} is out of line: migrations are named 0001_verb_thing.sql and on, no number left out."
            )
        migrations.append(Migration(int(match[1]), path.name, path.read_text(encoding="utf-8")))
    return tuple(migrations)


def compare(applied: Sequence[Applied], migrations: Sequence[Migration]) -> list[Migration]:
    """What is still to be applied; nothing if the database is newer, but this version can work with it.

    Raises:
        StartupError: the database is too new for this version, or not one that these migrations lead on from.
    """
    for there, here in zip(applied, migrations, strict=False):
        if there.version != here.version:
            raise StartupError(
                f"The database has migration {there.name}, but not {here.name} before it:"
                " its table schema_migrations was changed by hand; restore the row, or a backup."
            )
        if there.checksum != here.checksum:
            raise StartupError(
                f"The database has migration {there.name}, but {here.name} of this version differs from it:"
                " an applied file must never be edited; restore it, and put the change into a new one."
            )
    for newer in applied[len(migrations) :]:
        if newer.needs > len(migrations):
            raise StartupError(
                f"The database is too new for this version of the service: its migration {newer.name} needs one that"
                f" knows migration {newer.needs:04}. Run a newer version, whose `migrate --check` says that it fits,"
                " or restore a backup from before that migration."
            )
    return list(migrations[len(applied) :])


async def migrate(
    dsn: str,
    report: Callable[[Migration, float], None] = lambda *_: None,
    migrations: Sequence[Migration] | None = None,
) -> list[Migration]:
    """Bring a database up to date, and the service's privileges in it.

    Several at once are safe: one works, the others wait and find nothing left to do.

    Args:
        dsn: of a role that owns the tables, straight to PostgreSQL: a pooler would share the lock.
        report: told each migration applied and the seconds it took.
        migrations: others than this version's own, without its privileges.

    Returns:
        what was applied.

    Raises:
        StartupError: the database can't be reached or changed, or is not one that these migrations lead on from.
    """
    known = load_migrations() if migrations is None else migrations
    connection = await connect(dsn)
    try:
        # Locks are waited for briefly, so that a migration never queues the service's statements up behind itself; and
        # a client that was killed is noticed, so that its lock does not outlive it.
        await connection.execute("SET lock_timeout = '5s'; SET client_connection_check_interval = '2s'")
        # Polled: a session waiting in pg_advisory_lock holds a snapshot, for which CREATE INDEX CONCURRENTLY waits.
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(_POLL)
        applied = await list_applied(Connection(connection))
        missing = compare(applied, known)
        for migration in missing:
            started = perf_counter()
            await _apply(connection, migration)
            report(migration, perf_counter() - started)
        if migrations is None and len(applied) <= len(known):  # those of a newer version are not this one's to narrow
            with _explained("privileges.sql"):
                await connection.execute((sql_directory() / "privileges.sql").read_text(encoding="utf-8"))
        return missing
    finally:
        await connection.close(timeout=5)


async def connect(dsn: str, **options: Any) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection of its own, for work that is not a request.

    Args:
        dsn: where to.
        options: more of what asyncpg.connect() takes.

    Raises:
        StartupError: the database can't be reached, or its address can't be understood.
    """
    try:
        return await Connector(dsn).connect(timeout=_CONNECT_TIMEOUT, **options)
    except ValueError as error:
        raise StartupError(INVALID_ADDRESS) from error
    except TimeoutError as error:
        raise StartupError(
            f"The database{_place(dsn)} can't be reached: it did not answer within {_CONNECT_TIMEOUT:g} s."
        ) from error
    except (*_LOST, asyncpg.PostgresError) as error:
        raise StartupError(f"The database{_place(dsn)} can't be reached: {type(error).__name__}: {error}") from error


def _place(dsn: str) -> str:
    """Host and database, unless a sign in a password may have moved where they begin: no part of one is ever told."""
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    return f" {host}{parts.path}" if host and "@" not in parts.path + parts.query + parts.fragment else ""


@contextmanager
def _explained(name: str, kept: str = "nothing of it was kept") -> Iterator[None]:
    """Make a failure of the database a sentence about the file it came from."""
    try:
        yield
    except asyncpg.LockNotAvailableError as error:
        raise StartupError(
            f"{name} failed, and {kept}: others hold a lock on what it changes; run `migrate` again when they are done."
        ) from error
    except _LOST as error:
        raise StartupError(
            f"The connection was lost in {name}: run `migrate` again, which finds out what was kept"
            f" ({type(error).__name__}: {error})."
        ) from error
    except asyncpg.PostgresError as error:
        raise StartupError(f"{name} failed, and {kept}: {type(error).__name__}: {error}") from error


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    if not migration.sql.startswith(NO_TRANSACTION):
        with _explained(f"Migration {migration.name}"):
            async with connection.transaction():
                await connection.execute(migration.sql)
                await _record(connection, migration)
        return
    with _explained(f"Migration {migration.name}", "as it runs without a transaction, a part of it may be there"):
        await _drop_invalid_indexes(connection, migration)
        await connection.fetch(migration.sql)  # which, unlike execute(), takes one statement and refuses two
        await _record(connection, migration)


async def _record(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    await connection.execute(
        """
        CREATE TABLE IF NOT EXISTS schema_migrations (
            version integer CONSTRAINT schema_migrations_pkey PRIMARY KEY,
            name text NOT NULL,
            checksum text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        );
        ALTER TABLE schema_migrations ADD COLUMN IF NOT EXISTS needs integer NOT NULL DEFAULT 0
        """
    )
    await connection.execute(
        "INSERT INTO schema_migrations (version, name, checksum, needs) VALUES ($1, $2, $3, $4)",
        migration.version,
        migration.name,
        migration.checksum,
        migration.needs,
    )


async def _drop_invalid_indexes(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    """An index whose concurrent creation failed stays behind, invalid, and in the way of the next try.

    Only one that the file makes: another may be somebody's who is still building it, and looks the same until then.
    """
    for name in _CONCURRENT_INDEX.findall(migration.sql):
        statement = "SELECT indexrelid FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid"
        if await connection.fetchval(statement, name):
            await connection.execute(f"DROP INDEX CONCURRENTLY {name}")
