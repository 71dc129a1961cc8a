"""The metrics of several workers as those of one service."""

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from service.prometheus import metrics_registry
from service.telemetry.metrics import Histogram, counters, gauge, histogram
from service.workers.metrics import GROWING, Snapshot, Totals, snapshot_of


def snapshot(ready: int, requests: int, reason: str, seconds: float) -> Snapshot:
    """Return what a worker sends, as it arrives."""
    durations = Histogram((0.1, 1.0))
    durations.observe(seconds)
    metrics = [
        gauge("flow_pipelines_ready", "Ready.", ready),
        gauge("http_server_active_requests", "Under way.", requests),
        counters("flow_pipelines_refusals", "Refused.", "reason", {reason: requests}),
        histogram("db_client_connection_wait_time_seconds", "Waited.", durations),
    ]
    sent: Snapshot = orjson.loads(orjson.dumps(snapshot_of(metrics)))
    return sent


def values(totals: Totals) -> dict[str, float]:
    return {
        sample.name + "".join(sample.labels.values()): sample.value
        for metric in totals.collect()
        for sample in metric.samples
    }


def test_metrics_of_workers_are_summed_and_readiness_is_the_least() -> None:
    totals = Totals()
    totals.add(snapshot(1, 3, "overloaded", 0.05))
    totals.add(snapshot(0, 4, "overloaded", 0.5))
    totals.add(snapshot(1, 5, "unsent", 7.0))

    found = values(totals)

    assert (found["flow_pipelines_ready"], found["http_server_active_requests"]) == (0, 12)
    assert found["flow_pipelines_refusals_totaloverloaded"] == 7
    assert found["flow_pipelines_refusals_totalunsent"] == 5
    name = "db_client_connection_wait_time_seconds"
    assert [found[name + part] for part in ("_bucket0.1", "_bucket1.0", "_bucket+Inf", "_count")] == [1, 2, 3, 3]
    assert found[name + "_sum"] == 7.55


def test_worker_that_has_ended_counts_on_but_has_nothing_under_way() -> None:
    retired = Totals()
    retired.add(snapshot(1, 3, "overloaded", 0.05), only_growing=True)
    retired.add(snapshot(1, 3, "overloaded", 0.05), only_growing=True)

    totals = Totals()
    totals.add_totals(retired)
    totals.add(snapshot(1, 1, "overloaded", 0.05))

    found = values(totals)
    assert found["flow_pipelines_refusals_totaloverloaded"] == 7
    assert (found["http_server_active_requests"], found["flow_pipelines_ready"]) == (1, 1)


def test_sums_are_written_and_read_as_prometheus_does() -> None:
    totals, registry = Totals(), CollectorRegistry()
    for _ in range(2):
        totals.add(orjson.loads(orjson.dumps(snapshot_of(metrics_registry([]).collect()))))
    registry.register(totals)

    families = {each.name: each for each in text_string_to_metric_families(generate_latest(registry).decode())}

    assert families["flow_pipelines_build_info"].samples[0].value == 1
    assert families["python_info"].samples[0].value == 1
    assert families["process_resident_memory_bytes"].samples[0].value > 0
    assert {each.type for each in families.values()} <= {*GROWING, "gauge"}
