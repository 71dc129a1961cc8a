"""Everything of asyncpg's insides that the service relies on: a new version that changes it fails here."""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from asyncpg import connect_utils

import service
from service.database.asyncpg_internals import end_idle_connections, get_socket, get_tls, resolve

SERVICE = Path(service.__file__).parent
INTERNALS = SERVICE / "database" / "asyncpg_internals.py"


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(dsn, min_size=0, max_size=2) as opened:
        yield opened


async def test_pool_has_a_holder_for_each_connection_that_it_may_have(pool: Any) -> None:
    assert isinstance(pool._holders, list)
    assert len(pool._holders) == 2
    async with pool.acquire():
        assert sorted(holder.is_idle() for holder in pool._holders) == [False, True]
    assert [holder.is_idle() for holder in pool._holders] == [True, True]


async def test_pool_holders_terminate_their_connection_if_they_have_one(pool: Any) -> None:
    async with pool.acquire():
        pass
    for holder in pool._holders:
        holder.terminate()

    assert pool.get_size() == 0


async def test_connection_has_an_asyncio_transport(raw: Any) -> None:
    assert isinstance(raw._transport, asyncio.Transport)
    assert raw._transport.get_extra_info("socket").family in {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}


async def test_end_idle_connections_ends_them_and_spares_those_in_use(pool: Any, raw: Any) -> None:
    async with pool.acquire() as used:
        async with pool.acquire() as idle:
            pids = [connection.get_server_pid() for connection in (used, idle)]
        end_idle_connections(pool)

        assert pool.get_size() == 1
        assert await used.fetchval("SELECT 1") == 1
    statement = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1"
    async with asyncio.timeout(10):
        while await raw.fetchval(statement, pids[1]):  # noqa: ASYNC110 - the server's process ends it
            await asyncio.sleep(0.01)


async def test_get_socket_returns_the_socket_that_leads_to_the_server(raw: Any, dsn: str) -> None:
    found = get_socket(raw)

    assert found is not None
    assert found.family == socket.AF_UNIX
    assert found.getpeername().endswith("/.s.PGSQL.5432")


async def test_get_tls_returns_none_for_a_socket(raw: Any) -> None:
    assert get_tls(raw) is None


@pytest.mark.parametrize(
    ("dsn", "mode", "hosts", "resolved"),
    [
        ("postgresql://u@/n?host=one:1,/run/two", None, ("one", "/run/two/.s.PGSQL.5432"), "prefer"),
        ("postgresql://u@one/n?sslmode=disable", None, ("one",), "disable"),
        ("postgresql://u@one/n?sslmode=disable", "require", ("one",), "require"),
        ("postgresql://u@/n?sslnegotiation=direct&host=one", "disable", ("one",), "disable"),
    ],
)
def test_resolve_reads_an_address_as_asyncpg_does(
    dsn: str, mode: str | None, hosts: tuple[str, ...], resolved: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in os.environ:
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))

    found = resolve(dsn, mode)

    assert (found.hosts, found.mode) == (hosts, resolved)
    assert isinstance(found.context, ssl.SSLContext) is (resolved != "disable")


async def test_connect_begins_with_what_resolve_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []

    def parse(**arguments: Any) -> None:
        called.append(arguments["dsn"])
        raise ConnectionRefusedError

    monkeypatch.setattr(connect_utils, "_parse_connect_dsn_and_args", parse)
    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect("postgresql://one")

    assert called == ["postgresql://one"]


PRIVATE_USE = re.compile(r"SLF001|[gs]etattr\([^)]*[\"']_[a-z]|\b_?(?:pool|raw|connection)\._[a-z]|\basyncpg\._")


@pytest.mark.parametrize(
    "line",
    [
        "pool._holders  # noqa: SLF001 - a reason",
        'getattr(raw, "_transport")  # noqa: B009 - a reason',
        "self._pool._holders",
        "connection._transport",
        "asyncpg._asyncpg_impl",
    ],
)
def test_private_use_is_found(line: str) -> None:
    assert PRIVATE_USE.search(line)


def test_no_other_file_reaches_into_asyncpg() -> None:
    sources = {path: path.read_text() for path in SERVICE.rglob("*.py") if path != INTERNALS}
    found = {
        str(path.relative_to(SERVICE)): lines
        for path, source in sources.items()
        if "asyncpg" in source and (lines := [line for line in source.splitlines() if PRIVATE_USE.search(line)])
    }

    assert found == {}
