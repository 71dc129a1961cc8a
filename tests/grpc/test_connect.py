"""Connect: by its own client, in JSON and by messages; and what clients of other make may send."""

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from connectrpc.client import ConnectClient
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo
from structlog.testing import capture_logs

from service.grpc.flow_pipelines.v1 import flow_pipelines_pb2 as pb
from tests.conftest import Client
from tests.factories import Member, World
from tests.grpc.conftest import Start

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
    packed = next(each for each in told["details"] if each["type"] == "google.rpc.BadRequest")
    violations = BadRequest.FromString(base64.b64decode(packed["value"] + "==")).field_violations
    assert [each.field for each in violations] == [field]


async def test_failures_before_the_call_have_the_shape_of_connect(start: Start, world: World) -> None:
    served, ada = await start(rate_limit=0.01, rate_limit_burst=1, max_body_bytes=100), await world.user()

    headers = {**ada.headers, "Content-Type": "application/json"}
    too_large = await served.http.post(UPDATE, data=b'{"job_id": "%s"}' % (b"x" * 200), headers=headers)
    limited = await served.http.post(LIST, json={}, headers=ada.headers)

    assert (too_large.status, (await too_large.json())["code"]) == (400, "invalid_argument")
    assert (limited.status, (await limited.json())["code"]) == (429, "resource_exhausted")
    assert int(limited.headers["Retry-After"]) > 0


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
