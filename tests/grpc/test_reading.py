"""Messages: few are read at once, none is kept longer than it takes to parse it, and large ones go out in turns."""

import asyncio
from typing import Any, NoReturn

import grpc
import pytest

from service.app import BODIES
from service.database.fair_queue import FairQueue
from service.doctor.checks.deployment import GRPC_MESSAGES
from service.grpc import calls, reading, slow_reads
from service.grpc.calls import GrpcCall
from service.grpc.slow_reads import PROMPT
from service.http.bodies import BodyBudget
from tests.factories import World
from tests.grpc.conftest import Start
from tests.grpc.test_calls import late


async def test_message_is_dropped_once_it_is_parsed() -> None:
    context: Any = type("Context", (), {"invocation_metadata": lambda _: ()})()
    call = GrpcCall("flow_pipelines.v1.Jobs/GetJob", context, BodyBudget(1))
    call.message = b"message"

    assert await call.receive(bytes) == b"message"
    assert call.message == b""


async def test_message_is_dropped_before_its_call_is_refused(
    start: Start, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that takes no failures would have hundreds of messages kept, all beyond the budget of bodies."""
    made: list[GrpcCall] = []
    kept: list[bytes] = []
    abort = calls.abort

    class Noted(GrpcCall):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    async def noted(*arguments: Any) -> NoReturn:
        kept.append(made[-1].message)
        await abort(*arguments)

    monkeypatch.setattr(calls, "GrpcCall", Noted)
    monkeypatch.setattr(calls, "abort", noted)
    served, ada = await start(), await world.user()
    served.http.app[BODIES].bytes = served.http.app[BODIES].max_bytes

    answer = await served.rpcs("UpdateJobPipelines", {"job_id": "x" * 20_000}, token=ada.token)

    assert (answer.code, kept) == ("UNAVAILABLE", [b""])


async def test_message_that_comes_late_gives_its_place_to_others(
    start: Start, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "AT_ONCE", 1)
    served, ada, until = await start(), await world.user(), asyncio.Event()
    slow = asyncio.create_task(late(served.rpcs.channel, ada.token, until))
    await asyncio.sleep(PROMPT / 2)

    others = await asyncio.gather(*(served.rpcs("GetMe", token=ada.token) for _ in range(3)))
    still = not slow.done()
    until.set()
    await slow

    assert ([each.code for each in others], still) == (["OK"] * 3, True)


async def test_place_of_a_refused_message_is_taken_until_the_client_was_told(
    start: Start, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then grpcio takes in what comes, so that hundreds of refused messages were in memory at once."""
    happened: list[str] = []
    abort, close = calls.abort, slow_reads.SlowRead.close

    async def noted_abort(*arguments: Any) -> NoReturn:
        try:
            await abort(*arguments)
        finally:
            happened.append("told")

    def noted_close(read: slow_reads.SlowRead) -> None:
        happened.append("given back")
        close(read)

    monkeypatch.setattr(calls, "abort", noted_abort)
    monkeypatch.setattr(slow_reads.SlowRead, "close", noted_close)
    monkeypatch.setattr(reading, "AT_ONCE", 1)
    served, ada, until = await start(), await world.user(), asyncio.Event()
    served.http.app[BODIES].bytes = served.http.app[BODIES].max_bytes

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await late(served.rpcs.channel, ada.token, until)

    assert (refused.value.code(), happened) == (grpc.StatusCode.UNAVAILABLE, ["told", "given back"])


def test_doctor_counts_the_messages_that_are_read_at_once_twice() -> None:
    """It has the number of its own, as it works without the extra."""
    assert GRPC_MESSAGES == 2 * reading.AT_ONCE


async def test_messages_are_read_a_few_at_once(start: Start, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "AT_ONCE", 2)
    monkeypatch.setattr(reading, "PROMPT", 30.0)
    served, ada, until = await start(), await world.user(), asyncio.Event()
    slow = [asyncio.create_task(late(served.rpcs.channel, ada.token, until)) for _ in range(2)]
    await asyncio.sleep(0.1)

    waiting = asyncio.create_task(served.rpcs("GetMe", token=ada.token))
    await asyncio.sleep(0.1)
    waited = not waiting.done()
    until.set()
    await asyncio.gather(*slow)

    assert ((await waiting).code, waited) == ("OK", True)


async def test_large_answers_go_out_in_turns(start: Start, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[Any] = []
    turn = FairQueue.turn

    async def counted(queue: FairQueue, asking: Any) -> None:
        turns.append(asking)
        await turn(queue, asking)

    monkeypatch.setattr(FairQueue, "turn", counted)
    served, ada = await start(), await world.user()
    small = await served.rpcs("ListPipelines", token=ada.token)
    assert turns == []

    monkeypatch.setattr(calls, "LARGE", 0)
    large = await asyncio.gather(*(served.rpcs("ListPipelines", token=ada.token) for _ in range(3)))

    assert {each.code for each in (small, *large)} == {"OK"}
    assert [each.organization for each in turns] == [world.id.bytes] * 3
