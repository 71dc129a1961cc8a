"""Reasons why a process is not ready, told apart for the operator who must act on them."""

import asyncio
from dataclasses import replace

from service.database.pool import Database, open_database
from service.health import Health
from service.settings import Settings

TIMEOUT = 0.2


async def test_health_with_a_busy_pool_is_ready(service_dsn: str, settings: Settings) -> None:
    single = replace(settings, database_pool_size=1)
    async with open_database(service_dsn, single) as database, open_database(service_dsn, single, database) as probed:
        health = Health(probed, TIMEOUT)
        busy = asyncio.create_task(_sleep(database, 1))
        await asyncio.sleep(0)

        assert await health.reasons() == []
        assert health.database_up
        await busy


async def test_health_with_a_silent_database_is_not_ready(service_dsn: str, settings: Settings) -> None:
    async with open_database(service_dsn, replace(settings, database_pool_size=1)) as database:
        health = Health(database, TIMEOUT)
        asked_first = asyncio.create_task(_sleep(database, 1))
        await asyncio.sleep(0)

        assert await health.reasons() == ["The database did not answer within 0.2 s."]
        assert not health.database_up
        await asked_first


async def _sleep(database: Database, seconds: float) -> None:
    async with database.connection() as connection:
        await connection.fetch_row("test", "SELECT pg_sleep($1)", seconds)
