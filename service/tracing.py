"""Traces by OpenTelemetry, for installations that collect them: requests, batches, and statements.

Nothing of this is in the way of a request unless it is switched on; process.py imports it only then. The SDK reads its
own environment variables: where spans go, how many are made, what else the resource says.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

import asyncpg
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.batching.batcher import Batcher, Item, Result, Waiting
from service.database.pool import Connection
from service.errors import StartupError
from service.http.clients import MAX_PATH, shown
from service.http.probes import HEALTHZ
from service.telemetry.metrics import METHODS, OTHER
from service.telemetry.request_record import RequestRecord, current_request
from service.version import __version__

SERVICE: Final = "flow-pipelines"
"""The name of the resource where the environment gives no other."""
LAST_EXPORT: Final = 2.0
"""Seconds that the end of the process waits for a collector to take what is left."""

_RECORD = web.RequestKey("record", RequestRecord)
_W3C: Final = TraceContextTextMapPropagator()
_batch_links: ContextVar[tuple[Link, ...]] = ContextVar("_batch_links", default=())
"""Links to the other requests that a batch works for."""


@asynccontextmanager
async def exported_traces() -> AsyncIterator["Tracing"]:
    """Export spans by OTLP over HTTP.

    Raises:
        StartupError: the SDK does not take what its variables say.
    """
    own = Resource({"service.name": SERVICE, "service.version": __version__})
    resource = Resource.create(own.merge(OTELResourceDetector().detect()).attributes)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    try:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except (ValueError, RuntimeError) as error:
        raise StartupError(f"OpenTelemetry does not take a setting of its own (OTEL_…): {error}") from error
    try:
        yield Tracing(provider)
    finally:
        last = threading.Thread(target=provider.shutdown, daemon=True)  # waits 30 s for a collector that hangs
        last.start()
        await asyncio.to_thread(last.join, LAST_EXPORT)


class Tracing:
    """The parts that make spans, for the application to be put together with."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(SERVICE, __version__)
        self.trace_requests = _trace_requests(self._tracer)
        """The middleware around the observed request; refused requests make no span."""
        self.note_span: Middleware = _note_span
        """The middleware within the observed request."""
        self.rpc_span = partial(_rpc_span, self._tracer)
        """Makes the span of a call by gRPC, which the call's log line names."""
        self.connection_type = partial(TracedConnection, self._tracer)
        self.batcher_type = partial(TracedBatcher, self._tracer)


def _trace_requests(tracer: Tracer) -> Middleware:
    """Make the middleware of one span a request, in the trace that the client has begun, if any."""

    @web.middleware
    async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
        method, resource = request.method if request.method in METHODS else OTHER, request.match_info.route.resource
        if resource and resource.canonical == HEALTHZ:  # asked for every second by load balancers, read by nobody
            return await handler(request)
        path = shown(request.path, MAX_PATH)  # as log lines have it: a client may have put a token into it
        attributes = {"http.request.method": method, "url.scheme": request.scheme, "url.path": path}
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
                _describe(span, request[_RECORD])
            response.headers["traceresponse"] = _traceresponse(span)
            return response

    return traced


class _Called(Protocol):
    """A call by gRPC, as far as its span tells of it."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its metadata."""


