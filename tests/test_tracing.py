"""Spans: their names, parents and attributes; and that there are none unless tracing is configured."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import asyncpg
import grpc
import pytest
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id, set_span_in_context

from service.app import DISPATCHER, TOKEN_USE, create_app
from service.database.pool import Database, open_database
from service.errors import StartupError
from service.grpc.server import GrpcServer
from service.health import Health
from service.process import _tracing
from service.repositories import pipelines
from service.settings import Settings
from service.telemetry.request_record import RequestRecord
from service.tracing import Tracing
from tests.conftest import Client, RecordingLog
from tests.factories import World
from tests.grpc.calling import Rpcs
from tests.grpc.conftest import parts_of

LIST = "/api/v1/flow/pipeline"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
STATEMENT = "tokens.find_active"


@dataclass
class Traced:
    """A service that is traced, and the exporter of its spans."""

    client: Client
    provider: TracerProvider
    exporter: InMemorySpanExporter
    database: Database

    @property
    def spans(self) -> list[ReadableSpan]:
        """The finished spans, in the order in which they began."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def tree(self) -> list[tuple[str, str | None]]:
        """Return the name of each span, and that of its parent."""
        names = {span.context.span_id: span.name for span in self.spans if span.context}
        return [(span.name, names.get(span.parent.span_id) if span.parent else None) for span in self.spans]

    def one(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.spans if span.name == name]
        return span


@pytest.fixture
async def traced(settings: Settings, service_dsn: str) -> AsyncIterator[Traced]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider)
    async with open_database(service_dsn, settings, connection_type=tracing.connection_type) as database:
        app = create_app(settings, database, Health(database, settings.ready_timeout), tracing, RecordingLog)
        async with TestClient(TestServer(app)) as client:
            yield Traced(client, provider, exporter, database)


async def test_request_span_contains_its_batches_and_statements(traced: Traced, world: World) -> None:
    ada = await world.user()

    await traced.client.get(LIST, headers={**ada.headers, "X-Request-Id": "traced"})

    request = f"GET {LIST}"
    assert traced.tree() == [
        (request, None),
        ("batch authentication", request),
        (STATEMENT, "batch authentication"),
        ("batch pipeline_list", request),
        ("pipelines.list_granted_each", "batch pipeline_list"),
    ]
    span, statement = traced.one(request), traced.one("pipelines.list_granted_each")
    assert (span.kind, statement.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": LIST,
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": LIST,
        "flow_pipelines.request_id": "traced",
    }
    assert dict(statement.attributes or {}) == {
        "db.system.name": "postgresql",
        "db.query.summary": "pipelines.list_granted_each",
    }


async def test_request_span_of_a_cache_hit_contains_only_authentication(traced: Traced, world: World) -> None:
    ada = await world.user()
    await traced.client.get(LIST, headers=ada.headers)
    traced.exporter.clear()

    await traced.client.get(LIST, headers=ada.headers)

    assert [name for name, _ in traced.tree()] == [f"GET {LIST}", "batch authentication", STATEMENT]


async def test_batched_statement_span_is_in_the_first_trace_and_linked_to_the_others(
    traced: Traced, world: World
) -> None:
    assert traced.client.app is not None
    ada, authentication = await world.user(), traced.client.app[DISPATCHER].authentication

    with traced.provider.get_tracer("test").start_as_current_span("test"):
        await asyncio.gather(*(authentication.authenticate(f"Bearer {ada.token}") for _ in range(3)))

    first, *others = [span.context for span in traced.spans if span.name == "batch authentication"]
    statement = traced.one(STATEMENT)
    assert statement.parent == first
    assert [link.context for link in statement.links] == others


