"""The clients that follow changes, by any transport: counted and bounded apart from requests, each with a log line."""

from asyncio import CancelledError
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

import structlog
from prometheus_client.metrics_core import Metric

from service.database.fair_queue import Presence, Shares
from service.errors import Internal, ServiceError, Unavailable
from service.feed.reader import Ended
from service.settings import Settings
from service.telemetry.metrics import counters, gauge
from service.telemetry.request_record import Asking, RequestRecord, current_record

log = structlog.get_logger()

WRITE_SECONDS: Final = 10.0
"""Seconds for a client to take what it is sent."""
LEAVING: Final = 0.1
"""The part of MAX_STREAMS that may be open beyond it, while clients whose place is another's come to their end."""
CROWDED: Final = 0.9
"""The part of MAX_STREAMS beyond which no organization or token has more than its share open, as of requests."""


class End:
    """The end of one client: how far it has come, and why it no longer follows."""

    reason = "done"
    sent = 0
    """Changes that it was sent."""
    gives_way = False
    """True once its place is another client's."""

    def go_on(self) -> None:
        """Let the client follow on, behind something that it was sent.

        Raises:
            Ended: its place is another client's.
        """
        if self.gives_way:
            raise Ended("crowded")

    def told(self, error: Exception) -> ServiceError | None:
        """Note what ended it; return the failure that the client is told of, if it is one."""
        if isinstance(error, Ended):
            self.reason = error.reason
            return None
        if isinstance(error, ServiceError):
            self.reason = error.label
            return error
        log.error("stream_failed", exc_info=error)
        self.reason = "internal"
        return Internal.unexpected()


class Streams:
    """The clients of one process that follow changes."""

    def __init__(self, settings: Settings, presence: Presence) -> None:
        self._max = settings.max_streams
        self._shares = Shares(self._max, presence, settings.max_organization_share, settings.max_token_share)
        self.open = 0
        self._staying: dict[Hashable, dict[Hashable, dict[End, None]]] = {}
        """The clients that do not give way, by organization and token, in the order in which they came."""
        self._leaving = 0
        self.ended: Counter[str] = Counter()

    def check(self, record: RequestRecord) -> None:
        """Refuse a caller for whom there is no place; if all are taken, one of those who have most may give way.

        Requests come to their end, and free their place for others; what follows changes may go on for days.

        Raises:
            Unavailable: there is none.
        """
        asking = record.asking
        crowded = self.open >= self._max * CROWDED and asking is not None and self._shares.reached(asking)
        full = self.open >= self._max
        if crowded or (full and not (asking is not None and self._make_room(asking))):
            raise Unavailable("More clients follow changes than this process takes on; try again.", reason="streams")

    def _make_room(self, asking: Asking) -> bool:
        """Have one client give way to a caller who then still has no more than its organization or token has."""
        if self._leaving >= max(1, self._max * LEAVING):
            return False
        organization = max(self._staying, key=self._held, default=None)
        if organization is None:
            return False
        tokens = self._staying[organization]
        token = max(tokens, key=lambda each: len(tokens[each]))
        if organization == asking.organization:
            fewer = len(tokens.get(asking.token, ())) + 1 < len(tokens[token])
        else:
            fewer = self._held(asking.organization) + 1 < self._held(organization)
        if fewer:
            end = next(reversed(tokens[token]))
            self._remove(Asking(organization, token), end)
            end.gives_way = True
            self._leaving += 1
        return fewer

    def _held(self, organization: Hashable) -> int:
        return sum(len(each) for each in self._staying.get(organization, {}).values())

    def _remove(self, asking: Asking, end: End) -> None:
        tokens = self._staying[asking.organization]
        del tokens[asking.token][end]
        if not tokens[asking.token]:
            del tokens[asking.token]
        if not tokens:
            del self._staying[asking.organization]

    @contextmanager
    def following(self, kind: str, former: RequestRecord) -> Iterator[End]:
        """Hold a place for a caller, with a record of its own, and log its end.

        Args:
            kind: the event of that log line.
            former: the record of the request by which it began.
        """
        began, end = perf_counter(), End()
        record = RequestRecord(former.request_id, former.trace_id, asking=former.asking)
        context = current_record.set(record)
        try:
            with self._place(record, end):
                yield end
        except (ConnectionError, CancelledError):
            end.reason = "client_left"
            raise
        finally:
            current_record.reset(context)
            self.ended[end.reason] += 1
            transport = {"transport": former.transport} if former.transport else {}
            log.info(
                kind,
                **transport,
                reason=end.reason,
                duration_ms=round((perf_counter() - began) * 1000, 3),
                changes=end.sent,
                statements=record.statements,
                request_id=record.request_id,
                organization_id=str(former.organization_id),
                user_id=str(former.user_id),
            )

    @contextmanager
    def _place(self, record: RequestRecord, end: End) -> Iterator[None]:
        asking = record.asking
        self.open += 1
        if asking is not None:
            self._shares.hold(asking)
            self._staying.setdefault(asking.organization, {}).setdefault(asking.token, {})[end] = None
        try:
            yield
        finally:
            self.open -= 1
            if asking is not None:
                self._shares.give_back(asking)
                if end.gives_way:
                    self._leaving -= 1
                else:
                    self._remove(asking, end)

    def collect(self) -> Iterator[Metric]:
        """Yield the open streams, their limit, and those that have ended."""
        yield gauge("flow_pipelines_streams", "Clients that follow changes.", self.open)
        yield gauge("flow_pipelines_streams_limit", "Clients that may follow changes.", self._max)
        yield counters("flow_pipelines_streams_ended", "Streams that have ended, by reason.", "reason", self.ended)
