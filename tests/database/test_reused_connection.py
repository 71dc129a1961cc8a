"""Connections that batchers keep between batches: until their release, an error, or others wait for one."""

import asyncio
from typing import Any

import pytest

from service.database import spares
from service.database.pool import Database
from service.database.reused_connection import ReusedConnection
from service.errors import DeadlineExceeded

Raw = Any


async def backend(reused: ReusedConnection) -> int:
    async with reused as connection:
        row = await connection.fetch_one("test", "SELECT pg_backend_pid()")
    return int(row[0])


async def answer(database: Database) -> object:
    async with database.connection() as connection:
        return (await connection.fetch_one("test", "SELECT 1"))[0]


async def test_reused_connection_stays_checked_out_until_its_release(single: Database) -> None:
    reused = ReusedConnection(single)
    for _ in range(2):
        async with reused as connection:
            await connection.execute("test", "SELECT 1")
        assert single.pool_size().used == 1

    await reused.release()
    await reused.release()  # of nothing

    assert single.pool_size().used == 0


async def test_reused_connection_is_released_while_others_wait(single: Database) -> None:
    reused = ReusedConnection(single)
    async with reused:
        waiting = asyncio.create_task(answer(single))
        await asyncio.sleep(0.05)
        assert not waiting.done()

    assert await waiting == 1


async def test_reused_connection_expires_with_the_others(database: Database) -> None:
    reused = ReusedConnection(database)
    async with reused as connection:
        before = await connection.fetch_row("test", "SELECT pg_backend_pid()")
    await database.expire()
    async with reused as connection:
        after = await connection.fetch_row("test", "SELECT pg_backend_pid()")
    await reused.release()

    assert before != after


async def test_reused_connection_that_the_server_ended_is_replaced(single: Database, raw: Raw) -> None:
    reused = ReusedConnection(single)
    async with reused as connection:
        row = await connection.fetch_row("test", "SELECT pg_backend_pid()")
    assert row is not None
    await raw.execute("SELECT pg_terminate_backend($1)", row[0])
    await asyncio.sleep(0.1)

    async with reused as connection:
        assert await connection.fetch_row("test", "SELECT 1")
    await reused.release()


async def test_reused_connection_that_fails_is_replaced(single: Database) -> None:
    reused = ReusedConnection(single)
    with pytest.raises(DeadlineExceeded):
        async with reused as connection:
            await connection.execute("test", "SELECT pg_sleep(5)")

    async with reused as connection:
        row = await connection.fetch_row("test", "SELECT 1")
    await reused.release()
    assert row is not None
    assert row[0] == 1


async def test_spare_connection_counts_as_idle_and_is_used_again_without_a_checkout(single: Database) -> None:
    reused = ReusedConnection(single)
    first = await backend(reused)
    await reused.rest()
    assert single.pool_size().used == 0

    checkouts = sum(single.waits.counts)
    assert await backend(reused) == first
    assert sum(single.waits.counts) == checkouts
    await reused.release()


async def test_spare_connection_is_given_to_others_that_need_one(single: Database) -> None:
    reused = ReusedConnection(single)
    await backend(reused)
    await reused.rest()

    assert await asyncio.wait_for(answer(single), timeout=1) == 1
    assert await backend(reused)
    await reused.release()


async def test_spare_connection_is_given_up_in_the_end(single: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "SPARE_SECONDS", 0.05)
    reused = ReusedConnection(single)
    await backend(reused)
    await reused.rest()
    await asyncio.sleep(0.3)

    assert single._pool.get_idle_size() == 1
    assert not single.spares


async def test_spare_connection_expires_at_once_with_the_idle_ones(single: Database, raw: Raw) -> None:
    reused = ReusedConnection(single)
    before = await backend(reused)
    await reused.rest()

    await single.expire()

    for _ in range(100):
        if not await raw.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", before):
            break
        await asyncio.sleep(0.02)
    assert not await raw.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", before)
    assert await backend(reused) != before
    await reused.release()
