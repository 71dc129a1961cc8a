"""Forward-only migrations: the files sql/migrations/NNNN_verb_thing.sql, and the database's record of those applied."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import asyncpg

from service.database.connector import Raw, connect
from service.database.failures import in_one_line
from service.database.pool import Connection
from service.database.session_defaults import lift_transaction_timeout
from service.database.sql_files import sql_directory
from service.database.triggers import Fault, mend_triggers
from service.errors import StartupError

NO_TRANSACTION: Final = "-- no transaction"
"""First line of a file whose one statement can't run in a transaction, such as CREATE INDEX CONCURRENTLY.

It is written so that it may run twice (IF NOT EXISTS): it can be killed after its work and before that is noted."""

COMPATIBLE_FROM: Final = re.compile(r"^-- (?:compatible-from|needs): ([0-9]{4})$", re.MULTILINE)
"""A line of a file that takes away what earlier versions use, with the migration from which on versions do without it.

A version of the service that does not know that migration refuses the database. Without any such line, every version
goes on. (`needs` is the line's former word, and the name of the column in which the database has it.)"""
COMPATIBLE_IF_EMPTY: Final = re.compile(
    r"^-- compatible-from: ([0-9]{4}) if there is no organization yet$", re.MULTILINE
)
"""A line of a file that takes away what earlier versions use where none of them can have served: in a new database.

In others a file of a later release does so, by the line above."""

_FILE_NAME: Final = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")
_CONCURRENT_INDEX: Final = re.compile(r"\bINDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?([a-z0-9_.]+)", re.IGNORECASE)
_LOCK: Final = 0x666C6F77  # "flow": any number that nothing else in this database locks
_POLL: Final = 0.1
"""Seconds between attempts to get the lock."""
PATIENCE: Final = 2.0
"""Seconds for which another process is waited for without a word."""
_CONNECTION_LOST: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The file's SHA-256, in hex, by which an edit of an applied file is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def compatible_if_empty(self) -> int:
        """The same for a database without organizations, which no version before has served; 0 if it is no other."""
        match = COMPATIBLE_IF_EMPTY.search(self.sql)
        return int(match[1]) if match else 0

    @property
    def compatible_from(self) -> int:
        """The migration that a version must know to work with a database that has this one; 0 if any version does."""
        match = COMPATIBLE_FROM.search(self.sql)
        return int(match[1]) if match else 0


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that the database has."""

    version: int
    name: str
    checksum: str
    compatible_from: int
    """The migration that a version must know to work with this database; 0 if any version does."""


def load_migrations(directory: Path | None = None) -> tuple[Migration, ...]:
    """Load the migrations of this version of the service, in order.

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
    """Find the migrations that are still to be applied.

    Returns:
        none for a database that is up to date, or newer, but compatible with this version.

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
        if newer.compatible_from > len(migrations):
            raise StartupError(
                f"The database is too new for this version of the service: its migration {newer.name} needs one that"
                f" knows migration {newer.compatible_from:04}. Run a newer version, whose `migrate --check` says that"
                " it fits, or restore a backup from before that migration."
            )
    return list(migrations[len(applied) :])


def listed(missing: Sequence[Migration]) -> str:
    """Return a few words for migrations that a database lacks, at least one."""
    if len(missing) == 1:
        return f"1 migration, {missing[0].name}"
    return f"{len(missing)} migrations, from {missing[0].name} on"


async def list_applied(connection: Connection) -> list[Applied]:
    """List the migrations that a database has, in order; none if it has never been migrated."""
    table = await connection.fetch_one("migrations.table", "SELECT to_regclass('schema_migrations') AS name")
    if table["name"] is None:
        return []
    # By way of JSON, as a database that was last migrated before there was this column has no needs.
    rows = await connection.fetch(
        "migrations.list",
        """
        SELECT version, name, checksum, COALESCE((to_jsonb(m) ->> 'needs')::integer, 0) AS compatible_from
        FROM schema_migrations m ORDER BY version
        """,
    )
    return [Applied(*row) for row in rows]


async def migrate(
    dsn: str,
    report: Callable[[Migration, float], None] = lambda *_: None,
    warn: Callable[[str], None] = lambda _: None,
    migrations: Sequence[Migration] | None = None,
    *,
    plaintext: bool = False,
) -> list[Migration]:
    """Bring a database up to date, and with it the service's privileges, and triggers that somebody has switched off.

    Several processes may do so at once: one works, the others wait and find nothing left to do.

    Args:
        dsn: of a role that owns the tables, straight to PostgreSQL: a pooler would share the lock.
        report: called with each migration applied and the seconds it took.
        warn: called with each sentence that a migration has for an operator, who should do something.
        migrations: others than this version's own, without its privileges.
        plaintext: allow that a connection to another machine is not encrypted.

    Returns:
        the migrations applied.

    Raises:
        StartupError: the database can't be reached or changed, or is not one that these migrations lead on from.
    """
    known = load_migrations() if migrations is None else migrations
    connection = await connect(dsn, plaintext=plaintext)
    try:
        # Locks are waited for briefly, so that a migration never queues the service's statements up behind itself; and
        # the server notices that this process was killed, so that its lock does not outlive it.
        await connection.execute("SET lock_timeout = '5s'; SET client_connection_check_interval = '2s'")
        await connection.execute("SET client_min_messages = 'notice'")  # else a role may keep warnings from an operator
        await lift_transaction_timeout(connection, of_session=True)
        await _lock(connection, warn)
        connection.add_log_listener(lambda _, message: _pass_on(message, warn))
        applied = await list_applied(Connection(connection))
        missing = compare(applied, known)
        for migration in missing:
            started = perf_counter()
            await _apply(connection, migration)
            report(migration, perf_counter() - started)
        if migrations is None and len(applied) <= len(known):  # a newer version's are not for this one to narrow
            with _explained("privileges.sql"):
                await connection.execute((sql_directory() / "privileges.sql").read_text(encoding="utf-8"))
            with _explained("The mending of triggers"):
                _tell(await mend_triggers(connection), warn)
            with _explained("The making of the audit trail's months"):
                await connection.execute("SELECT make_audit_months()")
        return missing
    finally:
        await connection.close(timeout=5)


async def _lock(connection: Raw, warn: Callable[[str], None]) -> None:
    """Wait until no other process migrates the database, and tell an operator for whom, if that takes a while.

    Polled: a session waiting in pg_advisory_lock holds a snapshot, for which CREATE INDEX CONCURRENTLY waits.
    """
    begun, told = perf_counter(), False
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        if not told and perf_counter() - begun > PATIENCE:
            told = True
            holder = await connection.fetchval(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND granted", _LOCK
            )
            warn(f"Another `migrate` is at work, as process {holder} of the server: this waits until that has ended.")
        await asyncio.sleep(_POLL)


def _pass_on(message: asyncpg.PostgresLogMessage, warn: Callable[[str], None]) -> None:
    if isinstance(message, asyncpg.PostgresWarning):
        warn(message.message or "")  # as a text it would begin with the name of its class


def _tell(faults: Sequence[Fault], warn: Callable[[str], None]) -> None:
    """Tell an operator which triggers did not fire, and what was done about it."""
    mended = [fault.found for fault in faults if fault.remedy]
    if mended:
        more = f", and {len(mended) - 1} more" if len(mended) > 1 else ""
        warn(f"{mended[0]}{more}: they fire again, and all cached lists count as outdated from now on.")
    for fault in faults:
        if not fault.remedy:
            warn(f"{fault.found}: {fault.advice}")


@contextmanager
def _explained(name: str, kept: str = "nothing of it was kept") -> Iterator[None]:
    """Turn a failure of the database into a sentence about the file it came from."""
    try:
        yield
    except asyncpg.LockNotAvailableError as error:
        raise StartupError(
            f"{name} failed, and {kept}: others hold a lock on what it changes; run `migrate` again when they are done."
        ) from error
    except _CONNECTION_LOST as error:
        raise StartupError(
            f"The connection was lost in {name}: run `migrate` again, which finds out what was kept"
            f" ({type(error).__name__}: {in_one_line(error)})."
        ) from error
    except asyncpg.PostgresError as error:
        raise StartupError(
            f"{name} failed, and {kept}: {type(error).__name__}: {in_one_line(error)}."
            " Mend that, and run `migrate` again."
        ) from error


async def _apply(connection: Raw, migration: Migration) -> None:
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


async def _record(connection: Raw, migration: Migration) -> None:
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
    compatible_from = migration.compatible_from
    if migration.compatible_if_empty and await connection.fetchval("SELECT NOT EXISTS (SELECT FROM organizations)"):
        compatible_from = migration.compatible_if_empty
    await connection.execute(
        "INSERT INTO schema_migrations (version, name, checksum, needs) VALUES ($1, $2, $3, $4)",
        migration.version,
        migration.name,
        migration.checksum,
        compatible_from,
    )


async def _drop_invalid_indexes(connection: Raw, migration: Migration) -> None:
    """Drop the invalid indexes that an earlier try of this file left behind, as they are in the way of the next.

    Only those that the file makes: an index that another session is still building looks the same until it is done.
    """
    for name in _CONCURRENT_INDEX.findall(migration.sql):
        statement = "SELECT indexrelid FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid"
        if await connection.fetchval(statement, name):
            await connection.execute(f"DROP INDEX CONCURRENTLY {name}")
