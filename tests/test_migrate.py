import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from service.database import Connection
from service.errors import StartupError
from service.migrate import Migration, compare, load_migrations, migrate, sql_directory
from service.repositories.migrations import list_applied
from tests.schema import dump

TABLE = Migration(1, "0001_create_things.sql", "CREATE TABLE things (id int)")
INDEX = Migration(
    2, "0002_index_things.sql", "-- no transaction\nCREATE UNIQUE INDEX CONCURRENTLY things_id ON things (id)"
)
BROKEN = Migration(2, "0002_break_things.sql", "CREATE TABLE more (id int); SELECT 1 / 0")


async def names(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return [applied.name for applied in await list_applied(Connection(connection))]
    finally:
        await connection.close()


async def fetchval(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_migrate_applies_each_once(empty_dsn: str) -> None:
    told: list[str] = []

    first = await migrate(empty_dsn, lambda migration, _: told.append(migration.name))
    second = await migrate(empty_dsn)

    assert [migration.name for migration in first] == told == await names(empty_dsn)
    assert told == [migration.name for migration in load_migrations()]
    assert second == []


async def test_migrate_six_at_once(empty_dsn: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_dsn) for _ in range(6)))

    assert sorted(len(each) for each in applied) == [0, 0, 0, 0, 0, len(load_migrations())]


async def test_migrate_goes_on_where_the_database_is(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE])

    assert await migrate(empty_dsn, migrations=[TABLE, INDEX]) == [INDEX]


async def test_migrate_refuses_an_edited_file(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE])

    with pytest.raises(StartupError, match=r"migration 0001_create_things\.sql.*must never be edited"):
        await migrate(empty_dsn, migrations=[Migration(1, TABLE.name, TABLE.sql + " "), INDEX])

    assert await names(empty_dsn) == [TABLE.name]


async def test_migrate_refuses_a_newer_database(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE, INDEX])

    with pytest.raises(StartupError, match=r"newer than this version.*0002_index_things\.sql"):
        await migrate(empty_dsn, migrations=[TABLE])


async def test_migrate_failure_keeps_nothing_of_the_file(empty_dsn: str) -> None:
    with pytest.raises(StartupError, match=r"0002_break_things\.sql failed.*division by zero"):
        await migrate(empty_dsn, migrations=[TABLE, BROKEN])

    assert await names(empty_dsn) == [TABLE.name]
    assert await fetchval(empty_dsn, "SELECT to_regclass('more')") is None


async def test_migrate_concurrent_index_that_failed_is_made_anew(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE])
    await fetchval(empty_dsn, "INSERT INTO things VALUES (1), (1)")
    with pytest.raises(StartupError, match="could not create unique index"):
        await migrate(empty_dsn, migrations=[TABLE, INDEX])
    await fetchval(empty_dsn, "DELETE FROM things")

    await migrate(empty_dsn, migrations=[TABLE, INDEX])

    assert await fetchval(empty_dsn, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_id'::regclass") is True


KILLED = """
import asyncio, sys
from service.migrate import Migration, migrate
sql = "CREATE TABLE half (id int); SELECT pg_notify('begun', ''); SELECT pg_sleep(60)"
asyncio.run(migrate(sys.argv[1], migrations=[Migration(1, "0001_sleep.sql", sql)]))
"""


async def test_migrate_killed_in_the_middle_leaves_nothing_and_no_lock(empty_dsn: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, empty_dsn)
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    while not await fetchval(empty_dsn, asleep):  # noqa: ASYNC110 - it happens in another process
        await asyncio.sleep(0.05)

    os.kill(process.pid, signal.SIGKILL)
    await process.wait()

    assert await migrate(empty_dsn, migrations=[TABLE]) == [TABLE]
    assert await fetchval(empty_dsn, "SELECT to_regclass('half')") is None


@pytest.mark.parametrize("name", ["0003_gap.sql", "0001_twice.sql", "add_things.sql", "0002-things.sql"])
def test_load_migrations_refuses_what_is_out_of_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "0001_first.sql").write_text("SELECT 1")
    (tmp_path / name).write_text("SELECT 1")

    with pytest.raises(StartupError, match=f"{name} is out of line"):
        load_migrations(tmp_path)


async def test_migrate_says_what_it_can_not_reach() -> None:
    with pytest.raises(StartupError, match=r"The database can't be reached: ConnectionRefusedError") as caught:
        await migrate("postgresql://me:secret@127.0.0.1:1/db")

    assert "secret" not in str(caught.value)


async def test_migrate_address_that_is_none() -> None:
    with pytest.raises(StartupError, match="DATABASE_URL can't be understood"):
        await migrate("mysql://x")


def test_compare_without_anything_applied() -> None:
    assert compare([], [TABLE, INDEX]) == [TABLE, INDEX]


async def test_schema_file_is_what_the_migrations_make(empty_dsn: str) -> None:
    await migrate(empty_dsn)

    assert (sql_directory() / "schema.sql").read_text() == dump(empty_dsn), "run `make schema`"
