"""More is asked for than can be answered: by all together, and by one caller alone.

Both ask for a multiple of what the machine was just found to do, so that nothing here depends on how fast it is, or
how busy with other things: bounds are deadlines, never speeds. MAX_REQUESTS and REQUEST_TIMEOUT are both a quarter of
their defaults, so what is shown of them is shown of the defaults, in a quarter of the time.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import orjson

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.conftest import FAST
from tests.factories import Member, World
from tests.faults.harness.fault import Fault, Seen
from tests.faults.harness.load_generator import Answers, Plan, offer
from tests.process.running import Service, running_service

TIMES_SUSTAINABLE: Final = 5
DEADLINE: Final = 2.5
SLACK: Final = 1.0
"""Seconds that an answer may take to be read, by a client on the same busy machine."""
PROBE_TIMEOUT: Final = 5.0
SETTLING: Final = 2.0
"""Seconds after the end of the load, from which on everything must be normal."""
CONNECTIONS: Final = 2000
CALLERS: Final = 100
PIPELINES: Final = 20


@dataclass(frozen=True)
class Callers:
    """Whole requests of many callers, for each kind as many."""

    lists: Sequence[bytes]
    colds: Sequence[bytes]
    """Lists that may not be taken from memory."""
    updates: Sequence[bytes]

    @classmethod
    async def create(cls, dsn: str, count: int) -> "Callers":
        raw = await asyncpg.connect(dsn)
        world = await World.create(raw)
        pipelines = [await world.pipeline() for _ in range(PIPELINES)]
        callers = cls([], [], [])
        for number in range(count):
            user = await world.user()
            for pipeline in pipelines:
                await world.grant(pipeline, user)
            ids = [str(key) for key in pipelines[number % PIPELINES :][:3]]
            callers._add(user, {"job_id": await world.job(user), "pipeline_ids": ids})
            callers._add(user, {"job_id": await world.job(user), "pipeline_ids": ids[:1]})
        await raw.close()
        return callers

    def _add(self, user: Member, update: Any) -> None:
        for calls, method, path, header, body in (
            (self.lists, "GET", "/flow/pipeline", "", b""),
            (self.colds, "GET", "/flow/pipeline", "Cache-Control: no-cache\r\n", b""),
            (self.updates, "POST", "/jobs/pipelines", "", orjson.dumps(update)),
        ):
            head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n{header}"
            assert isinstance(calls, list)
            calls.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    @property
    def mixed(self) -> list[bytes]:
        return [*self.lists, *self.colds, *self.updates]


@dataclass
class Probes:
    """Asks, all the time, whether the process lives, is ready and tells its metrics."""

    service: Service
    longest: float = 0.0
    asked: int = 0
    failed: list[str] = field(default_factory=list)

    async def ask(self) -> None:
        """Until cancelled."""
        operations, api = self.service.operations, self.service.api
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True)) as session:
            while True:
                for url in (f"{operations}/livez", f"{operations}/readyz", f"{operations}/metrics", f"{api}/healthz"):
                    await self._ask(session, url)
                await asyncio.sleep(0.2)

    async def _ask(self, session: aiohttp.ClientSession, url: str) -> None:
        started, self.asked = time.monotonic(), self.asked + 1
        try:
            async with session.get(url) as response:
                await response.read()
            if response.status != 200:
                self.failed.append(f"{urlsplit(url).path} was answered {response.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failed.append(f"{urlsplit(url).path} was not answered: {type(error).__name__}")
        self.longest = max(self.longest, time.monotonic() - started)


@dataclass
class Found:
    """What a series of bursts came to."""

    broken: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)


async def overload(service: Service, dsn: str, bursts: int, seconds: float) -> Found:
    """Find what the service can do; then, again and again, ask for five times as much, and see that it is served and
    well again."""
    address, requests = urlsplit(service.api), (await Callers.create(dsn, CALLERS)).mixed
    plan = partial(Plan, str(address.hostname), int(address.port or 0), requests)
    await offer(plan(0.5, 32))
    (most,) = await offer(plan(1, 32))
    sustainable = most.count(200) / most.seconds
    found = Found(figures=[f"sustainable {sustainable:,.0f}/s"])
    for _ in range(bursts):
        probes = Probes(service)
        probing = asyncio.create_task(probes.ask())
        (burst,) = await offer(plan(seconds, CONNECTIONS, sustainable * TIMES_SUSTAINABLE))
        await asyncio.sleep(SETTLING)
        (after,) = await offer(plan(2, 100, sustainable / 4))
        probing.cancel()
        found.broken += [*_in_overload(burst, sustainable), *_normal(after), *probes.failed]
        found.figures.append(
            f"offered {burst.offered / burst.seconds:,.0f}/s: answered {burst.count(200) / burst.seconds:,.0f}/s (99 %"
            f" in {burst.quantile(0.99, 200):.2f} s, longest {burst.quantile(1, 200):.2f} s), refused"
            f" {burst.count(503) / burst.seconds:,.0f}/s (half in {burst.quantile(0.5, 503):.2f} s, 99 % in"
            f" {burst.quantile(0.99, 503):.2f} s),"
            f" {burst.held_back / burst.offered:.0%} not sent; longest probe {probes.longest:.2f} s of {probes.asked}"
        )
    return found


def _in_overload(burst: Answers, sustainable: float) -> Iterator[str]:
    for status in burst.latencies.keys() - {200, 503}:
        yield f"overload: {burst.count(status)} requests came to {status or 'no answer'}"
    if burst.without_retry_after:
        yield f"overload: {burst.without_retry_after} refusals without Retry-After"
    if burst.count(503) == 0:
        yield "overload: nothing was refused"
    if burst.count(200) < sustainable * burst.seconds / 5:
        yield f"overload: only {burst.count(200)} answered, of {sustainable * burst.seconds:.0f} that can be"
    if (longest := burst.quantile(1, 200)) > DEADLINE + SLACK:
        yield f"overload: an answer took {longest:.1f} s"
    if (refusal := burst.quantile(0.99, 503)) > DEADLINE:
        yield f"overload: refusals took {refusal:.1f} s"


def _normal(after: Answers) -> Iterator[str]:
    for status in after.latencies.keys() - {200}:
        yield f"afterwards: {after.count(status)} requests came to {status or 'no answer'}"
    if (late := after.quantile(0.99, 200)) > 1:
        yield f"afterwards: answers took {late:.1f} s"


LIMIT: Final = 20
"""Requests a second that each token may make."""
BURST: Final = 40
PACE: Final = 5
"""Requests a second that each of the others makes."""
OTHERS: Final = 20


async def one_for_all(service: Service, dsn: str, rounds: int, seconds: float) -> Found:
    """One caller asks for five times what the service can do, while others ask for little."""
    address = urlsplit(service.api)
    greedy, others = (await Callers.create(dsn, 1)).mixed, await Callers.create(dsn, OTHERS)
    plan = partial(Plan, str(address.hostname), int(address.port or 0))
    (most,) = await offer(plan(others.mixed, 0.5, 32))
    found, sustainable = Found(), most.count(200, 429) / most.seconds
    for _ in range(rounds):
        of_one, of_others = await offer(
            plan(greedy, seconds, 250, sustainable * TIMES_SUSTAINABLE), plan(others.mixed, seconds, 100, OTHERS * PACE)
        )
        found.broken += _unequal(of_one, of_others)
        found.figures.append(
            f"one asked for {of_one.offered / of_one.seconds:,.0f}/s and got {of_one.count(200) / of_one.seconds:,.0f}"
            f"/s; of the others' {of_others.offered:,} all but {of_others.offered - of_others.count(200):,} answered,"
            f" 99 % in {of_others.quantile(0.99, 200):.2f} s"
        )
    return found


def _unequal(of_one: Answers, of_others: Answers) -> Iterator[str]:
    allowed = BURST + LIMIT * (of_one.seconds + SLACK)
    if of_one.count(200) > allowed:
        yield f"one caller: {of_one.count(200)} answered, allowed are {allowed:.0f}"
    for status in of_one.latencies.keys() - {200, 429, 503}:
        yield f"one caller: {of_one.count(status)} requests came to {status or 'no answer'}"
    if of_one.without_retry_after:
        yield f"one caller: {of_one.without_retry_after} refusals without Retry-After"
    for status in of_others.latencies.keys() - {200}:
        yield f"others: {of_others.count(status)} requests came to {status or 'no answer'}"
    if (longest := of_others.quantile(1, 200)) > DEADLINE + SLACK:
        yield f"others: an answer took {longest:.1f} s"


Scenario = Callable[[Service, str, int, float], Coroutine[Any, Any, Found]]


def _run(scenario: Scenario, settings: dict[str, str], seconds: float, directory: Path, times: int) -> Seen:
    with embedded_postgres(directory / "postgres", FAST) as dsn:
        asyncio.run(migrate(dsn))
        as_service = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        with running_service(directory, as_service, **settings) as service:
            service.wait_until("/readyz", 200)
            found = asyncio.run(scenario(service, dsn, times, seconds))
    return Seen(times, tuple(found.broken), "; ".join(found.figures))


SETTINGS: Final = {"MAX_REQUESTS": "100", "REQUEST_TIMEOUT": str(DEADLINE)}
NO_MOST: Final = SETTINGS | {"MAX_REQUESTS": "1000000"}
UNLIMITED: Final = SETTINGS | {"MAX_REQUESTS": "400"}
LIMITED: Final = UNLIMITED | {"RATE_LIMIT": str(LIMIT), "RATE_LIMIT_BURST": str(BURST)}

FAULTS: Final = (
    Fault(
        "overload",
        "five times the sustainable rate, open-loop",
        "what is taken on is answered within its deadline, the rest refused at once; probes answer; normal after 2 s",
        partial(_run, overload, SETTINGS, 6),
        4,
        "MAX_REQUESTS",
        partial(_run, overload, NO_MOST, 6),
        1,
    ),
    Fault(
        "greedy",
        "one caller asks for five times the sustainable rate",
        "they get RATE_LIMIT, and the others every answer within its deadline",
        partial(_run, one_for_all, LIMITED, 4),
        2,
        "RATE_LIMIT",
        partial(_run, one_for_all, UNLIMITED, 4),
        1,
    ),
)
