"""The table of metrics: those of an application that no request has come to yet."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import Metric

from service.app import create_app
from service.database.pool import Database
from service.health import Health
from service.process import counting_parts
from service.prometheus import _Parts
from service.settings import read_settings
from service.workers.metrics import WorkerMetrics
from tests.reference.sources import cell, rows

SUFFIXES = {"counter": "_total", "info": "_info"}


class _NoPool:
    """A pool that has no connections, and gives none."""

    def get_max_size(self) -> int:
        return 10

    def get_size(self) -> int:
        return 0

    get_idle_size = get_size


def table() -> str:
    """Return the table of all metrics, the service's own first."""
    lines = []
    for metric in families():
        labels = " ".join(f"`{label}`{_values(metric, label)}" for label in _labels(metric)) or "-"
        name = metric.name + SUFFIXES.get(metric.type, "")
        lines.append((f"`{name}`", metric.type, labels, cell(metric.documentation)))
    return rows(("Metric", "Type", "Labels, and their fixed values", "What it counts"), lines)


def families() -> list[Metric]:
    """Return the metrics as `/metrics` would give them."""
    return asyncio.run(_collect())


async def _collect() -> list[Metric]:
    database = Database(cast("Any", _NoPool()), cast("Any", None))
    health = Health(database, 1.0)
    health.migrations_pending = 0
    app = create_app(read_settings(), database, health)
    registry = CollectorRegistry()
    registry.register(_Parts([health, *counting_parts(app, database), WorkerMetrics(1)]))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return [*registry.collect()]


def _labels(metric: Metric) -> Iterator[str]:
    """Yield the names of the labels; those of families without samples are known only to the family."""
    names = getattr(metric, "_labelnames", None) or (metric.samples[0].labels if metric.samples else ())
    return (
        name for name in names if name not in {"le", "implementation", "major", "minor", "patchlevel", "generation"}
    )


def _values(metric: Metric, label: str) -> str:
    """Return the values of a label that are there before any request, in the order in which they come."""
    if label == "version":
        return ""
    values = dict.fromkeys(sample.labels[label] for sample in metric.samples if label in sample.labels)
    return f" ({', '.join(values)})" if values else ""
