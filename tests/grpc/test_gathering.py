"""Calls begin at once while there are few, and together while there are many."""

import asyncio
from typing import Any, cast

import pytest

from service.grpc.gathering import DECAY, FEW, Gathering
from service.telemetry.metrics import RequestMetrics


class Admission:
    """An admission in which each call has its turn at once."""

    def __init__(self) -> None:
        self.begun: list[Any] = []

    def begin(self, turn: "asyncio.Future[None]", headers: Any) -> None:
        self.begun.append(headers)
        turn.set_result(None)


@pytest.fixture(name="admission")
def _admission() -> Admission:
    return Admission()


@pytest.fixture(name="metrics")
def _metrics() -> RequestMetrics:
    return RequestMetrics()


@pytest.fixture(name="gathering")
def _gathering(admission: Admission, metrics: RequestMetrics) -> Gathering:
    return Gathering(cast("Any", admission), metrics)


async def test_few_calls_begin_at_once(gathering: Gathering, metrics: RequestMetrics) -> None:
    metrics.active_rpcs = FEW

    assert [gathering.begin({}).done() for _ in range(2 * FEW)] == [True] * 2 * FEW


async def test_many_calls_begin_together_but_for_those_whose_clients_have_left(
    gathering: Gathering, admission: Admission, metrics: RequestMetrics
) -> None:
    metrics.active_rpcs = FEW + 1

    turns = [gathering.begin({"x": name}) for name in "abc"]
    assert [turn.done() for turn in turns] == [False] * 3
    turns[1].cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(turns[0], turns[2])

    assert admission.begun == [{"x": "a"}, {"x": "c"}]


async def test_first_calls_after_many_are_gathered_too(gathering: Gathering, metrics: RequestMetrics) -> None:
    metrics.active_rpcs = 2 * FEW
    await gathering.begin({})
    metrics.active_rpcs = 1

    until_few = [gathering.begin({}) for _ in range(2)]
    waiting = [turn.done() for turn in until_few]
    await asyncio.gather(*until_few)
    enough = next(calls for calls in range(1000) if 2 * FEW * DECAY ** (calls + 2) <= FEW)
    later = [gathering.begin({}) for _ in range(enough)]

    assert waiting == [False, False]
    assert later[-1].done()
    await asyncio.gather(*later)
