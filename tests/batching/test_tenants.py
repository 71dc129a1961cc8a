"""Batches apart for tenants with much under way."""

import asyncio
from collections.abc import Sequence

import pytest

from service.batching.batcher import Batcher
from service.batching.tenants import FEW, TenantBatchers
from service.database.fair_queue import Presence
from service.telemetry.request_record import Asking


@pytest.mark.parametrize("others", [False, True])
async def test_tenant_with_much_under_way_has_batches_apart_while_others_are_there(others: bool) -> None:
    batches: list[list[str]] = []
    go_on = asyncio.Event()

    async def run(items: Sequence[str]) -> list[str]:
        batches.append([*items])
        if len(batches) > 1 and items[0] == f"a{FEW}":
            await go_on.wait()  # a slow one
        return [*items]

    presence = Presence()
    for organization in "ab" if others else "a":
        presence.note(Asking(organization, organization))
    batchers = TenantBatchers[str, str](lambda: Batcher("test", run, max_size=20), presence)

    flood = [asyncio.create_task(batchers.submit("a", f"a{number}")) for number in range(10)]
    await asyncio.sleep(0.01)
    assert sorted(map(len, batches)) == ([FEW, 10 - FEW] if others else [10])
    if others:
        assert await asyncio.wait_for(batchers.submit("b", "b0"), timeout=1) == "b0", "while the flood's is under way"
    go_on.set()
    assert [await each for each in flood] == [f"a{number}" for number in range(10)]
