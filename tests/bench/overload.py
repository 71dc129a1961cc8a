"""Goodput under overload: five times the sustainable rate, open-loop, over kept and over new connections.

`python -m tests.bench.overload` offers it to the service as it is and to one without what keeps goodput up (`BUILDS`),
in turns, and prints medians. Service and database share one processor, and the load generator has another, whose use is
printed: were it all used, the generator would be what is measured. The sustainable rate is found out in the same way.
One token sends nearly all; a hundred others together send a fifth of what can be sustained, and should not notice.
Clients wait for 2.5 s for an answer, then they end their connection.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.conftest import FAST
from tests.faults.harness.load_generator import GAVE_UP, LoadPlan, LoadResult, run_load
from tests.faults.scenarios.overload import OVERLOAD_FACTOR, RequestSet
from tests.process.running import Service, running_service

BUILDS: Final = ("nothing", "holding")
"""The steps of without.py that are left out, in the order of the turns."""
PATIENCE: Final = 2.5
"""Seconds after which a client gives up."""
SUSTAINED: Final = 64
"""Clients that wait for each answer, whose rate is the sustainable one: more get more, and each of them later."""
SETTLING: Final = 1.0
"""Seconds of each load that are not counted: the first in which there is more than can be answered."""
MIN_IDLE: Final = 0.02
"""The part of the load generator's processor without which a load is made once more: others used the machine."""
OTHERS: Final = 100
"""Tokens beside the one that sends most."""
HEAVY_JOBS: Final = 100
"""Half the jobs of the token that sends most: updates of one job wait for each other, however much else is free."""
OTHERS_PART: Final = 0.2
"""What these send together, as a part of the sustainable rate."""
KEPT_CONNECTIONS: Final = 2000
"""The most at once that the one token has, and the others together, where connections are kept."""
NEW_CONNECTIONS: Final = 8000
"""The same where each request has one of its own."""


@dataclass(frozen=True)
class Measured:
    """What one load came to."""

    sustainable: float
    """Requests a second."""
    goodput: float
    """Answered in time, as a part of the sustainable rate."""
    usual_99: float
    """Milliseconds in which 99 % are answered at the sustainable rate."""
    answered_99: float
    """The same under overload."""
    others: float
    """The part of the others' requests that is answered in time."""
    refused: float
    """Refusals a second."""
    reset: float
    """Connections a second that were ended without an answer."""
    given_up: float
    """Requests a second whose clients gave up."""
    not_sent: float
    """Requests a second that failed at their clients, as these had no connection free."""
    generator: float
    """Seconds of processor time a second: the load generator's."""
    processor: float
    """The same, the service's."""
    idle: float
    """The part of the load generator's processor that nobody used: without any, it is the generator that is late."""


@dataclass(frozen=True)
class Tokens:
    """The requests of the token that sends most, and of the others."""

    heavy: Sequence[bytes]
    others: Sequence[bytes]


@dataclass(frozen=True)
class Bench:
    """One service under test."""

    service: Service
    tokens: Tokens
    fresh: bool
    seconds: float

    def plan(self, requests: Sequence[bytes], seconds: float, connections: int, rate: float | None) -> LoadPlan:
        address = urlsplit(self.service.api)
        patience = None if rate is None else PATIENCE
        host, port = str(address.hostname), int(address.port or 0)
        settling = 0 if rate is None else SETTLING
        return LoadPlan(host, port, requests, seconds, connections, rate, patience, self.fresh, settling)

    async def sustainable(self) -> LoadResult:
        """Return what clients get that wait for each answer."""
        everything = [*self.tokens.heavy] * 4 + [*self.tokens.others]
        await run_load(self.plan(everything, 1, SUSTAINED, None))
        (highest,) = await run_load(self.plan(everything, 2, SUSTAINED, None))
        return highest

    @property
    def connections(self) -> int:
        return NEW_CONNECTIONS if self.fresh else KEPT_CONNECTIONS

    async def loaded(self, heavy: float, others: float) -> tuple[LoadResult, LoadResult]:
        """Return what came of two rates."""
        heavy_load, others_load = await run_load(
            self.plan(self.tokens.heavy, self.seconds, self.connections, heavy),
            self.plan(self.tokens.others, self.seconds, self.connections, others),
        )
        return heavy_load, others_load

    async def measure(self) -> Measured:
        """Find out what can be sustained, then offer too much."""
        usual = await self.sustainable()
        rate = usual.count(200) / usual.seconds
        rest = OTHERS_PART * rate
        process = psutil.Process(self.service.process.pid)
        before, began, idle = process.cpu_times(), time.perf_counter(), _idle()
        heavy, others = both = await self.loaded(OVERLOAD_FACTOR * rate - rest, rest)
        after, took = process.cpu_times(), time.perf_counter() - began
        seconds = heavy.seconds
        return Measured(
            rate,
            sum(each.count(200) for each in both) / seconds / rate,
            usual.quantile(0.99, 200) * 1e3,
            _quantile(0.99, *both) * 1e3,
            others.count(200) / others.offered,
            sum(each.count(429, 503) for each in both) / seconds,
            sum(each.count(0) for each in both) / seconds,
            sum(each.count(GAVE_UP) for each in both) / seconds,
            sum(each.not_sent for each in both) / seconds,
            sum(each.processor for each in both) / seconds,
            (after.user + after.system - before.user - before.system) / took,
            (_idle() - idle) / took,
        )


