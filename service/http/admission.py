"""Admission control: requests beyond what the process takes on at once are refused, and tokens over their rate limit.

A refusal reads no body, asks nothing of the database and writes no log line of its own: what refusals cost is taken
from the requests that are answered.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from http import HTTPStatus
from math import ceil
from time import monotonic_ns, perf_counter
from typing import Final

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_protocol import RequestHandler
from prometheus_client.metrics_core import Metric

from service.authentication.bearer import bearer_token, token_digest
from service.database.fair_queue import Shares
from service.errors import ResourceExhausted, ServiceError, Unauthenticated, Unavailable
from service.http.bodies import BodyBudget
from service.http.cross_origin import CrossOrigin
from service.http.middleware import begin
from service.http.overload.holding import HeldCall, Holdable, Holding
from service.http.overload.watch import Watch
from service.http.overload.window import Window
from service.http.probes import HEALTHZ
from service.http.rate_limit import SECOND, RateLimiter, Taken, limit_headers
from service.http.request_id import request_id_of
from service.http.responses import (
    NO_HEADERS,
    SERVER,
    Failures,
    encode,
    failure_body,
    failure_headers,
    identify,
    route_template,
    status_of,
)
from service.http.turns import Turns
from service.telemetry.metrics import RequestMetrics

log = structlog.get_logger()

OVERLOADED: Final = Unavailable(
    "More is asked of this service right now than it can answer; try again.", reason="overloaded"
)
RATE_LIMITED: Final = ResourceExhausted(
    "This token is used more often than it may be; try again later.", reason="rate_limited"
)

ANY_CALL: Final = "/api/*"
"""The route of calls that are refused before they are routed."""

CROWDED: Final = 0.9
"""The part of `MAX_REQUESTS` beyond which no organization or token has more than its share under way.

