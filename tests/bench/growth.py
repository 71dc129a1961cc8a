"""The cost of a request in organizations twenty times as large, for users who see as many pipelines as before."""

import asyncio
import statistics
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import asyncpg

from tests.bench.measure import Load, cpu_seconds, running, wrk

TIMES: Final = 20
SIZE: Final = tuple(
    f"--{what}={TIMES * count}"
    for what, count in {"users": 2500, "groups": 100, "pipelines": 500, "jobs": 25_000}.items()
)
"""Options of dataset.py: an organization of so many times the default size. The number of organizations is the same."""
DATABASE: Final = "grown"
PASS: Final = 6
"""Seconds in which all targets, about 10,000, are updated once."""


def compare(
    load: Load,
    grown: Path,
    rounds: int,
    serve: Callable[[str], tuple[str, Mapping[str, str]]],
    databases: tuple[str, str],
) -> None:
    """Load the service on both data sets in turn, and print the CPU time a request, server and database together.

    All targets are updated once before the measurement, so that neither data set is still changed from its import.

    Args:
        load: the load on the small data set.
        grown: the directory of the large data set.
        rounds: the number of rounds of each.
        serve: returns the command that serves a database, and its environment.
        databases: the addresses of both databases.
    """
    loads = (load, replace(load, data=grown))
    costs: tuple[list[float], list[float]] = ([], [])
    with ExitStack() as stack:
        servers = [stack.enter_context(running(*serve(database))) for database in databases]
        for (_, port), of in zip(servers, loads, strict=True):
            wrk(port, of, seconds=PASS)
        for _ in range(rounds * load.seconds):
            for (server, port), of, cost in zip(servers, loads, costs, strict=True):
                before = cpu_seconds(server.pid) + cpu_seconds(of.postmaster)
                requests = wrk(port, of, seconds=1)["requests"]
                cost.append((cpu_seconds(server.pid) + cpu_seconds(of.postmaster) - before) / requests * 1e6)
    small, large = map(statistics.median, costs)
    ratio = statistics.median(b / a for a, b in zip(*costs, strict=True))
    print(f"| {load.workload} | {small:.0f} | {large:.0f} | {ratio:.2f} x |", flush=True)


def settle(dsn: str) -> None:
    """Vacuum and analyze, before autovacuum would begin to, and be measured too."""

    async def vacuum() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute("VACUUM ANALYZE")
        finally:
            await connection.close()

    asyncio.run(vacuum())


def create_database(dsn: str) -> str:
    """Create an empty database beside another one; return its address."""

    async def create() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()

    asyncio.run(create())
    return dsn.replace("/flow_pipelines", f"/{DATABASE}", 1)