def _idle() -> float:
    """Return for how many seconds the processors that this process may use have had nothing to do."""
    times: list[Any] = psutil.cpu_times(percpu=True)
    return sum(float(times[number].idle) for number in os.sched_getaffinity(0))


def _quantile(fraction: float, *results: LoadResult) -> float:
    together = LoadResult(latencies={200: [each for result in results for each in result.latencies.get(200, ())]})
    return together.quantile(fraction, 200)


@contextmanager
def _on_processors(chosen: set[int]) -> Iterator[None]:
    """Have the processes that are started meanwhile run on these processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _tokens(dsn: str) -> Tokens:
    heavy, others = await RequestSet.create(dsn, 1, HEAVY_JOBS), await RequestSet.create(dsn, OTHERS)
    return Tokens(heavy.mixed, others.mixed)


Found = dict[tuple[str, str], list[Measured]]
"""What was measured, by what is left out and the kind of connections."""


def measure_builds(directory: Path, builds: Sequence[str], rounds: int, seconds: float) -> Found:
    """Measure builds in turns, over kept connections and over new ones."""
    processors = sorted(os.sched_getaffinity(0))
    servers, clients = {processors[0]}, {*processors[1:]} or {processors[0]}
    found: Found = defaultdict(list)
    with ExitStack() as stack:
        with _on_processors(servers):
            dsn = stack.enter_context(embedded_postgres(directory / "postgres", FAST))
        asyncio.run(migrate(dsn))
        tokens = asyncio.run(_tokens(dsn))
        for number in range(rounds):
            for build in builds:
                for fresh, kind in ((False, "kept"), (True, "new")):
                    print(f"\rround {number + 1}, without {build}, {kind}   ", end="", flush=True)
                    where = directory, dsn, build, servers, clients, tokens
                    one = _run(*where, fresh, seconds)
                    found[build, kind].append(one if one.idle > MIN_IDLE else _run(*where, fresh, seconds))
    print("\r", end="")
    return found


def main() -> None:
    """Print a table, each row a build and a kind of connections."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.overload", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--builds", nargs="*", default=BUILDS, help="steps of without.py")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as path:
        found = measure_builds(Path(path), arguments.builds, arguments.rounds, arguments.seconds)
    _print_table(found)


def _run(
    directory: Path,
    dsn: str,
    build: str,
    servers: set[int],
    clients: set[int],
    tokens: Tokens,
    fresh: bool,
    seconds: float,
) -> Measured:
    as_service = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
    with ExitStack() as stack:
        with _on_processors(servers):
            # In a session of its own, which gets as much of the processors as the clients do, all together.
            running = running_service(
                directory, as_service, module="tests.bench.without", prefix=("setsid",), WITHOUT=build
            )
            service = stack.enter_context(running)
        service.wait_until("/readyz", 200)
        bench = Bench(service, tokens, fresh, seconds)
        with _on_processors(clients):
            return asyncio.run(bench.measure())


def _print_table(found: Found) -> None:
    print(f"{OVERLOAD_FACTOR} times the sustainable rate; medians")
    print(
        "| without | connections | sustainable/s | answered in time, of that | 99 % usually / then | others answered |"
        " refused/s | reset/s | given up/s | not sent/s | processor: generator / service / idle |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for (build, kind), results in found.items():
        columns: list[Any] = [statistics.median(column) for column in zip(*map(astuple, results), strict=True)]
        one = Measured(*columns)
        print(
            f"| {build} | {kind} | {one.sustainable:,.0f} | {one.goodput:.0%} |"
            f" {one.usual_99:.0f} / {one.answered_99:.0f} ms | {one.others:.0%} | {one.refused:,.0f} |"
            f" {one.reset:,.0f} | {one.given_up:,.0f} | {one.not_sent:,.0f} |"
            f" {one.generator:.2f} / {one.processor:.2f} / {one.idle:.2f} |"
        )
    for (build, kind), results in found.items():
        goodputs, times = [f"{one.goodput:.0%}" for one in results], [f"{one.answered_99:.0f}" for one in results]
        print(f"{build}, {kind}: {' '.join(goodputs)}; {' '.join(times)} ms")


if __name__ == "__main__":
    main()
