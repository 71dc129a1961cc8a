"""The short form of the feed beside writers, within this process and without kills, and its control."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.pool import open_database
from service.health import Health
from service.repositories import audit_feed
from service.settings import Settings
from tests.faults.controls import follow_by_id
from tests.faults.harness.fault import Outcome
from tests.faults.scenarios import feed
from tests.faults.scenarios.feed import Stage

SECONDS = 0.7
"""Seconds of writing before the leaver's access is withdrawn, and once more afterwards."""


class Near(NamedTuple):
    """A replica in this process."""

    api: str


@pytest.fixture(name="replicas")
async def _replicas(service_dsn: str, settings: Settings) -> AsyncIterator[list[Any]]:
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            database = await stack.enter_async_context(open_database(service_dsn, settings))
            app = create_app(settings, database, Health(database, 1))
            client = await stack.enter_async_context(TestClient(TestServer(app)))
            found.append(Near(str(client.make_url("")).rstrip("/")))
        yield found


async def followed(replicas: list[Any], dsn: str, catch_up: float) -> Outcome:
    raw = await asyncpg.connect(dsn)
    stage = await Stage.create(raw, 6)
    await raw.close()
    ended, done = asyncio.Event(), asyncio.Event()
    following = [
        asyncio.create_task(feed.follow(client, replicas, number, done, ended))
        for number, client in enumerate(stage.clients)
    ]
    await feed._until(lambda: all(client.cursor for client in stage.clients))
    writing = [asyncio.create_task(feed.write(stage, dsn, number, ended)) for number in range(feed.WRITERS)]
    await asyncio.sleep(SECONDS)
    allowed = await feed._withdraw(stage, dsn)
    await asyncio.sleep(SECONDS)
    ended.set()
    await asyncio.gather(*writing)
    expected = await feed._committed(dsn, stage)
    await feed._until(lambda: all(feed._has_all(client, expected) for client in stage.clients), catch_up)
    done.set()
    await feed._leave(following)
    return await feed._judge(stage, dsn, allowed, 1)


@pytest.fixture(autouse=True)
def _short_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "STAY", (0.1, 0.6))


async def test_feed_is_complete_in_order_and_by_access(replicas: list[Any], dsn: str) -> None:
    outcome = await followed(replicas, dsn, feed.CATCH_UP)

    assert outcome.violations == ()
    assert " 0 changes" not in outcome.summary


async def test_a_control_that_follows_by_id_is_detected(
    replicas: list[Any], dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_feed, "read_state", follow_by_id.state_by_id)
    monkeypatch.setattr(audit_feed, "read_between", follow_by_id.read_by_id)

    assert (await followed(replicas, dsn, 1)).violations
