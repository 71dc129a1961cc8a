"""Pages of the trail are cut by bytes, without making text of all the states that might have stood on them."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.database.pool import Connection
from service.repositories import audit, audit_feed
from service.repositories.ordering import Span
from tests.factories import World
from tests.plans.recording import Recorder

ENTRIES = 200
"""Entries of 80 kB."""
BLOCKS = 1_000
"""Blocks that a page may touch; where text was made of all states, these were 1,613 and 3,216."""
FILL = """
    INSERT INTO audit (organization_id, actor_id, actor, action, target, before, after)
    SELECT $1, $2, 'ada', 'job.update_pipelines', 'job:' || n, s.state, s.state
    FROM generate_series(1, $3) n
    CROSS JOIN LATERAL (
        SELECT jsonb_build_object('pipeline_ids', array_agg(u.id)) AS state
        FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 1000) WHERE n > 0) u
    ) s
"""


async def page(connection: Connection, world: World) -> int:
    rows = await audit.page(
        connection,
        world.id,
        actor=None,
        action=None,
        target=None,
        since=None,
        until=None,
        span=Span(audit.ORDERS.find(None), None, 1000),
    )
    return len(rows.items)


async def page_of_the_feed(connection: Connection, world: World) -> int:
    state = await audit_feed.read_state(connection, world.id, None)
    read, more = await audit_feed.read_from_beginning(connection, world.id, target=state.snapshot, after=0)
    assert more
    return len(read)


@pytest.mark.parametrize("read", [page, page_of_the_feed])
async def test_page_of_large_entries_touches_few_of_those_behind_it(
    world: World, read: Callable[[Connection, World], Awaitable[int]]
) -> None:
    ada = await world.user("ada")
    await world.raw.execute(FILL, world.id, ada.id, ENTRIES)
    recorder = Recorder(world.raw)

    assert 10 <= await read(recorder, world) <= 14

    statement = recorder.sent[-1]
    explained = await world.raw.fetchval(
        f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement.text}", *statement.arguments
    )
    plan: dict[str, Any] = json.loads(explained)[0]["Plan"]
    assert 0 < plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < BLOCKS
