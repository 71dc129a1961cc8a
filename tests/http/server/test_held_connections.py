"""Connections under overload: requests held unparsed, new ones without a protocol; refused alike, or begun."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from service.database.fair_queue import Presence, Shares
from service.http.admission import AdmissionController
from service.http.bodies import BodyBudget
from service.http.overload.holding import HELD_PART
from service.http.overload.window import Window
from service.http.responses import Failures
from service.http.server.connection import HttpConnection
from service.http.server.listener import ListeningSite
from service.http.server.runner import Runner
from service.http.server.unopened import _age
from service.http.turns import Turns
from service.telemetry.metrics import RequestMetrics

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

GET = b"GET /api/v1/%s HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n"
POST = b"POST /api/v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
PROBE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Served:
    """A server that has as much under way as it may, until it is told otherwise."""

    metrics: RequestMetrics
    runner: Runner
    bodies: BodyBudget
    calls: list[str] = field(default_factory=list)
    """Paths of the requests that were begun."""
    parsed: list[bytes] = field(default_factory=list)

    @property
    def connections(self) -> int:
        assert self.runner.server is not None
        return len(self.runner.server.connections)

    async def connect(self) -> Streams:
        host, port = self.runner.addresses[0][:2]
        return await asyncio.open_connection(host, port)

    async def kept(self) -> Streams:
        """Return a connection that has had a request."""
        streams = await self.connect()
        assert await ask(streams, PROBE) == [200]
        return streams


@asynccontextmanager
async def serving(monkeypatch: pytest.MonkeyPatch, held_for: float = 60) -> AsyncIterator[Served]:
    """Serve; what is held is refused after so many seconds."""
    metrics, presence = RequestMetrics(), Presence()
    shares, failures = Shares(1, presence, 1, 1), Failures([])
    monkeypatch.setattr(Window, "LATE", -1)  # so that it stays as small as it can be
    bodies, timeout = BodyBudget(2**20), held_for / HELD_PART
    admission = AdmissionController(1000, metrics, failures, None, shares, Turns(presence), timeout, bodies=bodies)
    app = web.Application(middlewares=[admission.middleware])
    served = Served(metrics, Runner(app, 10, metrics, admission, access_log=None, shutdown_timeout=1), bodies)

    async def answer(request: web.Request) -> web.Response:
        served.calls.append(request.path)
        return web.Response(body=await request.read())

    parse = HttpConnection._parse

    def note(self: HttpConnection, data: bytes) -> None:
        served.parsed.append(data)
        parse(self, data)

    monkeypatch.setattr(HttpConnection, "_parse", note)
    app.router.add_route("*", "/{path:.*}", answer)
    await served.runner.setup()
    await ListeningSite(served.runner, "127.0.0.1", 0, metrics, 1000).start()
    metrics.active = Window.MIN
    try:
        yield served
    finally:
        await served.runner.cleanup()


async def ask(streams: Streams, *data: bytes) -> list[int]:
    """Send requests, each once the one before is answered, and return the statuses."""
    reader, writer = streams
    statuses = []
    for each in data:
        writer.write(each)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        statuses.append(int(head.split()[1]))
        if statuses[-1] == 503:
            assert b"\r\nRetry-After: 1\r\n" in head
            assert b"\r\nX-Request-Id: " in head
    return statuses


async def settle() -> None:
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "new"])
@pytest.mark.parametrize("request_", [GET % b"x", POST], ids=["get", "post"])
async def test_late_request_is_refused_and_its_connection_kept(
    monkeypatch: pytest.MonkeyPatch, request_: bytes, kept: bool
) -> None:
    async with serving(monkeypatch, held_for=0.01) as served:
        streams = await (served.kept() if kept else served.connect())

        assert await ask(streams, request_, request_) == [503, 503]
        served.metrics.active = 0
        assert await ask(streams, request_) == [200]
        assert served.metrics.failures["overloaded"] == 2
        streams[1].close()


async def test_late_request_whose_body_still_comes_is_refused_by_its_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch, held_for=0.01) as served:
        streams = await served.kept()
        answer = asyncio.create_task(ask(streams, POST[:-2]))
        while not served.parsed[-1].startswith(POST[:-2]):
            await settle()
        served.metrics.active = 0

        assert await answer == [503]
        streams[1].close()


async def test_new_connection_is_reset_where_more_of_its_token_wait_than_will_be_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.http.overload.holding.MAX_WAITING", 1)
    monkeypatch.setattr("service.http.overload.holding.MAX_REFUSING_SECONDS", 0)
    async with serving(monkeypatch, held_for=0.01) as served:
        clients = [await served.connect() for _ in range(2)]
        clients[0][1].write(GET % b"late")
        await settle()
        monkeypatch.setattr("service.http.overload.holding.FRESH_SECONDS", 60)
        clients.append(await served.connect())
        for (reader, writer), expected in zip((clients[1], clients[2]), (None, ConnectionResetError), strict=True):
            writer.write(GET % b"x")
            await settle()
            if expected is not None:
                with pytest.raises(expected):
                    await reader.read()
        for _, writer in clients:
            writer.close()


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "new"])
async def test_requests_that_are_held_are_begun(monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    async with serving(monkeypatch) as served:
        clients: Sequence[Streams] = [await (served.kept() if kept else served.connect()) for _ in range(3)]
        answers = []
        for number, streams in enumerate(clients):
            answers.append(asyncio.create_task(ask(streams, GET % b"%d" % number)))
            await settle()
        served.calls.clear()

        served.metrics.active = 0

        assert await asyncio.gather(*answers) == [[200]] * 3
        assert sorted(served.calls) == ["/api/v1/0", "/api/v1/1", "/api/v1/2"]
        for _, writer in clients:
            writer.close()


async def test_request_does_not_wait_for_those_whose_bodies_still_come(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as served:
        streams = await served.kept()

        with served.bodies.awaiting():
            assert await ask(streams, GET % b"x") == [200]

        assert served.metrics.active == Window.MIN
        streams[1].close()


async def test_new_connection_is_late_by_when_its_request_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.http.server.unopened._age", lambda _: 3600)
    async with serving(monkeypatch) as served:
        streams = await served.connect()

        assert await ask(streams, GET % b"x") == [503]
        streams[1].close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
async def test_age_of_a_request_is_what_the_system_tells() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listening.getsockname())
    accepted, _ = listening.accept()
    client.send(b"GET")
    await asyncio.sleep(0.3)

    assert 0.25 < _age(accepted) < 30
    for each in (accepted, client, listening):
        each.close()
    assert _age(accepted) == 0


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "new"])
async def test_request_whose_client_has_given_up_is_not_begun(monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    async with serving(monkeypatch) as served:
        _, writer = await (served.kept() if kept else served.connect())
        writer.write(GET % b"left")
        await settle()
        writer.close()
        await settle()
        served.calls.clear()

        served.metrics.active = 0
        await settle()

        assert (served.calls, served.connections) == ([], 0)


async def test_request_that_comes_before_the_handler_has_come_back_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as served:
        reader, writer = await served.kept()
        assert served.runner.server is not None
        (connection,) = served.runner.server.connections
        assert isinstance(connection, HttpConnection)
        waiter, connection._waiter = connection._waiter, None

        connection.data_received(GET % b"x")

        connection._waiter = waiter
        assert not connection.left
        served.metrics.active = 0
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()


async def test_request_that_is_held_may_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as served:
        streams = await served.kept()
        answer = asyncio.create_task(ask(streams, POST[:-2]))
        for piece in (b"d", b"y"):
            await settle()
            streams[1].write(piece)
        await settle()

        served.metrics.active = 0

        assert await answer == [200]
        streams[1].close()


async def test_client_that_sends_nothing_gets_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as served:
        _, writer = await served.connect()
        await settle()
        assert served.connections == 0

        await asyncio.sleep(0.2)

        assert served.connections == 1
        writer.close()


async def test_probe_is_never_held(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as served:
        kept = await served.kept()
        held = await served.connect()
        held[1].write(GET % b"x")
        await settle()

        assert await ask(kept, PROBE) == [200]
        for _, writer in (kept, held):
            writer.close()


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "new"])
async def test_request_that_is_held_is_answered_when_the_server_ends(
    monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    async with serving(monkeypatch) as served:
        streams = await (served.kept() if kept else served.connect())
        answer = asyncio.create_task(ask(streams, GET % b"x"))
        await settle()

        await asyncio.wait_for(served.runner.cleanup(), 10)

        assert await answer == [200]
        streams[1].close()
