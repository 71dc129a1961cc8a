"""The database goes away and comes back: what every such fault has in common, which is all but how it is made."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import asyncpg
import psutil

from service.database.migrations import migrate
from service.embedded.cluster import DATABASE, SERVICE_ROLE
from tests.faults.controls import without_outage_protection
from tests.faults.harness.clients import CALLERS, Answered, Callers, Probed
from tests.faults.harness.fault import Seen
from tests.faults.harness.postgres_proxy import Proxy
from tests.faults.harness.processes import Postgres, Replica

PASSWORD: Final = "canary-5b1e6a"
"""The service's for the database: nobody may ever read it."""
SLACK: Final = 1.0
"""Seconds more than its deadline that a request may take on a busy machine."""
PROBE_TIMEOUT: Final = 1.0 + SLACK
"""Seconds for a probe: Kubernetes's default, on a busy machine."""
BACK: Final = 2.0
"""Seconds from the database's return to the first success, and to readiness."""
PATIENCE: Final = 20.0
"""Seconds until it is given up."""
MOST_ATTEMPTS: Final = 20
"""Connections asked for in any one second: as many as the pool has at once, and the paced ones."""
GROWTH: Final = 16 * 2**20
"""Bytes of memory that a process may have more after the last fault than after the first."""


@dataclass
class Stage:
    """A database, a service in front of it, and a proxy between them."""

    directory: Path
    postgres: Postgres
    proxy: Proxy
    replica: Replica
    callers: Callers
    kept: list[Any] = field(default_factory=list)
    """What a fault needs to be mended."""

    async def run(self, *statements: str) -> None:
        """Run statements as the superuser, past the proxy."""
        raw = await asyncpg.connect(self.postgres.dsn)
        try:
            for statement in statements:
                await raw.execute(statement)
        finally:
            await raw.close()

    def attempts(self) -> list[float]:
        """When the service tried to connect so far."""
        return [*self.proxy.attempts]


class Scenario:
    """A way for a database to go away."""

    holds: Sequence[float] = (3,)
    """Seconds from making it to mending it, in turn."""
    statement_timeout: float = 1
    request_timeout: float = 2
    """Seconds; less than the service's defaults, so that a fault need not last long to exceed them."""
    says: str = ""
    """What readiness must say at its end, as a pattern; "" where the database isn't away for long enough to tell."""
    options: Sequence[str] = ()
    """Of PostgreSQL."""
    prefix: Sequence[str] = ()
    """Of the service's command."""
    host: str = "127.0.0.1"
    """Where the service reaches the database."""
    http_host: str = "127.0.0.1"
    """Where clients reach the service."""

    def prepare(self, directory: Path) -> AbstractContextManager[object]:
        """What must be there before PostgreSQL is."""
        return nullcontext(directory)

    async def ready(self, stage: Stage) -> None:
        """Before the first time."""

    async def make(self, stage: Stage) -> None:
        raise NotImplementedError

    async def mend(self, stage: Stage) -> None:
        raise NotImplementedError

    def attempts(self, stage: Stage) -> list[float]:
        return stage.attempts()


@dataclass(frozen=True)
class Round:
    """One time that the database was away, by time.monotonic()."""

    made: float
    mending: float
    mended: float
    """When the database was back."""
    ended: float


def run(scenario: type[Scenario], without: str, directory: Path, times: int) -> Seen:
    """Make the fault so many times; without one of the protections, or with all of them ("")."""
    return asyncio.run(_run(scenario(), without, directory, times))


async def _run(scenario: Scenario, without: str, directory: Path, times: int) -> Seen:
    with scenario.prepare(directory / "postgres"):
        async with _stage(scenario, without, directory) as stage:
            return await _play(scenario, stage, times)


@asynccontextmanager
async def _stage(scenario: Scenario, without: str, directory: Path) -> AsyncIterator[Stage]:
    postgres = Postgres(directory / "postgres", *scenario.options)
    await asyncio.to_thread(postgres.start)
    try:
        await migrate(postgres.dsn)
        callers = await Callers.create(postgres.dsn)
        async with Proxy(postgres.socket, scenario.host) as proxy:
            role = f"{SERVICE_ROLE}:{quote(PASSWORD)}"
            replica = Replica(
                directory,
                f"postgresql://{role}@{proxy.host}:{proxy.port}/{DATABASE}?sslmode=disable",
                module=without_outage_protection.MODULE if without else "service",
                prefix=scenario.prefix,
                WITHOUT=without,
                HTTP_HOST=scenario.http_host,
                STATEMENT_TIMEOUT=str(scenario.statement_timeout),
                REQUEST_TIMEOUT=str(scenario.request_timeout),
                DRAIN_TIMEOUT="1",
            )
            stage = Stage(directory, postgres, proxy, replica, callers)
            await scenario.ready(stage)
            await asyncio.to_thread(replica.start)
            try:
                yield stage
            finally:
                await asyncio.to_thread(replica.stop)
    finally:
        await asyncio.to_thread(postgres.stop)


