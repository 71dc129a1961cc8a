"""Connections to one of several servers: on real servers, and on some that only pretend."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from service.database import connector as connector_module
from service.database.connector import MAX_BACKOFF, Connector, Host, NoServer, connect, list_hosts
from service.database.migrations import migrate
from service.database.pool import Connection, Database, open_database
from service.doctor.checks import Deployment
from service.doctor.examine import examine
from service.errors import StartupError, Unavailable
from service.settings import Settings
from tests.faults.harness.replication import Node, dsn, primary_and_standby

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

RECOVERING = "SELECT pg_is_in_recovery()"


@pytest.fixture(scope="module", name="pair")
def _pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    """A primary and its standby."""
    with primary_and_standby(tmp_path_factory.mktemp("pair")) as nodes:
        yield nodes


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        ("postgresql://u:p@one:5433,two/n", [Host("one", 5433), Host("two", None)]),
        ("postgres://one,two:1", [Host("one", None), Host("two", 1)]),
        ("postgresql://u@[::1]:5433,two/n", [Host("::1", 5433), Host("two", None)]),
        ("postgresql://u@%2Frun%2Fa,two/n", [Host("/run/a", None), Host("two", None)]),
        ("postgresql://u@/n?host=/run/a,two:2", [Host("/run/a", None), Host("two", 2)]),
        ("postgresql://u@/n?host=one,two&port=1,2", [Host("one", 1), Host("two", 2)]),
        ("postgresql://u@/n?host=one,two&port=3", [Host("one", 3), Host("two", 3)]),
        ("postgresql://u@one:5432/n", []),
        ("postgresql://u@/n?host=one", []),
        ("postgresql://", []),
    ],
)
def test_list_hosts_of_an_address_that_names_several(address: str, hosts: list[Host]) -> None:
    assert list_hosts(address) == hosts


@pytest.mark.parametrize(
    "address",
    [
        "mysql://one/n",
        "postgresql://u@one,/n",
        "postgresql://u@one:x,two/n",
        "postgresql://u@one/n?host=two,three",
        "postgresql://u@/n?host=one,two,three&port=1,2",
        "postgresql://u@/n?host=[::1,two",
    ],
)
async def test_open_database_refuses_an_invalid_address(address: str, settings: Settings) -> None:
    with pytest.raises(StartupError, match="can't be understood"):
        async with open_database(address, settings):
            pass


async def test_connector_takes_only_a_server_that_takes_writes(pair: tuple[Node, Node]) -> None:
    primary, standby = pair

    made = await Connector(dsn("postgres", standby, primary)).connect()

    assert await made.fetchval(RECOVERING) is False
    await made.close()


async def test_connector_refuses_servers_set_to_read_only(pair: tuple[Node, Node]) -> None:
    primary, _ = pair
    primary.run("ALTER ROLE flow_service SET default_transaction_read_only = on")
    try:
        with pytest.raises(NoServer, match=r"(it takes no writes.*){2}"):
            await Connector(dsn("flow_service", *pair)).connect()
    finally:
        primary.run("ALTER ROLE flow_service RESET default_transaction_read_only")


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, list[object]]]:
    """Serve nothing on a port, and collect the connections that come to it."""
    came: list[object] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(reader)
        while await reader.read(1024):
            pass
        writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", came
    finally:
        server.close()


def refusing() -> str:
    """Return an address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def address(server_dsn: str, *hosts: str) -> str:
    """Return the address of the database of `server_dsn`, with other hosts before its own."""
    return server_dsn.replace("host=", f"host={','.join(hosts)},")


async def test_connector_tries_a_host_that_hangs_last(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector_module, "HOST_TIMEOUT", 0.2)
    async with silent() as (hanging, came):
        connector = Connector(address(dsn, hanging, refusing()))

        for _ in range(3):
            made = await connector.connect(timeout=0.1)
            assert await made.fetchval("SELECT 1") == 1
            await made.close()

        assert len(came) == 1


async def test_connector_cancelled_by_a_deadline_tries_the_hanging_host_last(dsn: str) -> None:
    """A readiness check has less time than a host that hangs takes; the next must not begin with that host again."""
    async with silent() as (hanging, _):
        connector = Connector(address(dsn, hanging))

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connector.connect(), 0.1)
        made = await asyncio.wait_for(connector.connect(), 15)

        assert await made.fetchval("SELECT 1") == 1
        await made.close()


