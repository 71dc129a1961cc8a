"""Answers that clients of gRPC do not take: counted, and their connections closed, so that others go on."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

from service.app import METRICS, UNSENT
from service.grpc import server as server_module
from service.grpc import untaken
from service.grpc.untaken import Address, shut_down
from tests.factories import Member, World
from tests.grpc.conftest import Served, Start
from tests.grpc.raw_http2 import Unread

LIST = "/flow_pipelines.v1.Pipelines/ListPipelines"
ME = "/flow_pipelines.v1.Users/GetMe"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/flow_pipelines.v1.Changes/Watch"


@pytest.fixture
async def ada(world: World) -> Member:
    """Return an administrator, whose list takes 150 kB."""
    made = await world.user("ada", role="admin")
    await world.raw.execute(
        "INSERT INTO pipelines (organization_id, id, name, name_key)"
        " SELECT $1, gen_random_uuid(), name, name FROM (SELECT repeat('x', 200) || n FROM generate_series(1, 500) n)"
        " named (name)",
        world.id,
    )
    return made


@pytest.fixture
async def served(start: Start) -> Served:
    """Start a service that has room for two such lists, and three for a moment."""
    return await start(max_unsent_bytes=400_000)


def port_of(served: Served) -> int:
    return int(served.server.address.rpartition(":")[2])


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not met():  # noqa: ASYNC110 - of the state of sockets, which tell no event
            await asyncio.sleep(0.01)


async def test_answer_counts_until_it_is_taken(served: Served, ada: Member) -> None:
    unsent = served.http.app[UNSENT]
    client = await Unread.connect(port_of(served))
    client.call(LIST, ada.token)
    await until(lambda: unsent.bytes > 100_000)
    assert (len(unsent), len(served.server.untaken)) == (1, 1)

    client.take()
    await until(lambda: unsent.bytes == 0)
    await until(lambda: len(served.server.untaken) == 0)
    assert served.http.app[METRICS].failures["unsent"] == 0
    client.close()


async def test_answers_beyond_the_budget_are_dropped_with_their_connection(served: Served, ada: Member) -> None:
    client, other = await Unread.connect(port_of(served)), await Unread.connect(port_of(served))
    for _ in range(3):
        client.call(LIST, ada.token)
    await client.end()
    other.call(LIST, ada.token)

    await until(lambda: len(served.server.untaken) == 1)
    assert served.http.app[METRICS].failures["unsent"] >= 1
    assert (await served.rpcs("ListPipelines", token=ada.token)).code == "OK"
    assert not other.reader.at_eof()
    other.close()


async def test_small_answers_that_are_too_many_are_dropped_with_their_connection(
    served: Served, ada: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds a call, of which a server takes so many."""
    monkeypatch.setattr(untaken, "MAX_UNTAKEN", 3)
    client = await Unread.connect(port_of(served))
    for _ in range(4):
        client.call(ME, ada.token)

    await client.end()
    await until(lambda: len(served.server.untaken) == 0)


@pytest.mark.parametrize("path", [ME, CHECK])
async def test_answer_that_waits_for_too_long_is_dropped_with_its_connection(
    served: Served, ada: Member, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(untaken, "MAX_SECONDS", 0.1)
    client = await Unread.connect(port_of(served))
    client.call(path, ada.token if path == ME else "")

    await client.end()
    await until(lambda: len(served.server.untaken) == 0)


async def test_watch_that_is_not_read_counts_and_is_dropped(
    served: Served, ada: Member, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untaken, "MAX_SECONDS", 0.1)
    client = await Unread.connect(port_of(served))
    client.call(WATCH, ada.token)

    await client.end()
    await until(lambda: len(served.server.untaken) == 0)


async def test_connection_that_says_nothing_is_ended(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(await start()))

    async with asyncio.timeout(5):
        await reader.read()
    writer.close()


async def test_reflection_beyond_a_number_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_REFLECTIONS", 0)
    asked: Any = served.rpcs.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
    )(iter([ServerReflectionRequest(list_services="")]))

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await asked.read()
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_shutting_down_ends_the_connection_of_that_address_alone() -> None:
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    listening = await asyncio.start_server(lambda _, writer: accepted.put_nowait(writer), "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    (gone, first), (stays, second) = [await asyncio.open_connection(host, port) for _ in range(2)]
    own = first.get_extra_info("sockname")

    shut_down(Address("127.0.0.1", own[1], port + 1))
    shut_down(Address("127.0.0.1", own[1], port))

    assert await gone.read() == b""
    assert not stays.at_eof()
    for writer in (first, second, accepted.get_nowait(), accepted.get_nowait()):
        writer.close()
    listening.close()
