"""Changes as they happen: what waits for them, and streams, their ends and their limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.app import DISPATCHER, STREAMS, create_app
from service.database.pool import Database
from service.feed import reader
from service.health import Health
from service.http.streams import EventStream
from service.permissions import READ
from service.settings import Settings
from service.transfer.importing import import_records
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World, bearer
from tests.transfer.files import lines

PATIENCE = 8.0


class Stream:
    """The events of one stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.cursor = ""

    async def block(self) -> dict[str, str]:
        """Return the fields of the next event; those of a comment under the empty name."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            while line := (await self.response.content.readline()).decode():
                if line == "\n":
                    self.cursor = fields.get("id", self.cursor)
                    return fields
                name, _, value = line.rstrip("\n").partition(":")
                fields[name] = value.strip()
        return fields

    async def change(self) -> dict[str, Any]:
        """Return the next change, or what the stream says at its end."""
        while True:
            block = await self.block()
            if not block:
                raise EOFError
            if "data" in block:
                found: dict[str, Any] = orjson.loads(block["data"])
                return found


@asynccontextmanager
async def stream(client: Client, token: str, last: str | None = None, **query: str) -> AsyncIterator[Stream]:
    headers = {**bearer(token), "Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
    async with client.get("/api/v1/changes", headers=headers, params=query) as response:
        assert response.status == 200, await response.text()
        yield Stream(response)


@pytest.fixture(name="app")
async def _app(service_dsn: str, settings: Settings, database: Database) -> AsyncIterator[Any]:
    """Make applications, each with settings of its own, on the shared database."""
    opened: list[Client] = []

    async def make(**changed: Any) -> Client:
        app = create_app(replace(settings, **changed), database, Health(database, 1))
        client = TestClient[web.Request, web.Application](TestServer(app))
        await client.start_server()
        opened.append(client)
        return client

    yield make
    for client in opened:
        await client.close()


@pytest.fixture(name="admin")
async def _admin(world: World, app: Any) -> As:
    return As.member(await app(), await world.user("root", role="admin"))


async def test_stream_has_each_change_with_its_cursor_as_it_happens(admin: As) -> None:
    async with stream(admin.client, admin.token) as events:
        head = events.response.headers
        first = await events.block()
        await admin("PUT", "/jobs/a", {})
        await admin("PUT", "/jobs/b", {})
        found = [await events.change() for _ in range(2)]

    assert (head["Content-Type"], head["X-Accel-Buffering"]) == ("text/event-stream; charset=utf-8", "no")
    assert head["X-Request-Id"]
    assert set(first) == {"retry", "id"}
    assert [each["target"] for each in found] == ["job:a", "job:b"]
    async with stream(admin.client, admin.token, found[0]["cursor"]) as events:
        assert await events.change() == found[1]


async def test_stream_is_resumed_within_the_entry_of_an_import(admin: As, world: World, dsn: str) -> None:
    ada, of = await world.user(), {"organization_id": str(world.id), "type": "pipeline"}
    names = {str(await world.pipeline()): f"renamed {number}" for number in range(3)}
    for each in names:
        await world.grant(UUID(each), ada)
    async with stream(admin.client, ada.token) as events:
        await events.block()
        await import_records(dsn, lines(*({**of, "id": each, "name": name} for each, name in names.items())))
        found = [await events.change() for _ in range(3)]

    assert {each["target"]: each["data"]["name"] for each in found} == {f"pipeline:{i}": n for i, n in names.items()}
    for number in range(2):
        async with stream(admin.client, ada.token, found[number]["cursor"]) as events:
            rest = [await events.change() for _ in range(2 - number)]
        assert [each["target"] for each in rest] == [each["target"] for each in found[number + 1 :]]


async def test_stream_begins_where_it_is_asked_to_and_goes_on(admin: As) -> None:
    await admin("PUT", "/jobs/a", {})
    async with stream(admin.client, admin.token, after="0", page_size="1") as events:
        await admin("PUT", "/jobs/b", {})
        assert [(await events.change())["target"] for _ in range(2)] == ["job:a", "job:b"]
        await admin("PUT", "/jobs/c", {})
        assert (await events.change())["target"] == "job:c"


async def test_stream_is_alive_and_its_place_goes_on_while_nothing_happens(admin: As) -> None:
    async with stream(admin.client, admin.token) as events:
        first = await events.block()
        await admin("POST", "/groups", {"name": "g"})
        second = await events.block()

    assert second[""] == "alive"
    assert first["id"] != second["id"]


async def test_stream_by_what_the_caller_may_see_when_it_is_sent(admin: As, world: World) -> None:
    reader_, pipeline = await world.user("reader"), await world.pipeline()
    await world.grant(pipeline, reader_, READ)
    async with stream(admin.client, reader_.token) as events:
        await events.block()
        await admin("PUT", "/jobs/a", {"pipeline_ids": [str(pipeline)]})
        seen = [(await events.change())["type"] for _ in range(2)]
        await admin("DELETE", f"/flow/pipeline/{pipeline}/grants/users/reader")
        await admin("PUT", "/jobs/b", {"pipeline_ids": [str(pipeline)]})
        await admin("PUT", "/jobs/c", {"owner": "reader"})
        rest = [(await events.change())["target"] for _ in range(2)]

    assert seen == ["job.created", "job.pipelines_changed"]
    assert rest == [f"grant:{pipeline}/user:reader", "job:c"]


async def test_stream_ends_when_its_token_is_revoked(admin: As, world: World) -> None:
    member = await world.user("member")
    async with stream(admin.client, member.token) as events:
        await events.block()
        await world.raw.execute("UPDATE tokens SET revoked_at = now() WHERE user_id = $1", member.id)
        last = await events.change()
        with pytest.raises(EOFError):
            await events.change()

    assert (last["code"], last["reason"], last["next_cursor"]) == ("UNAUTHENTICATED", "invalid_token", events.cursor)


async def test_stream_of_all_ends_with_administration(admin: As, world: World) -> None:
    other = await world.user("other", role="admin")
    async with stream(admin.client, other.token, all="true") as events:
        await events.block()
        await admin("PATCH", "/users/other", {"role": "member"})
        assert (await events.change())["code"] == "PERMISSION_DENIED"


async def test_stream_ends_with_its_cursor_when_the_process_drains(world: World, app: Any) -> None:
    root = await world.user(role="admin")
    client = await app()
    admin = As.member(client, root)
    async with stream(client, root.token) as events:
        await events.block()
        await client.app.shutdown()
        last = await events.change()

    assert last["reason"] == "draining"
    await admin("PUT", "/jobs/a", {})
    found = await admin.get("/changes", after=last["next_cursor"])
    assert [each["target"] for each in found.body["changes"]] == ["job:a"]


async def test_stream_of_a_client_that_does_not_take_its_end_is_no_fault(
    world: World, app: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root, client, put = await world.user(role="admin"), await app(), EventStream._put

    async def take_no_end(self: EventStream, text: bytes) -> None:
        if text.startswith(b"event: end"):
            raise TimeoutError
        await put(self, text)

    monkeypatch.setattr(EventStream, "_put", take_no_end)
    async with stream(client, root.token) as events:
        await events.block()
        await client.app.shutdown()
        with suppress(aiohttp.ClientPayloadError):
            assert await events.block() == {}
    async with asyncio.timeout(PATIENCE):
        while not client.app[STREAMS].ended:  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.01)

    assert client.app[STREAMS].ended == {"slow": 1}
    assert [each.message for each in caplog.records if each.name == "aiohttp.server"] == []


async def test_stream_of_a_client_that_falls_behind_ends(admin: As, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_QUEUED", 3)
    queue = reader.Subscription(reader._NOBODY)
    place: Any = None
    queue.put(reader.Batch(place, (place,) * 2))
    await queue.wait(0)
    queue.put(reader.Batch(place, (place,) * 2))

    with pytest.raises(reader.Ended, match="slow"):
        await queue.wait(0)
    assert queue.take() is None


async def test_stream_of_a_client_for_which_too_many_bytes_wait_ends() -> None:
    queue = reader.Subscription(reader._NOBODY)
    place: Any = None
    queue.put(reader.Batch(place, (place,), reader.MAX_QUEUED_BYTES))
    assert queue.take() is not None
    queue.put(reader.Batch(place, (place,), reader.MAX_QUEUED_BYTES + 1))
    await queue.wait(0)
    queue.put(reader.Batch(place, (place,), 1))

    with pytest.raises(reader.Ended, match="slow"):
        await queue.wait(0)


async def test_stream_has_more_than_a_read_of_large_changes_each_once(admin: As, world: World) -> None:
    insert = """
        INSERT INTO audit (organization_id, actor, action, target, after)
        SELECT $1, 'command line', 'test', n, jsonb_build_object('s', repeat('x', 100000)) FROM generate_series(1, 24) n
    """
    async with stream(admin.client, admin.token, all="true") as events:
        await events.block()
        await world.raw.execute(insert, world.id)
        found = [await events.change() for _ in range(24)]

    assert [each["target"] for each in found] == [str(number) for number in range(1, 25)]


async def test_streams_beyond_their_limit_are_refused_and_count_as_no_requests(world: World, app: Any) -> None:
    root = await world.user(role="admin")
    client = await app(max_streams=2, max_requests=1, request_timeout=0.5)
    admin = As.member(client, root)
    async with stream(client, root.token) as one, stream(client, root.token) as two:
        await one.block(), await two.block()
        await asyncio.sleep(0.6)
        refused = await admin("GET", "/changes", None, {"Accept": "text/event-stream"})
        waiting = await admin.get("/changes", wait="1")
        await admin("PUT", "/jobs/a", {})
        assert [(await each.change())["target"] for each in (one, two)] == ["job:a"] * 2

    assert [(each.status, each.code, each.headers["Retry-After"]) for each in (refused, waiting)] == [
        (503, "UNAVAILABLE", "1")
    ] * 2


async def test_stream_gives_way_to_another_organization_and_misses_nothing(world: World, app: Any) -> None:
    root, other = await world.user(role="admin"), await (await World.create(world.raw)).user()
    client = await app(max_streams=2)
    admin = As.member(client, root)
    async with stream(client, root.token) as one, stream(client, root.token) as two:
        await one.block(), await two.block()
        async with stream(client, other.token) as third:
            await third.block()
            await admin("PUT", "/jobs/a", {})
            last, end = await two.change(), await two.change()
            assert (await one.change(), end["reason"]) == (last, "crowded")
            await admin("PUT", "/jobs/b", {})
            assert (await one.change())["target"] == "job:b"

    behind = await admin.get("/changes", after=end["next_cursor"])
    assert (last["target"], [each["target"] for each in behind.body["changes"]]) == ("job:a", ["job:b"])


async def test_streams_give_their_places_back(world: World, app: Any) -> None:
    root = await world.user(role="admin")
    client = await app(max_streams=1)
    for _ in range(3):
        async with stream(client, root.token) as events:
            await events.block()
            events.response.close()
        for _ in range(20):  # until the process has seen that the client is gone
            if (await As.member(client, root).get("/changes", wait="1")).status != 503:
                break
            await asyncio.sleep(0.4)
        else:
            pytest.fail("The place is not given back.")


async def test_waiting_answers_as_soon_as_something_happens(admin: As) -> None:
    after = (await admin.get("/changes")).body["next_cursor"]
    waiting = asyncio.create_task(admin.get("/changes", after=after, wait="30"))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await admin("PUT", "/jobs/a", {})
    found = (await asyncio.wait_for(waiting, PATIENCE)).body

    assert [each["target"] for each in found["changes"]] == ["job:a"]
    assert (await admin.get("/changes", after=found["next_cursor"])).body["changes"] == []


async def test_waiting_for_nothing_ends_in_time_with_a_place(world: World, app: Any) -> None:
    client = await app(request_timeout=0.5)
    admin = As.member(client, await world.user(role="admin"))
    found = await admin.get("/changes", wait="1")
    await admin("PUT", "/jobs/a", {})

    assert (found.status, found.body["changes"]) == (200, [])
    (change,) = (await admin.get("/changes", after=found.body["next_cursor"])).body["changes"]
    assert change["target"] == "job:a"


async def test_waiting_ends_when_the_token_is_revoked(admin: As, world: World) -> None:
    member = await world.user("member")
    waiting = asyncio.create_task(As.member(admin.client, member).get("/changes", wait="20"))
    await asyncio.sleep(0.3)
    await world.raw.execute("UPDATE tokens SET revoked_at = now() WHERE user_id = $1", member.id)
    answer = await asyncio.wait_for(waiting, PATIENCE)

    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert "invalid_token" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("wait", "status"), [("31", 400), ("-1", 400), ("1.5", 400), ("x", 400), ("0", 200)])
async def test_waiting_is_bounded(admin: As, wait: str, status: int) -> None:
    assert (await admin.get("/changes", wait=wait)).status == status


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        ("text/event-stream", True),
        ("TEXT/Event-Stream; charset=utf-8", True),
        ("application/json, text/event-stream", True),
        ("application/json;q=0.5, text/event-stream;q=0.5", True),
        ("text/event-stream, */*;q=0.1", True),
        ("application/json, text/event-stream;q=0.9", False),
        ("text/event-stream;q=0", False),
        ("text/*, */*", False),
    ],
)
async def test_stream_is_what_the_client_had_rather_than_a_page(admin: As, accept: str, streams: bool) -> None:
    headers = {**bearer(admin.token), "Accept": accept}

    async with admin.client.get("/api/v1/changes", headers=headers) as answer:
        kind = answer.content_type

    assert kind == ("text/event-stream" if streams else "application/json")


async def test_stream_is_not_begun_for_what_is_wrong(admin: As) -> None:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "wrong"}
    assert (await admin("GET", "/changes", None, headers)).status == 400
    assert (await As(admin.client, "none")("GET", "/changes", None, headers)).status == 401


async def test_reader_asks_for_nothing_without_clients(admin: As, database: Database) -> None:
    async with stream(admin.client, admin.token) as events:
        await events.block()
        feed = admin.client.app[DISPATCHER].feed.reader
        assert feed._reading is not None
    await asyncio.wait_for(feed._reading, PATIENCE)
