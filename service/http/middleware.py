"""Around every request: its id, its deadline, one log line, and one shape for every failure."""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from time import perf_counter
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware
from multidict import istr
from structlog.typing import FilteringBoundLogger

from service import errors
from service.deadlines import Deadlines
from service.http.endpoint import json_response
from service.http.routes import ROUTES
from service.settings import Settings
from service.telemetry.metrics import Requests
from service.telemetry.request_record import RequestRecord, current_record

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUESTS = web.AppKey("requests", Requests)

SERVER: Final = "flow-pipelines"
"""Of the Server header: which software of which version answers is nobody's business."""

NOT_FOUND_TIME: Final = 0.01
"""Seconds that it takes at least to say that nothing is there. Who may not see what is there must not be able to tell
by the time that it was read, which takes some microseconds of the first two milliseconds."""

_chance: Final = Random()  # noqa: S311 - from a seed of the system's; unique, and nobody's secret
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.:=+/-]{1,128}")
_X_REQUEST_ID: Final = istr("X-Request-Id")
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_DOCUMENTED: Final = {(route.method, route.path) for route in ROUTES if route.vendor_v1}


def observe_requests(settings: Settings, requests: Requests) -> Middleware:
    """The one middleware."""
    deadlines = Deadlines(settings.request_timeout)
    ended = _Ended(requests)

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        record = begin(request)
        context = current_record.set(record)
        requests.active += 1
        deadline = deadlines.begin()
        try:
            try:
                with deadline:
                    response = await handler(request)
                record.status = response.status
            except Exception as exception:
                error = as_service_error(exception, record)
                if isinstance(error, errors.NotFound):
                    await _reach(deadline.begun + NOT_FOUND_TIME)
                record.failed(error, exception)
                response = failed(request, record, error)
            transport = request.transport
            if transport is None or transport.is_closing():
                record.client_left()
        except asyncio.CancelledError:
            record.client_left()
            raise
        finally:
            current_record.reset(context)
            requests.active -= 1
            ended.note(request, record)
        identify(response, record.request_id)
        return response

    def failed(request: web.Request, record: RequestRecord, error: errors.ServiceError) -> web.Response:
        as_200 = settings.v1_errors_as_200 and is_vendor_v1(request)
        response = failure(error, record.request_id, as_200=as_200)
        if record.reading_body:
            response.force_close()  # nobody knows where the next request would begin
        return response

    return observe


class _Ended:
    """Counts the requests that have ended, and writes their lines: those of one turn of the event loop together.

    One after the other takes half the time that each takes right after its answer, where this code has first to come
    back into the processor's caches.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._log = structlog.get_logger().bind()  # once: each use of one not bound yet costs as much as a line
        self._noted: deque[tuple[web.Request, RequestRecord, float]] = deque()

    def note(self, request: web.Request, record: RequestRecord) -> None:
        """A request ends now."""
        if not self._noted:
            asyncio.get_running_loop().call_soon(self._write)
        self._noted.append((request, record, perf_counter()))

    def _write(self) -> None:
        try:
            while self._noted:
                request, record, ended = self._noted.popleft()
                _end(request, record, ended - record.started, self._requests, self._log)
        finally:
            if self._noted:  # one could not be written, which is none of the others' business
                asyncio.get_running_loop().call_soon(self._write)


def identify(response: web.StreamResponse, request_id: str) -> None:
    """Name the request in its answer, and not the software that answers."""
    response.headers[_X_REQUEST_ID] = request_id
    response.headers[hdrs.SERVER] = SERVER


async def _reach(moment: float) -> None:
    """Wait for a moment by the loop's clock, which uvloop counts in whole milliseconds from one moment to the other."""
    remaining = moment - asyncio.get_running_loop().time()
    if remaining > 0:
        await asyncio.sleep(remaining)


def begin(request: web.Request) -> RequestRecord:
    """Start noting; the caller's own request id and trace are kept if they are well-formed."""
    traceparent = request.headers.get("traceparent")
    trace = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return RequestRecord(request_id_of(request.headers), trace_id=trace[1] if trace else None)


def request_id_of(headers: Mapping[str, str]) -> str:
    """The caller's own, if it is well-formed; else a new one."""
    request_id = headers.get(_X_REQUEST_ID)
    return request_id if request_id is not None and _REQUEST_ID.fullmatch(request_id) else new_request_id()


def new_request_id() -> str:
    """One that no other request has."""
    return f"{_chance.getrandbits(128):032x}"


def as_service_error(exception: Exception, record: RequestRecord) -> errors.ServiceError:
    """What the caller is told of an exception."""
    match exception:
        case errors.ServiceError():
            return exception
        case TimeoutError() if record.reading_body:
            return errors.RequestTimeout("The body did not come in time.")
        case TimeoutError():
            return errors.DeadlineExceeded("The answer took longer than it may; try again.")
        case web.HTTPNotFound():
            return errors.NotFound("There is nothing at this address.")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(exception.allowed_methods))
            return errors.MethodNotAllowed(f"This address allows only {allowed}.", headers={"Allow": allowed})
        case web.HTTPRequestEntityTooLarge():
            return errors.BodyTooLarge("The body is larger than this service takes.")
        case web.HTTPClientError() | web.RequestPayloadError():
            return errors.InvalidArgument("The request is not one that this service understands.")
    return errors.Internal.unexpected()


def failure(error: errors.ServiceError, request_id: str, *, as_200: bool = False) -> web.Response:
    """The answer to a failure; as_200 lets only the body speak of it."""
    response = json_response(error.body(request_id), 200 if as_200 else error.status)
    response.headers.update(error.headers)
    return response


def is_vendor_v1(request: web.Request) -> bool:
    """Whether it is one of the vendor's documented calls, which V1_ERRORS_AS_200 is about."""
    return (request.method, template(request)) in _DOCUMENTED


def template(request: web.Request) -> str:
    """The route's path with its parameters' names: as many values as there are routes, whatever clients send."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unmatched"


def _end(
    request: web.Request, record: RequestRecord, seconds: float, requests: Requests, log: FilteringBoundLogger
) -> None:
    """Count a request that took so many seconds, and write its line."""
    route = record.route or template(request)
    requests.ended(request.method, route, record, seconds)
    fields = {
        "method": request.method,
        "route": route,
        "status": record.status,
        "code": record.code,
        "duration_ms": round(seconds * 1000, 3),
        "database_ms": round(record.database_seconds * 1000, 3),
        "statements": record.statements,
        "request_id": record.request_id,
    }
    if record.trace_id:
        fields["trace_id"] = record.trace_id
    if record.span_id:
        fields["span_id"] = record.span_id
    if record.organization_id:
        fields["organization_id"] = str(record.organization_id)
        fields["user_id"] = str(record.user_id)
    if record.error:
        fields["error"] = record.error
    if record.unexpected_error:
        log.error("request", fields=fields, exc_info=record.unexpected_error)
    elif record.status >= 500:
        log.warning("request", fields=fields)
    else:
        log.info("request", fields=fields)
