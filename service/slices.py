"""Work on many items in slices, between which the event loop goes on with everything else."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

SLICE: Final = 1000
"""Items that are worked on at once: some take 5 µs each, and so all of them a few milliseconds."""


async def in_slices(work: Callable[[list[Item]], Iterable[Made]], items: list[Item]) -> list[Made]:
    """Return what some work makes of items, of which it is given one slice after the other."""
    if len(items) <= SLICE:
        return [*work(items)]
    made: list[Made] = []
    for start in range(0, len(items), SLICE):
        made += work(items[start : start + SLICE])
        await asyncio.sleep(0)
    return made
