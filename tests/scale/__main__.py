"""`make scale`: what rows and calls cost at sizes from 100,000 jobs on, measured, and what is planned for a billion.

Prints the tables of docs/explanation/scale.md. 10,000,000 jobs take 30 GB of disk and half an hour.
"""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import asyncpg

from service.embedded.cluster import embedded_postgres
from tests.plans.recording import Statement
from tests.scale import reports
from tests.scale.calls import CALLS, generic_ways, places_of, statement_of, ways_for_arguments
from tests.scale.filling import FILLING, Raw, Size, fill, targets
from tests.scale.simulation import lengthen, multiply_statistics

ROOT = Path(__file__).parents[2]
SERVING = {
    "fsync": "off",  # of a disk that is others', too; the log is as long as with it
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "autovacuum_naptime": "5s",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="*", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--directory", type=Path, default=ROOT / ".data" / "scale")
    parser.add_argument("--targets", type=int, default=40, help="calls of each kind, of which the median is shown")
    parser.add_argument("--changes", type=int, default=2000, help="changes whose log is measured")
    parser.add_argument("--churn", type=int, default=3, help="updates of every job of the first size; 0: none")
    parser.add_argument("--billion", type=int, default=1_000_000_000, help="jobs that plans are made for; 0: none")
    parser.add_argument("--only-fill", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the databases for the next time")
    arguments = parser.parse_args()
    for jobs in arguments.jobs:
        run(Size(jobs), arguments, first=jobs == arguments.jobs[0])


def run(size: Size, arguments: argparse.Namespace, *, first: bool) -> None:
    directory: Path = arguments.directory / str(size.jobs)
    fill_once(size, directory)
    if arguments.only_fill:
        return
    with embedded_postgres(directory, options(SERVING)) as dsn:
        asyncio.run(measure(dsn, size, arguments, churned=first))
    if first and arguments.billion:
        simulate(size, directory, arguments.billion // size.jobs)
    if not arguments.keep:
        shutil.rmtree(directory)


def options(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def fill_once(size: Size, directory: Path) -> None:
    mark = directory / "filled"
    if mark.exists():
        return
    shutil.rmtree(directory, ignore_errors=True)  # what is half filled
    directory.mkdir(parents=True)
    started = perf_counter()

    def progress(done: str) -> None:
        print(f"{size.jobs:,} jobs, {perf_counter() - started:,.0f} s: {done}", file=sys.stderr, flush=True)

    with embedded_postgres(directory, options(FILLING)) as dsn:
        asyncio.run(fill(dsn, size, progress))
    mark.touch()


async def measure(dsn: str, size: Size, arguments: argparse.Namespace, *, churned: bool) -> None:
    raw = await asyncpg.connect(dsn)
    try:
        print(f"\n## {size.jobs:,} jobs\n", flush=True)
        await reports.report_sizes(raw)
        places = await places_of(raw, await targets(raw, size, arguments.targets))
        await reports.report_calls(raw, places)
        many = await places_of(raw, await targets(raw, size, arguments.changes))
        await reports.report_changes(raw, many)
        if churned and arguments.churn:
            every = await places_of(raw, await targets(raw, size, size.jobs))
            await reports.report_churn(raw, every, arguments.churn)
    finally:
        await raw.close()


def simulate(size: Size, directory: Path, times: int) -> None:
    """Plan for a database so many times as large, and say which plans differ."""
    still = {**SERVING, "autovacuum": "off"}  # which would read all that is not there
    with embedded_postgres(directory, options(still)) as dsn:
        statements, before, lengths = asyncio.run(_enlarge(dsn, size, times))
    (directory / "filled").unlink()
    lengthen(directory / "postgres", lengths)
    with embedded_postgres(directory, options(still)) as dsn:
        after = asyncio.run(_plan(dsn, statements))
    reports.report_plans(size, times, before, after)


async def _enlarge(dsn: str, size: Size, times: int) -> tuple[dict[str, Statement], reports.Plans, dict[str, int]]:
    """Return the calls' statements, their plans, and the lengths that files are to have; multiply the statistics."""
    raw = await asyncpg.connect(dsn)
    try:
        (place,) = await places_of(raw, await targets(raw, size, 1))
        statements = {name: await statement_of(raw, name, place) for name in CALLS}
        return statements, await _plans(raw, statements), await multiply_statistics(raw, times)
    finally:
        await raw.close()


async def _plan(dsn: str, statements: Mapping[str, Statement]) -> reports.Plans:
    raw = await asyncpg.connect(dsn)
    try:
        return await _plans(raw, statements)
    finally:
        await raw.close()


async def _plans(raw: Raw, statements: Mapping[str, Statement]) -> reports.Plans:
    return {
        name: (await generic_ways(raw, statement), await ways_for_arguments(raw, statement))
        for name, statement in statements.items()
    }


if __name__ == "__main__":
    main()
