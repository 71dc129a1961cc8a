"""The end of a request: counted, and written as one log line."""

import asyncio
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

import structlog
from aiohttp import web

from service.http.clients import MAX_PATH, Clients, Logged, shown
from service.http.responses import UNMATCHED, route_template
from service.settings import Network
from service.telemetry.metrics import RequestMetrics
from service.telemetry.request_record import RequestRecord

ATTEMPTS: Final = frozenset({401, 403})
"""Statuses of requests whose lines say who tried what: failed authentications, and what was not permitted."""


class RequestLog:
    """Counts the requests that have ended and writes their lines: those of one turn of the event loop in a row.

    One after the other takes half the time that each takes right after its answer, where this code has first to come
    back into the processor's caches.
    """

    def __init__(self, metrics: RequestMetrics, trusted_proxies: Sequence[Network] = ()) -> None:
        """Count by some metrics; the addresses of clients are taken from proxies in the networks that are trusted."""
        self._metrics = metrics
        self._clients = Clients(trusted_proxies)
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
        fields = self._fields(request, record, route, seconds)
        if record.refused:
            self._metrics.things_refused(record.refused)
            fields["refused"] = dict(record.refused)
        if record.error:
            fields["error"] = record.error
        if record.unexpected_error:
            self._log.error("request", fields=fields, exc_info=record.unexpected_error)
        elif record.status >= 500:
            self._log.warning("request", fields=fields)
        else:
            self._log.info("request", fields=fields)

    def _fields(self, request: Logged, record: RequestRecord, route: str, seconds: float) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "method": request.method,
            "route": route,
            "status": record.status,
            "code": record.code,
            "duration_ms": round(seconds * 1000, 3),
            "database_ms": round(record.database_seconds * 1000, 3),
            "statements": record.statements,
            "client": self._clients.address(request),
            "request_id": record.request_id,
        }
        agent = self._clients.user_agent(request)
        if agent is not None:
            fields["user_agent"] = agent
        if record.transport:
            fields["transport"] = record.transport
        if record.trace_id:
            fields["trace_id"] = record.trace_id
        if record.span_id:
            fields["span_id"] = record.span_id
        if record.token_id:
            fields["username"] = record.username
            fields.update(self._clients.ids(record.token_id, record))
        if route == UNMATCHED:
            fields["path"] = shown(request.path, MAX_PATH)
        if record.status in ATTEMPTS:
            fields.update(self._attempt(request, record))
        return fields

    @staticmethod
    def _attempt(request: Logged, record: RequestRecord) -> dict[str, str | None]:
        """Return what was refused, why, and by which token; without the query, which may hold secrets."""
        path = request.path if record.target is None else record.target()
        fields = {"reason": record.reason, "target": shown(path, MAX_PATH)}
        if record.token_digest:
            fields["token_digest"] = record.token_digest
        return fields
