"""Admission control: how refusals are answered, counted and logged, and that they cost no work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from service.app import ADMISSION, METRICS, create_app
from service.database import fair_queue
from service.database.pool import Database
from service.health import Health
from service.http.server.listener import ListeningSite
from service.http.server.runner import Runner
from service.settings import Settings
from service.telemetry.request_record import RequestRecord
from tests import contract
from tests.conftest import Client
from tests.factories import World, bearer

LIST, UPDATE = "/api/v1/flow/pipeline", "/api/v1/jobs/pipelines"

Start = Callable[..., Any]


@pytest.fixture(name="start")
async def _start(settings: Settings, database: Database) -> AsyncIterator[Start]:
    """Return a function that starts a service with other settings, every answer checked against its document.

    The document knows of no failures with 200, so a service with those is not checked.
    """
    async with AsyncExitStack() as stack:

        async def start(**other: Any) -> Client:
            app = create_app(replace(settings, **other), database, Health(database, settings.ready_timeout))
            if not other.get("v1_errors_as_200"):
                app.middlewares.insert(0, contract.hold_answers)
            client: Client = await stack.enter_async_context(TestClient(TestServer(app)))
            return client

        yield start


class Held:
    """Requests that stay under way until they are released, as each lacks the end of its body."""

    def __init__(self, client: Client, token: str, count: int) -> None:
        self._end = asyncio.Event()
        self._client = client
        self._calls = [
            asyncio.create_task(client.post(UPDATE, data=self._body(), headers=bearer(token))) for _ in range(count)
        ]

    async def _body(self) -> AsyncIterator[bytes]:
        yield b"{"
        await self._end.wait()
        yield b"}"

    async def under_way(self) -> "Held":
        assert self._client.app is not None
        while self._client.app[METRICS].active < len(self._calls):  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.001)
        return self

    async def let_go(self) -> list[int]:
        self._end.set()
        return [answer.status for answer in await asyncio.gather(*self._calls)]


async def test_admission_beyond_max_requests_refuses_at_once_and_recovers(start: Start, world: World) -> None:
    ada = await world.user()
    client = await start(max_requests=2)
    held = await Held(client, ada.token, 2).under_way()

    with capture_logs() as lines:
        refused = await client.get(LIST, headers={**ada.headers, "X-Request-Id": "mine"})
        nobody = await client.post(UPDATE, json={})
        absent = await client.get("/nothing")
        healthz = await client.get("/healthz")
        ended = await held.let_go()
        served = await client.get(LIST, headers=ada.headers)
        while not (summary := [line for line in lines if line["event"] == "requests_refused"]):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)

    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert (refused.headers["X-Request-Id"], refused.headers["Server"]) == ("mine", "flow-pipelines")
    assert await refused.json() == {
        "status": "ERROR",
        "msg": "More is asked of this service right now than it can answer; try again.",
        "code": "UNAVAILABLE",
        "request_id": "mine",
    }
    assert (nobody.status, absent.status, healthz.status, served.status) == (503, 503, 200, 200)
    assert ended == [400, 400]  # the body is no update
    assert client.app[METRICS].failures["overloaded"] == 3
    assert client.app[METRICS].durations["GET", LIST, 503].counts[0] == 1
    assert [line["overloaded"] for line in summary] == [3]
    assert 503 not in {line["fields"]["status"] for line in lines if line["event"] == "request"}


async def test_organization_beyond_its_share_is_refused_while_others_are_there(
    start: Start, world: World, raw: Any
) -> None:
    ada, bob = await world.user(), await (await World.create(raw)).user()
    client = await start(max_requests=10, max_organization_share=0.5)
    for member in (ada, bob):
        assert (await client.post(UPDATE, json={}, headers=member.headers)).status == 400
    held = await Held(client, ada.token, 9).under_way()  # nine tenths of all, more than a half

    unknown = await client.get(LIST, headers=(await world.user()).headers)
    answered = await client.get(LIST, headers=bob.headers)
    refused = [(await client.request(method, UPDATE, headers=ada.headers)).status for method in ("GET", "POST")]

    assert (unknown.status, answered.status) == (200, 200)
    assert refused == [503, 503]
    assert client.app[METRICS].failures["overloaded"] == 2
    await held.let_go()
    assert (await client.get(LIST, headers=ada.headers)).status == 200


async def test_organization_alone_has_all_requests(start: Start, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "RECENT_SECONDS", 0)  # those of other tests have left
    ada = await world.user()
    client = await start(max_requests=10, max_organization_share=0.5)
    assert (await client.post(UPDATE, json={}, headers=ada.headers)).status == 400
    held = await Held(client, ada.token, 9).under_way()

    assert (await client.get(LIST, headers=ada.headers)).status == 200

    await held.let_go()


async def test_refused_request_sends_no_statement(start: Start, world: World, records: list[RequestRecord]) -> None:
    ada = await world.user()
    client = await start(max_requests=1)
    client.app[METRICS].active = 1  # as if another request were under way

    assert {(await client.get(LIST, headers=ada.headers)).status for _ in range(3)} == {503}

    assert records == []


async def test_refusal_of_a_documented_call_is_200_with_v1_errors_as_200(start: Start, world: World) -> None:
    ada = await world.user()
    client = await start(max_requests=1, v1_errors_as_200=True)
    held = await Held(client, ada.token, 1).under_way()

    documented, other = await client.get(LIST, headers=ada.headers), await client.get("/api/v1/users/me")

    assert (documented.status, (await documented.json())["code"]) == (200, "UNAVAILABLE")
    assert (other.status, (await other.json())["code"]) == (503, "UNAVAILABLE")
    await held.let_go()


async def test_rate_limit_headers_are_absent_without_a_limit(client: Client, world: World) -> None:
    answer = await client.get(LIST, headers=(await world.user()).headers)

    assert not [name for name in answer.headers if name.lower().startswith("ratelimit")]


async def test_rate_limit_refuses_only_the_token_beyond_it(start: Start, world: World) -> None:
    ada, bob = await world.user(), await world.user()
    client = await start(rate_limit=0.01, rate_limit_burst=2)

    answers = [await client.get(LIST, headers=ada.headers) for _ in range(3)]
    others = [await client.get(LIST, headers=bob.headers), await client.get(LIST), await client.get("/healthz")]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit"] for answer in answers[:2]] == ['"token";r=1;t=100', '"token";r=0;t=100']
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"token";q=2;w=200'}
    body = await answers[2].json()
    assert (body["status"], body["code"]) == ("ERROR", "RESOURCE_EXHAUSTED")
    assert body["msg"] == "This token is used more often than it may be; try again later."
    assert 98 <= int(answers[2].headers["Retry-After"]) <= 100
    assert [answer.status for answer in others] == [200, 401, 200]
    assert client.app[METRICS].failures["rate_limited"] == 1


async def test_rate_limit_counts_failed_requests(start: Start) -> None:
    client = await start(rate_limit=0.01, rate_limit_burst=2)

    answers = [await client.get(LIST, headers=bearer("fp_unknown")) for _ in range(3)]

    assert [answer.status for answer in answers] == [401, 401, 429]
    assert [answer.headers["RateLimit"][:11] for answer in answers] == ['"token";r=1', '"token";r=0', '"token";r=0']


# ---- behind the service's own protocol: refused as soon as the head is read


@pytest.fixture(name="listening")
async def _listening(settings: Settings, database: Database) -> AsyncIterator[Start]:
    """Return a function that starts the same service behind its own protocol."""
    async with AsyncExitStack() as stack:

        async def start(**other: Any) -> tuple[web.Application, str, int]:
            app = create_app(replace(settings, **other), database, Health(database, settings.ready_timeout))
            runner = Runner(app, 10, app[METRICS], app[ADMISSION], access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await ListeningSite(
                runner, "127.0.0.1", 0, app[METRICS], max_connections=other.get("max_requests", 1) + 3
            ).start()
            return app, *runner.addresses[0][:2]

        yield start


GET = b"GET /api/v1/flow/pipeline?a=b HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n"
POST = b"POST /api/v1/jobs/pipelines HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


async def answers(reader: asyncio.StreamReader, count: int, *, bodies: bool = True) -> list[tuple[bytes, bytes]]:
    """Read this many answers, and return the status line and body of each."""
    found = []
    for _ in range(count):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found.append((head.partition(b"\r\n")[0], await reader.readexactly(length) if bodies else b""))
    return found


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        ([GET], [503]),
        ([POST], [503]),
        ([GET[:40], GET[40:]], [503]),
        ([POST[:-2], POST[-2:]], [503]),
        ([POST[:-1], POST[-1:] + GET], [503, 503]),
        ([GET + POST + HEALTHZ + GET], [503, 503, 200, 503]),
        ([HEALTHZ], [200]),
        ([b"GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n"], [503]),
        ([b"nonsense\r\n\r\n"], [400]),
    ],
)
async def test_early_refusal_answers_each_request_and_keeps_the_connection(
    listening: Start, sent: list[bytes], statuses: list[int]
) -> None:
    app, host, port = await listening(max_requests=1)
    app[METRICS].active = 1  # as if another request were under way
    reader, writer = await asyncio.open_connection(host, port)
    for part in sent:
        writer.write(part)
        await asyncio.sleep(0.01)  # so that parts arrive separately; if not, the outcome is the same

    got = await answers(reader, len(statuses))
    assert [int(status.split()[1]) for status, _ in got] == statuses
    app[METRICS].active = 0
    if statuses != [400]:
        writer.write(GET + HEALTHZ)
        assert [int(status.split()[1]) for status, _ in await answers(reader, 2)] == [401, 200]
    writer.close()
    assert await asyncio.wait_for(reader.read(), 10) == b""
    assert app[METRICS].active == 0


async def test_early_refusal_equals_a_late_refusal(listening: Start) -> None:
    app, host, port = await listening(max_requests=1)
    app[METRICS].active = 1
    async with ClientSession(f"http://{host}:{port}") as session:
        early = await session.get(LIST, headers={"X-Request-Id": "mine"})
        late = await session.get("/nothing", headers={"X-Request-Id": "mine"})
        head = await session.head(LIST)
        last = await session.get(LIST, headers={"Connection": "close"})
        early_body, late_body = await early.json(), await late.json()

    assert early_body == late_body
    assert {**early.headers, "Connection": None, "Date": None} == {**late.headers, "Connection": None, "Date": None}
    assert (early.status, head.status, last.status) == (503, 503, 503)
    assert app[METRICS].failures["overloaded"] == 4
    assert app[METRICS].durations["GET", "/api/*", 503].counts[0] == 2


async def test_early_refusal_by_rate_limit_has_its_headers(listening: Start, world: World) -> None:
    ada = await world.user()
    app, host, port = await listening(max_requests=5, rate_limit=0.01, rate_limit_burst=2)
    async with ClientSession(f"http://{host}:{port}") as session:
        got = [await session.get(LIST, headers=ada.headers) for _ in range(3)]
        late = await session.get("/nothing", headers=ada.headers)

    assert [answer.status for answer in (*got, late)] == [200, 200, 429, 429]
    assert [answer.headers["RateLimit"][:11] for answer in (*got, late)] == [
        *('"token";r=1', '"token";r=0'),
        *('"token";r=0', '"token";r=0'),
    ]
    assert int(got[2].headers["Retry-After"]) > 90
    assert app[METRICS].durations["GET", "/api/*", 429].counts[0] == 1


async def test_connections_beyond_the_maximum_are_closed_at_once(listening: Start) -> None:
    app, host, port = await listening(max_requests=1)
    kept = [await asyncio.open_connection(host, port) for _ in range(4)]
    for reader, writer in kept:
        writer.write(HEALTHZ)
        await answers(reader, 1)

    reader, writer = await asyncio.open_connection(host, port)

    assert await asyncio.wait_for(reader.read(), 10) == b""
    assert app[METRICS].failures["too_many_connections"] == 1
    for _, other in (*kept, (reader, writer)):
        other.close()
