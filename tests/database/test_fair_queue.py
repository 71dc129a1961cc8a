"""The fair queue: in turn, within shares while others are there, and nothing lost by who leaves."""

import asyncio

import pytest

from service.database import fair_queue
from service.database.fair_queue import FairQueue, Presence
from service.telemetry.request_record import Asking

MO, MIA, BOB = Asking("alpha", "mo"), Asking("alpha", "mia"), Asking("beta", "bob")


class Clock:
    """The clock of the queue, which stands until a test turns it: a busy machine lets nobody be forgotten."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    standing = Clock()
    monkeypatch.setattr(fair_queue, "perf_counter", standing)
    return standing


class Served:
    """Those who wait for a place of a queue, and the order in which they got one."""

    def __init__(self, size: int, organization_share: float = 1, token_share: float = 1) -> None:
        self.presence = Presence()
        self.queue = FairQueue(size, self.presence, organization_share, token_share)
        self.order: list[Asking | None] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, *asking: Asking | None) -> None:
        self.tasks += [asyncio.create_task(self._ask(each)) for each in asking]
        await asyncio.sleep(0)

    async def _ask(self, asking: Asking | None) -> None:
        if asking:
            self.presence.note(asking)
        await self.queue.acquire(asking)
        self.order.append(asking)

    async def release(self, *asking: Asking | None) -> None:
        for each in asking:
            self.queue.release(each)
            await asyncio.sleep(0)
            await asyncio.sleep(0)


async def test_places_are_given_in_turn_to_organizations_and_their_tokens() -> None:
    served = Served(1)
    await served.ask(MO)
    await served.ask(MO, MO, MO, MIA, BOB, BOB)

    for _ in range(6):
        await served.release(served.order[-1])

    assert served.order == [MO, MO, BOB, MIA, BOB, MO, MO]


@pytest.mark.parametrize("waiting", [False, True])
async def test_place_that_rests_is_for_others(waiting: bool) -> None:
    served = Served(2, 0.5, 0.5)
    await served.ask(BOB, MO)
    await served.release(BOB)
    if waiting:
        await served.ask(MO)

    served.queue.release_rested(MO, 3_600)
    await served.ask(MO, BOB, None)
    assert served.order == [BOB, MO, BOB, None], "while the share of the one rests"
    await served.release(BOB, None)
    assert MO not in served.order[2:]


async def test_rested_place_is_given_to_its_caller() -> None:
    served = Served(2, 0.5, 0.5)
    await served.ask(BOB, MO, MO)
    await served.release(BOB)

    served.queue.release_rested(MO, 0)

    await asyncio.wait_for(served.tasks[2], timeout=30)
    assert served.order == [BOB, MO, MO]


async def test_place_is_released_at_once_for_a_lone_caller() -> None:
    served = Served(1, 1, 1)
    await served.ask(MO, MO)

    served.queue.release_rested(MO, 60)
    await asyncio.sleep(0)

    assert served.order == [MO, MO]


async def test_shared_statements_come_first() -> None:
    served = Served(1)
    await served.ask(MO, MO, None)

    await served.release(MO)

    assert served.order == [MO, None]


async def test_caller_alone_may_hold_all_places() -> None:
    served = Served(4, 0.5, 0.5)

    await served.ask(MO, MO, MO, MO)

    assert served.order == [MO] * 4


async def test_others_find_a_free_place_at_once() -> None:
    served = Served(4, 0.5)
    await served.ask(BOB, *[MO] * 9)
    assert served.order == [BOB, MO, MO]

    await served.release(BOB)
    await served.ask(BOB)

    assert served.order == [BOB, MO, MO, BOB]


async def test_tokens_of_one_organization_have_shares_too() -> None:
    served = Served(4, 1, 0.5)

    await served.ask(MIA, *[MO] * 9)

    assert served.order == [MIA, MO, MO]


async def test_places_kept_for_others_are_used_once_they_are_gone(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(fair_queue, "RECENT_SECONDS", 0.01)
    served = Served(4, 0.5)
    await served.ask(BOB, *[MO] * 4)
    await served.release(BOB)
    assert served.order == [BOB, MO, MO]

    clock.now += 1
    await asyncio.wait_for(asyncio.gather(*served.tasks), timeout=30)

    assert served.order == [BOB, MO, MO, MO, MO]


async def test_places_are_kept_for_callers_answered_without_one() -> None:
    served = Served(4, 0.5)
    served.presence.note(BOB)

    await served.ask(*[MO] * 4)

    assert served.order == [MO, MO]
    assert served.presence.several_organizations


async def test_cancelled_caller_takes_no_place() -> None:
    served = Served(1)
    await served.ask(MO, MIA, BOB)
    served.tasks[1].cancel()
    await served.release(MO)
    assert served.order == [MO, BOB]

    await served.ask(MIA)
    served.queue.release(BOB)  # gives it to mia, who leaves before she hears of it
    served.tasks[-1].cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert served.queue.free == 1
    assert not served.queue._waiting
