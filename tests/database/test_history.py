"""What a process keeps is forgotten once a new connection finds a database with another history."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.database.connector import Connector
from service.database.history import History, read_history
from service.database.pool import Database, open_database
from service.errors import Unavailable
from service.settings import Settings
from tests.faults.harness.processes import Postgres

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HISTORY = History(1, 1, 1, NOW, 100)


@pytest.fixture(name="postgres")
def _postgres(tmp_path: Path) -> Iterator[Postgres]:
    postgres = Postgres(tmp_path, "-c", "fsync=off")
    postgres.start()
    yield postgres
    postgres.stop()


@pytest.mark.parametrize(
    ("later", "follows"),
    [
        (HISTORY, True),
        (HISTORY._replace(position=101), True),
        (HISTORY._replace(position=99), False),
        (HISTORY._replace(position=101, database=2), False),
        (HISTORY._replace(position=101, system=2), False),
        (HISTORY._replace(position=101, timeline=2), False),
        (HISTORY._replace(position=101, started=NOW + timedelta(seconds=1)), False),
    ],
)
def test_history_follows_an_earlier_one(later: History, follows: bool) -> None:
    assert later.follows(HISTORY) is follows


async def test_read_history_by_the_role_of_the_service(service_dsn: str, raw: "asyncpg.Connection[Any]") -> None:
    connection = await asyncpg.connect(service_dsn)

    first = await read_history(connection)
    await raw.execute("SELECT pg_logical_emit_message(false, '', 'x')")
    second = await read_history(connection)
    await connection.close()

    assert first is not None
    assert second is not None
    assert second.follows(first)
    assert not first.follows(second)


async def test_read_history_that_is_not_told(empty_dsn: str) -> None:
    connection = await asyncpg.connect(empty_dsn.replace("//postgres@", "//flow_service@"))
    owner = await asyncpg.connect(empty_dsn)
    await owner.execute("REVOKE EXECUTE ON FUNCTION pg_control_system FROM PUBLIC")

    assert await read_history(connection) is None
    assert await connection.fetchval("SELECT 1") == 1
    for each in (connection, owner):
        await each.close()


async def test_connector_tells_of_a_new_history(postgres: Postgres) -> None:
    told: list[str] = []
    connector = Connector(postgres.dsn)
    connector.on_new_history.append(lambda: told.append("new"))

    for _ in range(3):
        await (await connector.connect()).close()
    assert told == []

    postgres.stop()
    postgres.start()
    for _ in range(3):
        await (await connector.connect()).close()
    assert told == ["new"]


async def test_connector_tells_of_another_database_of_the_same_name(postgres: Postgres) -> None:
    """Such as a copy made by CREATE DATABASE ... TEMPLATE: the server and its log have gone on as ever."""
    told: list[str] = []
    connector = Connector(postgres.dsn)
    connector.on_new_history.append(lambda: told.append("new"))
    await (await connector.connect()).close()
    owner = await asyncpg.connect(postgres.dsn.replace("/flow_pipelines?", "/postgres?"))
    while await owner.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = 'flow_pipelines'"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await owner.execute("CREATE DATABASE copy TEMPLATE flow_pipelines")
    await owner.execute("ALTER DATABASE flow_pipelines RENAME TO former")
    await owner.execute("ALTER DATABASE copy RENAME TO flow_pipelines")
    await owner.close()

    for _ in range(2):
        await (await connector.connect()).close()
    assert told == ["new"]


async def test_database_leaves_a_former_server_whose_name_leads_to_another(tmp_path: Path, settings: Settings) -> None:
    """It may still answer on the connections that it has, from a state that is not that of the other any more."""
    former, present = (
        Postgres(tmp_path / "former", "-c", "fsync=off"),
        Postgres(tmp_path / "present", "-c", "fsync=off"),
    )
    name = tmp_path / "name"
    try:
        for number, server in enumerate((former, present)):
            server.start()
            raw = await asyncpg.connect(server.dsn)
            await raw.execute(f"CREATE FUNCTION which() RETURNS int RETURN {number}")
            await raw.close()
        name.symlink_to(former.socket.parent)
        dsn = f"postgresql://postgres@/flow_pipelines?host={name}"
        async with open_database(dsn, replace(settings, database_pool_size=2)) as database:
            assert await _which(database) == 0
            name.unlink()
            name.symlink_to(present.socket.parent)
            assert await _which(database) == 0, "whoever has no reason to connect does not find out"
            async with database.connection():
                assert await _which(database) == 1
            assert [await _which(database) for _ in range(4)] == [1, 1, 1, 1]
    finally:
        former.stop()
        present.stop()


async def _which(database: Database) -> int:
    async with database.connection() as connection:
        return int((await connection.fetch_one("test", "SELECT which()"))[0])


async def test_connector_tells_each_time_while_the_history_is_unknown(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    connector = Connector(dsn)
    connector.on_new_history.append(lambda: told.append("new"))

    async def untold(_: object) -> None:
        pass

    await (await connector.connect()).close()
    monkeypatch.setattr("service.database.connector.read_history", untold)
    for _ in range(2):
        await (await connector.connect()).close()

    assert told == ["new", "new"]


async def test_connector_ends_a_connection_whose_history_does_not_come(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    connector = Connector(dsn)
    connector.on_new_history.append(lambda: None)

    async def hang(connection: object) -> None:
        asked.append(connection)
        raise TimeoutError

    monkeypatch.setattr("service.database.connector.read_history", hang)
    with pytest.raises(TimeoutError):
        await connector.connect()

    assert [each.is_closed() for each in asked] == [True]


async def test_connector_connects_once_more_when_the_connection_is_lost_at_once(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    connector = Connector(dsn)
    connector.on_new_history.append(lambda: None)

    async def lose_first(connection: Any) -> History | None:
        asked.append(connection)
        if len(asked) != 2:
            raise ConnectionResetError
        return await read_history(connection)

    monkeypatch.setattr("service.database.connector.read_history", lose_first)
    made: Any = await connector.connect()
    assert made is asked[1]
    with pytest.raises(ConnectionResetError, match="as soon as it was made"):
        await connector.connect()

    assert [each.is_closed() for each in asked] == [True, False, True, True]
    await made.close()


async def test_database_forgets_after_a_lost_connection(dsn: str, settings: Settings) -> None:
    forgotten: list[str] = []
    async with open_database(dsn, replace(settings, database_pool_size=2)) as database:
        database.on_forget.append(lambda: forgotten.append("all"))
        await _run(database, "SELECT 1")
        assert forgotten == []

        with pytest.raises(Unavailable):
            await _run(database, "SELECT pg_terminate_backend(pg_backend_pid())")

    assert forgotten == ["all"]


async def test_database_forgets_what_came_before_a_restart_while_it_was_idle(
    postgres: Postgres, settings: Settings
) -> None:
    forgotten: list[str] = []
    async with open_database(postgres.dsn, settings) as database:
        database.on_forget.append(lambda: forgotten.append("all"))
        await _run(database, "SELECT 1")
        postgres.stop()
        postgres.start()
        for _ in range(2):  # the connection's end may be noticed only by the first
            with suppress(Unavailable):
                await _run(database, "SELECT 1")

    assert forgotten


async def _run(database: Database, statement: str) -> None:
    async with database.connection() as connection:
        await connection.execute("test", statement)
