"""Replacements of all workers where signals come more often than these take."""

import asyncio

from service.workers.parent import Reloads


class Replacing:
    """Replacements that take until they are let go on."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> None:
        self.begun += 1
        await self.may_end.wait()


async def turns(number: int = 10) -> None:
    """Let what is ready go on."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_storm_of_signals_has_workers_replaced_once_more_at_most() -> None:
    replacing = Replacing()
    reloads = Reloads(replacing)
    for _ in range(100):
        reloads.begin()
        await turns()
    assert replacing.begun == 1

    replacing.may_end.set()
    await turns()
    assert replacing.begun == 2

    reloads.begin()
    await turns()
    assert replacing.begun == 3


async def test_ended_reloads_give_up_what_waits_and_begin_no_more() -> None:
    replacing = Replacing()
    reloads = Reloads(replacing)
    for _ in range(3):
        reloads.begin()
    await turns()
    reloads.end()
    reloads.begin()
    replacing.may_end.set()
    await turns()

    assert replacing.begun == 1
