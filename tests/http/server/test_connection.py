"""Connections: the timeout of a request's head, which nothing else is taken for, and the end of a server."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import StreamReader, web
from aiohttp.web_protocol import RequestHandler

from service.http.server.connection import HttpConnection
from service.http.server.runner import Runner

HEAD_TIMEOUT = 0.2
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"


class Transport(asyncio.Transport):
    """A transport that records the bytes written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.paused = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def write(self, data: "bytes | bytearray | memoryview") -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.Protocol, Transport]]:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application()

    async def ignore(_: web.Request) -> web.Response:
        return web.Response(status=204)

    app.router.add_post("/", echo)
    app.router.add_put("/", ignore)
    runner, transport = Runner(app, HEAD_TIMEOUT, shutdown_timeout=0.1), Transport()
    await runner.setup()
    assert runner.server is not None
    protocol = runner.server()
    protocol.connection_made(transport)
    yield protocol, transport
    protocol.connection_lost(None)
    await runner.cleanup()


async def test_head_timeout_ignores_a_body_that_arrives_separately() -> None:
    async with connected() as (protocol, transport):
        protocol.data_received(HEAD)
        protocol.data_received(b"body")  # before the handler has begun
        await asyncio.sleep(2 * HEAD_TIMEOUT)

        assert transport.written.endswith(b"\r\n\r\nbody")
        assert transport.written.count(b"HTTP/1.") == 1
        assert not transport.closed


async def test_head_timeout_refuses_an_incomplete_head() -> None:
    async with connected() as (protocol, transport):
        protocol.data_received(HEAD[:10])
        await asyncio.sleep(2 * HEAD_TIMEOUT)

        assert transport.written.startswith(b"HTTP/1.0 408 ")
        assert transport.closed


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize(("method", "has_body"), [(b"HEAD", False), (b"GET", True)])
async def test_malformed_request_is_answered_with_a_body_unless_it_is_head(
    pieces: int, method: bytes, has_body: bool
) -> None:
    data = method + b" / HTTP/1.1\r\nno header\r\n\r\n"
    async with connected() as (protocol, transport):
        for start in range(0, len(data), step := -(-len(data) // pieces)):
            protocol.data_received(data[start : start + step])
        await asyncio.sleep(0.05)

        head, _, body = transport.written.partition(b"\r\n\r\n")
        assert head.split()[1] == b"400"
        assert bool(body) == has_body


async def test_head_timeout_covers_the_second_request() -> None:
    async with connected() as (protocol, transport):
        protocol.data_received(HEAD + b"body")
        await asyncio.sleep(0.05)
        protocol.data_received(HEAD[:10])
        await asyncio.sleep(2 * HEAD_TIMEOUT)

        assert transport.written.count(b"HTTP/1.") == 2
        assert b"HTTP/1.0 408 " in transport.written


async def test_body_is_read_to_its_end_during_shutdown() -> None:
    """aiohttp alone reads nothing any more once the server ends, not even the rest of a body that it waits for."""
    for moments in (0, 0.05):
        async with connected() as (protocol, transport):
            assert isinstance(protocol, RequestHandler)
            protocol.data_received(HEAD)
            await asyncio.sleep(moments)  # for the handler to begin, or not
            protocol.close()
            protocol.data_received(b"bo")
            protocol.data_received(b"dy")
            await asyncio.sleep(0.05)

            assert transport.written.endswith(b"\r\n\r\nbody")


async def test_connection_accepted_just_before_shutdown_is_answered() -> None:
    async with connected() as (protocol, transport):
        assert isinstance(protocol, RequestHandler)
        protocol.close()  # before anything has run for this connection
        protocol.data_received(HEAD + b"body")
        await asyncio.sleep(0.05)

        assert transport.written.endswith(b"\r\n\r\nbody")
        assert transport.closed


class Full:
    """Admission control at its limit, which postpones the check of each connection."""

    holds = True
    checks_next = True

    def __init__(self) -> None:
        self.later: list[HttpConnection] = []

    def hold(self, connection: HttpConnection, _: bytes) -> bool:
        self.later.append(connection)
        return True

    def admitted(self, _: object) -> None:
        pass

    def begin(self, handler: "asyncio.Future[None]", _: object) -> None:
        handler.set_result(None)

    def disconnected(self, _: object) -> None:
        pass


async def test_connection_closed_before_its_admission_delays_no_other() -> None:
    """Connections behind it in the queue wait for the same check."""
    async with connected() as (protocol, _):
        assert isinstance(protocol, RequestHandler)
        await asyncio.sleep(0)
        admission = Full()
        setattr(protocol, "_admission", admission)  # noqa: B010 - of what is asked of one
        protocol.data_received(HEAD)
        protocol.close()
        protocol.connection_lost(None)

        assert len(admission.later) == 1
        admission.later[0].begin_held()


async def test_coded_body_is_decoded_no_further_than_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp reads the rest of a body that its handler has left, and decodes it all at once: 200 MB of 200 kB."""
    decoded = []
    feed_data = StreamReader.feed_data

    def count(self: StreamReader, data: bytes, *size: int) -> bool:
        decoded.append(len(data))
        return bool(feed_data(self, data, *size))

    monkeypatch.setattr(StreamReader, "feed_data", count)
    coded = gzip.compress(bytes(100 * 2**20))
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(coded)
    async with connected() as (protocol, transport):
        protocol.data_received(head + coded)
        await asyncio.sleep(0.2)

        assert transport.written.startswith(b"HTTP/1.1 204 ")
        assert b"Connection: close" in transport.written
        assert transport.closed
        assert sum(decoded) < 2**20
