"""The timelines of the database: noted once, by the database itself, and what they say of places in the feed."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.audit import timelines
from service.audit.timelines import Timelines, carry_over
from service.database.pool import Connection, Database, open_database
from service.errors import Unavailable
from service.repositories import audit_feed, audit_timelines
from service.repositories.audit_epochs import Epoch
from service.repositories.audit_feed import BEGINNING, FeedState
from service.settings import Settings
from service.values.ids import NO_ID
from tests.factories import World

SYSTEM = 2**64 - 77
"""A cluster that is none, with an identifier as large as they may be."""
THEN = Epoch(SYSTEM, 1, 2, timeline=3, position=900, reach=1_000)
NOW = THEN._replace(timeline=5, position=5_000, reach=5_000)


def state_at(epoch: Epoch) -> FeedState:
    """Return the state of an empty feed."""
    return FeedState(epoch, BEGINNING, None, None)


async def test_timeline_is_noted_once_by_the_services_role_that_may_not_write_it(
    database: Database, world: World
) -> None:
    for _ in range(2):
        async with database.connection() as connection:
            await audit_timelines.note(connection)
            state = await audit_feed.read_state(connection, NO_ID)
    rows = await world.raw.fetch("SELECT timeline, begins FROM timelines WHERE system <> -77")
    async with database.connection() as connection:
        may = await connection.fetch_one(
            "privileges", "SELECT has_table_privilege('timelines', 'INSERT, UPDATE, DELETE, TRUNCATE') AS may"
        )

    assert [tuple(row) for row in rows] == [(state.epoch.timeline, None)], "it began with initdb"
    assert not may["may"]


@pytest.mark.parametrize(
    ("noted", "then", "begins"),
    [
        ({3: None, 4: 2_000, 5: 3_000}, THEN, 2_000),
        ({3: 500, 4: 2_000, 5: 3_000}, THEN, 2_000),
        ({3: None, 4: 1_000, 5: 3_000}, THEN, 1_000),
        ({3: None, 4: 999, 5: 3_000}, THEN, None),
        ({3: None, 4: 3_000, 5: 999}, THEN, None),
        ({3: None, 4: None, 5: 3_000}, THEN, None),
        ({3: None, 4: 2_000, 5: None}, THEN, None),
        ({3: None, 5: 3_000}, THEN, None),
        ({4: 2_000, 5: 3_000}, THEN, None),
        ({}, THEN, None),
        ({}, NOW, NOW.reach),
        ({}, NOW._replace(reach=2**80), 2**80),
        ({}, NOW._replace(position=5_001), None),
        ({6: 9_000}, NOW._replace(timeline=6), None),
        ({3: None, 4: 2_000, 5: 3_000}, THEN._replace(database=9), None),
        ({3: None, 4: 2_000, 5: 3_000}, THEN._replace(table=9), None),
        ({3: None, 4: 2_000, 5: 3_000}, THEN._replace(system=9), None),
    ],
)
async def test_place_is_carried_over_if_all_that_it_has_seen_was_replayed(
    world: World, noted: dict[int, int | None], then: Epoch, begins: int | None
) -> None:
    transaction = world.raw.transaction()
    await transaction.start()
    for timeline, begin in noted.items():
        await world.raw.execute(
            "INSERT INTO timelines (system, timeline, begins) VALUES (-77, $1, '0/0'::pg_lsn + $2::numeric)",
            timeline,
            begin,
        )
    carried = await carry_over(Connection(world.raw), then, state_at(NOW))
    await transaction.rollback()

    assert (carried.reach if carried else None) == begins
    assert carried is None or carried == then or carried == NOW._replace(position=begins or 0, reach=begins or 0)


async def test_place_of_a_server_that_does_not_tell_its_cluster_is_not_carried_over(world: World) -> None:
    connection = Connection(world.raw)

    now = NOW._replace(system=0)

    assert await carry_over(connection, THEN._replace(system=0), state_at(now)) is None
    assert await carry_over(connection, now, state_at(now)) is not None


async def test_place_of_a_history_that_the_database_does_not_hold_is_not_carried_over(world: World) -> None:
    connection = Connection(world.raw)

    assert await carry_over(connection, NOW, state_at(NOW)) == NOW
    assert await carry_over(connection, NOW, state_at(NOW)._replace(holds=False)) is None


async def test_database_that_is_not_migrated_yet_is_no_fault(empty_dsn: str, settings: Settings) -> None:
    """The first run serves before it has migrated, and readiness tells that."""
    with capture_logs() as lines:
        async with open_database(empty_dsn, settings) as database:
            noting = asyncio.create_task(Timelines(database).note_forever())
            await asyncio.sleep(0.3)
            noting.cancel()
            with suppress(asyncio.CancelledError):
                await noting

    assert [line for line in lines if line["event"] == "timeline_not_noted"] == []


async def test_timeline_is_noted_at_once_and_whenever_the_history_may_be_another(
    service_dsn: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a database of its own object: others' tasks look at theirs."""
    monkeypatch.setattr(timelines, "RETRY", 0.001)
    outcomes: list[Exception | None] = [Unavailable("away"), RuntimeError("a fault"), None, None]
    noted, called = asyncio.Event(), 0

    async def note(_: Any) -> None:
        nonlocal called
        called += 1
        if error := outcomes.pop(0):
            raise error
        noted.set()

    monkeypatch.setattr(audit_timelines, "note", note)
    async with open_database(service_dsn, settings) as database:
        noting = asyncio.create_task(Timelines(database).note_forever())
        await asyncio.wait_for(noted.wait(), 5)
        await asyncio.sleep(0.05)
        assert called == 3
        noted.clear()
        database.forget()
        await asyncio.wait_for(noted.wait(), 5)
        noting.cancel()
        with suppress(asyncio.CancelledError):
            await noting

    assert called == 4
