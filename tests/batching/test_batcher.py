"""Questions that wait at the same moment, beyond what tests/test_authentication.py shows of them."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest

from service.batching.batcher import Batcher


class Echo:
    """Answers each question by itself, in batches that it keeps; one of them it can't answer."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def __call__(self, questions: Sequence[str]) -> list[str]:
        self.batches.append([*questions])
        await asyncio.sleep(0)
        if "fail" in questions:
            raise ZeroDivisionError
        return [*questions]


async def test_a_batch_has_a_limit() -> None:
    echo = Echo()
    batcher = Batcher("test", echo, max_size=2)

    assert await asyncio.gather(*map(batcher.submit, "abcde")) == [*"abcde"]
    assert echo.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_batches_become_equally_large() -> None:
    echo = Echo()
    batcher = Batcher("test", echo, max_size=500)
    asking = [asyncio.ensure_future(_ask_again_and_again(batcher, times=8))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the first is being answered: the others will be those who wait
    asking += [asyncio.ensure_future(_ask_again_and_again(batcher, times=8)) for _ in range(99)]
    await asyncio.gather(*asking)

    sizes = [len(batch) for batch in echo.batches]
    assert sizes[:2] == [1, 50]
    assert all(abs(one - next_one) <= 1 for one, next_one in pairwise(sizes[2:8]))


async def _ask_again_and_again(batcher: Batcher[str, str], times: int) -> None:
    for _ in range(times):
        await batcher.submit("a")


async def test_those_that_must_be_apart_go_in_turn() -> None:
    echo = Echo()
    batcher = Batcher("test", echo, max_size=3, conflict_key=lambda question: question[0])

    await asyncio.gather(*map(batcher.submit, ["a1", "b1", "a2", "a3", "c1", "b2", "d1"]))

    assert echo.batches == [["a1", "b1", "c1"], ["a2", "b2", "d1"], ["a3"]]


async def test_a_failure_is_only_its_batchs() -> None:
    echo = Echo()
    batcher = Batcher("test", echo, max_size=2)
    asked = [batcher.submit(question) for question in ("a", "fail", "b")]

    assert await asked[2] == "b"
    for failed in asked[:2]:
        with pytest.raises(ZeroDivisionError):
            await failed


async def test_who_has_left_is_not_asked_for() -> None:
    echo = Echo()
    batcher = Batcher("test", echo, max_size=5)
    leaving, staying = batcher.submit("leaving"), batcher.submit("staying")
    leaving.cancel()

    assert await staying == "staying"
    assert echo.batches == [["staying"]]
