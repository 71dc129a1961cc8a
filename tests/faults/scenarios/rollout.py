"""A rollout: two replicas behind a load balancer are replaced one after the other, under load."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.factories import bearer
from tests.faults.controls import abrupt_shutdown
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.harness.load_balancers import haproxy, nginx
from tests.faults.harness.processes import Replica
from tests.faults.harness.replication import FAST
from tests.faults.harness.writers import Writers

WRITERS: Final = 16
READERS: Final = 2
"""Clients that read. They are few, as nginx retries reads and idempotent writes, which hides failures of these."""
DELAY: Final = "1.5"
"""SHUTDOWN_DELAY: longer than HAProxy takes to detect that a replica is not ready (1 s)."""
TIMEOUT: Final = 60.0

Proxy = Callable[[Path, list[int]], AbstractContextManager[str]]


@dataclass(frozen=True)
class RolloutOptions:
    """The build and settings that are rolled out, and the load."""

    delay: str = DELAY
    module: str = "service"
    writers: int = WRITERS
    readers: int = READERS
    pause: float = 0
    """Seconds between a client's requests."""


class ReplaceableReplica(Replica):
    """A replica that can be replaced by another one at its address."""

    async def replace(self) -> None:
        """Terminate this process, start another, and wait until the load balancer sends requests to it."""
        assert self.service
        self.service.process.terminate()
        await asyncio.to_thread(self.service.process.wait, TIMEOUT)
        self.stop()
        await asyncio.to_thread(self.start)
        async with asyncio.timeout(TIMEOUT):
            while b'"event":"request"' not in self.service.log.read_bytes().replace(b"/healthz", b""):  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.02)


class Readers:
    """Clients that list pipelines in a loop."""

    def __init__(self, writers: Writers) -> None:
        self.statuses: Counter[int] = Counter()
        self._headers = bearer(writers.admin.token)

    async def read(self, api: str, until: asyncio.Event, options: RolloutOptions) -> None:
        async with aiohttp.ClientSession(headers=self._headers) as session:
            await asyncio.gather(*(self._reader(session, api, until, options.pause) for _ in range(options.readers)))

    async def _reader(self, session: aiohttp.ClientSession, api: str, until: asyncio.Event, pause: float) -> None:
        while not until.is_set():
            try:
                async with session.get(f"{api}/api/v1/flow/pipeline") as response:
                    await response.read()
                    self.statuses[response.status] += 1
            except (aiohttp.ClientError, OSError, TimeoutError):
                self.statuses[0] += 1
            await asyncio.sleep(pause)


def run(proxy: Proxy, directory: Path, times: int, options: RolloutOptions = RolloutOptions()) -> Outcome:
    """Replace the replicas in turn, so many times altogether."""
    with embedded_postgres(directory / "postgres", FAST) as dsn:
        return asyncio.run(_run(proxy, directory, dsn, times, options))


async def _run(proxy: Proxy, directory: Path, dsn: str, times: int, options: RolloutOptions) -> Outcome:
    await migrate(dsn)
    raw = await asyncpg.connect(dsn)
    writers = await Writers.create(raw, options.writers)
    serving = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
    replicas = [
        ReplaceableReplica(directory, serving, module=options.module, SHUTDOWN_DELAY=options.delay) for _ in range(2)
    ]
    readers, until = Readers(writers), asyncio.Event()
    with ExitStack() as stack:
        for replica in replicas:
            stack.callback(replica.stop)
            replica.start()
        api = stack.enter_context(proxy(directory, [replica.port for replica in replicas]))
        load = asyncio.gather(writers.write(lambda: api, until, options.pause), readers.read(api, until, options))
        try:
            for number in range(times):
                await replicas[number % 2].replace()
        finally:
            until.set()
            await load
    violations = await writers.history.violations(raw, writers.world)
    await raw.close()
    answers = writers.history.statuses() + readers.statuses
    for status, count in sorted(answers.items()):
        if not 200 <= status < 300:
            violations += [f"answered {status}" if status else "not answered"] * count
    summary = f"{answers.total():,} requests, {len(writers.history.writes):,} of them writes"
    return Outcome(times, tuple(violations), summary)


def _fault(name: str, description: str, proxy: Proxy) -> Fault:
    return Fault(
        name=f"rollout-{name}",
        description=f"One of two replicas behind {description} is replaced, then the other",
        guarantee="no request fails",
        run=partial(run, proxy),
        times=20,
        without="the shutdown delay and the orderly end of connections",
        control=partial(run, proxy, options=RolloutOptions(delay="0", module=abrupt_shutdown.MODULE)),
        control_times=8,
        shows="answered 502|not answered",
    )


FAULTS: Final = (_fault("nginx", "nginx", nginx), _fault("haproxy", "HAProxy", haproxy))
