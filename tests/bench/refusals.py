"""The value of refusing requests as soon as they are read, and of reading them late, under overload.

Both rest on aiohttp's internals (service/http/server/connection.py). `python -m tests.bench.refusals` offers five times
the sustainable rate to the service as it is, and without either, in turns, and prints the medians.
"""

import asyncio
import statistics
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.conftest import FAST
from tests.faults.harness.load_generator import LoadPlan, run_load
from tests.faults.scenarios.overload import CONNECTIONS, OVERLOAD_FACTOR, SETTINGS, USERS, RequestSet
from tests.process.running import running_service

BUILDS: Final = ("nothing", "refusal", "deferral")
"""The steps of without.py that are left out, in the order of the turns."""
ROUNDS: Final = 5
SECONDS: Final = 4


async def _burst(api: str, dsn: str, rate: float | None) -> tuple[float, float, float, float]:
    """Offer a rate, or five times the sustainable one; return that one, and what was answered and refused a second."""
    address, requests = urlsplit(api), (await RequestSet.create(dsn, USERS)).mixed
    plan = partial(LoadPlan, str(address.hostname), int(address.port or 0), requests)
    await run_load(plan(0.5, 32))
    (highest,) = await run_load(plan(1, 32))
    sustainable = rate or highest.count(200) / highest.seconds
    (burst,) = await run_load(plan(SECONDS, CONNECTIONS, sustainable * OVERLOAD_FACTOR))
    late = burst.quantile(0.99, 200)
    return sustainable, burst.count(200) / burst.seconds, burst.count(503) / burst.seconds, late


def main() -> None:
    """Print a table of what was answered, refused and late, by what is left out."""
    found: defaultdict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as path, embedded_postgres(Path(path) / "postgres", FAST) as dsn:
        asyncio.run(migrate(dsn))
        as_service = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        rate = None
        for number in range(ROUNDS):
            for build in BUILDS:
                print(f"\rround {number + 1} of {ROUNDS}, without {build:<10}", end="", flush=True)
                module = "tests.bench.without"
                settings = {**SETTINGS, "WITHOUT": build}
                with running_service(Path(path), as_service, module=module, **settings) as service:
                    service.wait_until("/readyz", 200)
                    result = asyncio.run(_burst(service.api, dsn, rate))
                    rate = rate or result[0]
                    found[build].append(result)
    print(f"\r{OVERLOAD_FACTOR} times {rate:,.0f}/s, {ROUNDS} rounds of {SECONDS} s, medians")
    print("| without | answered/s | refused/s | 99 % of answers within |\n|---|---|---|---|")
    for build, results in found.items():
        _, answered, refused, late = (statistics.median(column) for column in zip(*results, strict=True))
        print(f"| {build} | {answered:,.0f} | {refused:,.0f} | {late:.2f} s |")


if __name__ == "__main__":
    main()
