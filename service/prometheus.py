"""`/metrics`: what the parts of one application have counted, in the words of Prometheus and OpenTelemetry.

Read when it is asked for, so that requests pay for nothing here. It is put into text in a thread, while the event loop
goes on counting: each number is copied once, so that a histogram's count is always the sum of its buckets.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from service import __version__
from service.app import DATABASE, ENDPOINTS
from service.batching.batcher import Batcher
from service.batching.cache import RevisionCache
from service.database.pool import Database
from service.health import HEALTH, Health
from service.http.endpoint import Readable
from service.http.middleware import REQUESTS
from service.telemetry.metrics import Histogram, Requests

OWN: Final = "flow_pipelines_"
"""Before the names of what no convention knows."""


def exposition(app: web.Application) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler of `/metrics` for one application."""
    registry = CollectorRegistry()
    registry.register(_Parts(app))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)

    async def expose(request: web.Request) -> web.Response:
        await app[HEALTH].reasons()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=await asyncio.to_thread(encode, registry), headers={"Content-Type": content_type})

    return expose


class _Parts(Collector):
    """The parts of an application."""

    def __init__(self, app: web.Application) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(OWN + "build", "What runs.", {"version": __version__})
        yield from _health(self._app[HEALTH])
        yield from _requests(self._app[REQUESTS])
        endpoints = self._app[ENDPOINTS]
        yield from _shared("read", "question who is calling", endpoints.authentication.batcher)
        yield from _shared("list", "reading of lists that are not in memory", endpoints.pipeline_lists.batcher)
        yield from _shared("update", "update of jobs", endpoints.job_updates.batcher)
        yield from _kept(endpoints.answers)
        yield from _database(self._app[DATABASE])


def _health(health: Health) -> Iterator[Metric]:
    yield _gauge(OWN + "ready", "1 while the process can serve, as /readyz has it.", health.ready)
    yield _gauge(OWN + "database_up", "1 while the database answers.", health.database_up)
    if health.migrations_pending is not None:
        pending = health.migrations_pending
        yield _gauge(OWN + "migrations_pending", "Migrations that the database lacks, when last seen.", pending)


def _requests(requests: Requests) -> Iterator[Metric]:
    labels = ("http_request_method", "http_route", "http_response_status_code")
    name, help_ = "http_server_request_duration_seconds", "From the head of a request to the end of its answer."
    yield _histograms(name, help_, labels, requests.durations)
    yield _gauge("http_server_active_requests", "Requests under way.", requests.active)
    yield _counters(OWN + "refusals", "Requests that were not answered as asked, by why.", "reason", requests.failures)


def _shared(what: str, help_: str, together: Batcher[Any, Any]) -> Iterator[Metric]:
    name = f"{OWN}shared_{what}_"
    yield _histogram(name + "requests", f"Requests that shared one {help_}.", together.sizes)
    yield _histogram(name + "duration_seconds", f"One {help_}, a retry included.", together.durations)


def _kept(answers: RevisionCache[Readable]) -> Iterator[Metric]:
    name = OWN + "kept_answers"
    lookups = {"hit": answers.hits, "absent": answers.absent, "outdated": answers.outdated}
    yield _counters(name + "_lookups", "Answers looked for in memory, by what was found.", "result", lookups)
    yield _gauge(name, "Answers kept in memory.", len(answers))
    yield _gauge(name + "_bytes", "What they take.", answers.bytes)
    yield _gauge(name + "_limit_bytes", "What they may take.", answers.most_bytes)
    yield CounterMetricFamily(name + "_evictions", "Answers dropped because others needed room.", answers.evictions)


def _database(database: Database) -> Iterator[Metric]:
    name, size = "db_client_connection_", database.pool_size()
    count = GaugeMetricFamily(name + "count", "Open connections of the pool.", labels=["db_client_connection_state"])
    count.add_metric(["used"], size.used)
    count.add_metric(["idle"], size.idle)
    yield count
    yield _gauge(name + "max", "Connections that the pool may open.", size.most)
    yield _gauge(name + "pending_requests", "Units of work that wait for a connection.", database.waiting)
    yield _histogram(name + "wait_time_seconds", "From asking for a connection to having it.", database.waits)
    name, help_ = "db_client_operation_duration_seconds", "One statement, by its name."
    yield _histograms(name, help_, ("db_query_summary",), database.durations)
    yield _counters(OWN + "retries", "Operations that were run again, by why.", "reason", database.retries)


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value)


def _counters(name: str, help_: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_, labels=[label])
    for key, value in [*values.items()]:
        family.add_metric([key], value)
    return family


def _histogram(name: str, help_: str, histogram: Histogram) -> Metric:
    return _histograms(name, help_, (), {(): histogram})


def _histograms(name: str, help_: str, labels: Sequence[str], histograms: Mapping[Hashable, Histogram]) -> Metric:
    family = HistogramMetricFamily(name, help_, labels=labels)
    for key, histogram in [*histograms.items()]:
        values = key if isinstance(key, tuple) else (key,)
        bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
        counts = accumulate([*histogram.counts])
        family.add_metric([*map(str, values)], [*zip(bounds, counts, strict=True)], histogram.total)
    return family
