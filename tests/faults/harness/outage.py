"""A database outage under load: all that its kinds have in common, which is everything but the injection itself."""

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
from tests.faults.harness.clients import CLIENTS, Clients, Probe, Response
from tests.faults.harness.fault import Outcome
from tests.faults.harness.postgres_proxy import Proxy
from tests.faults.harness.processes import Postgres, Replica

PASSWORD: Final = "canary-5b1e6a"
"""The service's password for the database: no log line and no answer may contain it."""
DEADLINE_TOLERANCE: Final = 1.0
"""Seconds by which a request may exceed its deadline on a busy machine."""
PROBE_TIMEOUT: Final = 1.0 + DEADLINE_TOLERANCE
"""Seconds for a probe: Kubernetes's default, plus the tolerance for a busy machine."""
MAX_RECOVERY: Final = 2.0
"""Seconds from the database's return to the first success, and to readiness."""
RECOVERY_TIMEOUT: Final = 20.0
"""Seconds after which a recovery is no longer waited for."""
MAX_ATTEMPTS: Final = 20
"""Connection attempts in any one second: as many as the pool makes at once, plus the paced ones."""
MAX_GROWTH: Final = 16 * 2**20
"""Bytes by which a process may grow from the first outage to the last."""


@dataclass
class Testbed:
    """A database, a service in front of it, and a proxy between the two."""

    directory: Path
    postgres: Postgres
    proxy: Proxy
    replica: Replica
    clients: Clients
    held_connections: list[Any] = field(default_factory=list)
    """Connections that an outage has opened itself, to be closed by its repair."""

    async def run(self, *statements: str) -> None:
        """Execute statements as the superuser, past the proxy."""
        raw = await asyncpg.connect(self.postgres.dsn)
        try:
            for statement in statements:
                await raw.execute(statement)
        finally:
            await raw.close()

    def attempts(self) -> list[float]:
        """Return the times of the service's attempts to connect so far."""
        return [*self.proxy.attempts]


class Outage:
    """A kind of database outage: how it is injected, and how it is repaired."""

    durations: Sequence[float] = (3,)
    """Seconds from the injection to the repair, in turn."""
    statement_timeout: float = 1
    request_timeout: float = 2
    """Seconds; less than the service's defaults, so that an outage need not last long to exceed them."""
    readiness_reason: str = ""
    """A pattern for the reason that readiness gives at the outage's end; "" if the outage is too short for one."""
    postgres_options: Sequence[str] = ()
    """Command-line options of PostgreSQL."""
    command_prefix: Sequence[str] = ()
    """A command that runs the service's command, such as `ip netns exec`."""
    host: str = "127.0.0.1"
    """The address at which the service reaches the database."""
    http_host: str = "127.0.0.1"
    """The address at which clients reach the service."""

    def prepare(self, directory: Path) -> AbstractContextManager[object]:
        """Set up what must exist before PostgreSQL starts; the exit of the context undoes it."""
        return nullcontext(directory)

    async def set_up(self, testbed: Testbed) -> None:
        """Prepare the testbed before the service starts."""

    async def inject(self, testbed: Testbed) -> None:
        raise NotImplementedError

    async def repair(self, testbed: Testbed) -> None:
        raise NotImplementedError

    def attempts(self, testbed: Testbed) -> list[float]:
        return testbed.attempts()


@dataclass(frozen=True)
class Cycle:
    """One outage from its injection to the end of its recovery, in times by time.monotonic()."""

    injected_at: float
    repair_started_at: float
    repaired_at: float
    """The time from which the database was available again."""
    ended: float


def run(outage_type: type[Outage], without: str, directory: Path, times: int) -> Outcome:
    """Inject the outage so many times; without one of the protections, or with all of them ("")."""
    return asyncio.run(_run(outage_type(), without, directory, times))


async def _run(outage: Outage, without: str, directory: Path, times: int) -> Outcome:
    with outage.prepare(directory / "postgres"):
        async with _testbed(outage, without, directory) as testbed:
            return await _run_cycles(outage, testbed, times)