@contextmanager
def _rpc_span(tracer: Tracer, call: _Called, record: RequestRecord) -> Iterator[None]:
    """Make the span of a call by gRPC, in the trace that the client has begun, if any."""
    method = record.route or ""
    attributes = {"rpc.system.name": "grpc", "rpc.method": method}
    caller = _W3C.extract(call.headers)
    with tracer.start_as_current_span(
        method, caller, SpanKind.SERVER, attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        _name_span(record)
        try:
            yield
        finally:
            _describe(span, record)
            span.set_attribute("rpc.response.status_code", record.code)


def _describe(span: Span, record: RequestRecord) -> None:
    """Set what became of a request. A client's mistake is no error of the service's, as the conventions have it."""
    span.set_attribute("http.response.status_code", record.status)
    span.set_attribute("flow_pipelines.request_id", record.request_id)
    if record.reason is not None:
        span.set_attribute("error.type", record.reason)
    if record.status >= 500:
        span.set_status(StatusCode.ERROR)


def _traceresponse(span: Span) -> str:
    """Return the header by which a client finds this request among the spans: W3C Trace Context Level 2."""
    of = span.get_span_context()
    return f"00-{format_trace_id(of.trace_id)}-{format_span_id(of.span_id)}-{of.trace_flags:02x}"


@web.middleware
async def _note_span(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the request's log line name its span."""
    record = request[_RECORD] = current_request()
    _name_span(record)
    return await handler(request)


def _name_span(record: RequestRecord) -> None:
    of = trace.get_current_span().get_span_context()
    if of.is_valid:
        record.trace_id, record.span_id = format_trace_id(of.trace_id), format_span_id(of.span_id)


class TracedBatcher(Batcher[Item, Result]):
    """A batcher with a span for the time in which each item waits for its batch.

    The statement itself is in the trace of the first item, with links to the others.
    """

    def __init__(self, tracer: Tracer, name: str, *arguments: Any, **options: Any) -> None:
        super().__init__(name, *arguments, **options)
        self._tracer = tracer
        self._spans: WeakKeyDictionary[asyncio.Future[Result], Span] = WeakKeyDictionary()

    def submit(self, item: Item, tenant: Hashable = None) -> "asyncio.Future[Result]":
        """Return the result to come, in a span until then."""
        result = self._join(item, tenant)
        if _is_sampled(trace.get_current_span()):
            span = self._spans[result] = self._tracer.start_span(f"batch {self.name}")
            result.add_done_callback(lambda _: span.end())
        return result

    def _take(self) -> "list[Waiting[Item, Result]]":
        """Take the next batch, whose context is from here on that of its first item."""
        batch = super()._take()
        spans = [span for _, result, _ in batch if (span := self._spans.get(result))]
        context.attach(trace.set_span_in_context(spans[0] if spans else trace.INVALID_SPAN))
        _batch_links.set(tuple(Link(span.get_span_context()) for span in spans[1:]))
        return batch


class TracedConnection(Connection):
    """A connection with a span for each statement that works for a request whose trace is sampled."""

    __slots__ = ("_tracer",)

    def __init__(self, tracer: Tracer, *connection: Any) -> None:
        super().__init__(*connection)
        self._tracer = tracer

    async def fetch(self, name: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Fetch all rows, in a span."""
        with _statement(self._tracer, name):
            return await super().fetch(name, statement, *arguments)

    async def fetch_row(self, name: str, statement: str, *arguments: object) -> asyncpg.Record | None:
        """Fetch the first row, in a span."""
        with _statement(self._tracer, name):
            return await super().fetch_row(name, statement, *arguments)

    async def execute(self, name: str, statement: str, *arguments: object) -> None:
        """Run a statement, in a span."""
        with _statement(self._tracer, name):
            await super().execute(name, statement, *arguments)


def _statement(tracer: Tracer, name: str) -> AbstractContextManager[None]:
    return _statement_span(tracer, name) if _is_sampled(trace.get_current_span()) else nullcontext()


def _is_sampled(span: Span) -> bool:
    return span.get_span_context().trace_flags.sampled


@contextmanager
def _statement_span(tracer: Tracer, name: str) -> Iterator[None]:
    """Record errors by their kind alone: PostgreSQL quotes values in its messages."""
    attributes = {"db.system.name": "postgresql", "db.query.summary": name}
    with tracer.start_as_current_span(
        name,
        None,
        SpanKind.CLIENT,
        attributes,
        _batch_links.get(),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
                span.set_attribute("db.response.status_code", error.sqlstate)
            span.set_status(StatusCode.ERROR)
            raise
