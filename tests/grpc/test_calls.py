"""Calls by gRPC: credentials, failures with their details, deadlines, conditions; what is counted and refused."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest
from structlog.testing import capture_logs

from service.app import BODIES, METRICS
from service.database.pool import Database
from service.grpc.flow_pipelines.v1 import flow_pipelines_pb2 as pb
from service.grpc.messages import FIELD_BYTES, MAX_FIELDS, RequestMessage, methods
from service.grpc.slow_reads import PROMPT
from service.http.overload.window import Window
from service.permissions import PERMISSION_BITS, READ, WRITE
from service.telemetry.request_record import RequestRecord
from tests.conftest import Client
from tests.factories import Member, World
from tests.grpc.calling import Rpcs, Told, details_of, message_of
from tests.grpc.conftest import Served, Start

LIST = "/flow_pipelines.v1.Pipelines/ListPipelines"
AUTHORIZED = "authorization"


Wait = Callable[..., Awaitable["asyncio.Task[Told]"]]


@pytest.fixture(name="waiting")
async def _waiting(world: World, dsn: str) -> AsyncIterator[Wait]:
    """Return a function that begins an update of a job that is locked, and so waits until the test has ended."""
    async with AsyncExitStack() as stack:

        async def begin(rpcs: Rpcs, ada: Member | None = None, within: float | None = None) -> "asyncio.Task[Told]":
            ada = ada or await world.user(role="admin")
            job = await world.job(ada, await world.pipeline())
            connection = await asyncpg.connect(dsn)
            stack.push_async_callback(connection.close)
            await connection.execute("BEGIN")
            await connection.execute("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", job)
            update = {"job_id": job, "pipeline_ids": {}}
            call = asyncio.create_task(rpcs("UpdateJobPipelines", update, token=ada.token, within=within))
            stack.callback(call.cancel)
            return call

        yield begin


async def ended(records: list[RequestRecord], number: int = 1) -> RequestRecord:
    """Return the last of so many records, once they are written."""
    async with asyncio.timeout(5):
        while len(records) < number:  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.01)
    return records[-1]


async def test_list_pipelines_answers_as_http_does(rpcs: Rpcs, http: Client, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline("Invoices")
    await world.grant(pipeline, ada)

    told = await rpcs("ListPipelines", token=ada.token, metadata={"x-request-id": "mine"})

    assert told.code == "OK", told
    assert told.body == await (await http.get("/api/v1/flow/pipeline", headers=ada.headers)).json()
    assert told.metadata["x-request-id"] == "mine"


async def test_cached_list_serves_both_transports(
    rpcs: Rpcs, http: Client, world: World, records: list[RequestRecord]
) -> None:
    ada, pipeline = await world.user(), await world.pipeline("Invoices")
    await world.grant(pipeline, ada)

    await http.get("/api/v1/flow/pipeline", headers=ada.headers)
    by_grpc = [await rpcs("ListPipelines", token=ada.token) for _ in range(2)]
    fresh = await rpcs("ListPipelines", token=ada.token, metadata={"cache-control": "no-cache"})
    filtered = await rpcs("ListPipelines", {"name": "x"}, token=ada.token)
    await ended(records, 5)

    assert [record.statements for record in records] == [2, 1, 1, 2, 2]
    assert by_grpc[0].body == by_grpc[1].body == fresh.body
    assert filtered.body["pipelines"] == []


async def test_list_of_thousands_is_whole(rpcs: Rpcs, http: Client, world: World) -> None:
    """It is made in slices."""
    ada = await world.user(role="admin")
    await world.raw.execute(
        "INSERT INTO pipelines (organization_id, id, name, name_key)"
        " SELECT $1, gen_random_uuid(), 'p' || n, 'p' || n FROM generate_series(1, 2500) AS n",
        world.id,
    )

    told = await rpcs("ListPipelines", token=ada.token)

    assert len(told.body["pipelines"]) == 2500
    assert told.body == await (await http.get("/api/v1/flow/pipeline", headers=ada.headers)).json()


# ---- failures


async def test_failure_has_code_sentence_and_details(rpcs: Rpcs) -> None:
    told = await rpcs("ListPipelines", metadata={"x-request-id": "mine"})

    assert (told.code, told.message) == ("UNAUTHENTICATED", "A bearer token is needed: Authorization: Bearer <token>.")
    assert told.details == {
        "ErrorInfo": {"reason": "NO_CREDENTIALS", "domain": "flow-pipelines"},
        "RequestInfo": {"requestId": "mine"},
    }
    assert (told.metadata["x-request-id"], told.metadata["www-authenticate"]) == ("mine", "Bearer")


async def test_failure_of_fields_names_each(rpcs: Rpcs, world: World) -> None:
    ada = await world.user()

    told = await rpcs("UpdateJobPipelines", {"pipeline_ids": {"ids": ["x"]}}, token=ada.token)

    assert told.code == "INVALID_ARGUMENT"
    assert told.details["BadRequest"]["fieldViolations"] == [
        {"field": "job_id", "description": "Missing data for required field."},
        {"field": "pipeline_ids.0", "description": "Not a valid UUID."},
    ]


async def test_failure_by_scope_names_the_scope(rpcs: Rpcs, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline()
    await world.grant(pipeline, ada, READ | WRITE)
    narrow = await world.token(ada.id, scopes=READ)

    told = await rpcs("UpdatePipeline", {"pipeline_id": str(pipeline), "name": "x"}, token=narrow)

    assert told.code == "PERMISSION_DENIED"
    assert told.details["ErrorInfo"]["metadata"] == {"scope": "flow_pipeline:write"}


async def test_absent_list_is_refused_and_an_empty_one_is_not(rpcs: Rpcs, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline()
    await world.grant(pipeline, ada)
    job = await world.job(ada, pipeline)

    absent = await rpcs("UpdateJobPipelines", {"job_id": job}, token=ada.token)
    kept = await world.pipelines_of(job)
    empty = await rpcs("UpdateJobPipelines", {"job_id": job, "pipeline_ids": {}}, token=ada.token)

    assert (absent.code, kept) == ("INVALID_ARGUMENT", [pipeline])
    assert (empty.code, await world.pipelines_of(job)) == ("OK", [])


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (b"\xff\xff", "The message can't be read: it is not of the type that this call takes."),
        (b"\x98\x06\x01", "The message has fields that this service does not know."),
        (pb.UpdateJobPipelinesRequest(job_id="a\0b").SerializeToString(), "A text holds a NUL character"),
        (
            pb.UpdateJobPipelinesRequest(pipeline_ids=pb.PipelineIds(ids=[""] * 13_000)).SerializeToString(),
            "The message holds more than 12,000 values: no request takes as many.",
        ),
        (
            pb.UpdateJobPipelinesRequest(pipeline_ids=pb.PipelineIds(ids=[""] * 500_000)).SerializeToString(),
            "The message has more than 18,000 fields: no request takes as many.",
        ),
        (b"\x08\x80\x80\x80\x80\x00" * 150_000, "The message has more than 18,000 fields: no request takes as many."),
        (b"\x98\x06\x01" * 300_000, "The message has fields that this service does not know."),
        (b"\x08" + b"\x80" * 500_000, "The message can't be read: it is not of the type that this call takes."),
        (b"\x0a\xff\xff\xff\xff\x7f" + b"\0" * 90_000, "The message can't be read: it is not of the type"),
        (b"\xff" * 90_000, "The message can't be read: it is not of the type that this call takes."),
    ],
    ids=[
        *("unreadable", "unknown field", "NUL", "too many values", "half a million", "long numbers", "many unknown"),
        *("a number without end", "a length beyond the end", "a tag without end"),
    ],
)
async def test_malformed_message_is_refused_and_only_to_known_callers(
    rpcs: Rpcs, world: World, message: bytes, sentence: str
) -> None:
    ada = await world.user()

    assert (await rpcs("UpdateJobPipelines", message, token="fp_0")).code == "UNAUTHENTICATED"
    told = await rpcs("UpdateJobPipelines", message, token=ada.token)

    assert (told.code, told.message[: len(sentence)]) == ("INVALID_ARGUMENT", sentence)
    assert (await rpcs("ListPipelines", b"\xff\xff")).code == "UNAUTHENTICATED"


async def code_of(rpcs: Rpcs, path: str, *metadata: tuple[str, str]) -> str:
    """Return the code of a call by its path alone, without a message."""
    call: Any = rpcs.channel.unary_unary(path)
    try:
        await call(b"", metadata=metadata)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def test_metadata_has_the_room_that_one_header_has_by_http(rpcs: Rpcs, world: World) -> None:
    """As a token of an identity provider may have it; never by chance, as grpcio has it by itself."""
    ada = await world.user()
    credentials = (AUTHORIZED, f"Bearer {ada.token}")

    taken = {await code_of(rpcs, LIST, credentials, ("x-large", "x" * 8192)) for _ in range(30)}
    refused = {await code_of(rpcs, LIST, credentials, ("x-large", "x" * 16_384)) for _ in range(3)}

    assert (taken, refused) == ({"OK"}, {"RESOURCE_EXHAUSTED"})


@pytest.mark.parametrize("path", ["/flow_pipelines.v1.Pipelines/Nothing", "/nothing.v1.Nothing/Get", LIST + "/x"])
async def test_unknown_call_is_refused_with_details(rpcs: Rpcs, path: str) -> None:
    call: Any = rpcs.channel.unary_unary(path)
    with capture_logs() as lines, pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(b"", metadata=(("x-request-id", "mine"),))
    await asyncio.sleep(0.01)

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert details_of(refused.value) == {
        "ErrorInfo": {"reason": "UNKNOWN_CALL", "domain": "flow-pipelines"},
        "RequestInfo": {"requestId": "mine"},
    }
    (line,) = (line["fields"] for line in lines if line["event"] == "request")
    assert {name: line[name] for name in ("transport", "route", "path", "status", "code")} == {
        "transport": "grpc",
        "route": "unmatched",
        "path": path,
        "status": 404,
        "code": "UNIMPLEMENTED",
    }


async def test_unknown_calls_take_from_the_rate_of_a_token(start: Start, world: World) -> None:
    served, ada = await start(rate_limit=0.01, rate_limit_burst=1), await world.user()
    credentials = (AUTHORIZED, f"Bearer {ada.token}")

    codes = [await code_of(served.rpcs, "/nothing.v1.Nothing/Get", credentials) for _ in range(2)]

    assert codes == ["UNIMPLEMENTED", "RESOURCE_EXHAUSTED"]


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate], ids=["gzip", "deflate"])
async def test_compressed_message_is_bounded_by_what_it_unfolds_to(
    rpcs: Rpcs, world: World, compression: grpc.Compression
) -> None:
    ada = await world.user(role="admin")
    call: Any = rpcs.channel.unary_unary("/flow_pipelines.v1.Pipelines/CreatePipeline")

    async def create(description: str) -> str:
        message = pb.CreatePipelineRequest(name=f"p{len(description)}", description=description).SerializeToString()
        try:
            await call(message, metadata=((AUTHORIZED, f"Bearer {ada.token}"),), compression=compression)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    assert [await create("x" * 1000), await create("x" * 5_000_000)] == ["OK", "RESOURCE_EXHAUSTED"]


async def test_reasons_by_field_fit_into_what_clients_take(rpcs: Rpcs, http: Client, world: World) -> None:
    """8 KiB of metadata: beyond, a client is told RESOURCE_EXHAUSTED by its own library, and nothing else."""
    ada = await world.user(role="admin")
    await rpcs("CreateGroup", {"name": "all"}, token=ada.token)
    names = [f"{number:-<90}" for number in range(1000)]
    request = {"name": "all", "add": {"names": names}}

    told = await rpcs("UpdateMembers", request, token=ada.token)
    by_connect = await http.post("/flow_pipelines.v1.Groups/UpdateMembers", json=request, headers=ada.headers)

    first, *_, last = violations = told.details["BadRequest"]["fieldViolations"]
    assert told.code == "NOT_FOUND"
    assert first["description"] == f"User {names[0]} does not exist."
    assert last == {"field": "...", "description": f"and {1001 - len(violations):,} more"}
    packed = next(each for each in (await by_connect.json())["details"] if each["type"] == "google.rpc.BadRequest")
    assert len(BadRequest.FromString(base64.b64decode(packed["value"] + "==")).field_violations) == 1000


def test_largest_request_that_json_takes_has_few_enough_fields() -> None:
    """Each of a thousand grants with all five permissions and an end."""
    grants = [
        {
            "user": f"u{number}",
            "permissions": {"names": [*PERMISSION_BITS]},
            "is_manager": True,
            "expires_at": "2030-01-01T00:00:00.5Z",
        }
        for number in range(1_000)
    ]
    (route, method) = next(each for each in methods() if each[1].name == "ReplaceGrants")
    message = message_of(method, {"pipeline_id": "x", "grants": {"items": grants}}).SerializeToString()

    values = RequestMessage(route, method.input_type).values(message)

    assert len(message) > FIELD_BYTES * MAX_FIELDS, "they are counted"
    assert len(values["grants"]) == 1_000


async def test_credentials_given_twice_are_refused(rpcs: Rpcs, world: World) -> None:
    ada = await world.user()
    call: Any = rpcs.channel.unary_unary(LIST)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(b"", metadata=((AUTHORIZED, f"Bearer {ada.token}"), (AUTHORIZED, "Bearer x")))

    assert refused.value.details() == "The header Authorization is given more than once."


async def test_unexpected_fault_is_internal_and_logged(
    rpcs: Rpcs, world: World, records: list[RequestRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await world.user()
    monkeypatch.setattr("service.repositories.users.page", None)

    told = await rpcs("ListUsers", token=ada.token)

    assert (told.code, told.message.partition(".")[0]) == ("INTERNAL", "The service failed to answer")
    assert isinstance((await ended(records)).unexpected_error, TypeError)


async def test_failure_that_hides_something_is_delayed(
    rpcs: Rpcs, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, waited = await world.user(), []

    async def reach(moment: float) -> None:
        waited.append(moment)

    monkeypatch.setattr("service.http.middleware._sleep_until", reach)
    told = await rpcs("GetPipeline", {"pipeline_id": str(uuid4())}, token=ada.token)

    assert (told.code, len(waited)) == ("NOT_FOUND", 1)


async def test_write_honours_the_tag_that_a_read_gave(rpcs: Rpcs, world: World) -> None:
    ada, pipeline = await world.user(role="admin"), str(await world.pipeline())
    seen = await rpcs("GetPipeline", {"pipeline_id": pipeline}, token=ada.token)
    change = {"pipeline_id": pipeline, "name": "new"}

    first = await rpcs("UpdatePipeline", change, token=ada.token, metadata={"if-match": seen.metadata["etag"]})
    second = await rpcs("UpdatePipeline", change, token=ada.token, metadata={"if-match": seen.metadata["etag"]})

    assert first.code == "OK"
    assert (second.code, second.details["ErrorInfo"]["reason"]) == ("FAILED_PRECONDITION", "PRECONDITION_FAILED")


async def test_empty_text_takes_away_what_null_does_by_http(rpcs: Rpcs, http: Client, world: World) -> None:
    ada = await world.user("ada", role="admin")
    named = await rpcs("UpdateUser", {"username": "ada", "display_name": "Ada", "email": "a@b.c"}, token=ada.token)

    kept = await rpcs("UpdateUser", {"username": "ada", "disabled": False}, token=ada.token)
    emptied = await rpcs("UpdateUser", {"username": "ada", "email": ""}, token=ada.token)
    connect = "/flow_pipelines.v1.Users/UpdateUser"
    by_connect = await http.post(connect, json={"username": "ada", "display_name": ""}, headers=ada.headers)

    assert (named.body["user"]["email"], kept.body["user"]["email"]) == ("a@b.c", "a@b.c")
    assert (emptied.code, emptied.body["user"].get("email"), emptied.body["user"]["display_name"]) == (
        "OK",
        None,
        "Ada",
    )
    assert (await by_connect.json())["user"].get("display_name") is None


# ---- deadlines and cancellation


async def test_deadline_of_the_client_counts_if_it_is_shorter(
    rpcs: Rpcs, waiting: Wait, records: list[RequestRecord]
) -> None:
    told = await (await waiting(rpcs, within=0.4))
    record = await ended(records)

    assert told.code == "DEADLINE_EXCEEDED"
    assert (record.code, record.reason) == ("DEADLINE_EXCEEDED", "client_deadline")


async def test_deadline_of_the_service_counts_if_it_is_shorter(start: Start, waiting: Wait) -> None:
    served = await start(request_timeout=0.4)

    told = await (await waiting(served.rpcs, within=30))

    assert (told.code, told.message) == ("DEADLINE_EXCEEDED", "The answer took longer than it may; try again.")


async def test_cancelled_call_ends_at_once(
    rpcs: Rpcs, waiting: Wait, records: list[RequestRecord], http: Client
) -> None:
    call = await waiting(rpcs)
    await asyncio.sleep(0.3)
    assert http.app[METRICS].active_rpcs == 1
    call.cancel()

    record = await ended(records)

    assert (record.code, record.status, record.reason) == ("CANCELLED", 499, "client_left")
    assert http.app[METRICS].active_rpcs == http.app[METRICS].active == 0


async def test_cancelled_write_changes_nothing(
    rpcs: Rpcs, world: World, dsn: str, records: list[RequestRecord]
) -> None:
    ada = await world.user(role="admin")
    pipeline = await world.pipeline()
    job = await world.job(ada, pipeline)
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", job)
            update = {"job_id": job, "pipeline_ids": {}}
            call = asyncio.create_task(rpcs("UpdateJobPipelines", update, token=ada.token))
            await asyncio.sleep(0.3)
            call.cancel()
            record = await ended(records)
    finally:
        await connection.close()
    audited = await rpcs("ListAudit", {"target": f"job:{job}"}, token=ada.token)

    assert (record.code, await world.pipelines_of(job)) == ("CANCELLED", [pipeline])
    assert audited.body["audit"] == []


# ---- what is logged and counted


async def test_line_of_an_attempt_names_what_it_was_about(rpcs: Rpcs, http: Client, world: World) -> None:
    """As the path of the same call by HTTP does: the address by gRPC and by Connect names the call alone."""
    mo = await world.user("mo")
    with capture_logs() as lines:
        await rpcs("DeleteUser", {"username": "ada"}, token=mo.token)
        await rpcs("UpdateUser", {"username": "a.b@c", "role": "admin"}, token="fp_0")
        await rpcs("CreateToken", {"username": "ada"}, token=mo.token)
        await rpcs("GetMe", token=mo.token)
        path, headers = "/flow_pipelines.v1.Users/DeleteUser", {**mo.headers, "Content-Type": "application/json"}
        await (await http.post(path, data=b'{"username": "eve"}', headers=headers)).read()
        await (await http.post(path, data=b"{", headers={**headers, "Authorization": "Bearer fp_0"})).read()
        await (await http.get("/healthz")).read()

    fields = [line["fields"] for line in lines if line["event"] == "request" and "transport" in line["fields"]]
    assert [(each["status"], each.get("target")) for each in fields] == [
        (403, "/flow_pipelines.v1.Users/DeleteUser username=ada"),
        (401, "/flow_pipelines.v1.Users/UpdateUser username=a.b%40c"),
        (403, "/flow_pipelines.v1.Tokens/CreateToken"),
        (200, None),
        (403, "/flow_pipelines.v1.Users/DeleteUser username=eve"),
        (401, "/flow_pipelines.v1.Users/DeleteUser"),
    ]


async def test_line_has_the_transport_and_counts(rpcs: Rpcs, http: Client, world: World) -> None:
    ada, trace = await world.user(), "4bf92f3577b34da6a3ce929d0e0e4736"
    counted = http.app[METRICS].rpc_durations["flow_pipelines.v1.Users/GetMe", "OK"]
    before = sum(counted.counts)
    with capture_logs() as lines:
        metadata = {"x-request-id": "line", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        await rpcs("GetMe", token=ada.token, metadata=metadata)
        await rpcs("GetMe", token="fp_0")
        await asyncio.sleep(0.01)

    line, refused = (line["fields"] for line in lines if line["event"] == "request")
    assert {name: line[name] for name in line if not name.endswith("_ms")} == {
        "transport": "grpc",
        "method": "POST",
        "route": "flow_pipelines.v1.Users/GetMe",
        "status": 200,
        "code": "OK",
        "statements": 3,
        "request_id": "line",
        "trace_id": trace,
        "organization_id": str(world.id),
        "user_id": str(ada.id),
        "username": ada.username,
        "token_id": line["token_id"],
        "client": "127.0.0.1",
        "user_agent": line["user_agent"],
    }
    assert (refused["status"], refused["reason"]) == (401, "invalid_token")
    assert (refused["client"], refused["target"]) == ("127.0.0.1", "/flow_pipelines.v1.Users/GetMe")
    assert sum(counted.counts) == before + 1
    names = {metric.name: metric for metric in http.app[METRICS].collect()}
    assert {"rpc_server_call_duration_seconds", "rpc_server_active_requests"} <= names.keys()


# ---- what is refused


async def test_calls_beyond_what_is_taken_on_are_refused(start: Start, world: World, waiting: Wait) -> None:
    served, ada = await start(max_requests=1), await world.user()
    await waiting(served.rpcs)
    await asyncio.sleep(0.3)

    refused = await served.rpcs("ListPipelines", token=ada.token)
    by_http = await served.http.get("/api/v1/flow/pipeline", headers=ada.headers)

    assert (refused.code, refused.details["ErrorInfo"]["reason"]) == ("UNAVAILABLE", "OVERLOADED")
    assert refused.details["RetryInfo"] == {"retryDelay": "1s"}
    assert (refused.metadata["retry-after"], by_http.status) == ("1", 503)
    assert served.http.app[METRICS].failures["overloaded"] == 2


@pytest.fixture(name="busy")
async def _busy(start: Start, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Return a service that has enough to do until its metrics say otherwise, and may refuse what is late."""
    monkeypatch.setattr(Window, "LATE", -1)  # so that the window stays as small as it can be
    served = await start(request_timeout=2)
    served.http.app[METRICS].active = Window.MIN
    return served


