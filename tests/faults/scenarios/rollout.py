"""Two replicas behind a real proxy are replaced one after the other, under load, as each rollout does it."""

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
from tests.faults.harness.fault import Fault, Seen
from tests.faults.harness.load_balancers import haproxy, nginx
from tests.faults.harness.processes import Replica
from tests.faults.harness.replication import FAST
from tests.faults.harness.writers import Writers

WRITERS: Final = 16
READERS: Final = 2
"""Each makes one request after the other. nginx tries again what only reads, or may be done twice: few of these."""
DELAY: Final = "1.5"
"""SHUTDOWN_DELAY: longer than HAProxy takes to find out that a replica is not ready (1 s)."""
PATIENCE: Final = 60.0

Proxy = Callable[[Path, list[int]], AbstractContextManager[str]]


@dataclass(frozen=True)
class How:
    """How it is rolled out, and under what load."""

    delay: str = DELAY
    module: str = "service"
    writers: int = WRITERS
    readers: int = READERS
    pause: float = 0
    """Between a client's requests."""


class Replaced(Replica):
    """One that is replaced by another at its address."""

    async def replace(self) -> None:
        """Let it end, start another, and wait until the proxy sends requests there."""
        assert self.service
        self.service.process.terminate()
        await asyncio.to_thread(self.service.process.wait, PATIENCE)
        self.stop()
        await asyncio.to_thread(self.start)
        async with asyncio.timeout(PATIENCE):
            while b'"event":"request"' not in self.service.log.read_bytes().replace(b"/healthz", b""):  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.02)


class Readers:
    """Clients that list pipelines without end."""

    def __init__(self, writers: Writers) -> None:
        self.statuses: Counter[int] = Counter()
        self._headers = bearer(writers.admin.token)

    async def read(self, api: str, until: asyncio.Event, how: How) -> None:
        async with aiohttp.ClientSession(headers=self._headers) as session:
            await asyncio.gather(*(self._reader(session, api, until, how.pause) for _ in range(how.readers)))

    async def _reader(self, session: aiohttp.ClientSession, api: str, until: asyncio.Event, pause: float) -> None:
        while not until.is_set():
            try:
                async with session.get(f"{api}/api/v1/flow/pipeline") as response:
                    await response.read()
                    self.statuses[response.status] += 1
            except (aiohttp.ClientError, OSError, TimeoutError):
                self.statuses[0] += 1
            await asyncio.sleep(pause)


def run(proxy: Proxy, directory: Path, times: int, how: How = How()) -> Seen:
    """Replace a replica so many times."""
    with embedded_postgres(directory / "postgres", FAST) as dsn:
        return asyncio.run(_run(proxy, directory, dsn, times, how))


async def _run(proxy: Proxy, directory: Path, dsn: str, times: int, how: How) -> Seen:
    await migrate(dsn)
    raw = await asyncpg.connect(dsn)
    writers = await Writers.create(raw, how.writers)
    serving = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
    replicas = [Replaced(directory, serving, module=how.module, SHUTDOWN_DELAY=how.delay) for _ in range(2)]
    readers, until = Readers(writers), asyncio.Event()
    with ExitStack() as stack:
        for replica in replicas:
            stack.callback(replica.stop)
            replica.start()
        api = stack.enter_context(proxy(directory, [replica.port for replica in replicas]))
        load = asyncio.gather(writers.write(lambda: api, until, how.pause), readers.read(api, until, how))
        try:
            for number in range(times):
                await replicas[number % 2].replace()
        finally:
            until.set()
            await load
    broken = await writers.ledger.breaches(raw, writers.world)
    await raw.close()
    answers = writers.ledger.statuses() + readers.statuses
    for status, count in sorted(answers.items()):
        if not 200 <= status < 300:
            broken += [f"answered {status}" if status else "not answered"] * count
    figures = f"{answers.total():,} requests, {len(writers.ledger.writes):,} of them writes"
    return Seen(times, tuple(broken), figures)


def _fault(name: str, what: str, proxy: Proxy) -> Fault:
    return Fault(
        name=f"rollout-{name}",
        what=f"One of two replicas behind {what} is replaced, then the other",
        promise="no request fails",
        run=partial(run, proxy),
        times=20,
        without="the shutdown delay and the orderly end of connections",
        control=partial(run, proxy, how=How(delay="0", module=abrupt_shutdown.MODULE)),
        control_times=8,
    )


FAULTS: Final = (_fault("nginx", "nginx", nginx), _fault("haproxy", "HAProxy", haproxy))
