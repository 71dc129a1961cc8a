"""Reads that no cache answers are made in turn, and the turns of large ones rest, while others are there."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.database.fair_queue import Presence, Shares
from service.operations import read_turns
from service.operations.read_turns import LARGE, MAX_READS, OF_ORGANIZATION, ReadTurns
from service.telemetry.request_record import Asking

ONE, SAME_TOKEN_AGAIN = Asking("one", "token 1"), Asking("one", "token 1")
ONES_SECOND, ONES_THIRD = Asking("one", "token 2"), Asking("one", "token 3")
OTHER = Asking("other", "token of the other")


def presence_of(*asking: Asking) -> Presence:
    presence = Presence()
    for each in asking:
        presence.note(each)
    return presence


async def begins(turns: ReadTurns, asking: Asking, stack: AsyncExitStack, under_way: Shares | None = None) -> bool:
    """Return whether a read begins at once; it goes on until the stack is closed."""
    entering = asyncio.ensure_future(stack.enter_async_context(turns.turn(asking, under_way)))
    for _ in range(5):
        await asyncio.sleep(0)
    if not entering.done():
        entering.cancel()
        await asyncio.gather(entering, return_exceptions=True)
        return False
    return True


async def test_callers_with_a_read_wait_while_others_are_there() -> None:
    turns = ReadTurns(presence_of(ONE, OTHER))
    async with AsyncExitStack() as stack:
        assert await begins(turns, ONE, stack)
        assert not await begins(turns, SAME_TOKEN_AGAIN, stack), "a token has one at once"
        assert await begins(turns, ONES_SECOND, stack)
        assert OF_ORGANIZATION == 2
        assert not await begins(turns, ONES_THIRD, stack)
        assert await begins(turns, OTHER, stack)

    async with AsyncExitStack() as stack:
        assert await begins(turns, ONE, stack), "its place is given back"


async def test_caller_alone_has_all_turns() -> None:
    turns = ReadTurns(presence_of(ONE))
    async with AsyncExitStack() as stack:
        for _ in range(MAX_READS):
            assert await begins(turns, ONE, stack)
        assert not await begins(turns, ONE, stack)


async def test_read_that_waits_is_idle() -> None:
    presence = presence_of(ONE, OTHER)
    turns, under_way = ReadTurns(presence), Shares(10, presence, 1, 1)
    async with turns.turn(ONE, under_way) as first:
        assert under_way.idle == 0
        waiting = asyncio.ensure_future(turns.turn(ONE, under_way).__aenter__())
        leaving = asyncio.ensure_future(turns.turn(ONE, under_way).__aenter__())
        await asyncio.sleep(0)
        assert under_way.idle == 2
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert under_way.idle == 1
        first.bytes = LARGE - 1

    await waiting
    assert under_way.idle == 0


@pytest.mark.parametrize(("size", "begins_again"), [(LARGE - 1, True), (LARGE, False)])
async def test_turn_of_a_large_answer_rests_while_others_are_there(
    monkeypatch: pytest.MonkeyPatch, size: int, begins_again: bool
) -> None:
    monkeypatch.setattr(read_turns, "REST", float("inf"))
    monkeypatch.setattr(read_turns, "MAX_REST", 3600.0)
    turns = ReadTurns(presence_of(ONE, OTHER))
    async with turns.turn(ONE) as turn:
        turn.bytes = size

    async with AsyncExitStack() as stack:
        assert await begins(turns, ONE, stack) is begins_again
        assert await begins(turns, OTHER, stack), "others are not held up by its rest"


async def test_caller_alone_never_rests_behind_a_large_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_turns, "REST", float("inf"))
    monkeypatch.setattr(read_turns, "MAX_REST", 3600.0)
    turns = ReadTurns(presence_of(ONE))
    for _ in range(2 * MAX_READS):
        async with turns.turn(ONE) as turn:
            turn.bytes = LARGE