async def test_call_beyond_the_window_is_held_and_begun_once_there_is_room(
    busy: Served, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.http.overload.holding.FRESH_SECONDS", 60)  # so that it is not late, and never refused
    ada = await world.user()
    call = asyncio.create_task(busy.rpcs("GetMe", token=ada.token))
    await asyncio.sleep(0.03)
    assert not call.done()

    busy.http.app[METRICS].active = 0

    assert (await call).code == "OK"


async def test_call_that_is_held_for_too_long_is_refused(busy: Served, world: World) -> None:
    ada = await world.user()

    told = await busy.rpcs("GetMe", token=ada.token)

    assert (told.code, told.details["ErrorInfo"]["reason"]) == ("UNAVAILABLE", "OVERLOADED")
    assert busy.http.app[METRICS].failures["overloaded"] == 1


async def test_call_whose_client_has_given_up_is_not_begun(
    busy: Served, world: World, records: list[RequestRecord]
) -> None:
    ada = await world.user()

    told = await busy.rpcs("GetMe", token=ada.token, within=0.02)
    busy.http.app[METRICS].active = 0

    assert told.code == "DEADLINE_EXCEEDED"
    assert (await busy.rpcs("ListPipelines", token=ada.token)).code == "OK"
    assert [record.route for record in records] == [LIST.removeprefix("/")]


async def test_rate_of_a_token_is_one_for_all_transports(start: Start, world: World) -> None:
    served, ada, bob = await start(rate_limit=0.01, rate_limit_burst=2), await world.user(), await world.user()

    first = await served.rpcs("GetMe", token=ada.token)
    await served.http.get("/api/v1/users/me", headers=ada.headers)
    refused = await served.rpcs("GetMe", token=ada.token)

    assert (first.code, first.metadata["ratelimit"]) == ("OK", '"token";r=1;t=100')
    assert (refused.code, refused.details["ErrorInfo"]["reason"]) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert refused.details["RetryInfo"]["retryDelay"] == f"{refused.metadata['retry-after']}s"
    assert (await served.rpcs("GetMe", token=bob.token)).code == "OK"


async def test_message_over_the_limit_of_bodies_is_refused(start: Start, world: World) -> None:
    served, ada = await start(max_body_bytes=2000), await world.user()

    told = await served.rpcs("CreatePipeline", {"name": "x", "description": "x" * 2000}, token=ada.token)

    assert told.code == "RESOURCE_EXHAUSTED"


async def late(channel: grpc.aio.Channel, token: str, until: asyncio.Event) -> bytes:
    """Make a call whose message comes late."""

    async def message() -> AsyncIterator[bytes]:
        await until.wait()
        yield b""

    call: Any = channel.stream_unary(LIST)
    answer: bytes = await call(message(), metadata=((AUTHORIZED, f"Bearer {token}"),))
    return answer


async def test_message_that_comes_late_counts_among_bodies(start: Start, world: World) -> None:
    served, ada, until = await start(max_bodies_bytes=2**20), await world.user(), asyncio.Event()
    slow = asyncio.create_task(late(served.rpcs.channel, ada.token, until))
    await asyncio.sleep(10 * PROMPT)

    reserved = served.http.app[BODIES].bytes
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await late(served.rpcs.channel, ada.token, asyncio.Event())
    prompt = await served.rpcs("ListPipelines", token=ada.token)
    until.set()

    assert (reserved, prompt.code) == (2**20, "OK")
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert pb.ListPipelinesResponse.FromString(await slow).status == "OK"
    assert served.http.app[BODIES].bytes == 0


async def test_caller_is_known_to_the_fairness_that_all_transports_share(
    rpcs: Rpcs, database: Database, world: World
) -> None:
    ada = await world.user()

    await rpcs("GetMe", token=ada.token)

    asking = database.presence.find(f"Bearer {ada.token}")
    assert asking is not None
    assert asking.organization == world.id.bytes


async def test_organization_over_its_share_is_refused_while_others_are_there(
    start: Start, world: World, waiting: Wait, raw: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    served, ada = (
        await start(max_requests=10, max_organization_share=0.1, max_token_share=0.1),
        await world.user(role="admin"),
    )
    other = await (await World.create(raw)).user()
    for each in (ada, other):
        await served.rpcs("GetMe", token=each.token)
    for _ in range(9):
        await waiting(served.rpcs, ada)
    await asyncio.sleep(0.3)

    again = await served.rpcs("GetMe", token=ada.token)
    others = await served.rpcs("GetMe", token=other.token)

    assert (again.code, others.code) == ("UNAVAILABLE", "OK")
