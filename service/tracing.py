"""Traces by OpenTelemetry, for installations that collect them: requests, what they share, and their statements.

Nothing of this is in the way of a request unless it is switched on; server.py imports it only then. The SDK reads its
own environment variables: where spans go, how many are made, what else the resource says.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

import asyncpg
from aiohttp import web
from aiohttp.typedefs import Middleware
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service import __version__
from service.app import DATABASE, ENDPOINTS
from service.batching.batcher import Answer, Batcher, Question
from service.database.pool import Connection
from service.health import HEALTHZ
from service.telemetry.metrics import METHODS, OTHER
from service.telemetry.request_record import RequestRecord, current_request

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SERVICE: Final = "flow-pipelines"
"""What the resource is called where the environment says nothing else."""
LAST_EXPORT: Final = 2.0
"""Seconds that the end of the process waits for a collector to take what is left."""

_OBSERVATION = web.RequestKey("record", RequestRecord)
_W3C: Final = TraceContextTextMapPropagator()
_sharing: ContextVar[tuple[Link, ...]] = ContextVar("_sharing", default=())
"""The other requests that a statement works for."""


@asynccontextmanager
async def exported_traces(app: web.Application) -> AsyncIterator[None]:
    """Trace an application that has not started yet, and send its spans by OTLP over HTTP."""
    own = Resource({"service.name": SERVICE, "service.version": __version__})
    resource = Resource.create(own.merge(OTELResourceDetector().detect()).attributes)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace_application(app, provider)
    try:
        yield
    finally:
        last = threading.Thread(target=provider.shutdown, daemon=True)  # waits 30 s for a collector that hangs
        last.start()
        await asyncio.to_thread(last.join, LAST_EXPORT)


def trace_application(app: web.Application, provider: TracerProvider) -> None:
    """Have the parts of an application that has not started yet make spans."""
    tracer, endpoints = provider.get_tracer(SERVICE, __version__), app[ENDPOINTS]
    app.middlewares.insert(-1, _trace_requests(tracer))  # what is refused at the door makes no span
    app.middlewares.append(_note_span)
    app[DATABASE].connection_type = partial(TracedConnection, tracer)
    endpoints.authentication.batcher = TracedBatcher("shared read", endpoints.authentication.batcher, tracer)
    endpoints.pipeline_lists.batcher = TracedBatcher("shared list", endpoints.pipeline_lists.batcher, tracer)
    endpoints.job_updates.batcher = TracedBatcher("shared update", endpoints.job_updates.batcher, tracer)


def _trace_requests(tracer: Tracer) -> Middleware:
    """Around everything else: one span a request, in the trace that the caller has begun, if any."""

    @web.middleware
    async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
        method, resource = request.method if request.method in METHODS else OTHER, request.match_info.route.resource
        if resource and resource.canonical == HEALTHZ:  # asked for every second by load balancers, read by nobody
            return await handler(request)
        attributes = {"http.request.method": method, "url.scheme": request.scheme, "url.path": request.path}
        if resource:
            attributes["http.route"] = resource.canonical
        name = f"{method} {resource.canonical}" if resource else method
        caller = _W3C.extract(request.headers)
        with tracer.start_as_current_span(
            name, caller, SpanKind.SERVER, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                response = await handler(request)
            finally:
                _describe(span, request[_OBSERVATION])
            response.headers["traceresponse"] = _traceresponse(span)
            return response

    return traced


def _describe(span: Span, record: RequestRecord) -> None:
    """What became of a request. What the caller did wrong is no error of the service's, as the conventions have it."""
    span.set_attribute("http.response.status_code", record.status)
    span.set_attribute("flow_pipelines.request_id", record.request_id)
    if record.reason is not None:
        span.set_attribute("error.type", record.reason)
    if record.status >= 500:
        span.set_status(StatusCode.ERROR)


def _traceresponse(span: Span) -> str:
    """Where the caller finds this request among the spans: W3C Trace Context Level 2."""
    of = span.get_span_context()
    return f"00-{format_trace_id(of.trace_id)}-{format_span_id(of.span_id)}-{of.trace_flags:02x}"


@web.middleware
async def _note_span(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Within everything else: the log line names the span."""
    of = trace.get_current_span().get_span_context()
    record = request[_OBSERVATION] = current_request()
    if of.is_valid:
        record.trace_id, record.span_id = format_trace_id(of.trace_id), format_span_id(of.span_id)
    return await handler(request)


class TracedBatcher(Batcher[Question, Answer]):
    """A span for the time in which each waits for what they share.

    The statement itself is in the trace of the first of them, with links to the others.
    """

    def __init__(self, name: str, together: Batcher[Question, Answer], tracer: Tracer) -> None:
        """In the place of one that nobody has asked yet."""
        super().__init__(
            together._answer, most=together._most, conflict_key=together._conflict_key, on_idle=together._on_idle
        )
        self._name = name
        self._tracer = tracer
        self._spans: WeakKeyDictionary[asyncio.Future[Answer], Span] = WeakKeyDictionary()

    def submit(self, question: Question) -> "asyncio.Future[Answer]":
        """The answer to come, in a span until then."""
        answer = super().submit(question)
        if _is_kept(trace.get_current_span()):
            span = self._spans[answer] = self._tracer.start_span(self._name)
            answer.add_done_callback(lambda _: span.end())
        return answer

    def _take(self) -> "list[tuple[Question, asyncio.Future[Answer]]]":
        """The next batch, whose context is from here on that of its first."""
        batch = super()._take()
        spans = [span for _, answer in batch if (span := self._spans.get(answer))]
        context.attach(trace.set_span_in_context(spans[0] if spans else trace.INVALID_SPAN))
        _sharing.set(tuple(Link(span.get_span_context()) for span in spans[1:]))
        return batch


class TracedConnection(Connection):
    """A span for each statement that works for a request whose trace is kept."""

    __slots__ = ("_tracer",)

    def __init__(self, tracer: Tracer, *connection: Any) -> None:
        super().__init__(*connection)
        self._tracer = tracer

    async def fetch(self, name: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows, in a span."""
        with _statement(self._tracer, name):
            return await super().fetch(name, statement, *arguments)

    async def fetch_row(self, name: str, statement: str, *arguments: object) -> asyncpg.Record | None:
        """The first row, in a span."""
        with _statement(self._tracer, name):
            return await super().fetch_row(name, statement, *arguments)

    async def execute(self, name: str, statement: str, *arguments: object) -> None:
        """Run, in a span."""
        with _statement(self._tracer, name):
            await super().execute(name, statement, *arguments)


def _statement(tracer: Tracer, name: str) -> AbstractContextManager[None]:
    return _statement_span(tracer, name) if _is_kept(trace.get_current_span()) else nullcontext()


def _is_kept(span: Span) -> bool:
    return span.get_span_context().trace_flags.sampled


@contextmanager
def _statement_span(tracer: Tracer, name: str) -> Iterator[None]:
    """Errors by their kind alone: PostgreSQL quotes values in its messages."""
    attributes = {"db.system.name": "postgresql", "db.query.summary": name}
    with tracer.start_as_current_span(
        name, None, SpanKind.CLIENT, attributes, _sharing.get(), record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
                span.set_attribute("db.response.status_code", error.sqlstate)
            span.set_status(StatusCode.ERROR)
            raise
