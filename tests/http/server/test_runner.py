"""Graceful shutdown: neither persistent connections nor those not yet accepted are cut off."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
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
    """Send a request, and return the head of its answer."""
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(4) == b"done"
    return head.decode()


async def test_end_connections_closes_each_with_its_next_answer() -> None:
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
    """Return the answer to a client whose connection was not yet accepted when the server ends."""
    async with running(kind, listen) as (runner, port):
        with socket.create_connection(("127.0.0.1", port)) as waiting:
            waiting.sendall(REQUEST)
            waiting.setblocking(False)
            await runner.cleanup()
            return await asyncio.get_running_loop().sock_recv(waiting, 1024)


async def test_cleanup_answers_a_connection_not_yet_accepted() -> None:
    assert (await _answer_to_one_who_waits(*OURS)).endswith(b"done")


async def test_cleanup_by_aiohttp_alone_resets_a_connection_not_yet_accepted() -> None:
    with pytest.raises(ConnectionResetError):
        await _answer_to_one_who_waits(web.AppRunner, web.TCPSite)


async def test_cleanup_does_not_wait_for_a_connection_without_a_request() -> None:
    async with running(*OURS) as (runner, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            await runner.cleanup()

        assert await reader.read() == b""
        writer.close()


async def _answer_to_what_came_unread(kind: Callable[..., web.AppRunner], listen: Listen) -> bytes:
    """Return the answer to a request on a kept connection that has come, and that the server has not read."""
    async with running(kind, listen) as (runner, port):
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", port)) as kept:
            kept.setblocking(False)
            await loop.sock_sendall(kept, REQUEST)
            assert (await loop.sock_recv(kept, 1024)).endswith(b"done")
            if isinstance(runner, Runner):
                runner.end_connections()
            kept.send(REQUEST)  # without a turn of the loop, as while it was busy with something else
            await runner.cleanup()
            return await loop.sock_recv(kept, 1024)


async def test_cleanup_answers_what_has_come_unread_on_a_kept_connection() -> None:
    answer = await _answer_to_what_came_unread(*OURS)

    assert answer.endswith(b"done")
    assert b"Connection: close" in answer


async def test_cleanup_by_aiohttp_alone_loses_what_has_come_unread() -> None:
    """The control."""
    with suppress(ConnectionResetError):
        assert await _answer_to_what_came_unread(web.AppRunner, web.TCPSite) == b""


async def test_cleanup_closes_idle_connections_a_few_in_a_turn() -> None:
    """However many there are: those that are answered meanwhile take turns with them."""
    async with running(*OURS) as (runner, port):
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        for reader, writer in kept:
            await _ask(reader, writer)
        async with asyncio.timeout(5):
            await runner.cleanup()

        assert [await reader.read() for reader, _ in kept] == [b""] * 20
        for _, writer in kept:
            writer.close()
