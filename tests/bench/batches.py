"""The cost of 500 updates in one batch beside that of 500 calls: CPU of the server and of PostgreSQL together.

`python -m tests.bench.batches` changes the pipelines of 500 jobs again and again: by lone calls, one after the other
and 32 at once, and by batches, each update with a verdict of its own and all or nothing. It does so as the member who
owns the jobs, as another one who may execute all pipelines that they are in, and as an administrator.
"""

import asyncio
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import orjson

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.bench.measure import cpu_seconds
from tests.factories import World, bearer
from tests.process.running import running_service

JOBS: Final = 500
PIPELINES: Final = 40
ROUNDS: Final = 5
PASSES: Final = 4
"""Passes over all jobs in a round, for the clock of processes counts in hundredths of a second."""
WAYS: Final = ("one after the other", "32 at once", "a batch", "a batch, all or nothing")
SERVER: Final = ("-c", "shared_buffers=256MB", "-c", "synchronous_commit=off")
ADDRESS: Final = "/api/v1/jobs/pipelines"


class Caller:
    """A user, who changes the pipelines of all jobs in one of the ways."""

    def __init__(
        self, session: aiohttp.ClientSession, api: str, token: str, jobs: list[str], places: list[str]
    ) -> None:
        self._session = session
        self._url = api + ADDRESS
        self._headers = bearer(token)
        self._jobs = jobs
        self._places = places
        self._turn = 0

    async def change(self, way: str) -> None:
        """Put each job into two other pipelines than before."""
        self._turn += 2
        updates = [
            {"job_id": job, "pipeline_ids": [self._places[(number + self._turn + each) % PIPELINES] for each in (0, 1)]}
            for number, job in enumerate(self._jobs)
        ]
        if way.startswith("a batch"):
            answer = await self._post("/batch", {"updates": updates, "atomic": way != "a batch"})
            assert all(each["status"] == "OK" for each in answer["results"])
            return
        limit = asyncio.Semaphore(1 if way == "one after the other" else 32)

        async def send(update: dict[str, Any]) -> None:
            async with limit:
                await self._post("", update)

        await asyncio.gather(*map(send, updates))

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._session.post(self._url + path, data=orjson.dumps(body), headers=self._headers) as answer:
            assert answer.status == 200, await answer.text()
            return orjson.loads(await answer.read())


async def fill(dsn: str) -> tuple[dict[str, str], list[str], list[str]]:
    """Fill the database; return tokens by who calls, the jobs, and the pipelines."""
    await migrate(dsn)
    raw = await asyncpg.connect(dsn)
    world = await World.create(raw)
    owner, other, admin = await world.user(), await world.user(), await world.user(role="admin")
    groups = [await world.group(owner, other) for _ in range(5)]
    places = [await world.pipeline() for _ in range(PIPELINES)]
    for number, place in enumerate(places):
        await world.grant(place, groups[number % len(groups)])
    jobs = [await world.job(owner, places[number % PIPELINES]) for number in range(JOBS)]
    await raw.execute("VACUUM ANALYZE")
    await raw.close()
    return {"owner": owner.token, "member": other.token, "administrator": admin.token}, jobs, [*map(str, places)]


async def measure(server: int, postmaster: int, api: str, filled: tuple[dict[str, str], list[str], list[str]]) -> None:
    """Print the CPU of each way, and its ratio to lone calls."""
    tokens, jobs, places = filled
    async with aiohttp.ClientSession() as session:
        for who, token in tokens.items():
            caller = Caller(session, api, token, jobs, places)
            costs: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
            for number in range(ROUNDS + 1):
                for way in WAYS:
                    before = cpu_seconds(server), cpu_seconds(postmaster)
                    for _ in range(PASSES):
                        await caller.change(way)
                    after = cpu_seconds(server), cpu_seconds(postmaster)
                    if number:  # the first round fills the caches
                        costs[way].append(((after[0] - before[0]) / PASSES, (after[1] - before[1]) / PASSES))
            _show(who, costs)


def _show(who: str, costs: dict[str, list[tuple[float, float]]]) -> None:
    print(f"| as {who}: {JOBS} updates | server ms | database ms | beside one after the other | beside 32 at once |")
    print("|---|---|---|---|---|")
    for way, found in costs.items():
        server, database = (statistics.median(column) * 1000 for column in zip(*found, strict=True))
        ratios = [
            statistics.median(sum(a) / sum(b) for a, b in zip(found, costs[lone], strict=True)) for lone in WAYS[:2]
        ]
        print(f"| {way} | {server:.0f} | {database:.0f} | {ratios[0]:.2f} x | {ratios[1]:.2f} x |", flush=True)


def main() -> None:
    """Measure on a database of its own."""
    with tempfile.TemporaryDirectory() as path, embedded_postgres(Path(path) / "postgres", SERVER) as dsn:
        filled = asyncio.run(fill(dsn))
        postmaster = int(next(Path(path).rglob("postmaster.pid")).read_text().split()[0])
        as_service = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        with running_service(Path(path), as_service) as service:
            service.wait_until("/readyz", 200)
            asyncio.run(measure(service.process.pid, postmaster, service.api, filled))


if __name__ == "__main__":
    main()
