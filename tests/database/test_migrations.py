import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from service.database import migrations
from service.database.migrations import Migration, compare, list_applied, load_migrations, migrate
from service.database.pool import Connection
from service.database.sql_files import sql_directory
from service.embedded.cluster import SERVICE_ROLE
from service.errors import StartupError
from tests.schema import dump

TABLE = Migration(1, "0001_create_things.sql", "CREATE TABLE things (id int)")
INDEX = Migration(
    2, "0002_index_things.sql", "-- no transaction\nCREATE UNIQUE INDEX CONCURRENTLY things_id ON things (id)"
)
CONTRACT = Migration(3, "0003_drop_things.sql", "-- Unused since 0002.\n-- compatible-from: 0002\nDROP TABLE things")
BROKEN = Migration(2, "0002_break_things.sql", "CREATE TABLE more (id int); SELECT 1 / 0")


def newer(sql: str) -> Migration:
    """A migration that only a later version of the service has."""
    version = len(load_migrations()) + 1
    return Migration(version, f"{version:04}_later.sql", sql)


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


async def test_migrate_six_times_at_once_applies_each_migration_once(empty_dsn: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_dsn) for _ in range(6)))

    assert sorted(len(each) for each in applied) == [0, 0, 0, 0, 0, len(load_migrations())]


async def test_migrate_goes_on_from_where_the_database_is(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE])

    assert await migrate(empty_dsn, migrations=[TABLE, INDEX]) == [INDEX]


async def test_migrate_refuses_an_edited_file(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE])

    with pytest.raises(StartupError, match=r"migration 0001_create_things\.sql.*must never be edited"):
        await migrate(empty_dsn, migrations=[Migration(1, TABLE.name, TABLE.sql + " "), INDEX])

    assert await names(empty_dsn) == [TABLE.name]


async def test_migrate_leaves_a_newer_compatible_database_as_it_is(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE, INDEX])

    assert await migrate(empty_dsn, migrations=[TABLE]) == []
    assert await names(empty_dsn) == [TABLE.name, INDEX.name]


async def test_migrate_refuses_a_newer_database_that_is_not_compatible(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE, INDEX, CONTRACT])

    assert await migrate(empty_dsn, migrations=[TABLE, INDEX]) == []
    with pytest.raises(StartupError) as caught:
        await migrate(empty_dsn, migrations=[TABLE])

    assert str(caught.value) == (
        "The database is too new for this version of the service: its migration 0003_drop_things.sql needs one that"
        " knows migration 0002. Run a newer version, whose `migrate --check` says that it fits, or restore a backup"
        " from before that migration."
    )


async def test_migrate_keeps_privileges_that_a_newer_version_granted(empty_dsn: str) -> None:
    await migrate(empty_dsn)
    await migrate(empty_dsn, migrations=[*load_migrations(), newer("SELECT 1")])
    await fetchval(empty_dsn, f"GRANT TRUNCATE ON audit TO {SERVICE_ROLE}")

    await migrate(empty_dsn)

    assert await fetchval(empty_dsn, f"SELECT has_table_privilege('{SERVICE_ROLE}', 'audit', 'TRUNCATE')") is True


async def test_migrate_a_database_from_before_compatible_from_was_recorded(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE])
    await fetchval(empty_dsn, "ALTER TABLE schema_migrations DROP COLUMN needs")

    assert await migrate(empty_dsn, migrations=[TABLE, INDEX, CONTRACT]) == [INDEX, CONTRACT]

    assert await fetchval(empty_dsn, "SELECT array_agg(needs ORDER BY version) FROM schema_migrations") == [0, 0, 2]


@pytest.mark.parametrize(("organizations", "needed"), [(0, 2), (1, 0)])
async def test_migrate_needs_this_version_where_no_version_before_has_served(
    empty_dsn: str, organizations: int, needed: int
) -> None:
    made = f"CREATE TABLE organizations AS SELECT FROM generate_series(1, {organizations})"
    switch = "-- compatible-from: 0002 if there is no organization yet\nSELECT 1"

    await migrate(empty_dsn, migrations=[Migration(1, "0001_make.sql", made), Migration(2, "0002_switch.sql", switch)])

    assert await fetchval(empty_dsn, "SELECT array_agg(needs ORDER BY version) FROM schema_migrations") == [0, needed]


async def test_migrate_keeps_nothing_of_a_file_that_failed(empty_dsn: str) -> None:
    with pytest.raises(StartupError, match=r"0002_break_things\.sql failed.*division by zero"):
        await migrate(empty_dsn, migrations=[TABLE, BROKEN])

    assert await names(empty_dsn) == [TABLE.name]
    assert await fetchval(empty_dsn, "SELECT to_regclass('more')") is None


async def test_migrate_tells_hints_of_the_database_in_the_same_sentence(empty_dsn: str) -> None:
    raises = "DO $$ BEGIN RAISE 'No room' USING DETAIL = 'One page is free.', HINT = 'Check the disk.'; END $$"

    with pytest.raises(StartupError, match=r"RaiseError: No room; One page is free; Check the disk\. Mend that"):
        await migrate(empty_dsn, migrations=[TABLE, Migration(2, BROKEN.name, raises)])


