"""The clients that follow changes, by any transport: counted and bounded apart from requests, each with a log line."""

from asyncio import CancelledError
from collections import Counter
from collections.abc import Iterator
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
from service.telemetry.request_record import RequestRecord, current_record

log = structlog.get_logger()

WRITE_SECONDS: Final = 10.0
"""Seconds for a client to take what it is sent."""
CROWDED: Final = 0.9
"""The part of MAX_STREAMS beyond which no organization or token has more than its share open, as of requests."""


class End:
    """The end of one client: how far it has come, and why it no longer follows."""

    reason = "done"
    sent = 0
    """Changes that it was sent."""

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
        self.ended: Counter[str] = Counter()

    def check(self, record: RequestRecord) -> None:
        """Refuse a caller for whom there is no place.

        Raises:
            Unavailable: there is none.
        """
        crowded = self.open >= self._max * CROWDED and record.asking is not None
        if self.open >= self._max or (crowded and record.asking and self._shares.reached(record.asking)):
            raise Unavailable("More clients follow changes than this process takes on; try again.", reason="streams")

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
            with self._place(record):
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
    def _place(self, record: RequestRecord) -> Iterator[None]:
        asking = record.asking
        self.open += 1
        if asking is not None:
            self._shares.hold(asking)
        try:
            yield
        finally:
            self.open -= 1
            if asking is not None:
                self._shares.give_back(asking)

    def collect(self) -> Iterator[Metric]:
        """Yield the open streams, their limit, and those that have ended."""
        yield gauge("flow_pipelines_streams", "Clients that follow changes.", self.open)
        yield gauge("flow_pipelines_streams_limit", "Clients that may follow changes.", self._max)
        yield counters("flow_pipelines_streams_ended", "Streams that have ended, by reason.", "reason", self.ended)
