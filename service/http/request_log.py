"""The end of a request: counted, and written as one log line."""

import asyncio
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Final, Protocol

import structlog
from aiohttp import web
from multidict import CIMultiDictProxy

from service.http.client_address import client_address
from service.http.public_address import forwarded_clients, peer_of
from service.http.responses import UNMATCHED, route_template
from service.settings import Network
from service.telemetry.metrics import RequestMetrics
from service.telemetry.request_record import RequestRecord

ATTEMPTS: Final = frozenset({401, 403})
"""Statuses of requests whose lines say who tried what: failed authentications, and what was not permitted."""
MAX_TARGET: Final = 300
"""Characters of a path in the line of an attempt that was refused."""


class Logged(Protocol):
    """A request of any transport, as far as its log line tells of it."""

    @property
    def method(self) -> str:
        """The HTTP method."""

    @property
    def path(self) -> str:
        """The path as the client gave it."""

    @property
    def remote(self) -> str | None:
        """The address of the peer, if it has one."""

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The headers, or what is in their place."""


class RequestLog:
    """Counts the requests that have ended and writes their lines: those of one turn of the event loop in a row.

    One after the other takes half the time that each takes right after its answer, where this code has first to come
    back into the processor's caches.
    """

    def __init__(self, metrics: RequestMetrics, trusted_proxies: Sequence[Network] = ()) -> None:
        """Count by some metrics; the addresses of clients are taken from proxies in the networks that are trusted."""
        self._metrics = metrics
        self._trusted_proxies = trusted_proxies
        self._log = structlog.get_logger().bind()  # once: each use of one not bound yet costs as much as a line
        self._ended: deque[tuple[Logged, RequestRecord, float]] = deque()

    def end(self, request: Logged, record: RequestRecord) -> None:
        """Note that a request ends now."""
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._write_all)
        self._ended.append((request, record, perf_counter()))

    def _write_all(self) -> None:
        try:
            while self._ended:
                request, record, ended = self._ended.popleft()
                self.write(request, record, ended - record.started)
        finally:
            if self._ended:  # one could not be written, which must not keep back the others
                asyncio.get_running_loop().call_soon(self._write_all)

    def write(self, request: Logged, record: RequestRecord, seconds: float) -> None:
        """Count a request that took so many seconds, and write its line."""
        route = record.route or (route_template(request) if isinstance(request, web.Request) else UNMATCHED)
        if record.transport == "grpc":
            self._metrics.rpc_ended(route, record.code, record.reason, seconds)
        else:
            self._metrics.ended(request.method, route, record, seconds)
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
        if record.transport:
            fields["transport"] = record.transport
        if record.trace_id:
            fields["trace_id"] = record.trace_id
        if record.span_id:
            fields["span_id"] = record.span_id
        if record.organization_id:
            fields["organization_id"] = str(record.organization_id)
            fields["user_id"] = str(record.user_id)
        if record.status in ATTEMPTS:
            fields.update(self._attempt(request, record))
        if record.error:
            fields["error"] = record.error
        if record.unexpected_error:
            self._log.error("request", fields=fields, exc_info=record.unexpected_error)
        elif record.status >= 500:
            self._log.warning("request", fields=fields)
        else:
            self._log.info("request", fields=fields)

    def _attempt(self, request: Logged, record: RequestRecord) -> dict[str, str | None]:
        """Return who tried what, and why it was refused; no query, which may hold what is nobody's business."""
        peer, forwarded_for = peer_of(request.remote), forwarded_clients(request.headers)
        fields = {
            "reason": record.reason,
            "target": request.path[:MAX_TARGET],
            "client": client_address(peer, forwarded_for, self._trusted_proxies),
        }
        if record.token_id:
            fields["token_id"] = str(record.token_id)
        if record.token_digest:
            fields["token_digest"] = record.token_digest
        return fields
