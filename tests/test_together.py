"""Questions that wait at the same moment, beyond what tests/test_authentication.py shows of them."""

import asyncio
from collections.abc import Sequence

import pytest

from service.together import Together


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
    together = Together(echo, most=2)

    assert await asyncio.gather(*map(together.ask, "abcde")) == [*"abcde"]
    assert echo.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_those_that_must_be_apart_go_in_turn() -> None:
    echo = Echo()
    together = Together(echo, most=3, apart=lambda question: question[0])

    await asyncio.gather(*map(together.ask, ["a1", "b1", "a2", "a3", "c1", "b2", "d1"]))

    assert echo.batches == [["a1", "b1", "c1"], ["a2", "b2", "d1"], ["a3"]]


async def test_a_failure_is_only_its_batchs() -> None:
    echo = Echo()
    together = Together(echo, most=2)
    asked = [together.ask(question) for question in ("a", "fail", "b")]

    assert await asked[2] == "b"
    for failed in asked[:2]:
        with pytest.raises(ZeroDivisionError):
            await failed


async def test_who_has_left_is_not_asked_for() -> None:
    echo = Echo()
    together = Together(echo, most=5)
    leaving, staying = together.ask("leaving"), together.ask("staying")
    leaving.cancel()

    assert await staying == "staying"
    assert echo.batches == [["staying"]]
