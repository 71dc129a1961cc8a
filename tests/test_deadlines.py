import asyncio

import pytest

from service.deadlines import Deadlines


async def ends_by(deadlines: Deadlines, seconds: float) -> str:
    try:
        with deadlines.begin():
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "late"
    return "in time"


async def test_deadlines_end_only_tasks_that_take_too_long() -> None:
    deadlines = Deadlines(0.2)

    assert await asyncio.gather(*(ends_by(deadlines, seconds) for seconds in (0, 5, 0.01, 5))) == [
        "in time",
        "late",
        "in time",
        "late",
    ]


async def test_deadlines_end_each_task_at_its_own_time() -> None:
    deadlines = Deadlines(0.3)
    first = asyncio.create_task(ends_by(deadlines, 5))
    await asyncio.sleep(0.2)
    second = asyncio.create_task(ends_by(deadlines, 0.2))

    assert await first == "late"
    assert not second.done()
    assert await second == "in time"
    assert await ends_by(deadlines, 5) == "late", "the timer is set again after a pause"


async def test_deadline_passes_other_errors_on() -> None:
    with pytest.raises(ZeroDivisionError), Deadlines(5).begin():
        raise ZeroDivisionError


async def test_deadline_passes_a_cancellation_by_another_task_on() -> None:
    task = asyncio.create_task(ends_by(Deadlines(5), 5))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_deadline_keeps_a_cancellation_that_comes_with_it() -> None:
    deadlines = Deadlines(0.1)

    async def cancelled_on_the_way_out() -> str:
        try:
            with deadlines.begin():
                try:
                    await asyncio.sleep(5)
                finally:
                    task.cancel()
        except TimeoutError:
            return "late"
        return "in time"

    task = asyncio.create_task(cancelled_on_the_way_out())

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_deadline_leaves_a_task_that_goes_on_uncancelled() -> None:
    assert await ends_by(Deadlines(0.05), 5) == "late"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)
