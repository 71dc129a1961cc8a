"""Connect: by its own client, in JSON and by messages; and what clients of other make may send."""

import asyncio
import base64
import gzip
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from connectrpc.client import ConnectClient
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from structlog.testing import capture_logs

from service.app import DISPATCHER
from service.database.pool import Database
from service.grpc.flow_pipelines.v1 import flow_pipelines_pb2 as pb
from service.settings import Settings
from tests.conftest import Client
from tests.factories import Member, World
from tests.grpc.conftest import Start
from tests.http.served import served

LIST = "/flow_pipelines.v1.Pipelines/ListPipelines"
UPDATE = "/flow_pipelines.v1.Jobs/UpdateJobPipelines"

every_codec = pytest.mark.parametrize("codec", ["json", "proto"])


def method(service: str, name: str) -> MethodInfo[Any, Any]:
    return MethodInfo(
        name=name,
        service_name=f"flow_pipelines.v1.{service}",
        input=getattr(pb, f"{name}Request"),
        output=getattr(pb, f"{name}Response"),
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.UNARY,
    )


@pytest.fixture
async def call(http: Client, codec: str) -> AsyncIterator[Any]:
    """Yield a function that calls by Connect's own client."""
    codecs = {"json": google_protobuf_json_codec, "proto": google_protobuf_binary_codec}
    async with ConnectClient(str(http.make_url("")).rstrip("/"), codec=codecs[codec]()) as client:

        async def execute(service: str, request: Any, headers: Mapping[str, str], timeout_ms: int = 5000) -> Any:
            name = type(request).__name__.removesuffix("Request")
            return await client.execute_unary(
                request=request, method=method(service, name), headers=headers, timeout_ms=timeout_ms
            )

        yield execute


async def with_pipeline(world: World) -> tuple[Member, str]:
    ada, pipeline = await world.user(), await world.pipeline("Invoices")
    await world.grant(pipeline, ada)
    return ada, str(pipeline)


@every_codec
async def test_official_client_reads_and_writes(call: Any, http: Client, world: World) -> None:
    ada, pipeline = await with_pipeline(world)
    job = await world.job(ada)
    update = pb.UpdateJobPipelinesRequest(job_id=job, pipeline_ids=pb.PipelineIds(ids=[pipeline]))

    answers = [await call("Pipelines", pb.ListPipelinesRequest(), ada.headers) for _ in range(2)]
    updated = await call("Jobs", update, ada.headers)
    emptied = await call("Jobs", pb.UpdateJobPipelinesRequest(job_id=job, pipeline_ids=pb.PipelineIds()), ada.headers)

    by_http = await (await http.get("/api/v1/flow/pipeline", headers=ada.headers)).json()
    assert [MessageToDict(each, always_print_fields_with_no_presence=True) for each in answers] == [by_http] * 2
    assert [each.flow_pipeline_id for each in updated.updated_pipelines] == [pipeline]
    assert (emptied.status, await world.pipelines_of(job)) == ("OK", [])


@every_codec
async def test_official_client_is_told_code_sentence_and_details(call: Any, world: World) -> None:
    ada, headers = await world.user(), {"X-Request-Id": "mine"}
    forgotten = pb.UpdateJobPipelinesRequest(job_id="a")

    with pytest.raises(ConnectError) as unauthenticated:
        await call("Pipelines", pb.ListPipelinesRequest(), headers)
    with pytest.raises(ConnectError) as invalid:
        await call("Jobs", forgotten, ada.headers)

    assert unauthenticated.value.code is Code.UNAUTHENTICATED
    assert unauthenticated.value.message == "A bearer token is needed: Authorization: Bearer <token>."
    reason, asked = (each.message_bytes for each in unauthenticated.value.details)
    assert ErrorInfo.FromString(reason) == ErrorInfo(reason="NO_CREDENTIALS", domain="flow-pipelines")
    assert RequestInfo.FromString(asked).request_id == "mine"
    assert invalid.value.code is Code.INVALID_ARGUMENT
    violations = BadRequest.FromString(invalid.value.details[1].message_bytes).field_violations
    assert [(each.field, each.description) for each in violations] == [
        ("pipeline_ids", "Missing data for required field.")
    ]


