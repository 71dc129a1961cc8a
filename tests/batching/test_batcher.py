"""Batches of concurrent items, beyond the cases in tests/authentication/test_bearer.py."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest

from service.batching.batcher import WARY, Batcher
from service.telemetry.request_record import RequestRecord, current_record


class Echo:
    """A batch function that returns each item, records the batches, and raises for the item "fail"."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def __call__(self, questions: Sequence[str]) -> list[str]:
        self.batches.append([*questions])
        await asyncio.sleep(0)
        if "fail" in questions:
            raise ZeroDivisionError
        return [*questions]


async def test_batcher_limits_the_batch_size() -> None:
    echo = Echo()
    batcher = Batcher("test", echo, max_size=2)

    assert await asyncio.gather(*map(batcher.submit, "abcde")) == [*"abcde"]
    assert echo.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_batcher_makes_batches_equally_large() -> None:
    echo = Echo()
    batcher = Batcher("test", echo, max_size=500)
    asking = [asyncio.ensure_future(_ask_again_and_again(batcher, times=8))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the second batch is under way: the other items wait for the next
    asking += [asyncio.ensure_future(_ask_again_and_again(batcher, times=8)) for _ in range(99)]
    await asyncio.gather(*asking)

    sizes = [len(batch) for batch in echo.batches]
    assert sizes[:3] == [1, 1, 50]
    assert all(abs(one - next_one) <= 1 for one, next_one in pairwise(sizes[3:9]))


async def _ask_again_and_again(batcher: Batcher[str, str], times: int) -> None:
    for _ in range(times):
        await batcher.submit("a")


async def test_batcher_conflicting_items_go_into_separate_batches() -> None:
    echo = Echo()
    batcher = Batcher("test", echo, max_size=3, conflict_key=lambda question: question[0])

    await asyncio.gather(*map(batcher.submit, ["a1", "b1", "a2", "a3", "c1", "b2", "d1"]))

    assert echo.batches == [["a1", "b1", "c1"], ["a2", "b2", "d1"], ["a3"]]


async def test_batcher_failure_reaches_only_its_batch() -> None:
    echo = Echo()
    batcher = Batcher("test", echo, max_size=2)
    asked = [batcher.submit(question) for question in ("a", "fail", "b")]

    assert await asked[2] == "b"
    for failed in asked[:2]:
        with pytest.raises(ZeroDivisionError):
            await failed


async def test_batcher_leaves_out_a_cancelled_item() -> None:
    echo = Echo()
    batcher = Batcher("test", echo, max_size=5)
    leaving, staying = (asyncio.ensure_future(batcher.submit(item)) for item in ("leaving", "staying"))
    leaving.cancel()

    assert await staying == "staying"
    assert echo.batches == [["staying"]]


async def test_batcher_limits_what_a_batch_weighs() -> None:
    """The first one that waits goes in any case, and what is light goes beside it."""
    echo = Echo()
    batcher = Batcher("test", echo, max_size=10, weight=len, max_weight=4)

    await asyncio.gather(*map(batcher.submit, ["aaa", "bb", "c", "dddddd", "e", "ff"]))

    assert echo.batches == [["aaa", "c"], ["bb", "e"], ["dddddd"], ["ff"]]


async def test_batcher_conflicting_items_that_are_heavy() -> None:
    echo = Echo()
    batcher = Batcher("test", echo, max_size=10, weight=len, max_weight=5, conflict_key=lambda question: question[0])

    await asyncio.gather(*map(batcher.submit, ["aa", "a", "bbbb", "cc"]))

    assert echo.batches == [["aa", "cc"], ["a", "bbbb"]]


class Held:
    """A batch function that is held at an item "held", and records in which task each batch runs, and for whom."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.tasks: list[asyncio.Task[object] | None] = []
        self.records: list[RequestRecord | None] = []
        self.go_on = asyncio.Event()

    async def __call__(self, items: Sequence[str]) -> list[str]:
        self.batches.append([*items])
        self.tasks.append(asyncio.current_task())
        self.records.append(current_record.get())
        if "held" in items:
            await self.go_on.wait()
        return [*items]


async def test_batcher_runs_an_item_in_its_callers_task_once_one_was_alone() -> None:
    held = Held()
    batcher = Batcher("test", held, max_size=5)
    record = RequestRecord("r")
    context = current_record.set(record)
    try:
        for item in "abc":
            assert await batcher.submit(item) == item
            assert current_record.get() is record
    finally:
        current_record.reset(context)

    assert held.tasks[0] is not held.tasks[1] is held.tasks[2] is asyncio.current_task()
    assert held.records == [None] * 3, "what a batch does is of no request"
    assert record.statements == 0


async def test_batcher_runs_what_comes_while_one_item_is_alone_in_the_next_batch() -> None:
    held = Held()
    batcher = Batcher("test", held, max_size=5)
    await batcher.submit("a")
    asked = [asyncio.ensure_future(batcher.submit(item)) for item in ("held", "b", "c")]
    await asyncio.sleep(0)
    assert held.batches == [["a"], ["held"]]
    held.go_on.set()

    assert await asyncio.gather(*asked) == ["held", "b", "c"]
    assert held.batches == [["a"], ["held"], ["b", "c"]]


async def test_batcher_goes_on_after_the_caller_of_an_item_that_was_alone_has_left() -> None:
    held, ended = Held(), list[str]()
    batcher = Batcher("test", held, max_size=5)
    batcher.on_done = lambda tenants: ended.extend(map(str, tenants))
    await batcher.submit("a", "first")
    leaving, staying = (asyncio.ensure_future(batcher.submit(item, item)) for item in ("held", "staying"))
    await asyncio.sleep(0)
    leaving.cancel()

    assert await staying == "staying"
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await batcher.submit("b", "last") == "b"
    assert held.batches == [["a"], ["held"], ["staying"], ["b"]]
    assert ended == ["first", "held", "staying", "last"]


async def test_batcher_lets_no_item_go_alone_for_long_after_a_caller_of_one_has_left() -> None:
    held = Held()
    batcher = Batcher("test", held, max_size=5)
    await batcher.submit("a")
    leaving = asyncio.ensure_future(batcher.submit("held"))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    for _ in range(WARY + 1):
        await batcher.submit("b")

    own = asyncio.current_task()
    assert [task is own for task in held.tasks[2:]] == [False] * WARY + [True]
