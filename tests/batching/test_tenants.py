"""Batches apart for tenants with much under way."""

import asyncio
from collections.abc import Sequence

import pytest

from service.batching import tenants
from service.batching.batcher import Batcher
from service.batching.tenants import MANY, TenantBatchers
from service.database.fair_queue import Presence
from service.telemetry.request_record import Asking


@pytest.mark.parametrize("others", [False, True])
async def test_busy_tenant_has_batches_apart_while_others_are_there(others: bool) -> None:
    batches: list[list[str]] = []
    go_on = asyncio.Event()

    async def run(items: Sequence[str]) -> list[str]:
        batches.append([*items])
        if f"a{MANY - 1}" in items:
            await go_on.wait()  # a slow one
        return [*items]

    presence = Presence()
    for organization in "ab" if others else "a":
        presence.note(Asking(organization, organization))
    batchers = TenantBatchers[str, str](lambda size: Batcher("test", run, max_size=size), presence, 2 * MANY)

    flood = [batchers.submit("a", f"a{number}") for number in range(MANY + 2)]
    await asyncio.sleep(0.01)
    assert ([f"a{number}" for number in range(MANY - 1, MANY + 2)] in batches) == others
    if others:
        assert await asyncio.wait_for(batchers.submit("b", "b0"), timeout=1) == "b0", "while the flood's is under way"
    go_on.set()
    assert [await each for each in flood] == [f"a{number}" for number in range(MANY + 2)]


async def test_batches_of_a_busy_tenant_are_small_while_others_are_there() -> None:
    sizes: list[int] = []

    async def run(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        await asyncio.sleep(0)
        return [*items]

    presence = Presence()
    for organization in "ab":
        presence.note(Asking(organization, organization))
    batchers = TenantBatchers[int, int](lambda size: Batcher("test", run, max_size=size), presence, 2 * MANY, 4)

    asked = [batchers.submit("a", number) for number in range(3 * MANY)]

    assert [await each for each in asked] == [*range(3 * MANY)]
    assert sizes.count(4) >= 2 * MANY / 4, "of all that came once it was busy"


@pytest.mark.parametrize("others", [False, True])
async def test_tenant_whose_items_take_long_has_batches_apart_while_others_are_there(others: bool) -> None:
    batches: list[list[str]] = []
    go_on = asyncio.Event()

    async def run(items: Sequence[str]) -> list[str]:
        batches.append([*items])
        if "a1" in items:
            await go_on.wait()
        return [*items]

    presence = Presence()
    for organization in "ab" if others else "a":
        presence.note(Asking(organization, organization))
    batchers = TenantBatchers[str, str](lambda size: Batcher("test", run, max_size=size), presence, 2 * MANY)

    assert await batchers.submit("a", "a0") == "a0"
    batchers.keep_apart("a")
    slow = asyncio.ensure_future(batchers.submit("a", "a1"))
    await asyncio.sleep(0.01)
    other = asyncio.ensure_future(batchers.submit("b", "b0"))
    await asyncio.sleep(0.01)
    assert other.done() == others
    go_on.set()
    assert (await slow, await other) == ("a1", "b0")
    assert batchers.batcher.patient


async def test_tenants_that_are_kept_apart_are_forgotten_beyond_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenants, "MAX_HEAVY", 2)

    async def run(items: Sequence[str]) -> list[str]:
        return [*items]

    batchers = TenantBatchers[str, str](lambda size: Batcher("test", run, max_size=size), Presence(), MANY)
    for tenant in "abc":
        batchers.keep_apart(tenant)
        await batchers.submit(tenant, tenant)
    await batchers.submit("a", "a")

    assert batchers._heavy_tenants == {"c"}
    assert "a" not in batchers._busy_tenants