Before, its requests wait: they would come again at once, and be refused again, which takes more time than waiting.
"""

PROBED: Final = HEALTHZ.encode()
MAX_PROBE: Final = 100
"""Bytes of a request in which a probe has its path, behind what a proxy may leave before it."""

SUMMARY_INTERVAL: Final = 1.0
"""Seconds that one log line sums up."""


class Refusals:
    """Responses to refused requests, which are counted, and summed up in one log line a second."""

    def __init__(self, failures: Failures, metrics: RequestMetrics, cross_origin: CrossOrigin | None = None) -> None:
        self._failures = failures
        self._cross_origin = cross_origin
        self._metrics = metrics
        self._unlogged: Counter[str] = Counter()

    def response(self, request: web.Request, error: ServiceError) -> web.Response:
        """Refuse a request that was routed."""
        record = begin(request.headers)
        record.failed(error, status_of(type(error)), error)
        self._metrics.ended(request.method, route_template(request), record, perf_counter() - record.started)
        self.sum_up(error.label)
        response = self._failures.response(request, error, record.request_id)
        identify(response, record.request_id)
        return response

    def raw_response(
        self, message: RawRequestMessage, error: ServiceError, headers: Mapping[str, str] = NO_HEADERS
    ) -> bytes | None:
        """Refuse a call that has just been read, as bytes, at half the cost; None where the status depends on it."""
        if self._failures.as_200 or not message.path.startswith(ANY_CALL[:-1]):
            return None
        status = status_of(type(error))
        self._metrics.refused(message.method, ANY_CALL, status, error.label)
        self.sum_up(error.label)
        request_id = request_id_of(message.headers)
        body = encode(failure_body(error, request_id))
        shared = self._cross_origin.headers(message.headers) if self._cross_origin else NO_HEADERS
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"Content-Type: application/json\r\nContent-Length: {len(body)}",
            f"X-Request-Id: {request_id}\r\nServer: {SERVER}",
            f"Connection: {'close' if message.should_close else 'keep-alive'}",
            *(
                f"{name}: {value}"
                for name, value in (*failure_headers(error).items(), *headers.items(), *shared.items())
            ),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if message.method == "HEAD" else body)

    def sum_up(self, reason: str) -> None:
        """Count a refusal in the log line of this second."""
        if not self._unlogged:
            asyncio.get_running_loop().call_later(SUMMARY_INTERVAL, self._log)
        self._unlogged[reason] += 1

    def _log(self) -> None:
        log.warning("requests_refused", **self._unlogged, seconds=SUMMARY_INTERVAL, under_way=self._metrics.active)
        self._unlogged.clear()


class AdmissionController:
    """Admits no more requests than may be under way at once, and none of a token over its rate limit.

    By Little's law, admitted requests take at most so many times the time that one takes, however many come.
    """

    def __init__(
        self,
        max_requests: int,
        metrics: RequestMetrics,
        failures: Failures,
        limiter: RateLimiter | None,
        shares: Shares,
        turns: Turns,
        timeout: float,
        cross_origin: CrossOrigin | None = None,
        bodies: BodyBudget | None = None,
    ) -> None:
        """Admit by what the metrics say is under way.

        Args:
            max_requests: under way at once.
            metrics: of the application.
            failures: makes the responses.
            limiter: of each token's rate; None: there is no such limit.
            shares: of the requests under way.
            turns: begin the requests that are admitted.
            timeout: seconds that a request may take, of which it is held for a part at most.
            cross_origin: says which pages may read a refusal; None: only those of the same origin.
            bodies: knows how many requests under way wait for theirs, which keep no other from being begun.
        """
        self._bodies = bodies
        self._max_requests = max_requests
        self._crowded = int(max_requests * CROWDED)
        self._shares = shares
        self._turns = turns
        self._metrics = metrics
        self.failures: Final = failures
        self._refusals = Refusals(failures, metrics, cross_origin)
        self._limiter = limiter
        self._admitted: set[RequestHandler] = set()
        """Connections whose request has been read, and whose handler has not begun yet."""
        self._taken: dict[RequestHandler, Taken] = {}
        """Taken of their token's rate already, by requests on their way to their handler."""
        self._refusing = False
        """True while a request is read that was held for too long."""
        self._to_refuse: set[RequestHandler] = set()
        """Connections with such a request that is refused by its handler, as it is not of a simple form."""
        window = Window(max_requests)
        self._holding = Holding(turns.presence, timeout, self._under_way, window, shares.held_by)
        self._watch = Watch(self._holding, window, self._under_way)

    def _under_way(self) -> int:
        """Return how many requests are under way that may take the process's time."""
        idle = self._shares.idle + (self._bodies.awaited if self._bodies is not None else 0)
        return self._metrics.active + len(self._admitted) - idle

    @property
    def full(self) -> bool:
        """True if no more requests are admitted."""
        return self._metrics.active + len(self._admitted) >= self._max_requests

    @property
    def checks_next(self) -> bool:
        """True if the next request may have to be refused, so that `refusal` has to see it."""
        return (
            self._refusing or self._limiter is not None or self._metrics.active + len(self._admitted) >= self._crowded
        )

    @property
    def holds(self) -> bool:
        """True if the next request may have to be held, so that `hold` has to see it."""
        return self._metrics.active + len(self._admitted) >= self._watch.limit

    def hold(self, connection: Holdable, data: bytes, age: float = 0.0) -> bool:
        """Hold a request that begins with these bytes and came so many seconds ago; False if it is to be read now.

        Probes are never held: a process that seems dead leaves its load to others.
        """
        holds = self._watch.holds_next() and PROBED not in data[:MAX_PROBE]
        return holds and self._holding.hold(connection, data, age)

    async def wait(self, headers: Mapping[str, str]) -> ServiceError | None:
        """Hold a call of another transport if it has to be; return why it is refused then, None if it is begun."""
        call = HeldCall()
        if not self._watch.holds_next() or not self._holding.hold_call(call, headers.get("Authorization")):
            return None
        if await call.turn:
            return None
        self._refusals.sum_up(OVERLOADED.label)
        return OVERLOADED

    def resets(self, data: bytes) -> bool:
        """Return whether to reset a new connection whose request begins with these bytes, rather than hold it."""
        return self._holding.resets(data) and PROBED not in data[:MAX_PROBE]

    def look_at(self, look: Callable[[], bool]) -> None:
        """Call a function each time that what is held is looked at; it returns whether it has more to do."""
        self._watch.others.append(look)

    def look(self) -> None:
        """Look from now on at what there is to look at."""
        self._watch.start()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse, whatever is under way, what is read while the context lasts."""
        self._refusing = True
        try:
            yield
        finally:
            self._refusing = False

    def collect(self) -> Iterator[Metric]:
        """Yield what is held."""
        return self._holding.collect()

    def refusal(self, connection: RequestHandler, message: RawRequestMessage) -> bytes | None:
        """Return the response to a request that has just been read, if it is refused; None to have it handled.

        What it takes of its token's rate is kept for its handler.
        """
        response, taken = None, self._take(message.headers)
        error, headers = self._judge(message.headers, taken)
        if error is not None:
            response = self._refusals.raw_response(message, error, headers)
        if response is None and taken is not None:
            self._taken[connection] = taken
        return response

    def _judge(self, headers: Mapping[str, str], taken: Taken | None) -> tuple[ServiceError | None, Mapping[str, str]]:
        """Return why a request with these headers is refused, and what headers the refusal has; None: it is not."""
        if taken is not None and self._limiter is not None and not taken.allowed:
            return RATE_LIMITED, limit_headers(self._limiter, taken)
        return OVERLOADED if self._refusing or self.full or self._over_share(headers) else None, NO_HEADERS

    def admit(self, headers: Mapping[str, str]) -> tuple[ServiceError | None, Mapping[str, str]]:
        """Admit a request of another transport than HTTP by its headers, and take it of its token's rate.

        Returns:
            Why it is refused, None if it is not; and what is left of the rate, as headers.
        """
        taken = self._take(headers)
        error, shown = self._judge(headers, taken)
        if error is None and taken is not None and self._limiter is not None:
            shown = limit_headers(self._limiter, taken)
        if error is not None:
            self._refusals.sum_up(error.label)
        return error, shown

    def _over_share(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request is of a caller that has its share under way, while there is little room left."""
        if self._metrics.active + len(self._admitted) < self._crowded:
            return False
        asking = self._turns.presence.find(headers.get("Authorization"))
        return asking is not None and self._shares.reached(asking)

    def admitted(self, connection: RequestHandler) -> None:
        """Count a request that has been read, and will be handled."""
        self._admitted.add(connection)
        if self._refusing:
            self._to_refuse.add(connection)

    def begin(self, handler: "asyncio.Future[None]", headers: Mapping[str, str]) -> None:
        """Wake the handler of a request that has been read, in its caller's turn."""
        self._turns.begin(handler, headers.get("Authorization"))

    def disconnected(self, connection: RequestHandler) -> None:
        """Forget a connection that is gone."""
        self._admitted.discard(connection)
        self._to_refuse.discard(connection)
        self._taken.pop(connection, None)

    @property
    def middleware(self) -> Middleware:
        """The final check, for requests that came this far."""
        return self._admit if self._limiter is None else self._admit_limited

    @web.middleware
    def _admit(self, request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
        """Admit by what is under way; no coroutine, as every request passes."""
        self._admitted.discard(request.protocol)
        if self._to_refuse and request.protocol in self._to_refuse:
            self._to_refuse.discard(request.protocol)
            return self._refuse(request)
        # /healthz always passes: a process that seems dead leaves its load to others.
        if self._metrics.active < self._crowded or request.path == HEALTHZ:
            return handler(request)
        if self._metrics.active < self._max_requests and not self._over_share(request.headers):
            return handler(request)
        return self._refuse(request)

    async def _refuse(self, request: web.Request) -> web.StreamResponse:
        return self._refusals.response(request, OVERLOADED)

    @web.middleware
    async def _admit_limited(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Admit by the token's rate too, and tell what is left of it in every response."""
        taken = self._taken.pop(request.protocol, None) or self._take(request.headers)
        if taken is None or self._limiter is None:
            return await self._admit(request, handler)
        if taken.allowed:
            response = await self._admit(request, handler)
        else:
            self._admitted.discard(request.protocol)
            error = copy(RATE_LIMITED)
            error.retry_after = ceil(taken.wait / SECOND)  # which some transports tell in the body, too
            response = self._refusals.response(request, error)
        response.headers.update(limit_headers(self._limiter, taken))
        return response

    def _take(self, headers: Mapping[str, str]) -> Taken | None:
        """Take one request from the rate of the token in these headers; None if there is no limit, or no token."""
        if self._limiter is None:
            return None
        try:
            caller = token_digest(bearer_token(headers.get("Authorization")))
        except Unauthenticated:
            return None
        return self._limiter.take(caller, monotonic_ns())
