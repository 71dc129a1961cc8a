"""The state that each connection starts in, on a real database."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.database.asyncpg_internals import get_socket
from service.database.pool import Database, open_database
from service.database.session import PEER_TIMEOUT
from service.embedded.cluster import DATABASE, SERVICE_ROLE
from service.settings import Settings
from tests.faults.harness.postgres_proxy import Proxy

Raw = Any


async def test_server_ends_a_statement_whose_client_is_gone(service_dsn: str, settings: Settings, raw: Raw) -> None:
    async with open_database(service_dsn, replace(settings, statement_timeout=3600)) as database:
        working = asyncio.create_task(sleep(database))
        await until(raw, 1)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

        await until(raw, 0)


async def sleep(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("test", "SELECT pg_sleep(3600) AS abandoned")


async def until(raw: Raw, count: int) -> None:
    """Wait until so many of the server's sessions run the abandoned statement."""
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%abandoned' AND state = 'active'"
    for _ in range(600):
        if await raw.fetchval(running) == count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"it is not run by {count}")


async def test_connection_over_tcp_notices_a_dead_peer(service_dsn: str, settings: Settings) -> None:
    socket_directory = parse_qs(urlsplit(service_dsn).query)["host"][0]
    async with (
        Proxy(Path(socket_directory) / ".s.PGSQL.5432") as proxy,
        open_database(f"postgresql://{SERVICE_ROLE}@127.0.0.1:{proxy.port}/{DATABASE}", settings) as database,
        database._pool.acquire() as connection,
    ):
        found = get_socket(connection._con)  # type: ignore[attr-defined] # not in the stubs
        assert found is not None
        limit = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    assert limit == PEER_TIMEOUT * 1000
