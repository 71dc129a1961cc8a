"""Failures of the service itself: the answer to the caller, and the line in the log."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from service.app import create_app
from service.database.pool import Database, open_database
from service.database.session import LOCK_TIMEOUT
from service.health import Health
from service.http.middleware import NOT_FOUND_SECONDS
from service.http.request_log import RequestLog
from service.repositories import pipelines
from service.settings import Settings
from service.telemetry.logs import configure_logs, flat
from service.telemetry.metrics import RequestMetrics
from service.telemetry.request_record import RequestRecord
from tests.conftest import Client
from tests.factories import World

LIST = "/api/v1/flow/pipeline"


@pytest.fixture
def log() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs(processors=[flat]) as lines:
        yield lines


@pytest.fixture
async def hasty_client(settings: Settings, database: Database) -> AsyncIterator[Client]:
    app = create_app(replace(settings, request_timeout=0.5), database, Health(database, 1))
    async with TestClient[web.Request, web.Application](TestServer(app)) as opened:
        yield opened


async def test_internal_error_has_a_fixed_message_and_its_cause_in_the_log(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, log: list[structlog.typing.EventDict]
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError("SELECT secret FROM somewhere")

    monkeypatch.setattr(pipelines, "list_granted_each", fail)
    ada = await world.user()

    answer = await client.get(LIST, headers={**ada.headers, "X-Request-Id": "mine"})

    assert answer.status == 500
    assert await answer.json() == {
        "status": "ERROR",
        "msg": "The service failed to answer. The request id leads to the cause in its log.",
        "code": "INTERNAL",
        "request_id": "mine",
    }
    (line,) = log
    assert (line["event"], line["log_level"], line["status"], line["code"]) == ("request", "error", 500, "INTERNAL")
    assert isinstance(line["exc_info"], ZeroDivisionError)


async def test_request_beyond_its_deadline_is_504(
    hasty_client: Client, world: World, monkeypatch: pytest.MonkeyPatch, log: list[structlog.typing.EventDict]
) -> None:
    async def sleep(connection: object, *_: object) -> list[object]:
        await connection.fetch_row("test", "SELECT pg_sleep(5)")  # type: ignore[attr-defined] # the service's Connection
        return []

    monkeypatch.setattr(pipelines, "list_granted_each", sleep)
    ada = await world.user()

    answer = await hasty_client.get(LIST, headers=ada.headers)

    assert (answer.status, (await answer.json())["code"]) == (504, "DEADLINE_EXCEEDED")
    assert [line["status"] for line in log if line["event"] == "request"] == [504]
    assert (await hasty_client.get("/healthz")).status == 200


async def test_request_without_a_database_is_503(settings: Settings, log: list[structlog.typing.EventDict]) -> None:
    async with open_database("postgresql://me:canary@127.0.0.1:1/x", settings) as database:
        app = create_app(settings, database, Health(database, 1))
        async with TestClient(TestServer(app)) as client:
            answer = await client.get(LIST, headers={"Authorization": "Bearer x"})

            body = await answer.json()
            assert (answer.status, body["code"], answer.headers["Retry-After"]) == (503, "UNAVAILABLE", "1")
            assert body["msg"] == "The database can't be reached; try again."
            (line,) = [each for each in log if each["event"] == "request"]
            assert "Connect" in line["error"]
            assert "canary" not in str(log)


async def test_change_that_waits_for_another_one_is_aborted(client: Client, world: World, dsn: str) -> None:
    manager, pipeline = await world.user(role="admin"), await world.pipeline()
    holder = await asyncpg.connect(dsn)
    await holder.execute("BEGIN")
    await holder.execute("SELECT FROM pipelines WHERE id = $1 FOR UPDATE", pipeline)

    begun = asyncio.get_running_loop().time()
    answer = await client.patch(f"{LIST}/{pipeline}", json={"name": "x"}, headers=manager.headers)
    waited = asyncio.get_running_loop().time() - begun
    await holder.close()

    body = await answer.json()
    assert (answer.status, body["code"], answer.headers["Retry-After"]) == (409, "ABORTED", "1")
    assert body["msg"] == "Another change to the same thing is under way; try again."
    assert LOCK_TIMEOUT <= waited < LOCK_TIMEOUT + 2


async def test_json_log_of_an_exception_is_one_line(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    output = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(output, write_through=True))
    former = structlog.get_config()
    try:
        configure_logs(replace(settings, log_format="json"))
        structlog.get_logger().error("request", exc_info=ZeroDivisionError("x"))
        await asyncio.sleep(0)
    finally:
        structlog.configure(**former)  # not its defaults, which are other objects than those that loggers are bound to

    (line,) = output.getvalue().splitlines()
    assert list(orjson.loads(line)) == ["timestamp", "level", "event", "exception"]


async def test_update_job_pipelines_reads_permissions_again_after_a_lost_connection(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await world.user()
    pipeline_id = await world.pipeline()
    await world.grant(pipeline_id, ada)
    job_id, list_granted_each, lost = await world.job(ada), pipelines.list_granted_each, [ConnectionResetError()]

    async def lose_one(*arguments: Any) -> list[pipelines.PipelineList | None]:
        if lost:
            raise lost.pop()
        return await list_granted_each(*arguments)

    monkeypatch.setattr(pipelines, "list_granted_each", lose_one)
    body = {"job_id": job_id, "pipeline_ids": [str(pipeline_id)]}

    answer = await client.post("/api/v1/jobs/pipelines", json=body, headers=ada.headers)

    assert (answer.status, lost) == (200, [])
    assert await world.pipelines_of(job_id) == [pipeline_id]


async def test_not_found_is_delayed_to_a_fixed_time(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer hides the duration of the lookup: its moment was fixed before the lookup began."""
    loop, ada = asyncio.get_running_loop(), await world.user()
    waited: list[float] = []

    async def reach(moment: float) -> None:
        waited.append(moment - loop.time())

    monkeypatch.setattr("service.http.middleware._sleep_until", reach)
    for path, status in ((f"{LIST}/{uuid4()}", 404), (LIST, 200), (f"{LIST}/x", 400)):
        assert (await client.get(path, headers=ada.headers)).status == status

    assert len(waited) == 1
    assert waited[0] <= NOT_FOUND_SECONDS


async def test_log_line_that_fails_leaves_the_other_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    faults: list[object] = []

    def fail_once(_: object, __: object, record: RequestRecord, ___: float) -> None:
        tried.append(record.request_id)
        if len(tried) == 1:
            raise ZeroDivisionError

    monkeypatch.setattr(RequestLog, "write", fail_once)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context["exception"]))
    ended, request = RequestLog(RequestMetrics()), make_mocked_request("GET", LIST)
    for number in "123":
        ended.end(request, RequestRecord(number))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    loop.set_exception_handler(None)

    assert tried == ["1", "2", "3"]
    assert len(faults) == 1
