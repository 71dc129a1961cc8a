"""What is refused at the door: requests beyond what this process takes on at once, or a token more often than it may.

A refusal reads no body, asks nothing of the database and writes no log line of its own: what refusals cost is taken
from the requests that are answered.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from time import monotonic_ns, perf_counter
from typing import Final

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestHandler

from service.authentication.bearer import bearer_token, token_digest
from service.errors import ResourceExhausted, ServiceError, Unauthenticated, Unavailable
from service.health import HEALTHZ
from service.http.endpoint import encode
from service.http.middleware import SERVER, begin, failure, identify, is_vendor_v1, request_id_of, template
from service.http.rate_limit import RateLimit, Taken, limit_headers
from service.settings import Settings
from service.telemetry.metrics import Requests

log = structlog.get_logger()

OVERLOADED: Final = Unavailable(
    "More is asked of this service right now than it can answer; try again.", reason="overloaded"
)
RATE_LIMITED: Final = ResourceExhausted(
    "This token is used more often than it may be; try again later.", reason="rate_limited"
)

NO_HEADERS: Final[Mapping[str, str]] = {}

ANY_CALL: Final = "/api/*"
"""The route of calls that are refused before anybody looks which they are."""

DEFERRED_PER_TURN: Final = 64
"""Requests that are looked at, each time that the loop comes around, while it is full."""

SUMMARY_INTERVAL: Final = 1.0
"""Seconds that one log line sums up."""


class Refusals:
    """Answers at once what is refused, counts it, and sums it up in a line a second."""

    def __init__(self, settings: Settings, requests: Requests) -> None:
        self._as_200 = settings.v1_errors_as_200
        self._requests = requests
        self._unsaid: Counter[str] = Counter()

    def answer(self, request: web.Request, error: ServiceError) -> web.Response:
        """The answer to a request that nothing is done for."""
        record = begin(request)
        record.failed(error, error)
        self._requests.ended(request.method, template(request), record, perf_counter() - record.started)
        self._sum_up(str(record.reason))
        response = failure(error, record.request_id, as_200=self._as_200 and is_vendor_v1(request))
        identify(response, record.request_id)
        return response

    def raw_answer(
        self, message: RawRequestMessage, error: ServiceError, headers: Mapping[str, str] = NO_HEADERS
    ) -> bytes | None:
        """The same to a call that has just been read, as bytes, at half the cost; None if it is not so simple."""
        if self._as_200 or not message.path.startswith(ANY_CALL[:-1]):
            return None
        self._requests.refused(message.method, ANY_CALL, error)
        self._sum_up(str(error.reason))
        request_id = request_id_of(message.headers)
        body = encode(error.body(request_id))
        lines = [
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
            f"Content-Type: application/json\r\nContent-Length: {len(body)}",
            f"X-Request-Id: {request_id}\r\nServer: {SERVER}",
            f"Connection: {'close' if message.should_close else 'keep-alive'}",
            *(f"{name}: {value}" for name, value in (*error.headers.items(), *headers.items())),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if message.method == "HEAD" else body)

    def _sum_up(self, reason: str) -> None:
        if not self._unsaid:
            asyncio.get_running_loop().call_later(SUMMARY_INTERVAL, self._say)
        self._unsaid[reason] += 1

    def _say(self) -> None:
        log.warning("requests_refused", **self._unsaid, seconds=SUMMARY_INTERVAL, under_way=self._requests.active)
        self._unsaid.clear()


class Door:
    """Takes on no more requests than may be under way at once.

    By Little's law those that are taken on take at most so many times the time that one takes, however many come.
    """

    looks_at_all = False
    """Whether `refusal` has to see each request, and not only those that come while it is full."""

    def __init__(self, settings: Settings, requests: Requests) -> None:
        self._most = settings.max_requests
        self._requests = requests
        self._refusals = Refusals(settings, requests)
        self._coming: set[RequestHandler] = set()
        """Connections whose request has been read, and whose handler has not begun yet."""
        self._put_off: deque[Callable[[], None]] = deque()

    @property
    def full(self) -> bool:
        """Whether requests that come have to be refused."""
        return self._requests.active + len(self._coming) >= self._most

    def put_off(self, look: Callable[[], None]) -> None:
        """Look at a request later, but soon: first comes what goes on with those that were taken on.

        Else the loop would refuse all that have come at once before it turns to an answer of the database again, and
        the pool's few connections would be used as often as it comes around: 20 times a second instead of 1,000.
        """
        if not self._put_off:
            asyncio.get_running_loop().call_soon(self._look)
        self._put_off.append(look)

    def _look(self) -> None:
        for _ in range(min(DEFERRED_PER_TURN, len(self._put_off))):
            self._put_off.popleft()()
        if self._put_off:
            asyncio.get_running_loop().call_soon(self._look)

    def refusal(self, _: RequestHandler, message: RawRequestMessage) -> bytes | None:
        """What to write in the place of handling a request that has just been read; None if it is to be handled."""
        return self._refusals.raw_answer(message, OVERLOADED)

    def comes(self, connection: RequestHandler) -> None:
        """A request has been read, and will be handled."""
        self._coming.add(connection)

    def left(self, connection: RequestHandler) -> None:
        """A connection is gone."""
        self._coming.discard(connection)

    @web.middleware
    def admit(self, request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
        """The last look, for what has come to here. No coroutine, as each request would pay for it."""
        self._coming.discard(request.protocol)
        if self._requests.active < self._most or request.path == HEALTHZ:  # who seems dead leaves its load to others
            return handler(request)
        return self._refuse(request)

    async def _refuse(self, request: web.Request) -> web.StreamResponse:
        return self._refusals.answer(request, OVERLOADED)


class LimitedDoor(Door):
    """Lets no token call more often than it may either, whoever's it is, or nobody's."""

    looks_at_all = True

    def __init__(self, settings: Settings, requests: Requests) -> None:
        super().__init__(settings, requests)
        self._limit = RateLimit(settings.rate_limit, settings.rate_limit_burst)
        self._taken: dict[RequestHandler, Taken] = {}
        """By connection, for the request that is coming, if it has been asked for already."""

    def refusal(self, connection: RequestHandler, message: RawRequestMessage) -> bytes | None:
        """Also the answer to a token that is used too often; what it took is kept for the handler of the request."""
        answer, taken = None, self._take(message.headers)
        if taken is not None and not taken.allowed:
            answer = self._refusals.raw_answer(message, RATE_LIMITED, limit_headers(self._limit, taken))
        elif self.full:
            answer = super().refusal(connection, message)
        if answer is None and taken is not None:
            self._taken[connection] = taken
        return answer

    def left(self, connection: RequestHandler) -> None:
        """A connection is gone."""
        super().left(connection)
        self._taken.pop(connection, None)

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The last look, and what is left of the limit in every answer."""
        taken = self._taken.pop(request.protocol, None) or self._take(request.headers)
        if taken is None:
            return await super().admit(request, handler)
        if taken.allowed:
            response = await super().admit(request, handler)
        else:
            self._coming.discard(request.protocol)
            response = self._refusals.answer(request, RATE_LIMITED)
        response.headers.update(limit_headers(self._limit, taken))
        return response

    def _take(self, headers: Mapping[str, str]) -> Taken | None:
        """Ask for one request of the token in these headers; None if there is none."""
        try:
            caller = token_digest(bearer_token(headers.get("Authorization")))
        except Unauthenticated:
            return None
        return self._limit.take(caller, monotonic_ns())


DOOR = web.AppKey("door", Door)