@pytest.mark.parametrize("json", [{}, {"name": None, "page_size": None}])
async def test_answer_in_json_is_that_of_http(http: Client, world: World, json: dict[str, Any]) -> None:
    ada, _ = await with_pipeline(world)

    answer = await http.post(LIST, json=json, headers=ada.headers)
    by_http = await http.get("/api/v1/flow/pipeline", headers=ada.headers)

    assert (answer.status, await answer.read()) == (200, await by_http.read())
    assert answer.headers["ETag"] == by_http.headers["ETag"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"job_id": "a", "pipeline_ids": []}, "pipeline_ids"),
        ({"job_id": "a", "pipeline_ids": {"ids": "x"}}, "pipeline_ids"),
        ({"job_id": "a", "pipeline_ids": {"id": []}}, "pipeline_ids"),
        ({"job_id": "a", "pipeline_ids": {}, "more": 1}, "more"),
        ({"job_id": "a", "pipeline_ids": {}, "more": None}, "more"),
        ({"job_id": 7, "pipeline_ids": {}}, "job_id"),
    ],
)
async def test_json_that_is_no_such_message_is_refused(
    http: Client, world: World, body: dict[str, Any], field: str
) -> None:
    ada = await world.user()

    answer = await http.post(UPDATE, json=body, headers=ada.headers)

    told = await answer.json()
    assert (answer.status, told["code"]) == (400, "invalid_argument")
    assert violations_of(told) == [field]


def violations_of(told: Mapping[str, Any]) -> list[str]:
    """Return the fields that a failure names, whose details are base64 without padding."""
    packed = next(each for each in told["details"] if each["type"] == "google.rpc.BadRequest")
    assert "=" not in packed["value"]
    violations = BadRequest.FromString(base64.b64decode(packed["value"] + "==")).field_violations
    return [each.field for each in violations]


async def test_failures_before_the_call_have_the_shape_of_connect(start: Start, world: World) -> None:
    served, ada = await start(rate_limit=0.01, rate_limit_burst=1, max_body_bytes=100), await world.user()

    headers = {**ada.headers, "Content-Type": "application/json"}
    too_large = await served.http.post(UPDATE, data=b'{"job_id": "%s"}' % (b"x" * 200), headers=headers)
    limited = await served.http.post(LIST, json={}, headers=ada.headers)

    assert (too_large.status, (await too_large.json())["code"]) == (400, "invalid_argument")
    assert (limited.status, (await limited.json())["code"]) == (429, "resource_exhausted")
    assert int(limited.headers["Retry-After"]) > 0
    told = {each["type"]: base64.b64decode(each["value"] + "==") for each in (await limited.json())["details"]}
    wait = RetryInfo.FromString(told["google.rpc.RetryInfo"]).retry_delay.seconds
    assert wait == int(limited.headers["Retry-After"])


async def test_other_content_types_methods_and_timeouts_are_refused(http: Client, world: World) -> None:
    ada = await world.user()

    grpc_web = await http.post(LIST, data=b"", headers={**ada.headers, "Content-Type": "application/grpc-web+proto"})
    late = await http.post(LIST, json={}, headers={**ada.headers, "Connect-Timeout-Ms": "0"})
    odd = await http.post(LIST, json={}, headers={**ada.headers, "Connect-Timeout-Ms": "soon"})

    newer = await http.post(LIST, json={}, headers={**ada.headers, "Connect-Protocol-Version": "2"})

    assert (newer.status, (await newer.json())["message"]) == (
        400,
        "The header Connect-Protocol-Version must be 1, the version that this service speaks.",
    )
    assert (grpc_web.status, grpc_web.headers["Accept-Post"]) == (415, "application/json, application/proto")
    assert (late.status, (await late.json())["code"]) == (504, "deadline_exceeded")
    assert (odd.status, (await odd.json())["code"]) == (400, "invalid_argument")
    assert (await http.get(LIST, headers=ada.headers)).status == 405
    assert (await http.post(LIST + "x", json={}, headers=ada.headers)).status == 404


@pytest.mark.parametrize(
    ("sent", "status"),
    [("1", 504), ("0", 504), ("9" * 10, 200), *((odd, 400) for odd in ("1" * 11, "-1", "+5", "1.5", "\u0663", ""))],
)
async def test_timeout_is_whole_milliseconds_in_ten_digits_at_most(
    http: Client, world: World, sent: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sent == "1":
        monkeypatch.setattr(http.app[DISPATCHER], "dispatch", lambda *_: asyncio.sleep(5))

    answer = await http.post(LIST, json={}, headers={**(await world.user()).headers, "Connect-Timeout-Ms": sent})

    assert answer.status == status


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", LIST, 405, "unimplemented"),  # also a read: calls by GET are left out
        ("GET", LIST + "?encoding=json&message=%7B%7D&connect=v1", 405, "unimplemented"),
        ("PUT", LIST, 405, "unimplemented"),
        ("POST", LIST + "x", 404, "unimplemented"),
        ("GET", "/flow_pipelines.v1.Nothing/Nothing", 404, "unimplemented"),
        ("POST", "/flow_pipelines.v1.Changes/Watch", 404, "unimplemented"),  # which streams
        ("POST", "/flow_pipelines.v1.Pipelines", 404, "unimplemented"),
        ("POST", "/flow_pipelines/v1", 404, "NOT_FOUND"),  # none of Connect's
    ],
)
async def test_path_of_no_call_is_told_in_the_shape_of_connect(
    http: Client, method: str, path: str, status: int, code: str
) -> None:
    answer = await http.request(method, path, data=b"{}", headers={"Content-Type": "application/json"})

    told = await answer.json()
    assert (answer.status, answer.content_type, told["code"]) == (status, "application/json", code)
    if code == "unimplemented":
        assert told.keys() == {"code", "message", "details"}
    assert answer.headers.get("Allow") == ("POST" if status == 405 else None)


