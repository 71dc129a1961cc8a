"""The rules of the connection pool, on a real database."""

import asyncio
import re
import socket
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import service
from service.database.asyncpg_internals import get_socket
from service.database.errors import ConnectionLost, NoRow
from service.database.pool import Connection, Database, open_database
from service.deadlines import Deadlines
from service.errors import Aborted, DeadlineExceeded, Unavailable
from service.settings import Settings

Raw = Any


async def value(database: Database, statement: str) -> object:
    async with database.connection() as connection:
        row = await connection.fetch_row("test", statement)
        return row[0] if row else None


async def test_fetch_one_returns_the_row_of_a_statement_that_has_one(single: Database) -> None:
    async with single.connection() as connection:
        row = await connection.fetch_one("test.one", "SELECT $1::integer AS number", 7)

    assert row["number"] == 7


async def test_fetch_one_raises_where_there_is_no_row(single: Database) -> None:
    with pytest.raises(NoRow, match=r"The statement test\.none always returns a row, but returned none"):
        async with single.connection() as connection:
            await connection.fetch_one("test.none", "SELECT 1 WHERE false")


async def test_transaction_that_fails_is_rolled_back(single: Database) -> None:
    await value(single, "CREATE TABLE IF NOT EXISTS traces (id int)")

    async def insert_and_stop() -> None:
        async with single.transaction() as connection:
            await connection.execute("test", "INSERT INTO traces VALUES (1)")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        await insert_and_stop()

    assert await value(single, "SELECT count(*) FROM traces") == 0
    assert await value(single, "SELECT pg_current_xact_id_if_assigned()::text") is None


async def test_statements_of_repositories_leave_the_session_as_it_is() -> None:
    """Connections are released as they are: no statement may leave anything in the session."""
    forbidden = re.compile(r'"\s*(?:SET|LISTEN|LOCK|PREPARE|DECLARE|CREATE)\b|pg_advisory_lock|set_config')
    repositories = Path(service.__file__).parent / "repositories"

    found = {path.name: forbidden.findall(path.read_text()) for path in repositories.glob("*.py")}

    assert len(found) > 5
    assert {name: hits for name, hits in found.items() if hits} == {}


async def test_connection_ends_a_statement_that_takes_too_long(single: Database) -> None:
    with pytest.raises(DeadlineExceeded):
        await value(single, "SELECT pg_sleep(5)")

    assert await value(single, "SELECT 1") == 1


async def test_connection_works_again_after_a_cancelled_unit_of_work(single: Database) -> None:
    working = asyncio.create_task(value(single, "SELECT pg_sleep(5)"))
    await asyncio.sleep(0.05)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working

    assert await value(single, "SELECT 1") == 1


async def test_connection_that_is_lost_is_unavailable_and_the_next_works(single: Database, raw: Raw) -> None:
    async def lose_it() -> None:
        async with single.connection() as connection:
            row = await connection.fetch_row("test", "SELECT pg_backend_pid()")
            assert row
            await raw.execute("SELECT pg_terminate_backend($1)", row[0])
            await asyncio.sleep(0.05)
            await connection.fetch_row("test", "SELECT 1")

    with pytest.raises(Unavailable):
        await lose_it()

    assert await value(single, "SELECT 1") == 1


async def test_transaction_on_a_demoted_primary_is_a_lost_connection(single: Database) -> None:
    async def write_there() -> None:
        async with single.transaction() as connection:
            await connection.execute("test", "SET TRANSACTION READ ONLY")
            await connection.execute("test", "DELETE FROM jobs")

    with pytest.raises(Unavailable):
        await write_there()

    assert await value(single, "SELECT 1") == 1


async def test_connection_is_of_the_type_that_the_database_was_given(dsn: str, settings: Settings) -> None:
    class Noting(Connection):
        """A connection that notes the names of its statements."""

        async def execute(self, name: str, statement: str, *arguments: object) -> None:
            noted.append(name)
            await super().execute(name, statement, *arguments)

    noted: list[str] = []
    async with open_database(dsn, settings, connection_type=Noting) as database, database.transaction():
        pass

    assert noted == ["begin", "commit"]


async def test_connection_is_unavailable_when_none_is_free_in_time(
    single: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with single.connection():
        monkeypatch.setattr(single, "_acquiring", Deadlines(0.1))  # by now, as to open a connection may take longer
        with pytest.raises(Unavailable, match="No connection to the database could be had in time"):
            await value(single, "SELECT 1")


class Flaky:
    """An operation that fails in a given way, and then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = [*failures]

    async def __call__(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "done"


CONFLICT = asyncpg.DeadlockDetectedError("deadlock detected")
LOST = ConnectionLost("gone")


async def test_run_retries_after_a_conflict(single: Database) -> None:
    assert await single.run(Flaky(CONFLICT, CONFLICT), only_reads=False) == "done"


async def test_run_gives_up_when_conflicts_keep_coming(single: Database) -> None:
    with pytest.raises(Aborted):
        await single.run(Flaky(CONFLICT, CONFLICT, CONFLICT), only_reads=False)


async def test_run_retries_a_read_over_another_connection(single: Database) -> None:
    assert await single.run(Flaky(LOST, LOST), only_reads=True) == "done"


async def test_run_never_retries_a_write_whose_connection_was_lost(single: Database) -> None:
    operation = Flaky(LOST)
    with pytest.raises(Unavailable):
        await single.run(operation, only_reads=False)

    assert operation.failures == []


async def test_run_retries_after_a_real_deadlock(database: Database, raw: Raw) -> None:
    await raw.execute("CREATE SCHEMA IF NOT EXISTS to_lock")
    await raw.execute("CREATE TABLE IF NOT EXISTS to_lock.rows AS SELECT generate_series(1, 2) AS id")
    await raw.execute("GRANT USAGE ON SCHEMA to_lock TO PUBLIC; GRANT ALL ON to_lock.rows TO PUBLIC")
    first_locks = asyncio.Barrier(2)
    lock = "SELECT id FROM to_lock.rows WHERE id = $1 FOR UPDATE"

    async def lock_both(first: int, second: int) -> str:
        attempts = 0

        async def operation() -> str:
            nonlocal attempts
            attempts += 1
            async with database.transaction() as connection:
                await connection.fetch_row("test", lock, first)
                if attempts == 1:
                    await first_locks.wait()
                await connection.fetch_row("test", lock, second)
            return "done"

        return await database.run(operation, only_reads=False)

    done = await asyncio.gather(lock_both(1, 2), lock_both(2, 1))

    assert [*done] == ["done", "done"]


async def test_connection_that_is_lost_at_its_release_fails_nothing_that_it_has_answered(single: Database) -> None:
    """An expired connection is closed by its release, which has nothing to tell to whatever has used it."""
    async with single.connection() as connection:
        row = await connection.fetch_one("test", "SELECT 1")
        await single.expire()
        used: Raw = connection._raw
        opened = get_socket(used)
        assert opened is not None
        opened.shutdown(socket.SHUT_WR)

    assert row[0] == 1
    assert await value(single, "SELECT 2") == 2
