"""CORS: pages of other origins that may call the API, as an installation allows them (Fetch standard, §3.2).

Credentials of browsers (cookies, client certificates) are never allowed: the API knows only bearer tokens, which a page
must have itself.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import CIMultiDictProxy

from service.http.responses import NO_HEADERS

ANY: Final = "*"
READABLE: Final = ", ".join((
    "ETag",
    "Location",
    "Retry-After",
    "X-Request-Id",
    "WWW-Authenticate",
    "Allow",
    "RateLimit",
    "RateLimit-Policy",
))  # fmt: skip
"""Headers of answers that pages may read."""
SENDABLE: Final = ", ".join((
    "Authorization",
    "Cache-Control",
    "Connect-Protocol-Version",
    "Connect-Timeout-Ms",
    "Content-Type",
    "If-Match",
    "If-None-Match",
    "X-Request-Id",
    "traceparent",
    "tracestate",
))  # fmt: skip
"""Headers of requests that pages may set."""
MAX_AGE: Final = 3600
"""Seconds for which a browser need not ask again."""

_ASKED: Final = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


class CrossOrigin:
    """Tells browsers which pages may call the API."""

    def __init__(self, origins: Sequence[str]) -> None:
        """Allow some origins, as browsers write them; or all, by a lone *."""
        self._any: Final = ANY in origins
        self._origins: Final = frozenset(origins)

    def headers(self, request_headers: CIMultiDictProxy[str]) -> Mapping[str, str]:
        """Return the headers of an answer, which may not be given to another origin than it was made for."""
        vary: Mapping[str, str] = NO_HEADERS if self._any else {hdrs.VARY: hdrs.ORIGIN}
        allowed = self._allowed(request_headers)
        if allowed is None:
            return vary
        return {
            **vary,
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: allowed,
            hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: READABLE,
        }

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add them to an answer of the API before it is sent; failures are answers too."""
        if is_shared(request.path):
            add(response, self.headers(request.headers))

    @web.middleware
    async def answer_preflight(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a browser that asks before it calls; every other OPTIONS is answered as without CORS."""
        asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_METHOD)
        if request.method != hdrs.METH_OPTIONS or asked is None or not is_shared(request.path):
            return await handler(request)
        refusal = request.match_info.http_exception
        if not isinstance(refusal, web.HTTPMethodNotAllowed) or self._allowed(request.headers) is None:
            return await handler(request)
        response = web.Response(status=204)
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = ", ".join(sorted(refusal.allowed_methods))
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = SENDABLE
        response.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = str(MAX_AGE)
        response.headers[hdrs.VARY] = _ASKED
        return response

    def _allowed(self, request_headers: CIMultiDictProxy[str]) -> str | None:
        """Return what to allow for the origin in a request; None for nothing."""
        origins = request_headers.getall(hdrs.ORIGIN, ())
        if len(origins) != 1:
            return None
        if self._any:
            return ANY
        return origins[0] if origins[0] in self._origins else None


def is_shared(path: str) -> bool:
    """Return whether pages of other origins may be given what is at a path: the API, also by Connect; its document."""
    return path.startswith(("/api/", "/flow_pipelines.v1.")) or path == "/openapi.json"


def add(response: web.StreamResponse, headers: Mapping[str, str]) -> None:
    """Add headers to a response, of which Vary may be there already."""
    for name, value in headers.items():
        there = response.headers.get(name) if name == hdrs.VARY else None
        if there is None:
            response.headers[name] = value
        elif value.lower() not in (each.strip().lower() for each in there.split(",")):
            response.headers[name] = f"{there}, {value}"
