"""Overload: more requests than can be answered, by all callers together and by one caller alone.

Both loads are a multiple of the capacity measured just before, so that no result depends on the speed of the machine or
on its other work: bounds are deadlines, never rates. MAX_REQUESTS and REQUEST_TIMEOUT are both a quarter of their
defaults, so that the result holds for the defaults, and takes a quarter of the time.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import orjson

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.conftest import FAST
from tests.factories import Member, World
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.harness.load_generator import LoadPlan, LoadResult, run_load
from tests.process.running import Service, running_service

OVERLOAD_FACTOR: Final = 5
"""The offered rate as a multiple of the sustainable one."""
DEADLINE: Final = 2.5
"""Seconds: REQUEST_TIMEOUT."""
TOLERANCE: Final = 1.0
"""Seconds that a client on the same busy machine may take to read an answer."""
PROBE_TIMEOUT: Final = 5.0
"""Seconds."""
RECOVERY_TIME: Final = 2.0
"""Seconds after the end of the load within which the service must be back to normal."""
CONNECTIONS: Final = 2000
USERS: Final = 100
PIPELINES: Final = 20


@dataclass(frozen=True)
class RequestSet:
    """Whole requests of many callers, with equal counts of each kind."""

    lists: Sequence[bytes]
    uncached_lists: Sequence[bytes]
    """Lists that may not be answered from the cache."""
    updates: Sequence[bytes]

    @classmethod
    async def create(cls, dsn: str, count: int, jobs: int = 1) -> Self:
        """Create so many callers in an organization of their own, each with twice as many jobs as told."""
        raw = await asyncpg.connect(dsn)
        world = await World.create(raw)
        pipelines = [await world.pipeline() for _ in range(PIPELINES)]
        requests = cls([], [], [])
        for number in range(count):
            user = await world.user()
            for pipeline in pipelines:
                await world.grant(pipeline, user)
            ids = [str(key) for key in pipelines[number % PIPELINES :][:3]]
            for _ in range(jobs):
                requests._add(user, {"job_id": await world.job(user), "pipeline_ids": ids})
                requests._add(user, {"job_id": await world.job(user), "pipeline_ids": ids[:1]})
        await raw.close()
        return requests

    def _add(self, user: Member, update: Any) -> None:
        for calls, method, path, header, body in (
            (self.lists, "GET", "/flow/pipeline", "", b""),
            (self.uncached_lists, "GET", "/flow/pipeline", "Cache-Control: no-cache\r\n", b""),
            (self.updates, "POST", "/jobs/pipelines", "", orjson.dumps(update)),
        ):
            head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n{header}"
            assert isinstance(calls, list)
            calls.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    @property
    def mixed(self) -> list[bytes]:
        return [*self.lists, *self.uncached_lists, *self.updates]


@dataclass
class Prober:
    """A prober of liveness, readiness, health and metrics, in a loop."""

    service: Service
    longest: float = 0.0
    """Seconds that the slowest probe took."""
    count: int = 0
    failed: list[str] = field(default_factory=list)

    async def probe(self) -> None:
        """Probe until cancelled."""
        operations, api = self.service.operations, self.service.api
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True)) as session:
            while True:
                for url in (f"{operations}/livez", f"{operations}/readyz", f"{operations}/metrics", f"{api}/healthz"):
                    await self._probe(session, url)
                await asyncio.sleep(0.2)

    async def _probe(self, session: aiohttp.ClientSession, url: str) -> None:
        started, self.count = time.monotonic(), self.count + 1
        try:
            async with session.get(url) as response:
                await response.read()
            if response.status != 200:
                self.failed.append(f"{urlsplit(url).path} was answered {response.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failed.append(f"{urlsplit(url).path} was not answered: {type(error).__name__}")
        self.longest = max(self.longest, time.monotonic() - started)


@dataclass
class Findings:
    """The findings of a series of loads."""

    violations: list[str] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)


async def overload(service: Service, dsn: str, bursts: int, seconds: float) -> Findings:
    """Measure the sustainable rate, then offer five times as much in bursts; check each burst and its recovery."""
    address, requests = urlsplit(service.api), (await RequestSet.create(dsn, USERS)).mixed
    plan = partial(LoadPlan, str(address.hostname), int(address.port or 0), requests)
    await run_load(plan(0.5, 32))
    (highest,) = await run_load(plan(1, 32))
    sustainable = highest.count(200) / highest.seconds
    findings = Findings(summary=[f"sustainable {sustainable:,.0f}/s"])
    for _ in range(bursts):
        prober = Prober(service)
        probing = asyncio.create_task(prober.probe())
        (burst,) = await run_load(plan(seconds, CONNECTIONS, sustainable * OVERLOAD_FACTOR))
        await asyncio.sleep(RECOVERY_TIME)
        (after,) = await run_load(plan(2, 100, sustainable / 4))
        probing.cancel()
        findings.violations += [*_violations_during(burst, sustainable), *_violations_after(after), *prober.failed]
        findings.summary.append(
            f"offered {burst.offered / burst.seconds:,.0f}/s: answered {burst.count(200) / burst.seconds:,.0f}/s (99 %"
            f" in {burst.quantile(0.99, 200):.2f} s, longest {burst.quantile(1, 200):.2f} s), refused"
            f" {burst.count(503) / burst.seconds:,.0f}/s (half in {burst.quantile(0.5, 503):.2f} s, 99 % in"
            f" {burst.quantile(0.99, 503):.2f} s),"
            f" {burst.not_sent / burst.offered:.0%} not sent; longest probe {prober.longest:.2f} s of {prober.count}"
        )
    return findings


def _violations_during(burst: LoadResult, sustainable: float) -> Iterator[str]:
    for status in burst.latencies.keys() - {200, 503}:
        yield f"overload: {burst.count(status)} requests came to {status or 'no answer'}"
    if burst.without_retry_after:
        yield f"overload: {burst.without_retry_after} refusals without Retry-After"
    if burst.count(503) == 0:
        yield "overload: nothing was refused"
    if burst.count(200) < sustainable * burst.seconds / 5:
        yield f"overload: only {burst.count(200)} answered, of {sustainable * burst.seconds:.0f} that can be"
    if (longest := burst.quantile(1, 200)) > DEADLINE + TOLERANCE:
        yield f"overload: an answer took {longest:.1f} s"
    if (refusal := burst.quantile(0.99, 503)) > DEADLINE:
        yield f"overload: refusals took {refusal:.1f} s"


def _violations_after(after: LoadResult) -> Iterator[str]:
    for status in after.latencies.keys() - {200}:
        yield f"afterwards: {after.count(status)} requests came to {status or 'no answer'}"
    if (late := after.quantile(0.99, 200)) > 1:
        yield f"afterwards: answers took {late:.1f} s"


RATE_LIMIT: Final = 20
"""Requests a second that each token may make."""
RATE_LIMIT_BURST: Final = 40
"""Requests that a token may make at once."""
OTHERS: Final = 20
"""Callers beside the greedy one."""
OTHERS_RATE: Final = 5
"""Requests a second of each of these."""


async def greedy_caller(
    service: Service, dsn: str, rounds: int, seconds: float, tolerance: float = TOLERANCE
) -> Findings:
    """Offer five times the sustainable rate by one caller, and little by others; check that these are served.

    Within the tolerance, in seconds, a busy machine may be late with the answers.
    """
    address = urlsplit(service.api)
    greedy_requests, other_requests = (await RequestSet.create(dsn, 1)).mixed, await RequestSet.create(dsn, OTHERS)
    plan = partial(LoadPlan, str(address.hostname), int(address.port or 0))
    (highest,) = await run_load(plan(other_requests.mixed, 0.5, 32))
    findings, sustainable = Findings(), highest.count(200, 429) / highest.seconds
    for _ in range(rounds):
        greedy, others = await run_load(
            plan(greedy_requests, seconds, 250, sustainable * OVERLOAD_FACTOR),
            plan(other_requests.mixed, seconds, 100, OTHERS * OTHERS_RATE),
        )
        findings.violations += _fairness_violations(greedy, others, tolerance)
        findings.summary.append(
            f"one asked for {greedy.offered / greedy.seconds:,.0f}/s and got {greedy.count(200) / greedy.seconds:,.0f}"
            f"/s; of the others' {others.offered:,} all but {others.offered - others.count(200):,} answered,"
            f" 99 % in {others.quantile(0.99, 200):.2f} s"
        )
    return findings


def _fairness_violations(greedy: LoadResult, others: LoadResult, tolerance: float) -> Iterator[str]:
    allowed = RATE_LIMIT_BURST + RATE_LIMIT * (greedy.seconds + tolerance)
    if greedy.count(200) > allowed:
        yield f"one caller: {greedy.count(200)} answered, allowed are {allowed:.0f}"
    for status in greedy.latencies.keys() - {200, 429, 503}:
        yield f"one caller: {greedy.count(status)} requests came to {status or 'no answer'}"
    if greedy.without_retry_after:
        yield f"one caller: {greedy.without_retry_after} refusals without Retry-After"
    for status in others.latencies.keys() - {200}:
        yield f"others: {others.count(status)} requests came to {status or 'no answer'}"
    if (longest := others.quantile(1, 200)) > DEADLINE + tolerance:
        yield f"others: an answer took {longest:.1f} s"


Scenario = Callable[[Service, str, int, float], Coroutine[Any, Any, Findings]]


def _run(scenario: Scenario, settings: dict[str, str], seconds: float, directory: Path, times: int) -> Outcome:
    with embedded_postgres(directory / "postgres", FAST) as dsn:
        asyncio.run(migrate(dsn))
        as_service = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        with running_service(directory, as_service, **settings) as service:
            service.wait_until("/readyz", 200)
            findings = asyncio.run(scenario(service, dsn, times, seconds))
    return Outcome(times, tuple(findings.violations), "; ".join(findings.summary))


SETTINGS: Final = {"MAX_REQUESTS": "100", "REQUEST_TIMEOUT": str(DEADLINE)}
NO_ADMISSION_CONTROL: Final = SETTINGS | {
    "MAX_REQUESTS": "1000000",
    "module": "tests.bench.without",
    "WITHOUT": "holding",
}
"""All that comes is begun: nothing is held, and nothing refused."""
NO_RATE_LIMIT: Final = SETTINGS | {"MAX_REQUESTS": "400"}
RATE_LIMITED: Final = NO_RATE_LIMIT | {"RATE_LIMIT": str(RATE_LIMIT), "RATE_LIMIT_BURST": str(RATE_LIMIT_BURST)}

FAULTS: Final = (
    Fault(
        "overload",
        "five times the sustainable rate, open-loop",
        "what is taken on is answered within its deadline, the rest refused in time; probes answer; normal after 2 s",
        partial(_run, overload, SETTINGS, 6),
        4,
        "MAX_REQUESTS and holding",
        partial(_run, overload, NO_ADMISSION_CONTROL, 6),
        1,
        "nothing was refused",
    ),
    Fault(
        "greedy",
        "one caller asks for five times the sustainable rate",
        "they get RATE_LIMIT, and the others every answer within its deadline",
        partial(_run, greedy_caller, RATE_LIMITED, 4),
        2,
        "RATE_LIMIT",
        partial(_run, greedy_caller, NO_RATE_LIMIT, 4),
        1,
        "answered, allowed are",
    ),
)