async def _play(scenario: Scenario, stage: Stage, times: int) -> Seen:
    service, callers, until = stage.replica.service, stage.callers, asyncio.Event()
    assert service is not None
    process = psutil.Process(service.process.pid)
    rounds, memory = list[Round](), list[int]()
    calling = asyncio.create_task(callers.call(service.api, service.operations, until))
    try:
        await _back(callers, time.monotonic())
        await asyncio.sleep(0.5)
        for hold in islice(cycle(scenario.holds), times):
            made = time.monotonic()
            await scenario.make(stage)
            await asyncio.sleep(hold)
            mending = time.monotonic()
            await scenario.mend(stage)
            mended = time.monotonic()
            await _back(callers, mended)
            await asyncio.sleep(1)  # what was under way in the fault ends, and a storm would be seen
            rounds.append(Round(made, mending, mended, time.monotonic()))
            memory.append(process.memory_info().rss)
    finally:
        until.set()
        await calling
    log = service.log.read_text()
    attempts = scenario.attempts(stage)
    broken = [
        *_badly_answered(callers.answered, scenario.request_timeout + SLACK),
        *_badly_probed(scenario, callers.probed, rounds),
        *_late(callers, rounds),
        *_stormed(attempts, rounds),
        *_grown(memory),
        *_badly_logged(log),
    ]
    return Seen(times, tuple(broken), _figures(callers, rounds, attempts, memory))


async def _back(callers: Callers, since: float) -> None:
    """Wait for a success and for readiness after a moment; in vain, it is seen later."""
    for _ in range(round(PATIENCE / 0.02)):
        if None not in _recovered(callers, since):
            return
        await asyncio.sleep(0.02)


def _recovered(callers: Callers, since: float) -> tuple[float | None, float | None]:
    """The seconds from a moment to the first success, and to readiness."""
    success = next((each.ended for each in callers.answered if each.ended > since and each.status < 300), None)
    ready = next((each.ended for each in callers.probed if each.sent > since and each.status == 200), None)
    return (success and success - since), (ready and ready - since)


def _badly_answered(answered: Sequence[Answered], deadline: float) -> Iterator[str]:
    for each in answered:
        seconds = each.ended - each.sent
        if seconds > deadline:
            yield f"a request took {seconds:.1f} s, and ended with {each.status or 'nothing'}"
        elif not (200 <= each.status < 300 or each.status == 504 or (each.status == 503 and each.retry_after)):
            yield f"a request ended with {each.status or 'nothing'}, Retry-After: {each.retry_after}"


def _badly_probed(scenario: Scenario, probed: Sequence[Probed], rounds: Sequence[Round]) -> Iterator[str]:
    for each in probed:
        if each.ended - each.sent > PROBE_TIMEOUT or each.status not in {200, 503}:
            yield f"a probe took {each.ended - each.sent:.1f} s, and ended with {each.status}"
        if PASSWORD in str(each.reasons):
            yield f"readiness tells the password: {each.reasons}"
    if not scenario.says:
        return
    for each_round in rounds:
        within = [each for each in probed if each_round.made < each.sent and each.ended < each_round.mending]
        reasons = within[-1].reasons if within else ()
        if not any(re.search(scenario.says, reason) for reason in reasons):
            yield f"readiness says {reasons}, and nothing of {scenario.says!r}"


def _late(callers: Callers, rounds: Sequence[Round]) -> Iterator[str]:
    for each in rounds:
        success, ready = _recovered(callers, each.mended)
        if success is None or success > BACK:
            yield f"the first success came {success} s after the database was back"
        if ready is None or ready > BACK:
            yield f"it was ready {ready} s after the database was back"


def _stormed(attempts: Sequence[float], rounds: Sequence[Round]) -> Iterator[str]:
    for each in rounds:
        most = _most_in_a_second([at for at in attempts if each.made <= at <= each.ended])
        if most > MOST_ATTEMPTS:
            yield f"it tried to connect {most} times in a second"
        paced = [at for at in attempts if each.made + 1 <= at <= each.mending]
        gaps = [after - before for before, after in pairwise(paced)]
        if len(gaps) >= 4 and max(gaps) - min(gaps) < 0.02:
            yield f"it tried to connect every {min(gaps):.2f} s, without jitter"


def _most_in_a_second(times: Sequence[float]) -> int:
    return max((sum(1 for at in times if begin <= at < begin + 1) for begin in times), default=0)


def _grown(memory: Sequence[int]) -> Iterator[str]:
    if memory[-1] - memory[0] > GROWTH:
        yield f"the process grew from {memory[0]:,} to {memory[-1]:,} bytes"


def _badly_logged(log: str) -> Iterator[str]:
    if PASSWORD in log:
        yield "the log tells the password"
    faults = log.count("Traceback (most recent call last)")
    if faults:
        yield f"the log has {faults} tracebacks"


def _figures(callers: Callers, rounds: Sequence[Round], attempts: Sequence[float], memory: Sequence[int]) -> str:
    statuses = Counter(each.status for each in callers.answered)
    slowest = max(each.ended - each.sent for each in callers.answered)
    recovered = [_recovered(callers, each.mended) for each in rounds]
    success = max(seconds or PATIENCE for seconds, _ in recovered)
    ready = max(seconds or PATIENCE for _, seconds in recovered)
    during = [at for at in attempts if any(each.made <= at <= each.ended for each in rounds)]
    answers = ", ".join(f"{count:,} x {status or 'nothing'}" for status, count in sorted(statuses.items()))
    return (
        f"{answers} to {CALLERS} callers; slowest {slowest:.1f} s; success again after {success:.2f} s, ready after"
        f" {ready:.2f} s (worst); at most {_most_in_a_second(during)} attempts to connect in a second;"
        f" memory {(memory[-1] - memory[0]) / 2**20:+.1f} MB"
    )
