"""The middleware around every request: its record, its deadline, and one shape for every failure."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from service import errors
from service.deadlines import Deadlines
from service.http.request_id import request_id_of
from service.http.request_log import RequestLog
from service.http.responses import (
    BodyTooLarge,
    Failures,
    MethodNotAllowed,
    NothingThere,
    RequestTimeout,
    identify,
    status_of,
)
from service.telemetry.metrics import RequestMetrics
from service.telemetry.request_record import RequestRecord, current_record

NOT_FOUND_SECONDS: Final = 0.01
"""Seconds that a 404 takes at least.

A caller must not be able to tell by the time that something hidden was read, which takes some microseconds of the
first two milliseconds.
"""

_LIMIT: Final = re.compile(r"\d+")
"""The limit in aiohttp's words on a body over it: the first number."""

_NOT_UNDERSTOOD: Final = "The request is not one that this service understands."
_WRONGLY_CODED: Final = "The body is not coded as Content-Encoding or Transfer-Encoding says."

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def observe_requests(timeout: float, metrics: RequestMetrics, log: RequestLog, failures: Failures) -> Middleware:
    """Make the middleware; a request that takes longer than the timeout, in seconds, has failed."""
    deadlines = Deadlines(timeout)

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        record = begin(request.headers)
        context = current_record.set(record)
        metrics.active += 1
        deadline = deadlines.begin()
        try:
            try:
                with deadline:
                    response = await handler(request)
                record.status = response.status
            except Exception as exception:
                error = as_service_error(exception, record)
                await delay_not_found(error, deadline.begun)
                record.failed(error, status_of(type(error)), exception)
                response = failures.response(request, error, record.request_id)
                if record.reading_body:
                    response.force_close()  # where the next request begins can't be known
            transport = request.transport
            if transport is None or transport.is_closing():
                record.client_left()
        except asyncio.CancelledError:
            record.client_left()
            raise
        finally:
            current_record.reset(context)
            metrics.active -= 1
            log.end(request, record)
        identify(response, record.request_id)
        return response

    return observe


async def delay_not_found(error: errors.ServiceError, begun: float) -> None:
    """Wait until a 404 may be told, of a request that began at a time of the loop's clock; nothing else waits."""
    if isinstance(error, errors.NotFound):
        await _sleep_until(begun + NOT_FOUND_SECONDS)


async def _sleep_until(moment: float) -> None:
    """Wait for a moment by the loop's clock, which uvloop counts in whole milliseconds from one moment to the other."""
    remaining = moment - asyncio.get_running_loop().time()
    if remaining > 0:
        await asyncio.sleep(remaining)


def begin(headers: Mapping[str, str]) -> RequestRecord:
    """Begin the record of a request by its headers; its own request id and trace are kept if they are well-formed."""
    traceparent = headers.get("traceparent")
    trace = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return RequestRecord(request_id_of(headers), trace_id=trace[1] if trace else None)


def as_service_error(exception: Exception, record: RequestRecord) -> errors.ServiceError:
    """Return what the caller is told of an exception."""
    match exception:
        case errors.ServiceError():
            return exception
        case TimeoutError() if record.reading_body:
            return RequestTimeout("The body did not come in time.")
        case TimeoutError():
            return errors.DeadlineExceeded("The answer took longer than it may; try again.")
        case web.HTTPNotFound():
            return NothingThere("There is nothing at this address.")
        case web.HTTPMethodNotAllowed():
            return MethodNotAllowed(", ".join(sorted(exception.allowed_methods)))
        case web.HTTPRequestEntityTooLarge():
            found = _LIMIT.search(exception.text or "")
            limit = f"{int(found[0]):,} bytes, the most that" if found else "what"
            return BodyTooLarge(f"The body is longer than {limit} this service takes.")
        case web.HTTPClientError() | web.RequestPayloadError():
            coded = isinstance(exception, web.RequestPayloadError)
            return errors.InvalidArgument(_WRONGLY_CODED if coded else _NOT_UNDERSTOOD)
    return errors.Internal.unexpected()
