"""What is counted while the service works, in plain numbers: exposition.py gives them to Prometheus when it asks.

A client library's counters and histograms take a lock and four times as long; here one thread counts, and a request may
pay next to nothing.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Final

from service.errors import ServiceError
from service.telemetry.request_record import RequestRecord

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of durations."""
BATCH_SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
"""Upper bounds of the buckets of how many share one statement."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
OTHER: Final = "_OTHER"
"""In the place of any other method: clients may invent as many as they like. OpenTelemetry's word for it."""


class Histogram:
    """How often values fell between bounds, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value in the first bucket whose bound it does not exceed, or in the one beyond all bounds."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Histograms(dict[Hashable, Histogram]):
    """One for each value of the labels, made when it is first asked for."""

    def __init__(self, bounds: Sequence[float]) -> None:
        super().__init__()
        self._bounds = bounds

    def __missing__(self, labels: Hashable) -> Histogram:
        made = self[labels] = Histogram(self._bounds)
        return made


class Requests:
    """The requests of one application."""

    def __init__(self) -> None:
        self.active = 0
        """How many are under way."""
        self.durations = Histograms(SECONDS)
        """By method, route and status, of which there are only so many, whatever clients send."""
        self.failures = Counter(pool_exhausted=0, overloaded=0)
        """By reason. One that alerts ask for is there from the start, so that its first increase is seen."""

    def ended(self, method: str, route: str, record: RequestRecord, seconds: float) -> None:
        """Count a request that has come to its end; the route is one of ours, the method anything."""
        durations = self.durations.get((method, route, record.status))
        if durations is None:
            durations = self.durations[method if method in METHODS else OTHER, route, record.status]
        durations.observe(seconds)
        if record.reason is not None:
            self.failures[record.reason] += 1

    def refused(self, method: str, route: str, error: ServiceError) -> None:
        """Count a request that was refused before anything was done for it."""
        self.durations[method if method in METHODS else OTHER, route, error.status].observe(0.0)
        self.failures[error.reason or error.code.lower()] += 1
