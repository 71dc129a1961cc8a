"""Other overloads than those of `make faults`: slow bodies, clients that give up, a slow database, two processes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest

from tests.factories import World
from tests.faults.harness.load_generator import GAVE_UP, LoadPlan, LoadResult, run_load
from tests.faults.scenarios.overload import RECOVERY_TIME, Prober, RequestSet
from tests.process.running import Service, running_service

pytestmark = pytest.mark.slow

RATE: Final = 5000
"""Requests a second: more than one process answers."""
UPDATES: Final = 60
SLOW: Final = 150
"""Requests whose body comes slowly: more than the window, so that none would be left for others."""
NO_ANSWER: Final = 0


def plan(
    service: Service, requests: RequestSet, seconds: float, rate: float, *, patience: float = 2.5, fresh: bool = False
) -> LoadPlan:
    address = urlsplit(service.api)
    host, port = str(address.hostname), int(address.port or 0)
    return LoadPlan(host, port, requests.mixed, seconds, 1000, rate, patience, fresh)


@asynccontextmanager
async def overloaded(service: Service, requests: RequestSet) -> AsyncIterator[None]:
    """Check that probes are answered all along, and that all is as usual soon after."""
    prober = Prober(service)
    probing = asyncio.create_task(prober.probe())
    try:
        yield
        await asyncio.sleep(RECOVERY_TIME)
        (after,) = await run_load(plan(service, requests, 1, 50, patience=10))
        assert after.latencies.keys() == {200}
    finally:
        probing.cancel()
    assert (prober.failed, prober.count > 0) == ([], True)


def only(load: LoadResult, *statuses: int) -> bool:
    return load.latencies.keys() <= set(statuses)


async def metric(service: Service, name: str) -> float:
    async with aiohttp.ClientSession() as session, session.get(f"{service.operations}/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def test_bodies_that_come_slowly_keep_no_others_waiting(dsn: str, service_dsn: str, tmp_path: Path) -> None:
    requests, others = await RequestSet.create(dsn, 1, 50), await RequestSet.create(dsn, 20)
    slowest = await RequestSet.create(dsn, 1)
    with running_service(tmp_path, service_dsn) as service:
        address = urlsplit(service.api)
        slow = [socket.create_connection((address.hostname, address.port)) for _ in range(SLOW)]
        for each in slow:
            head, _, body = slowest.updates[0].partition(b"\r\n\r\n")
            each.send(head + b"\r\n\r\n" + body[:1])
        async with overloaded(service, others):
            load, light = await run_load(plan(service, requests, 2, RATE), plan(service, others, 2, 50))
        for each in slow:
            each.close()

    assert load.count(200) > load.count(503)
    assert light.count(200) > light.offered / 2


async def test_update_is_made_if_it_is_answered_and_not_if_it_is_refused(
    dsn: str, service_dsn: str, tmp_path: Path, raw: "asyncpg.Connection[asyncpg.Record]", world: World
) -> None:
    requests, user, pipeline = await RequestSet.create(dsn, 1, 50), await world.user(), await world.pipeline()
    await world.grant(pipeline, user)
    jobs = [await world.job(user) for _ in range(UPDATES)]
    told: dict[str, int] = {}

    async def update(session: aiohttp.ClientSession, job: str) -> None:
        body = {"job_id": job, "pipeline_ids": [str(pipeline)]}
        try:
            async with session.post("/api/v1/jobs/pipelines", json=body, headers=user.headers) as response:
                told[job] = response.status
        except (aiohttp.ClientError, TimeoutError):
            told[job] = NO_ANSWER

    with running_service(tmp_path, service_dsn, MAX_REQUESTS="20") as service:
        async with overloaded(service, requests):
            load = asyncio.create_task(run_load(plan(service, requests, 3, RATE, patience=0.5)))
            timeout = aiohttp.ClientTimeout(total=10)
            async with aiohttp.ClientSession(service.api, timeout=timeout) as session:
                await asyncio.sleep(1.5)
                await asyncio.gather(*(update(session, job) for job in jobs))
            (result,) = await load
        left = await metric(service, 'flow_pipelines_held_total{outcome="left"}')

    changed = {row[0] for row in await raw.fetch("SELECT job_id FROM assignments WHERE job_id = ANY($1)", jobs)}
    assert only(result, 200, 503, GAVE_UP, NO_ANSWER)
    assert set(told.values()) <= {200, 503, NO_ANSWER}
    assert {job for job in jobs if told[job] == 200} <= changed
    assert not {job for job in jobs if told[job] == 503} & changed
    assert left > 0, "what clients gave up was begun"


async def test_database_that_is_slow_delays_requests_and_not_probes(
    dsn: str, service_dsn: str, tmp_path: Path, raw: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    requests = await RequestSet.create(dsn, 20)
    with running_service(tmp_path, service_dsn, MAX_REQUESTS="200", REQUEST_TIMEOUT="5") as service:
        async with overloaded(service, requests):
            load = asyncio.create_task(run_load(plan(service, requests, 5, 300)))
            await asyncio.sleep(1)
            async with raw.transaction():
                await raw.execute("LOCK TABLE assignments IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(2)
            (result,) = await load

    assert only(result, 200, 409, 503, GAVE_UP)  # 409: a change that waits for a lock for too long
    assert result.count(200) > 0


@pytest.mark.parametrize("fresh", [False, True], ids=["kept", "new"])
async def test_processes_that_share_a_socket_answer_tokens_that_send_little(
    dsn: str, service_dsn: str, tmp_path: Path, *, fresh: bool
) -> None:
    requests, others = await RequestSet.create(dsn, 1, 50), await RequestSet.create(dsn, 20)
    with running_service(tmp_path, service_dsn, "--workers", "2") as service:
        async with overloaded(service, others):
            load, light = await run_load(
                plan(service, requests, 4, 2 * RATE, fresh=fresh), plan(service, others, 4, 50, fresh=fresh)
            )

    assert only(load, 200, 503, GAVE_UP, NO_ANSWER)
    assert only(light, 200, 503, GAVE_UP, NO_ANSWER)
    assert light.count(200) > light.offered / 2, f"{light.count(200)} of {light.offered}"