async def test_connector_without_any_usable_host_gives_the_reason_for_each(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(connector_module, "HOST_TIMEOUT", 0.2)
    async with silent() as (hanging, _):
        one, two = hanging, refusing()

        with pytest.raises(NoServer) as caught:
            await Connector(f"postgresql://u:canary@{one},{two}/n").connect()
        async with open_database(f"postgresql://u:canary@{one},{two}/n", settings) as database:
            with pytest.raises(Unavailable):
                await _ask(database)

    assert str(caught.value).startswith(f"{one}: it did not answer within 0.2 s; {two}: ConnectionRefusedError: ")
    assert "canary" not in str(caught.value)


async def _ask(database: Database, statement: str = "SELECT 1") -> object:
    async with database.connection() as connection:
        return (await connection.fetch_one("test", statement))[0]


async def test_connect_with_several_hosts_serves_migrate_and_doctor(dsn: str, settings: Settings) -> None:
    there = address(dsn, refusing())

    assert await migrate(there) == []
    findings = {finding.check: finding for finding in await examine(there, settings, Deployment(1, 60, 0))}

    assert findings["server"].state == "ok"


class Clock:
    """A clock that stands where it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(connector_module, "monotonic", clock)
    return clock


class Servers:
    """A stand-in for asyncpg.connect(): counts attempts, and refuses them while it is down."""

    def __init__(self) -> None:
        self.attempts = 0
        self.down = True

    async def __call__(self, *_: object, **__: object) -> Any:
        self.attempts += 1
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionRefusedError("nothing there")
        return object()


@pytest.fixture(name="servers")
def _servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    servers = Servers()
    monkeypatch.setattr(asyncpg, "connect", servers)
    return servers


async def _at_once(connector: Connector, number: int = 10) -> list[object]:
    return await asyncio.gather(*(connector.connect() for _ in range(number)), return_exceptions=True)


async def test_connector_makes_one_attempt_at_a_time_while_the_server_is_down(clock: Clock, servers: Servers) -> None:
    connector = Connector("postgresql://one", plaintext=True)
    await _at_once(connector)
    assert servers.attempts == 10  # none had failed yet

    assert {type(error) for error in await _at_once(connector)} == {ConnectionRefusedError}
    assert servers.attempts == 10  # too soon

    clock.now += MAX_BACKOFF
    assert {type(error) for error in await _at_once(connector)} == {ConnectionRefusedError}
    assert servers.attempts == 11


async def test_connector_backs_off_up_to_a_limit(clock: Clock, servers: Servers) -> None:
    connector = Connector("postgresql://one", plaintext=True)
    for _ in range(1000):
        await _at_once(connector, 3)
        clock.now += 0.01

    assert 10 / MAX_BACKOFF < servers.attempts < 10 / (MAX_BACKOFF / 2) + 10


async def test_connector_connects_all_at_once_when_the_server_is_back(clock: Clock, servers: Servers) -> None:
    connector = Connector("postgresql://one", plaintext=True)
    await _at_once(connector)
    servers.down = False
    clock.now += MAX_BACKOFF

    assert {type(made) for made in await _at_once(connector)} == {object}
    assert {type(made) for made in await _at_once(connector)} == {object}


class Thawing:
    """A stand-in for asyncpg.connect() to two servers: the first hangs, and takes connections again once thawed."""

    def __init__(self) -> None:
        self.thawed = asyncio.Event()
        self.ended: list[str] = []

    async def __call__(self, _: str, host: str, **__: Any) -> Any:
        if host == "one" and not self.ended:
            self.ended.append("hangs")
            await self.thawed.wait()
        elif host == "one":
            raise ConnectionRefusedError
        return SimpleNamespace(host=host, terminate=lambda: self.ended.append(host))


async def test_connector_drops_a_connection_to_a_former_primary_that_thaws(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt at it may have begun before another server was found, and may succeed after that."""
    servers, connector = Thawing(), Connector("postgresql://one,two/name", plaintext=True)
    monkeypatch.setattr(asyncpg, "connect", servers)

    early: asyncio.Task[Any] = asyncio.create_task(connector.connect())
    await asyncio.sleep(0)
    found: Any = await connector.connect()
    servers.thawed.set()

    assert (found.host, (await early).host) == ("two", "two")
    assert servers.ended == ["hangs", "one"]


THERE = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1)"


async def _pid(connection: Connection) -> int:
    return int((await connection.fetch_one("test", "SELECT pg_backend_pid()"))[0])


async def _ended(raw: Raw, pids: list[int]) -> None:
    """Wait until the server has none of these connections any more."""
    async with asyncio.timeout(10):
        while await raw.fetchval(THERE, pids):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.01)


async def test_pool_expires_connections_to_a_former_primary(
    dsn: str, raw: Raw, settings: Settings, tmp_path: Path
) -> None:
    """Two names of one server: as the first one goes, it is as if another server had become the primary."""
    (sockets,) = parse_qs(urlsplit(dsn).query)["host"]
    former = tmp_path / "former"
    former.symlink_to(sockets)
    async with open_database(address(dsn, str(former)), replace(settings, database_pool_size=2)) as database:
        async with database.connection() as earlier:
            pids = [await _pid(earlier)]
            former.unlink()
            async with database.connection() as later:
                assert await _pid(later) not in pids
            assert await raw.fetchval(THERE, pids) == 1  # it may end what it does
        await _ended(raw, pids)


async def test_pool_ends_idle_connections_when_one_is_lost(dsn: str, raw: Raw, settings: Settings) -> None:
    async with open_database(dsn, settings) as database:
        async with database.connection() as one, database.connection() as two:
            pids = [await _pid(one), await _pid(two)]
        assert await raw.fetchval(THERE, pids) == 2

        with pytest.raises(Unavailable):
            await _ask(database, "SELECT pg_terminate_backend(pg_backend_pid())")

        assert database.pool_size().idle == 0
        await _ended(raw, pids)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("postgresql://me:secret@127.0.0.1:1/db", " 127.0.0.1:1/db"),
        ("postgresql://me:sec@ret@127.0.0.1:1/db?password=secret", " 127.0.0.1:1/db"),
        ("postgresql://me@127.0.0.1:1/db?password=ret@secret", ""),
    ],
)
async def test_connect_names_the_server_that_it_can_not_reach(address: str, place: str) -> None:
    with pytest.raises(StartupError) as caught:
        await connect(address)

    said = str(caught.value)
    assert said.startswith(f"The database{place} can't be reached: ")
    assert "secret" not in said
    assert "ret@" not in said


async def test_connect_gives_up_on_a_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector_module, "_CONNECT_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        with pytest.raises(
            StartupError, match=rf"127\.0\.0\.1:{port}/db can't be reached: it did not answer within 0\.2 s"
        ):
            await connect(f"postgresql://me:secret@127.0.0.1:{port}/db")


async def test_connect_refuses_an_invalid_address() -> None:
    with pytest.raises(StartupError, match="DATABASE_URL can't be understood"):
        await connect("mysql://x")
