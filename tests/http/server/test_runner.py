"""The end of a server: nobody who keeps connections, or has just made one, is cut off."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web

from service.http.server.listener import ListeningSite
from service.http.server.runner import Runner

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

Listen = Callable[[web.BaseRunner, str, int], web.BaseSite]

OURS = (partial(Runner, head_timeout=5.0), partial(ListeningSite, metrics=None, max_connections=100))


@asynccontextmanager
async def running(kind: Callable[..., web.AppRunner], listen: Listen) -> AsyncIterator[tuple[web.AppRunner, int]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="done")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = kind(app, shutdown_timeout=5.0)
    await runner.setup()
    await listen(runner, "127.0.0.1", 0).start()
    yield runner, runner.addresses[0][1]
    await runner.cleanup()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """The head of an answer."""
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(4) == b"done"
    return head.decode()


async def test_connections_end_with_an_answer_that_says_so() -> None:
    async with running(*OURS) as (runner, port):
        kept = await asyncio.open_connection("127.0.0.1", port)
        assert "Connection: close" not in await _ask(*kept)
        assert isinstance(runner, Runner)

        runner.end_connections()
        fresh = await asyncio.open_connection("127.0.0.1", port)

        for reader, writer in (kept, fresh):
            assert "Connection: close" in await _ask(reader, writer)
            assert await reader.read() == b""
            writer.close()


async def _answer_to_one_who_waits(kind: Callable[..., web.AppRunner], listen: Listen) -> bytes:
    """What somebody is told who has connected when the server has not yet accepted it, and ends."""
    async with running(kind, listen) as (runner, port):
        with socket.create_connection(("127.0.0.1", port)) as waiting:
            waiting.sendall(REQUEST)
            waiting.setblocking(False)
            await runner.cleanup()
            return await asyncio.get_running_loop().sock_recv(waiting, 1024)


async def test_who_waits_to_be_accepted_is_answered() -> None:
    assert (await _answer_to_one_who_waits(*OURS)).endswith(b"done")


async def test_that_these_tests_can_fail() -> None:
    with pytest.raises(ConnectionResetError):
        await _answer_to_one_who_waits(web.AppRunner, web.TCPSite)


async def test_a_connection_without_a_request_does_not_hold_up_the_end() -> None:
    async with running(*OURS) as (runner, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            await runner.cleanup()

        assert await reader.read() == b""
        writer.close()