@asynccontextmanager
async def _testbed(outage: Outage, without: str, directory: Path) -> AsyncIterator[Testbed]:
    postgres = Postgres(directory / "postgres", *outage.postgres_options)
    await asyncio.to_thread(postgres.start)
    try:
        await migrate(postgres.dsn)
        clients = await Clients.create(postgres.dsn)
        async with Proxy(postgres.socket, outage.host) as proxy:
            role = f"{SERVICE_ROLE}:{quote(PASSWORD)}"
            replica = Replica(
                directory,
                f"postgresql://{role}@{proxy.host}:{proxy.port}/{DATABASE}?sslmode=disable",
                module=without_outage_protection.MODULE if without else "service",
                prefix=outage.command_prefix,
                WITHOUT=without,
                DATABASE_PLAINTEXT="true",
                HTTP_HOST=outage.http_host,
                STATEMENT_TIMEOUT=str(outage.statement_timeout),
                REQUEST_TIMEOUT=str(outage.request_timeout),
                DRAIN_TIMEOUT="1",
            )
            testbed = Testbed(directory, postgres, proxy, replica, clients)
            await outage.set_up(testbed)
            await asyncio.to_thread(replica.start)
            try:
                yield testbed
            finally:
                await asyncio.to_thread(replica.stop)
    finally:
        await asyncio.to_thread(postgres.stop)


async def _run_cycles(outage: Outage, testbed: Testbed, times: int) -> Outcome:
    service, clients, until = testbed.replica.service, testbed.clients, asyncio.Event()
    assert service is not None
    process = psutil.Process(service.process.pid)
    cycles, memory = list[Cycle](), list[int]()
    load = asyncio.create_task(clients.call(service.api, service.operations, until))
    try:
        await _wait_for_recovery(clients, time.monotonic())
        await asyncio.sleep(0.5)
        for duration in islice(cycle(outage.durations), times):
            injected_at = time.monotonic()
            await outage.inject(testbed)
            await asyncio.sleep(duration)
            repair_started_at = time.monotonic()
            await outage.repair(testbed)
            repaired_at = time.monotonic()
            await _wait_for_recovery(clients, repaired_at)
            await asyncio.sleep(1)  # requests in flight end, and a reconnect storm would show
            cycles.append(Cycle(injected_at, repair_started_at, repaired_at, time.monotonic()))
            memory.append(process.memory_info().rss)
    finally:
        until.set()
        await load
    log = service.log.read_text()
    attempts = outage.attempts(testbed)
    violations = [
        *_bad_responses(clients.responses, outage.request_timeout + DEADLINE_TOLERANCE),
        *_bad_probes(outage, clients.probes, cycles),
        *_slow_recoveries(clients, cycles),
        *_reconnect_storms(attempts, cycles),
        *_memory_growth(memory),
        *_bad_log(log),
    ]
    return Outcome(times, tuple(violations), _summary(clients, cycles, attempts, memory))


async def _wait_for_recovery(clients: Clients, since: float) -> None:
    """Wait for a success and for readiness after a point in time; a timeout is reported by `_slow_recoveries`."""
    for _ in range(round(RECOVERY_TIMEOUT / 0.02)):
        if None not in _recovery_times(clients, since):
            return
        await asyncio.sleep(0.02)


def _recovery_times(clients: Clients, since: float) -> tuple[float | None, float | None]:
    """Return the seconds from a point in time to the first success, and to readiness; None where there was none."""
    success = next((each.ended for each in clients.responses if each.ended > since and each.status < 300), None)
    ready = next((each.ended for each in clients.probes if each.sent > since and each.status == 200), None)
    return (success and success - since), (ready and ready - since)


