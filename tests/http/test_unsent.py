"""Answers that clients do not take: counted, and closed beyond the budget, the slowest first."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any, Final, cast

import pytest
from aiohttp import ClientSession, web
from aiohttp.web_protocol import RequestHandler

from service.database.fair_queue import Presence
from service.http import unsent as module
from service.http.server.listener import ListeningSite
from service.http.server.runner import Runner
from service.http.unsent import PIECE, PIECES_PER_TURN, PIECES_SHARE, LongResponse, UnsentBudget
from service.telemetry.metrics import RequestMetrics
from service.telemetry.request_record import Asking

LONG: Final = b"0123456789abcdef" * 65_536
"""An answer of a megabyte."""
GET: Final = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving(max_bytes: int) -> AsyncIterator[tuple[UnsentBudget, RequestMetrics, tuple[str, int]]]:
    metrics = RequestMetrics()
    unsent = UnsentBudget(max_bytes, metrics)

    async def long(request: web.Request) -> web.Response:
        return LongResponse(request, unsent, LONG, {"X": "y"})

    async def whole(_: web.Request) -> web.Response:
        return web.Response(body=LONG)

    app = web.Application()
    app.router.add_get("/long", long)
    app.router.add_get("/whole", whole)
    runner = Runner(app, 10, metrics, None, unsent, shutdown_timeout=0.1)
    await runner.setup()
    await ListeningSite(runner, "127.0.0.1", 0, metrics, 1000).start()
    yield unsent, metrics, runner.addresses[0][:2]
    await runner.cleanup()


def unread(address: tuple[str, int], path: bytes) -> socket.socket:
    """Ask, and read nothing; the small buffer leaves the answer where it is."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect(address)
    client.sendall(GET % path)
    return client


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not met():  # noqa: ASYNC110 - of the state of sockets, which tell no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", [b"long", b"whole"])
async def test_unread_answers_are_counted_until_they_are_taken(path: bytes) -> None:
    async with serving(64 * 2**20) as (unsent, metrics, address):
        client = unread(address, path)
        await until(lambda: unsent.bytes > 0)
        assert len(LONG) - 400_000 < unsent.bytes <= len(LONG) + 1_000
        assert len(unsent) == 1
        reader, writer = await asyncio.open_connection(sock=client)
        head = await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(LONG)) == LONG
        assert b"Content-Length: 1048576" in head
        await until(lambda: unsent.bytes == 0)
        writer.write(GET % path)  # the connection goes on
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()
        await until(lambda: len(unsent) == 0)
        assert metrics.failures["unsent"] == 0


@pytest.mark.parametrize("path", [b"long", b"whole"])
async def test_unread_answers_beyond_the_budget_are_closed_and_read_ones_are_not(path: bytes) -> None:
    async with serving(5 * 2**20) as (unsent, metrics, address), ClientSession() as session:
        clients = []
        for number in range(20):
            clients.append(unread(address, path))
            await until(lambda: len(unsent) + metrics.failures["unsent"] > number)  # noqa: B023 - awaited here
            assert unsent.bytes <= 5 * 2**20
            async with session.get(f"http://{address[0]}:{address[1]}/{path.decode()}") as answer:
                assert await answer.read() == LONG
        assert metrics.failures["unsent"] >= 14
        last = clients.pop()
        for client in clients:
            client.close()
        last.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(last, 12) == b"HTTP/1.1 200", "the latest was not closed"
        last.close()


async def test_long_answer_that_is_alone_may_be_larger_than_the_budget() -> None:
    async with serving(2**18) as (unsent, metrics, address):
        with closing(unread(address, b"long")):
            await until(lambda: unsent.bytes > 2**18)
            await asyncio.sleep(0.05)
            assert metrics.failures["unsent"] == 0


async def test_head_of_a_long_answer_has_its_length_and_no_body() -> None:
    async with serving(2**20) as (_, _, address), ClientSession() as session:
        for _ in range(2):
            async with session.head(f"http://{address[0]}:{address[1]}/long") as answer:
                assert (answer.headers["Content-Length"], await answer.read()) == ("1048576", b"")


async def test_long_answers_of_one_organization_take_a_part_of_a_turn_while_others_are_there() -> None:
    presence, mo, bob = Presence(), Asking("alpha", "mo"), Asking("beta", "bob")
    unsent = UnsentBudget(2**20, RequestMetrics(), presence)
    written: list[Asking] = []

    async def write(asking: Asking) -> None:
        await unsent.turns.turn(asking)
        written.append(asking)

    for asking in (mo, bob):
        presence.note(asking)
    async with asyncio.TaskGroup() as tasks:
        for asking in [mo] * 40 + [bob] * 2:
            tasks.create_task(write(asking))

    assert written.index(bob) <= PIECES_PER_TURN * PIECES_SHARE
    assert len(written) == 42


class Connection:
    """A connection whose client takes what it is told to."""

    def __init__(self, unsent: int) -> None:
        self.unsent = unsent
        self.aborted = False
        self.transport = self

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted = True


def test_most_bytes_without_progress_for_longest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    unsent = UnsentBudget(100, RequestMetrics())
    connections = {"large, old": 40, "small, old": 10, "large, old, reads": 40}
    made = {name: Connection(size) for name, size in connections.items()}
    for connection in made.values():
        unsent.paused(cast(RequestHandler, connection))
    now = 10.0
    made["large, old, reads"].unsent = 35
    for name, size in {"large, new": 60, "large, newer": 60}.items():
        made[name] = Connection(size)
        unsent.paused(cast(RequestHandler, made[name]))
        now += 0.1

    left = [name for name, connection in made.items() if not connection.aborted]
    assert (left, unsent.bytes) == (["large, old, reads", "large, newer"], 35 + 60)


async def test_idle_connection_keeps_nothing_of_its_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[LongResponse] = []
    begin = LongResponse.__init__

    def keep(self: LongResponse, *arguments: Any) -> None:
        made.append(self)
        begin(self, *arguments)

    monkeypatch.setattr(LongResponse, "__init__", keep)
    async with serving(2**22) as (_, _, address), ClientSession() as session:
        async with session.get(f"http://{address[0]}:{address[1]}/long") as answer:
            assert len(await answer.read()) == len(LONG)
        assert [response.body for response in made] == [None]


async def test_long_answer_is_written_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cached is not copied for a client, and at most a piece lies in the transport's buffer."""
    written: list[int] = []
    write: Callable[..., Awaitable[None]] = web.Response.write

    async def count(self: web.Response, data: Any) -> None:
        written.append(len(data))
        await write(self, data)

    monkeypatch.setattr(web.Response, "write", count)
    async with serving(2**22) as (unsent, _, address):
        with closing(unread(address, b"long")):
            await until(lambda: unsent.bytes > 0)
            await asyncio.sleep(0.05)
            assert set(written) == {PIECE}
            assert len(written) < len(LONG) // PIECE, "it waits for its client"