async def test_migrate_makes_a_concurrent_index_that_failed_anew(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE])
    await fetchval(empty_dsn, "INSERT INTO things VALUES (1), (1)")
    with pytest.raises(StartupError, match="could not create unique index"):
        await migrate(empty_dsn, migrations=[TABLE, INDEX])
    await fetchval(empty_dsn, "DELETE FROM things")

    await migrate(empty_dsn, migrations=[TABLE, INDEX])

    assert await fetchval(empty_dsn, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_id'::regclass") is True


async def test_migrate_keeps_an_invalid_index_that_the_file_does_not_make(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE])
    await fetchval(empty_dsn, "CREATE TABLE others AS SELECT 1 AS id FROM generate_series(1, 2)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await fetchval(empty_dsn, "CREATE UNIQUE INDEX CONCURRENTLY others_id ON others (id)")

    await migrate(empty_dsn, migrations=[TABLE, INDEX])

    assert await fetchval(empty_dsn, "SELECT to_regclass('others_id')::text") == "others_id"


async def test_migrate_repeats_a_concurrent_index_made_but_not_recorded(empty_dsn: str) -> None:
    repeatable = Migration(2, INDEX.name, INDEX.sql.replace("CONCURRENTLY", "CONCURRENTLY IF NOT EXISTS"))
    await migrate(empty_dsn, migrations=[TABLE, repeatable])
    await fetchval(empty_dsn, "DELETE FROM schema_migrations WHERE version = 2")

    assert await migrate(empty_dsn, migrations=[TABLE, repeatable]) == [repeatable]


async def test_migrate_refuses_two_statements_without_a_transaction(empty_dsn: str) -> None:
    two = Migration(1, "0001_two.sql", "-- no transaction\nCREATE TABLE one (id int); CREATE TABLE two (id int)")

    with pytest.raises(StartupError, match=r"0001_two\.sql failed.*multiple commands"):
        await migrate(empty_dsn, migrations=[two])

    assert await fetchval(empty_dsn, "SELECT to_regclass('one')") is None


async def test_migrate_refuses_a_gap_in_the_database(empty_dsn: str) -> None:
    later = Migration(3, "0003_later.sql", "SELECT 1")
    await migrate(empty_dsn, migrations=[TABLE, INDEX, later])
    await fetchval(empty_dsn, "DELETE FROM schema_migrations WHERE version = 2")

    with pytest.raises(StartupError, match=r"has migration 0003_later\.sql, but not 0002_index_things\.sql before it"):
        await migrate(empty_dsn, migrations=[TABLE, INDEX, later])


async def test_migrate_says_that_a_lock_is_in_its_way(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=[TABLE])
    holder = await asyncpg.connect(empty_dsn)
    async with holder.transaction():
        await holder.execute("LOCK TABLE things")
        impatient = Migration(2, "0002_alter.sql", "SET LOCAL lock_timeout = '10ms'; ALTER TABLE things ADD more int")

        with pytest.raises(StartupError, match="others hold a lock on what it changes; run `migrate` again"):
            await migrate(empty_dsn, migrations=[TABLE, impatient])
    await holder.close()


async def test_migrate_says_that_its_connection_was_lost(empty_dsn: str) -> None:
    suicidal = Migration(1, "0001_end.sql", "SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(StartupError, match=r"connection was lost in Migration 0001_end\.sql: run `migrate` again"):
        await migrate(empty_dsn, migrations=[suicidal])


async def test_migrate_names_the_sessions_that_it_waits_for(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "PATIENCE", 0.0)
    holder, told = await asyncpg.connect(empty_dsn), asyncio.Event()
    await holder.execute(f"SELECT pg_advisory_lock({migrations._LOCK})")
    said: list[str] = []

    def warn(sentence: str) -> None:
        said.append(sentence)
        told.set()

    waiting = asyncio.create_task(migrate(empty_dsn, warn=warn, migrations=[TABLE]))
    await asyncio.wait_for(told.wait(), 10)
    await asyncio.sleep(0.3)
    pid = holder.get_server_pid()
    await holder.close()

    assert await waiting == [TABLE]
    assert said == [f"Another `migrate` is at work, as process {pid} of the server: this waits until that has ended."]


KILLED = """
import asyncio, sys
from service.database.migrations import Migration, migrate
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
def test_load_migrations_refuses_a_file_out_of_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "0001_first.sql").write_text("SELECT 1")
    (tmp_path / name).write_text("SELECT 1")

    with pytest.raises(StartupError, match=f"{name} is out of line"):
        load_migrations(tmp_path)


@pytest.mark.parametrize("line", ["-- compatible-from: 0007", "-- needs: 0007"])
def test_compatible_from_reads_the_line_and_its_former_word(line: str) -> None:
    assert Migration(8, "0008_drop.sql", f"-- Unused since 0007.\n{line}\nDROP TABLE things").compatible_from == 7


def test_compare_with_an_empty_database_finds_all_migrations_missing() -> None:
    assert compare([], [TABLE, INDEX]) == [TABLE, INDEX]


async def test_migrate_makes_what_the_schema_file_says(empty_dsn: str) -> None:
    await migrate(empty_dsn)

    assert (sql_directory() / "schema.sql").read_text() == dump(empty_dsn), "run `make schema`"