def _bad_responses(responses: Sequence[Response], deadline: float) -> Iterator[str]:
    for each in responses:
        seconds = each.ended - each.sent
        if seconds > deadline:
            yield f"a request took {seconds:.1f} s, and ended with {each.status or 'nothing'}"
        elif not (200 <= each.status < 300 or each.status == 504 or (each.status == 503 and each.retry_after)):
            yield f"a request ended with {each.status or 'nothing'}, Retry-After: {each.retry_after}"


def _bad_probes(outage: Outage, probes: Sequence[Probe], cycles: Sequence[Cycle]) -> Iterator[str]:
    for each in probes:
        if each.ended - each.sent > PROBE_TIMEOUT or each.status not in {200, 503}:
            yield f"a probe took {each.ended - each.sent:.1f} s, and ended with {each.status}"
        if PASSWORD in str(each.reasons):
            yield f"readiness discloses the password: {each.reasons}"
    if not outage.readiness_reason:
        return
    for each_cycle in cycles:
        within = [
            each for each in probes if each_cycle.injected_at < each.sent and each.ended < each_cycle.repair_started_at
        ]
        reasons = within[-1].reasons if within else ()
        if not any(re.search(outage.readiness_reason, reason) for reason in reasons):
            yield f"readiness says {reasons}, and nothing of {outage.readiness_reason!r}"


def _slow_recoveries(clients: Clients, cycles: Sequence[Cycle]) -> Iterator[str]:
    for each in cycles:
        success, ready = _recovery_times(clients, each.repaired_at)
        if success is None or success > MAX_RECOVERY:
            yield f"the first success came {success} s after the database was back"
        if ready is None or ready > MAX_RECOVERY:
            yield f"it was ready {ready} s after the database was back"


def _reconnect_storms(attempts: Sequence[float], cycles: Sequence[Cycle]) -> Iterator[str]:
    for each in cycles:
        highest = _max_in_a_second([at for at in attempts if each.injected_at <= at <= each.ended])
        if highest > MAX_ATTEMPTS:
            yield f"it tried to connect {highest} times in a second"
        paced = [at for at in attempts if each.injected_at + 1 <= at <= each.repair_started_at]
        gaps = [after - before for before, after in pairwise(paced)]
        if len(gaps) >= 4 and max(gaps) - min(gaps) < 0.02:
            yield f"it tried to connect every {min(gaps):.2f} s, without jitter"


def _max_in_a_second(times: Sequence[float]) -> int:
    return max((sum(1 for at in times if begin <= at < begin + 1) for begin in times), default=0)


def _memory_growth(memory: Sequence[int]) -> Iterator[str]:
    if memory[-1] - memory[0] > MAX_GROWTH:
        yield f"the process grew from {memory[0]:,} to {memory[-1]:,} bytes"


def _bad_log(log: str) -> Iterator[str]:
    if PASSWORD in log:
        yield "the log discloses the password"
    tracebacks = log.count("Traceback (most recent call last)")
    if tracebacks:
        yield f"the log has {tracebacks} tracebacks"


def _summary(clients: Clients, cycles: Sequence[Cycle], attempts: Sequence[float], memory: Sequence[int]) -> str:
    statuses = Counter(each.status for each in clients.responses)
    slowest = max(each.ended - each.sent for each in clients.responses)
    recovered = [_recovery_times(clients, each.repaired_at) for each in cycles]
    success = max(seconds or RECOVERY_TIMEOUT for seconds, _ in recovered)
    ready = max(seconds or RECOVERY_TIMEOUT for _, seconds in recovered)
    during = [at for at in attempts if any(each.injected_at <= at <= each.ended for each in cycles)]
    answers = ", ".join(f"{count:,} x {status or 'nothing'}" for status, count in sorted(statuses.items()))
    return (
        f"{answers} to {CLIENTS} clients; slowest {slowest:.1f} s; success again after {success:.2f} s, ready after"
        f" {ready:.2f} s (worst); at most {_max_in_a_second(during)} attempts to connect in a second;"
        f" memory {(memory[-1] - memory[0]) / 2**20:+.1f} MB"
    )
