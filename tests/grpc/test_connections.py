"""Connections by hand: those that fall silent are asked and ended, and each may have so many calls at once."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.grpc import server as server_module
from tests.grpc.conftest import Served, Start

SETTINGS, PING, GOAWAY = 4, 6, 7
ACK = 1
MAX_CONCURRENT_STREAMS = 3
TOO_MANY_PINGS = b"too_many_pings"


def frame(kind: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """Return a frame of HTTP/2 for the connection as a whole."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + bytes(4) + payload


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection of HTTP/2 by hand, as a client's library answers pings by itself."""
    host, _, port = served.server.address.removeprefix("grpc://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS) + frame(SETTINGS, flags=ACK))
    try:
        yield reader, writer
    finally:
        writer.close()


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int, int, bytes]]:
    """Yield kind, flags and payload of what the server sends, until it ends the connection."""
    while True:
        try:
            head = await reader.readexactly(9)
            yield head[3], head[4], await reader.readexactly(int.from_bytes(head[:3]))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return


async def test_client_that_has_gone_is_asked_and_its_connection_ended(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "KEEPALIVE", 0.1)
    monkeypatch.setattr(server_module, "KEEPALIVE_TIMEOUT", 0.3)
    served = await start()

    async with connected(served) as (reader, _), asyncio.timeout(10):
        kinds = [kind async for kind, flags, _ in frames(reader) if not flags & ACK]

    assert PING in kinds


async def test_client_that_answers_is_left_alone(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "KEEPALIVE", 0.1)
    monkeypatch.setattr(server_module, "KEEPALIVE_TIMEOUT", 0.3)
    served = await start()
    pings = 0

    async with connected(served) as (reader, writer), asyncio.timeout(10):
        async for kind, flags, payload in frames(reader):
            if kind == PING and not flags & ACK:
                writer.write(frame(PING, payload, ACK))
                pings += 1
                if pings == 4:
                    break

    assert pings == 4


async def test_client_that_pings_all_the_time_is_sent_away(start: Start) -> None:
    served = await start()
    reasons = []

    async with connected(served) as (reader, writer), asyncio.timeout(10):
        writer.write(frame(PING, bytes(8)) * 10)
        reasons = [payload async for kind, _, payload in frames(reader) if kind == GOAWAY]

    assert any(TOO_MANY_PINGS in each for each in reasons)


async def test_connection_has_no_more_than_some_calls_at_once(start: Start) -> None:
    """Without a bound, connections whose clients begin calls and reset them at once took 300 MiB."""
    served = await start()

    async with connected(served) as (reader, _), asyncio.timeout(10):
        settings = await anext(
            payload async for kind, flags, payload in frames(reader) if (kind, flags) == (SETTINGS, 0)
        )

    told = dict(struct.iter_unpack(">HI", settings))
    assert told[MAX_CONCURRENT_STREAMS] == server_module.MAX_CALLS_ON_CONNECTION
