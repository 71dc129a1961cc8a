"""Acknowledged means kept, step by step: a fault at each round trip of each kind of write.

A proxy between the service and PostgreSQL makes it, before a statement reaches the server, after it was run but before
its answer comes, and after its answer: it cuts every connection, or kills the service. Then the write must be wholly
there, with its audit rows, or not at all; and if it was acknowledged, it must be there.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import aiohttp
import asyncpg
import orjson

from service.database.migrations import migrate
from service.embedded.cluster import DATABASE, SERVICE_ROLE, embedded_postgres
from tests.conftest import FAST
from tests.faults.controls import without_transactions
from tests.faults.harness import fork_server
from tests.faults.harness.fault import Fault, Seen
from tests.faults.harness.postgres_proxy import Moment, Plan, Proxy
from tests.faults.harness.write_kinds import KINDS, Kind, Raw, Rows, Scene
from tests.process.running import ROOT, environment, free_port

LANES: Final = 3
"""As many kinds of write are tried at the same time, each through a service and a proxy of its own."""
READY: Final = 30.0
TIMEOUT: Final = aiohttp.ClientTimeout(total=20)

SERVICE: Final = "service.__main__"
CUT: Final = "cut"
KILLED: Final = "killed"


@dataclass(frozen=True)
class Done:
    """What came of one write."""

    status: int
    """0: no answer."""
    lost: Counter[str]
    """Rows that went or were changed, by table."""
    gained: Counter[str]
    """Rows that came or were changed."""
    audited: Counter[str]

    @property
    def effect(self) -> tuple[Counter[str], Counter[str], Counter[str]]:
        return self.lost, self.gained, self.audited


NOTHING: Final = (Counter[str](), Counter[str](), Counter[str]())


@dataclass
class Lane:
    """One service behind one proxy."""

    raw: Raw
    proxy: Proxy
    session: aiohttp.ClientSession
    api: str
    children: asyncio.StreamReader
    """The ids of the service's processes, each in a line."""
    process: int = 0

    async def next_process(self) -> None:
        """Wait for the first or next process to serve."""
        self.process = int(await self.children.readline())
        deadline = time.monotonic() + READY
        while not await self._serves():
            assert time.monotonic() < deadline, "the service does not become ready"
            await asyncio.sleep(0.005)

    async def _serves(self) -> bool:
        try:
            async with self.session.get(f"{self.api}/healthz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def write(self, kind: Kind, plan: Plan | None) -> Done:
        """Make one write in an organization of its own, with a fault in it."""
        scene, request_id = await Scene.create(self.raw), uuid4().hex
        before = await scene.rows(self.raw)
        path, body, headers = scene.request(kind)
        self.proxy.plan(plan)
        try:
            async with self.session.request(
                kind.method,
                self.api + path,
                data=None if body is None else orjson.dumps(body),
                headers={**headers, "X-Request-Id": request_id},
            ) as response:
                await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        self.proxy.plan(None)
        after = await scene.rows(self.raw)
        return Done(status, _tables(before - after), _tables(after - before), await scene.audited(self.raw, request_id))


def _tables(rows: Rows) -> Counter[str]:
    return Counter(table for table, _ in rows.elements())


def run(module: str, ways: tuple[str, ...], directory: Path, times: int) -> Seen:
    """Try so many of the kinds of write, from the first on."""
    return run_kinds(module, ways, directory, KINDS[:times])


def run_kinds(module: str, ways: tuple[str, ...], directory: Path, kinds: tuple[Kind, ...]) -> Seen:
    """Try kinds of write at each of their round trips, in these ways."""
    with embedded_postgres(directory / "postgres", FAST) as dsn:
        return asyncio.run(_run(module, ways, directory, dsn, kinds))


async def _run(module: str, ways: tuple[str, ...], directory: Path, dsn: str, kinds: tuple[Kind, ...]) -> Seen:
    await migrate(dsn)
    waiting, found = [*reversed(kinds)], list[tuple[bool, str]]()

    async def work(number: int) -> None:
        async with _lane(module, directory / f"service-{number}.log", dsn) as lane:
            while waiting:
                found.extend([each async for each in _try_kind(lane, waiting.pop(), ways)])

    async with asyncio.TaskGroup() as lanes:
        for number in range(min(LANES, len(kinds))):
            lanes.create_task(work(number))
    there = sum(wholly for wholly, _ in found)
    broken = tuple(breach for _, breach in found if breach)
    figures = (
        f"{len(kinds)} kinds of write; {there:,} times wholly there, {len(found) - there - len(broken):,} not at all"
    )
    return Seen(len(found), broken, figures)


@asynccontextmanager
async def _lane(module: str, log: Path, dsn: str) -> AsyncIterator[Lane]:
    port = free_port()
    raw = await asyncpg.connect(dsn)
    async with Proxy(Path(parse_qs(urlsplit(dsn).query)["host"][0]) / ".s.PGSQL.5432") as proxy:
        proxied = f"postgresql://{SERVICE_ROLE}@127.0.0.1:{proxy.port}/{DATABASE}?sslmode=disable"
        with log.open("wb") as output:
            process = await _start(module, output, DATABASE_URL=proxied, HTTP_PORT=str(port), OPS_PORT="0")
        assert process.stdout is not None
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            lane = Lane(raw, proxy, session, f"http://127.0.0.1:{port}", process.stdout)
            try:
                await lane.next_process()
                yield lane
            finally:
                process.kill()
                os.kill(lane.process, signal.SIGKILL)
                await process.wait()
                await raw.close()


async def _start(module: str, output: IO[bytes], **settings: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", fork_server.MODULE, module)
    return await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment(**settings), stdout=subprocess.PIPE, stderr=output
    )


async def _try_kind(lane: Lane, kind: Kind, ways: tuple[str, ...]) -> AsyncIterator[tuple[bool, str]]:
    """For each fault whether the write is wholly there, and the breach of the promise, or ""."""
    undisturbed = await lane.write(kind, None)
    assert undisturbed.audited, f"{kind}: {undisturbed}"
    for way, moment in ((way, moment) for way in ways for moment in Moment):
        for step in count(1):
            plan = Plan(step, moment, _act(lane, way))
            done = await lane.write(kind, plan)
            if plan.made and way == KILLED:
                await lane.next_process()
            if not plan.made:
                break
            breach = "; ".join(_breaches(done, undisturbed, way))
            yield (
                done.effect == undisturbed.effect,
                breach and f"{kind}, {way} at round trip {step}, {moment}: {breach}",
            )


def _act(lane: Lane, way: str) -> Callable[[], None]:
    return partial(os.kill, lane.process, signal.SIGKILL) if way == KILLED else lambda: None


def _breaches(done: Done, undisturbed: Done, way: str) -> Iterator[str]:
    acknowledged = 200 <= done.status < 300
    if done.effect not in (NOTHING, undisturbed.effect):
        yield f"half done: {done}, not {undisturbed}"
    if acknowledged and done.effect != undisturbed.effect:
        yield f"acknowledged by {done.status}, and not there"
    if way == CUT and not acknowledged and done.status not in {503, 504}:
        yield f"answered {done.status or 'nothing'}"


FAULTS: Final = (
    Fault(
        name="steps",
        what=(
            "the database's connections cut, or the service killed, before and after each round trip of each kind"
            " of write"
        ),
        promise="a write is wholly there, with its audit rows, or not at all; an acknowledged one is there",
        run=partial(run, SERVICE, (CUT, KILLED)),
        times=len(KINDS),
        without="transactions",
        control=partial(run, without_transactions.MODULE, (CUT, KILLED)),
        control_times=6,
    ),
)
