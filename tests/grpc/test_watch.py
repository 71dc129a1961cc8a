"""Changes.Watch: changes as they happen by gRPC, and how it ends."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass

from service.app import ADMISSION, DISPATCHER, METRICS, STREAMS
from service.feed import reader
from service.grpc import watch
from service.grpc.messages import WATCH
from service.permissions import READ
from tests.api.calls import As
from tests.factories import Member, World
from tests.grpc.calling import Rpcs, details_of
from tests.grpc.conftest import Served, Start

PATIENCE = 8.0
Request: Any = GetMessageClass(WATCH.input_type)


class Watched:
    """One watch, and where it has come to."""

    def __init__(self, rpcs: Rpcs, member: Member, **asked: Any) -> None:
        stream: Any = rpcs.channel.unary_stream(
            "/flow_pipelines.v1.Changes/Watch",
            request_serializer=lambda given: given.SerializeToString(),
            response_deserializer=GetMessageClass(WATCH.output_type).FromString,
        )
        self.call = stream(Request(**asked), timeout=60, metadata=(("authorization", f"Bearer {member.token}"),))
        self.cursor = ""
        self.cursors: list[str] = []
        self._waiting: list[dict[str, Any]] = []

    async def step(self) -> list[dict[str, Any]]:
        """Return the changes of the next message."""
        async with asyncio.timeout(PATIENCE):
            message: Any = await self.call.read()
        if message is grpc.aio.EOF:
            raise EOFError
        self.cursor = message.next_cursor
        self.cursors.append(self.cursor)
        return [MessageToDict(each) for each in message.changes]

    async def change(self) -> dict[str, Any]:
        """Return the next change."""
        while not self._waiting:
            self._waiting = await self.step()
        return self._waiting.pop(0)

    async def _read_on(self) -> None:
        while True:
            await self.step()

    async def end(self) -> tuple[str, str, str]:
        """Return the code, the reason, and where to go on."""
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await self._read_on()
        error = ended.value
        told: dict[str, Any] = dict(error.trailing_metadata() or ())
        return error.code().name, details_of(error)["ErrorInfo"]["reason"], str(told.get("next-cursor"))


@pytest.fixture(name="served")
async def _served(start: Start) -> Served:
    return await start()


@pytest.fixture(name="root")
async def _root(world: World) -> Member:
    return await world.user("root", role="admin")


async def test_watch_has_each_change_and_is_gone_on_with_by_either_transport(served: Served, root: Member) -> None:
    admin, watched = As.member(served.http, root), Watched(served.rpcs, root)
    assert await watched.step() == []
    begin = watched.cursor
    await admin("PUT", "/jobs/a", {"name": "n"})
    change = await watched.change()
    await admin("PUT", "/jobs/b", {})
    assert (await watched.change())["target"] == "job:b"
    watched.call.cancel()

    assert change["type"] == "job.created"
    assert change["data"] == {"name": "n", "owner": "root"}
    found = (await admin.get("/changes", after=begin)).body["changes"]
    assert [each["target"] for each in found] == ["job:a", "job:b"]
    again = Watched(served.rpcs, root, after=change["cursor"])
    assert (await again.change())["target"] == "job:b"
    again.call.cancel()


async def test_watch_is_no_request_once_it_goes_on(start: Start, root: Member) -> None:
    served = await start(max_requests=1, request_timeout=0.5, max_streams=1)
    watched = Watched(served.rpcs, root)
    await watched.step()
    await asyncio.sleep(0.7)
    app = served.http.app

    assert (app[METRICS].active, app[METRICS].active_rpcs, app[STREAMS].open) == (0, 0, 1)
    assert (await served.rpcs("GetMe", token=root.token)).code == "OK"
    assert (await Watched(served.rpcs, root).end())[:2] == ("UNAVAILABLE", "STREAMS")
    assert await watched.step() == [], "it is told that it is still there"
    watched.call.cancel()
    async with asyncio.timeout(PATIENCE):
        while app[STREAMS].open:  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.05)
    assert app[STREAMS].ended["client_left"] == 1
    assert ADMISSION in app


async def test_watch_gives_way_to_another_organization(start: Start, root: Member, world: World) -> None:
    served, other = await start(max_streams=2), await (await World.create(world.raw)).user()
    watches = list[Watched]()
    for each in (root, root, other):
        watches.append(Watched(served.rpcs, each))
        await watches[-1].step()
    one, two, third = watches
    await As.member(served.http, root)("PUT", "/jobs/a", {})

    assert (await two.change(), (await two.end())[:2]) == (await one.change(), ("UNAVAILABLE", "CROWDED"))
    one.call.cancel()
    third.call.cancel()


async def test_watch_tells_what_may_be_seen_when_it_is_sent(served: Served, root: Member, world: World) -> None:
    admin, member, pipeline = As.member(served.http, root), await world.user("reader"), await world.pipeline()
    await world.grant(pipeline, member, READ)
    watched = Watched(served.rpcs, member)
    await watched.step()
    await admin("PUT", "/jobs/a", {"pipeline_ids": [str(pipeline)]})
    seen = [(await watched.change())["type"] for _ in range(2)]
    await admin("DELETE", f"/flow/pipeline/{pipeline}/grants/users/reader")
    await admin("PUT", "/jobs/b", {"pipeline_ids": [str(pipeline)]})
    await admin("PUT", "/jobs/c", {"owner": "reader"})
    told = [(await watched.change())["target"] for _ in range(2)]

    assert seen == ["job.created", "job.pipelines_changed"]
    assert told == [f"grant:{pipeline}/user:reader", "job:c"]
    await world.raw.execute("UPDATE tokens SET revoked_at = now() WHERE user_id = $1", member.id)
    assert await watched.end() == ("UNAUTHENTICATED", "INVALID_TOKEN", watched.cursor)


async def test_watch_ends_with_its_cursor_when_the_process_drains(start: Start, root: Member) -> None:
    first, second = await start(), await start()
    watched = Watched(first.rpcs, root)
    await watched.step()
    stopping = asyncio.create_task(first.server.stop())
    code, reason, cursor = await watched.end()
    await stopping
    await As.member(second.http, root)("PUT", "/jobs/a", {})

    assert (code, reason) == ("UNAVAILABLE", "DRAINING")
    again = Watched(second.rpcs, root, after=cursor)
    assert (await again.change())["target"] == "job:a"
    again.call.cancel()


async def test_watch_of_a_client_that_does_not_read_is_ended(
    served: Served, root: Member, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "WRITE_SECONDS", 0.3)
    monkeypatch.setattr(reader, "MAX_QUEUED", 100)
    watched = Watched(served.rpcs, root, all=True)
    await watched.step()
    streams = served.http.app[STREAMS]
    async with asyncio.timeout(PATIENCE * 2):
        while not streams.ended["slow"]:
            await world.raw.execute(
                """
                INSERT INTO audit (organization_id, actor, action, target, after)
                SELECT $1, 'command line', 'test', 't' || n, jsonb_build_object('large', repeat('x', 60000))
                FROM generate_series(1, 40) n
                """,
                world.id,
            )
            await asyncio.sleep(0.1)

    assert streams.open == 0
    code, reason, cursor = await watched.end()
    assert (code, reason) == ("UNAVAILABLE", "SLOW")
    assert cursor in watched.cursors, "the last message may arrive, though it was not written in time"


async def test_watch_is_refused_as_other_calls_are(served: Served, root: Member, world: World) -> None:
    member = await world.user()
    nobody = Member(member.id, "nobody", "none")

    assert (await Watched(served.rpcs, nobody).end())[0] == "UNAUTHENTICATED"
    assert (await Watched(served.rpcs, root, after="x").end())[0] == "INVALID_ARGUMENT"
    assert (await Watched(served.rpcs, member, all=True).end())[0] == "PERMISSION_DENIED"
    assert served.http.app[DISPATCHER].feed.reader._subscriptions == set()
