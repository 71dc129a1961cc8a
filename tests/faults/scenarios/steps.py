"""Atomicity and durability, step by step: a fault at each round trip of each kind of write.

A proxy between the service and PostgreSQL injects it: before a statement reaches the server, after it was executed but
before its answer is relayed, and after its answer. It cuts every connection, or kills the service. Then the write must
be applied wholly, with its audit rows, or not at all; and if it was acknowledged, it must be applied.
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
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.harness.postgres_proxy import FaultPlan, Moment, Proxy
from tests.faults.harness.write_kinds import WRITE_KINDS, Raw, Rows, WriteFixture, WriteKind
from tests.process.running import ROOT, environment, free_port

LANES: Final = 3
"""The number of kinds of write that are tried at the same time, each through a service and a proxy of its own."""
READY_TIMEOUT: Final = 30.0
"""Seconds."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=20)

SERVICE: Final = "service.__main__"
CUT: Final = "cut"
KILLED: Final = "killed"


@dataclass(frozen=True)
class WriteEffect:
    """The effect of one write."""

    status: int
    """0 if there was no answer."""
    removed: Counter[str]
    """Counts of rows that were deleted or changed, by table."""
    added: Counter[str]
    """Counts of rows that were inserted or changed, by table."""
    audited: Counter[str]
    """Counts of audit rows, by action."""

    @property
    def changes(self) -> tuple[Counter[str], Counter[str], Counter[str]]:
        return self.removed, self.added, self.audited


NO_EFFECT: Final = (Counter[str](), Counter[str](), Counter[str]())


@dataclass
class Lane:
    """One service behind one proxy."""

    raw: Raw
    proxy: Proxy
    session: aiohttp.ClientSession
    api: str
    children: asyncio.StreamReader
    """The ids of the service's processes, each on a line."""
    process: int = 0

    async def next_process(self) -> None:
        """Wait until the first or next process serves."""
        self.process = int(await self.children.readline())
        deadline = time.monotonic() + READY_TIMEOUT
        while not await self._serves():
            assert time.monotonic() < deadline, "the service does not become ready"
            await asyncio.sleep(0.005)

    async def _serves(self) -> bool:
        try:
            async with self.session.get(f"{self.api}/healthz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def write(self, kind: WriteKind, plan: FaultPlan | None) -> WriteEffect:
        """Send one write in an organization of its own, with the planned fault in it."""
        fixture, request_id = await WriteFixture.create(self.raw), uuid4().hex
        before = await fixture.rows(self.raw)
        path, body, headers = fixture.request(kind)
        self.proxy.set_plan(plan)
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
        self.proxy.set_plan(None)
        after = await fixture.rows(self.raw)
        audited = await fixture.audited_actions(self.raw, request_id)
        return WriteEffect(status, _tables(before - after), _tables(after - before), audited)


def _tables(rows: Rows) -> Counter[str]:
    return Counter(table for table, _ in rows.elements())


def run(module: str, fault_kinds: tuple[str, ...], directory: Path, times: int) -> Outcome:
    """Try the first so many kinds of write."""
    return run_kinds(module, fault_kinds, directory, WRITE_KINDS[:times])


def run_kinds(module: str, fault_kinds: tuple[str, ...], directory: Path, kinds: tuple[WriteKind, ...]) -> Outcome:
    """Try kinds of write with each kind of fault at each of their round trips."""
    with embedded_postgres(directory / "postgres", FAST) as dsn:
        return asyncio.run(_run(module, fault_kinds, directory, dsn, kinds))


async def _run(
    module: str, fault_kinds: tuple[str, ...], directory: Path, dsn: str, kinds: tuple[WriteKind, ...]
) -> Outcome:
    await migrate(dsn)
    waiting, attempts = [*reversed(kinds)], list[tuple[bool, str]]()

    async def work(number: int) -> None:
        async with _lane(module, directory / f"service-{number}.log", dsn) as lane:
            while waiting:
                attempts.extend([each async for each in _try_kind(lane, waiting.pop(), fault_kinds)])

    async with asyncio.TaskGroup() as lanes:
        for number in range(min(LANES, len(kinds))):
            lanes.create_task(work(number))
    applied = sum(was_applied for was_applied, _ in attempts)
    violations = tuple(violation for _, violation in attempts if violation)
    unapplied = len(attempts) - applied - len(violations)
    summary = f"{len(kinds)} kinds of write; {applied:,} times wholly there, {unapplied:,} not at all"
    return Outcome(len(attempts), violations, summary)


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


async def _try_kind(lane: Lane, kind: WriteKind, fault_kinds: tuple[str, ...]) -> AsyncIterator[tuple[bool, str]]:
    """Yield for each fault whether the write was applied, and the violation of the guarantee, or ""."""
    undisturbed = await lane.write(kind, None)
    assert undisturbed.audited, f"{kind}: {undisturbed}"
    for fault_kind, moment in ((fault_kind, moment) for fault_kind in fault_kinds for moment in Moment):
        for step in count(1):
            plan = FaultPlan(step, moment, _injection(lane, fault_kind))
            effect = await lane.write(kind, plan)
            if plan.triggered and fault_kind == KILLED:
                await lane.next_process()
            if not plan.triggered:
                break
            violation = "; ".join(_violations(effect, undisturbed, fault_kind))
            yield (
                effect.changes == undisturbed.changes,
                violation and f"{kind}, {fault_kind} at round trip {step}, {moment}: {violation}",
            )


def _injection(lane: Lane, fault_kind: str) -> Callable[[], None]:
    return partial(os.kill, lane.process, signal.SIGKILL) if fault_kind == KILLED else lambda: None


def _violations(effect: WriteEffect, undisturbed: WriteEffect, fault_kind: str) -> Iterator[str]:
    acknowledged = 200 <= effect.status < 300
    if effect.changes not in (NO_EFFECT, undisturbed.changes):
        yield f"half done: {effect}, not {undisturbed}"
    if acknowledged and effect.changes != undisturbed.changes:
        yield f"acknowledged by {effect.status}, and not there"
    if fault_kind == CUT and not acknowledged and effect.status not in {503, 504}:
        yield f"answered {effect.status or 'nothing'}"


FAULTS: Final = (
    Fault(
        name="steps",
        description=(
            "the database's connections cut, or the service killed, before and after each round trip of each kind"
            " of write"
        ),
        guarantee="a write is wholly there, with its audit rows, or not at all; an acknowledged one is there",
        run=partial(run, SERVICE, (CUT, KILLED)),
        times=len(WRITE_KINDS),
        without="transactions",
        control=partial(run, without_transactions.MODULE, (CUT, KILLED)),
        control_times=6,
        shows="half done",
    ),
)
