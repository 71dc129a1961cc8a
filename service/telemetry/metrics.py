"""Counters and histograms in plain numbers, and their form for Prometheus, in which each part gives its own.

A client library's counters take a lock and four times as long. Here one thread counts, and a request pays next to
nothing; what a part has counted is put into Prometheus's form by its `collect()`, when /metrics is asked for. Each
number is copied once then, so that a histogram's count is always the sum of its buckets.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from service.telemetry.request_record import RequestRecord

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of durations."""
BATCH_SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
"""Upper bounds of the buckets of batch sizes."""

UNAUTHENTICATED: Final = ("no_credentials", "invalid_token")
"""Reasons of failed authentications."""
DENIED: Final = ("permission_denied", "insufficient_scope", "administration_denied", "grant_denied")
"""Reasons of refused attempts: at a pipeline or job, by a narrow token, at administration, at granting too much."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
OTHER: Final = "_OTHER"
"""In the place of any other method, of which clients may invent as many as they like; OpenTelemetry's word for it."""


class Histogram:
    """Counts of values by bucket, and their sum."""

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
    """A histogram for each value of the labels, made when it is first asked for."""

    def __init__(self, bounds: Sequence[float]) -> None:
        super().__init__()
        self._bounds = bounds

    def __missing__(self, labels: Hashable) -> Histogram:
        made = self[labels] = Histogram(self._bounds)
        return made


class RequestMetrics:
    """The requests of one application."""

    def __init__(self) -> None:
        self.active = 0
        """Requests under way."""
        self.active_rpcs = 0
        """Requests among them that came by gRPC."""
        self.durations = Histograms(SECONDS)
        """By method, route and status, of which there are only so many, whatever clients send."""
        self.rpc_durations = Histograms(SECONDS)
        """Of calls by gRPC, by RPC and code."""
        self.failures = Counter(dict.fromkeys(("pool_exhausted", "overloaded", *UNAUTHENTICATED, *DENIED), 0))
        """By reason. Those that alerts ask for are there from the start, so that their first increase is seen."""

    def ended(self, method: str, route: str, record: RequestRecord, seconds: float) -> None:
        """Count a request that has ended; the route is one of the service's own, the method anything."""
        durations = self.durations.get((method, route, record.status))
        if durations is None:
            durations = self.durations[method if method in METHODS else OTHER, route, record.status]
        durations.observe(seconds)
        if record.reason is not None:
            self.failures[record.reason] += 1

    def rpc_ended(self, rpc: str, code: str, reason: str | None, seconds: float) -> None:
        """Count a call by gRPC that has ended; the RPC is one of the service's own."""
        self.rpc_durations[rpc, code].observe(seconds)
        if reason is not None:
            self.failures[reason] += 1

    def things_refused(self, numbers: Mapping[str, int]) -> None:
        """Count what was refused within a request that was answered as asked, by reason, as if each had come alone."""
        self.failures.update(numbers)

    def refused(self, method: str, route: str, status: int, reason: str) -> None:
        """Count a request that was refused before anything was done for it."""
        self.durations[method if method in METHODS else OTHER, route, status].observe(0.0)
        self.failures[reason] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield durations, requests under way, and failures by reason."""
        labels = ("http_request_method", "http_route", "http_response_status_code")
        help_ = "From the head of a request to the end of its answer."
        yield histograms("http_server_request_duration_seconds", help_, labels, self.durations)
        yield gauge("http_server_active_requests", "Requests under way.", self.active - self.active_rpcs)
        help_ = "From the beginning of a call by gRPC to its answer."
        yield histograms(
            "rpc_server_call_duration_seconds", help_, ("rpc_method", "rpc_response_status_code"), self.rpc_durations
        )
        yield gauge("rpc_server_active_requests", "Calls by gRPC under way.", self.active_rpcs)
        help_ = "Refused requests, by reason."
        yield counters("flow_pipelines_refusals", help_, "reason", self.failures)


def gauge(name: str, help_: str, value: float) -> Metric:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, help_, value)


def gauges(name: str, help_: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return a gauge for each value of one label."""
    family = GaugeMetricFamily(name, help_, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def counter(name: str, help_: str, value: int) -> Metric:
    """Return a counter without labels."""
    return CounterMetricFamily(name, help_, value)


def counters(name: str, help_: str, label: str, values: Mapping[str, int]) -> Metric:
    """Return a counter for each value of one label."""
    family = CounterMetricFamily(name, help_, labels=[label])
    for key, value in [*values.items()]:
        family.add_metric([key], value)
    return family


def histogram(name: str, help_: str, values: Histogram) -> Metric:
    """Return a histogram without labels."""
    return histograms(name, help_, (), {(): values})


def histograms(name: str, help_: str, labels: Sequence[str], values: Mapping[Any, Histogram]) -> Metric:
    """Return a histogram for each value of the labels."""
    family = HistogramMetricFamily(name, help_, labels=labels)
    for key, one in [*values.items()]:
        label_values = key if isinstance(key, tuple) else (key,)
        bounds = [*map(floatToGoString, one.bounds), "+Inf"]
        counts = accumulate([*one.counts])
        family.add_metric([*map(str, label_values)], [*zip(bounds, counts, strict=True)], one.total)
    return family
