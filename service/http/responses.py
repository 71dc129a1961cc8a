"""Responses: JSON bodies, and failures by the canonical map from gRPC codes to HTTP statuses.

The map is the one that gRPC gateways use. Plain HTTP keeps its own statuses where it has one: 405, 408, 410,
412 to 415, 417, and 431.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import orjson
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.typedefs import LooseHeaders
from aiohttp.web_request import BaseRequest

from service import errors
from service.errors import ServiceError
from service.http.request_id import X_REQUEST_ID

SERVER: Final = "flow-pipelines"
"""The Server header: neither software nor version of what answers."""

CODINGS: Final = frozenset({"deflate", "gzip"})
"""The content codings of bodies that the service decodes."""

NO_HEADERS: Final[Mapping[str, str]] = {}


class NothingThere(errors.NotFound):
    """An address that the service does not have (404)."""


class MethodNotAllowed(ServiceError):
    """An address that exists, asked by a method that it does not take (405)."""

    code, reason = "UNIMPLEMENTED", "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"This address allows only {allowed}.")
        self.allowed = allowed


class RequestTimeout(ServiceError):
    """A request that came too slowly (408)."""

    code, reason = "DEADLINE_EXCEEDED", "request_timeout"


class TargetTooLong(ServiceError):
    """A request's target over the limit (414): INVALID_ARGUMENT, like a body too large."""

    code, reason = "INVALID_ARGUMENT", "target_too_long"


class ExpectationFailed(ServiceError):
    """An Expect header that asks for what there is not (417)."""

    code, reason = "INVALID_ARGUMENT", "expectation_failed"


class HeadersTooLarge(ServiceError):
    """A header line over the limit, or too many of them (431)."""

    code, reason = "INVALID_ARGUMENT", "headers_too_large"


class UnsupportedCoding(ServiceError):
    """A body in a content coding that the service does not decode (415)."""

    code, reason = "INVALID_ARGUMENT", "unsupported_coding"

    def __init__(self) -> None:
        super().__init__(f"A body may be sent as it is, or coded as {' or '.join(sorted(CODINGS))}.")


class UnimplementedCoding(UnsupportedCoding):
    """A body in a content coding that the service does not decode, as Connect tells of it."""

    code = "UNIMPLEMENTED"


class BodyTooLarge(ServiceError):
    """A body over the limit (413): INVALID_ARGUMENT, as sending it again can't help."""

    code, reason = "INVALID_ARGUMENT", "body_too_large"


_STATUS_OF_CODE: Final[Mapping[str, int]] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

_STATUS_OF_OWN: Final[Mapping[type[ServiceError], int]] = {
    errors.UnknownCall: 404,
    MethodNotAllowed: 405,
    RequestTimeout: 408,
    errors.Gone: 410,
    errors.PreconditionFailed: 412,
    BodyTooLarge: 413,
    TargetTooLong: 414,
    UnsupportedCoding: 415,
    ExpectationFailed: 417,
    HeadersTooLarge: 431,
}


def status_of_code(code: str) -> int:
    """Return the HTTP status of a canonical code, as gRPC gateways map it."""
    return _STATUS_OF_CODE[code]


def status_of(kind: type[ServiceError]) -> int:
    """Return the HTTP status of a kind of failure."""
    return _STATUS_OF_OWN.get(kind) or _STATUS_OF_CODE[kind.code]


def failure_body(error: ServiceError, request_id: str) -> dict[str, Any]:
    """Return the body of a failure, of the same shape for all of them."""
    body = {"status": "ERROR", "msg": error.message, "code": error.code, "request_id": request_id}
    return body | {"details": error.details} if error.details else body


def failure_headers(error: ServiceError) -> Mapping[str, str]:
    """Return what a failure's response carries beside its body: challenge, Retry-After or Allow."""
    if error.retry_after is not None:
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, errors.Unauthenticated) or error.lacking_scopes is not None:
        return {"WWW-Authenticate": _challenge(error)}
    if isinstance(error, UnsupportedCoding):
        return {hdrs.ACCEPT_ENCODING: ", ".join(sorted(CODINGS))}
    return {"Allow": error.allowed} if isinstance(error, MethodNotAllowed) else NO_HEADERS