@pytest.fixture(scope="module")
async def served_http(settings: Settings, database: Database) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session with a service behind its own connections: one coding is refused there, and others by handlers."""
    async with served(settings, database) as url, aiohttp.ClientSession(url) as opened:
        yield opened


@pytest.mark.parametrize(
    ("coding", "known"),
    [("br", False), ("zstd", False), ("gzip, gzip", False), ("gzip", True), ("deflate", True), ("identity", True)],
)
async def test_body_in_a_coding_that_is_not_known_is_unimplemented_and_the_known_ones_are_named(
    served_http: aiohttp.ClientSession, world: World, coding: str, known: bool
) -> None:
    body = {"gzip": gzip.compress(b"{}"), "deflate": zlib.compress(b"{}")}.get(coding, b"{}")
    headers = {**(await world.user()).headers, "Content-Type": "application/json", "Content-Encoding": coding}

    answer = await served_http.post(LIST, data=body, headers=headers)

    if known:
        assert answer.status == 200
    else:
        told = await answer.json()
        assert (answer.status, told["code"]) == (501, "unimplemented")
        assert answer.headers["Accept-Encoding"] == "deflate, gzip"
        assert told["message"] == "A body may be sent as it is, or coded as deflate or gzip."


async def test_answer_is_not_coded_whatever_the_client_takes(http: Client, world: World) -> None:
    sent = {**(await world.user()).headers, "Accept-Encoding": "br, gzip;q=0.5"}

    answer = await http.post(LIST, json={}, headers=sent)

    assert (answer.status, answer.headers.get("Content-Encoding")) == (200, None)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_content_type_may_have_parameters_and_any_case(http: Client, world: World, kind: str) -> None:
    answer = await http.post(LIST, data=b"{}", headers={**(await world.user()).headers, "Content-Type": kind})

    assert answer.status == 200


@pytest.mark.parametrize("size", [2, "2", "2.0", 2.0, "2e0", "20E-1", "0002"])
async def test_integer_in_json_may_be_a_text(http: Client, world: World, size: object) -> None:
    ada = await world.user()
    for number in range(3):
        await world.grant(await world.pipeline(f"{number}"), ada)

    answer = await http.post(LIST, json={"page_size": size}, headers=ada.headers)

    assert (answer.status, len((await answer.json())["pipelines"])) == (200, 2)


@pytest.mark.parametrize(
    "size",
    ["", " 2", "2 ", "two", "1.5", 1.5, "0x2", "1_0", "\u0662", "1e300", 1e300, "9" * 19, "9" * 5000, True, [2], {}],
    ids=lambda size: repr(size)[:20],
)
async def test_integer_in_json_that_is_none_is_refused(http: Client, world: World, size: object) -> None:
    answer = await http.post(LIST, json={"page_size": size}, headers=(await world.user()).headers)

    told = await answer.json()
    assert (answer.status, told["code"]) == (400, "invalid_argument")
    assert violations_of(told) == ["page_size"]


@pytest.mark.parametrize("size", [b"1e999", b"-1e999", b"1" * 20 + b".0e300"])
async def test_number_in_json_beyond_all_numbers_is_refused(http: Client, world: World, size: bytes) -> None:
    headers = {**(await world.user()).headers, "Content-Type": "application/json"}

    answer = await http.post(LIST, data=b'{"page_size":%s}' % size, headers=headers)

    told = await answer.json()
    assert (answer.status, told["code"]) == (400, "invalid_argument")
    assert "larger than any" in told["message"]


async def test_line_of_a_call_names_connect(http: Client, world: World) -> None:
    ada = await world.user()
    with capture_logs() as lines:
        await http.post(LIST, data=b"", headers={"Content-Type": "text/plain"})
        await http.post(LIST, json={}, headers=ada.headers)
        await (await http.get("/healthz")).read()

    of_calls = [line["fields"] for line in lines if line["event"] == "request" and line["fields"]["route"] == LIST]
    refused, line = of_calls
    assert (refused["status"], refused["code"]) == (415, "INVALID_ARGUMENT")
    assert (line["transport"], line["method"], line["status"]) == ("connect", "POST", 200)
