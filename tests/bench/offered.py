"""Latency at a fixed rate: lists that are due come whether or not those before have been answered."""

import asyncio
import os
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.bench.measure import running
from tests.faults.harness.load_generator import LoadPlan, LoadResult, run_load

CONNECTIONS: Final = 128
"""The most at once."""
QUANTILES: Final = (0.5, 0.99, 0.999)
WARM_UP: Final = 2
"""Seconds."""


def show(commands: Mapping[str, str], environment: Mapping[str, str], data: Path, rate: int, seconds: int) -> None:
    """Print how long lists take by each server, the median of three rounds."""
    requests = [
        f"GET /api/v1/flow/pipeline HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        for token in (data / "tokens.txt").read_text().split()
    ]
    measured = defaultdict[str, list[LoadResult]](list)
    for _ in range(3):
        for name, command in commands.items():
            with running(command, environment) as (_, port), _beside_the_server():
                plan = LoadPlan("127.0.0.1", port, requests, WARM_UP, CONNECTIONS, rate)
                asyncio.run(run_load(plan))
                measured[name] += asyncio.run(run_load(replace(plan, seconds=seconds)))
    print(f"{rate:,} lists a second offered\n| | p50 ms | p99 ms | p99.9 ms | not answered |\n|---|---|---|---|---|")
    for name, results in measured.items():
        times = [f"{statistics.median(each.quantile(part, 200) for each in results) * 1e3:.2f}" for part in QUANTILES]
        missing = sum(each.offered - each.count(200) for each in results)
        print(f"| {name} | {' | '.join(times)} | {missing} |", flush=True)


@contextmanager
def _beside_the_server() -> Iterator[None]:
    """Run what is started meanwhile on the processors that are not the server's."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before - {0} or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