def _challenge(error: ServiceError) -> str:
    """Return the challenge of RFC 6750 §3, which has no error code where no credentials came."""
    if error.lacking_scopes is not None:
        lacking = f', scope="{" ".join(error.lacking_scopes)}"' if error.lacking_scopes else ""
        return f'Bearer error="insufficient_scope"{lacking}'
    if error.reason == "no_credentials":
        return "Bearer"
    return f'Bearer error="invalid_token", error_description="{error.message}"'


def failure_response(error: ServiceError, request_id: str, *, as_200: bool = False) -> web.Response:
    """Make the response to a failure; `as_200` lets only the body speak of it."""
    response = json_response(failure_body(error, request_id), 200 if as_200 else status_of(type(error)))
    response.headers.update(failure_headers(error))
    return response


class Failures:
    """Makes the responses to failures, with status 200 for the routes that an installation asks that for."""

    def __init__(self, as_200: Collection[tuple[str, str]]) -> None:
        """Take the method and path of each of those routes."""
        self.as_200 = as_200
        self.below: Final[dict[str, Callable[[ServiceError, str], web.Response]]] = {}
        """Makers of the responses by the beginning of a path, where failures have another shape."""

    def response(self, request: web.Request, error: ServiceError, request_id: str) -> web.Response:
        """Make the response to a request that failed."""
        as_200 = bool(self.as_200) and (request.method, route_template(request)) in self.as_200
        return self.response_at(request.path, error, request_id, as_200=as_200)

    def response_at(self, path: str, error: ServiceError, request_id: str, *, as_200: bool = False) -> web.Response:
        """Make the response to what failed at a path."""
        for beginning, make in self.below.items():
            if path.startswith(beginning):
                return make(error, request_id)
        return failure_response(error, request_id, as_200=as_200)


UNMATCHED: Final = "unmatched"
"""The route of requests that match none of the service's own, or not by their method."""


def route_template(request: web.Request) -> str:
    """Return the route's path with its parameters' names: one of a few texts, whatever clients send."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else UNMATCHED


def identify(response: web.StreamResponse, request_id: str) -> None:
    """Name the request in its response, and not the software that answers."""
    response.headers[X_REQUEST_ID] = request_id
    response.headers[hdrs.SERVER] = SERVER


class EncodedResponse(web.StreamResponse):
    """A response whose body is encoded already: it is sent in a third of the time that aiohttp's own way takes.

    That way asks each response for cookies, codings, chunks, hooks and the like; what may have any of these takes it.
    """

    def __init__(self, body: bytes, status: int = 200, headers: LooseHeaders = NO_HEADERS) -> None:
        super().__init__(status=status, headers=headers)
        self.body = body
        self._headers[hdrs.CONTENT_LENGTH] = str(len(body))

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Make the head; a head of the simplest kind at once."""
        if (
            self.prepared
            or request.version != HttpVersion11
            or request.method == hdrs.METH_HEAD
            or not isinstance(request, web.Request)
            or request.app.on_response_prepare
        ):
            return await super().prepare(request)
        headers = self._headers
        headers[hdrs.DATE] = rfc822_formatted_time()
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        if not self._keep_alive:
            headers[hdrs.CONNECTION] = "close"
        self._req = request
        self._payload_writer = writer = request.writer
        await writer.write_headers(f"HTTP/1.1 {self.status} {self.reason}", headers)
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body; there is no other data."""
        await super().write_eof(b"" if self._must_be_empty_body else self.body)


def encode(body: dict[str, Any]) -> bytes:
    """Encode as JSON; times in UTC, and whatever orjson does not know, such as asyncpg's UUID, as its text."""
    return orjson.dumps(body, default=str, option=orjson.OPT_UTC_Z)


def json_response(body: dict[str, Any], status: int = 200) -> web.Response:
    """Make a response of a JSON object."""
    return web.Response(body=encode(body), status=status, content_type="application/json")
