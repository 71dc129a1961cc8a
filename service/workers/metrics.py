"""The metrics of several workers as those of one service: sums, in which those that have ended are counted on."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from service.telemetry.metrics import counters, gauge

Snapshot = Sequence[Any]
"""The metrics of a process at one moment, of which JSON can be made: name, help, type, and samples of each."""

GROWING: Final = frozenset({"counter", "histogram", "summary"})
"""Types of metrics whose values only grow, so that those of a worker that has ended count on."""

_AT_ONCE: Final[dict[str, Callable[[float, float], float]]] = {
    "flow_pipelines_ready": min,
    "flow_pipelines_database_up": min,
    "flow_pipelines_migrations_pending": max,
    "flow_pipelines_audit_months_ahead": min,
    "flow_pipelines_audit_seal_failures": min,
    "flow_pipelines_build": max,
    "python_info": max,
    "process_start_time_seconds": min,
    "process_max_fds": min,
}
"""The gauges of which several workers have no sum, and what they have instead."""


def snapshot_of(metrics: Iterable[Metric]) -> Snapshot:
    """Return metrics as they are now."""
    return [
        (
            each.name,
            each.documentation,
            each.type,
            [(sample.name, sample.labels, sample.value) for sample in each.samples],
        )
        for each in metrics
    ]


@dataclass(slots=True)
class _Family:
    """The samples of one metric by name and labels, in the order in which they came."""

    documentation: str
    type: str
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)


class Totals(Collector):
    """Sums of snapshots."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def add(self, snapshot: Snapshot, *, only_growing: bool = False) -> None:
        """Add what a process has counted, all of it or what goes on to count once the process has ended."""
        for name, documentation, kind, samples in snapshot:
            if only_growing and kind not in GROWING:
                continue
            family = self._families.setdefault(name, _Family(documentation, kind))
            combine = _AT_ONCE.get(name, _sum)
            for sample, labels, value in samples:
                key = sample, tuple(labels.items())
                family.samples[key] = combine(family.samples[key], value) if key in family.samples else value

    def add_totals(self, others: "Totals") -> None:
        """Add the sums of others."""
        self.add(snapshot_of(others.collect()))

    def collect(self) -> Iterator[Metric]:
        """Yield the sums as metrics."""
        for name, family in self._families.items():
            metric = Metric(name, family.documentation, family.type)
            for (sample, labels), value in family.samples.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric


def _sum(one: float, other: float) -> float:
    return one + other


class WorkerMetrics:
    """The metrics of the workers themselves."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.serving = 0
        """Workers that accept requests."""
        self.replaced = Counter({"exited": 0, "killed": 0, "hung": 0})
        """Workers that have ended without being told to, by how."""

    def collect(self) -> Iterator[Metric]:
        """Yield how many workers there are, and how many had to be replaced."""
        yield gauge("flow_pipelines_workers", "Workers that `serve --workers` was told to run.", self._size)
        yield gauge("flow_pipelines_workers_serving", "Workers that accept requests.", self.serving)
        help_ = "Workers that ended unasked and were replaced, by cause."
        yield counters("flow_pipelines_worker_replacements", help_, "reason", self.replaced)