async def test_update_span_contains_its_batched_statement(traced: Traced, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline()
    await world.grant(pipeline, ada)
    job = await world.job(ada)
    body = {"job_id": job, "pipeline_ids": [str(pipeline)]}
    await traced.client.post("/api/v1/jobs/pipelines", headers=ada.headers, json=body)
    traced.exporter.clear()

    await traced.client.post("/api/v1/jobs/pipelines", headers=ada.headers, json=body)

    request = "POST /api/v1/jobs/pipelines"
    assert traced.tree() == [
        (request, None),
        ("batch job_update", request),
        ("jobs.update_each", "batch job_update"),
    ]


async def test_batched_statement_span_is_in_the_trace_that_is_sampled(traced: Traced, world: World) -> None:
    ada, caller = await world.user(), f"00-{TRACE}-{CALLER}"

    await asyncio.gather(
        *(traced.client.get(LIST, headers={**ada.headers, "traceparent": f"{caller}-{kept}"}) for kept in ("00", "01"))
    )
    await traced.client.get(LIST, headers={**ada.headers, "traceparent": f"{caller}-00"})

    assert traced.tree().count((STATEMENT, "batch authentication")) == 1
    assert [name for name, _ in traced.tree()].count(STATEMENT) == 1


async def test_traceparent_is_continued_and_the_span_named_in_answer_and_log_line(
    traced: Traced, world: World, records: list[RequestRecord]
) -> None:
    ada = await world.user()

    answer = await traced.client.get(LIST, headers={**ada.headers, "traceparent": f"00-{TRACE}-{CALLER}-01"})

    span = traced.one(f"GET {LIST}")
    assert span.context
    assert span.parent
    assert (format_trace_id(span.context.trace_id), format_span_id(span.parent.span_id)) == (TRACE, CALLER)
    span_id = format_span_id(span.context.span_id)
    assert answer.headers["traceresponse"] == f"00-{TRACE}-{span_id}-01"
    assert (records[0].trace_id, records[0].span_id) == (TRACE, span_id)


async def test_traceparent_that_is_not_sampled_makes_no_span(traced: Traced, world: World) -> None:
    ada = await world.user()

    answer = await traced.client.get(LIST, headers={**ada.headers, "traceparent": f"00-{TRACE}-{CALLER}-00"})

    assert traced.spans == []
    assert answer.headers["traceresponse"].startswith(f"00-{TRACE}-")
    assert answer.headers["traceresponse"].endswith("-00")


async def test_request_span_of_a_client_error_has_no_error_status(traced: Traced) -> None:
    answer = await traced.client.get(LIST)

    span = traced.one(f"GET {LIST}")
    assert span.attributes
    assert (span.attributes["http.response.status_code"], span.attributes["error.type"]) == (401, "no_credentials")
    assert span.status.is_unset
    assert "traceresponse" in answer.headers


async def test_request_span_of_a_fault_has_an_error_status(
    traced: Traced, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("secret")

    ada = await world.user()
    monkeypatch.setattr(pipelines, "list_granted_each", fail)

    await traced.client.get(LIST, headers=ada.headers)

    span = traced.one(f"GET {LIST}")
    assert span.attributes
    assert (span.attributes["http.response.status_code"], span.attributes["error.type"]) == (500, "internal")
    assert (span.status.is_ok, span.status.is_unset) == (False, False)
    assert "secret" not in span.to_json()


async def test_statement_span_of_a_failure_has_its_error_without_values(traced: Traced) -> None:
    assert traced.client.app is not None
    request = traced.provider.get_tracer("test").start_span("test")

    async def fail() -> None:
        async with traced.database.connection() as connection:
            await connection.fetch_row("test.fail", "SELECT $1::text::int", "secret")

    with (
        pytest.raises(asyncpg.DataError),
        traced.provider.get_tracer("test").start_as_current_span("test", set_span_in_context(request)),
    ):
        await fail()

    span = traced.one("test.fail")
    assert span.attributes
    assert span.attributes["error.type"] == "InvalidTextRepresentationError"
    assert span.attributes["db.response.status_code"] == "22P02"
    assert "secret" not in span.to_json()


async def test_request_span_of_an_odd_request_has_a_plain_name(traced: Traced) -> None:
    await traced.client.request("PROPFIND", "/odd/one")
    await traced.client.get("/odd/two")

    assert [span.name for span in traced.spans] == ["_OTHER", "GET"]
    assert all("http.route" not in (span.attributes or {}) for span in traced.spans)


async def test_request_span_holds_no_token_of_the_path(traced: Traced) -> None:
    for path in ("/api/v1/users/", "/nothing/"):
        await traced.client.get(
            f"{path}fp_{'0' * 64}?access_token=fp_{'1' * 64}", headers={"X-Request-Id": "fp_1234567890"}
        )

    assert [dict(span.attributes or {})["url.path"] for span in traced.spans if span.kind is SpanKind.SERVER] == [
        "/api/v1/users/fp_***",
        "/nothing/fp_***",
    ]
    assert "fp_0" not in "".join(span.to_json() for span in traced.spans)
    assert "fp_1" not in "".join(span.to_json() for span in traced.spans)


async def test_background_work_and_probes_make_no_spans(traced: Traced, world: World) -> None:
    assert traced.client.app is not None
    ada = await world.user()
    await traced.client.get(LIST, headers=ada.headers)
    traced.exporter.clear()

    await traced.client.app[TOKEN_USE].write()
    await traced.client.get("/healthz")

    assert traced.spans == []


def test_exported_traces_without_the_extra_say_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "service.tracing")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(StartupError) as refused:
        _tracing()

    assert "pip install 'flow-pipelines[tracing]'" in str(refused.value)


def test_opentelemetry_is_not_imported_unless_configured() -> None:
    program = "import sys, service.__main__, service.process; print([n for n in sys.modules if 'opentelemetry' in n])"

    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


async def test_span_of_a_call_by_grpc_is_in_the_trace_of_its_client(
    traced: Traced, settings: Settings, world: World, records: list[RequestRecord]
) -> None:
    ada, rpc = await world.user(), "flow_pipelines.v1.Pipelines/ListPipelines"
    changed = replace(settings, grpc_port=0)
    server = GrpcServer(changed, parts_of(traced.client), Health(traced.database, 1), Tracing(traced.provider).rpc_span)
    await server.start()
    async with grpc.aio.insecure_channel(server.address.removeprefix("grpc://")) as channel:
        metadata = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
        await Rpcs(channel)("ListPipelines", token=ada.token, metadata=metadata)
        await Rpcs(channel)("ListPipelines")
    await server.stop()

    assert traced.tree()[:3] == [(rpc, None), ("batch authentication", rpc), (STATEMENT, "batch authentication")]
    spans = [span for span in traced.spans if span.name == rpc]
    first = spans[0]
    assert first.kind is SpanKind.SERVER
    assert first.context is not None
    assert format_trace_id(first.context.trace_id) == TRACE
    assert first.parent is not None
    assert format_span_id(first.parent.span_id) == CALLER
    assert [(span.attributes or {})["rpc.response.status_code"] for span in spans] == ["OK", "UNAUTHENTICATED"]
    assert (spans[1].attributes or {})["error.type"] == "no_credentials"
    assert records[0].span_id == format_span_id(first.context.span_id)
