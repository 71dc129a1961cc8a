"""Heads of requests: the bytes that one may have, that wait on one connection, and that have come in part."""

import asyncio

import pytest

from service.http.server import heads
from service.http.server.connection import HttpConnection
from tests.http.server.test_connection import HEAD, connected

LINE = b"X: " + b"y" * 8_000 + b"\r\n"
START = b"PUT / HTTP/1.1\r\nHost: x\r\n"
TOO_LONG = b"The header lines are longer than 32,760 bytes together, the most that is taken."


@pytest.mark.parametrize("pieces", [1, 7])
async def test_head_of_too_many_bytes_is_refused_however_it_comes(pieces: int) -> None:
    data = START + 5 * LINE + b"\r\n"
    async with connected() as (protocol, transport):
        for start in range(0, len(data), step := -(-len(data) // pieces)):
            protocol.data_received(data[start : start + step])
        await asyncio.sleep(0.05)

        assert transport.written.startswith(b"HTTP/1.0 431 ")
        assert TOO_LONG in transport.written
        assert transport.closed
        assert isinstance(protocol, HttpConnection)
        assert not protocol._heads.partial
        assert not protocol._heads.bytes


async def test_head_of_as_many_bytes_as_may_be_is_taken() -> None:
    async with connected() as (protocol, transport):
        for _ in range(2):
            protocol.data_received(START + 3 * LINE)
            protocol.data_received(LINE[:6_000] + b"\r\n\r\n")
            await asyncio.sleep(0.05)

        assert transport.written.count(b"HTTP/1.1 204 ") == 2
        assert not transport.closed


async def test_head_without_an_end_is_refused_before_more_of_it_is_kept() -> None:
    async with connected() as (protocol, transport):
        protocol.data_received(START)
        for _ in range(5):
            assert not transport.paused
            protocol.data_received(LINE)
        assert transport.paused
        await asyncio.sleep(0.05)
        assert transport.written.startswith(b"HTTP/1.0 431 ")


async def test_heads_that_wait_behind_a_request_are_bounded_together() -> None:
    async with connected() as (protocol, transport):
        protocol.data_received(HEAD)  # its body is to come
        await asyncio.sleep(0.05)
        protocol.data_received(b"body" + 3 * (START + 2 * LINE + b"\r\n"))
        await asyncio.sleep(0.05)

        assert [part[:3] for part in transport.written.split(b"HTTP/1.")[1:]] == [b"1 2", b"1 2", b"1 2", b"0 4"]
        assert transport.closed


async def test_long_heads_in_part_are_refused_once_all_have_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MAX_PARTIAL_BYTES", 10_000)
    async with connected() as (slow, slow_transport):
        assert isinstance(slow, HttpConnection)
        slow.data_received(START)
        others = [object() for _ in range(3)]
        assert [slow._heads.fits(other, 3_500) for other in others] == [True, True, True]
        slow.data_received(b"A: b\r\n")  # short ones go on
        assert not slow_transport.paused
        assert not slow._heads.fits(others[0], 3_500)
        for other in others:
            slow._heads.forget(other)
        assert slow._heads.bytes == len(START) + len(b"A: b\r\n")
        slow.data_received(b"\r\n")
        await asyncio.sleep(0.05)
        assert slow_transport.written.startswith(b"HTTP/1.1 204 ")
        assert not slow._heads.bytes


async def test_head_in_part_is_forgotten_with_its_connection() -> None:
    async with connected() as (protocol, _):
        assert isinstance(protocol, HttpConnection)
        protocol.data_received(START)
        assert protocol._heads.bytes == len(START)
        protocol.connection_lost(None)
        assert not protocol._heads.bytes
        assert not protocol._heads.partial


async def test_pieces_of_a_body_are_no_head() -> None:
    async with connected() as (protocol, transport):
        protocol.data_received(HEAD.replace(b"4", b"100000"))
        for _ in range(10):
            protocol.data_received(b"x" * 10_000)
        await asyncio.sleep(0.05)

        assert transport.written.startswith(b"HTTP/1.1 200 ")
        assert not transport.closed
