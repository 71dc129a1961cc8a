"""Durability: kill -9 of the service, of PostgreSQL or of both, at random moments under a load of writes."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import asyncpg

from service.database.migrations import migrate
from tests.faults.controls import answer_before_commit
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.harness.processes import Postgres, Replica
from tests.faults.harness.write_history import WriteHistory
from tests.faults.harness.writers import Writers

WRITERS: Final = 8
PAUSE: Final = 0.005
"""Seconds between a writer's rounds: the killed process has to start beside them."""
MAX_PAUSE_BEFORE_KILL: Final = 0.5
"""Seconds from an acknowledgement to the next kill, at most."""
MAX_RECOVERY: Final = 30.0
"""Seconds from a start to the first acknowledgement, at most."""

SERVICE: Final = "the service"
POSTGRES: Final = "PostgreSQL"


@dataclass(frozen=True)
class Build:
    """The build under test, and the processes to kill."""

    targets: tuple[str, ...]
    module: str = "service"
    options: tuple[str, ...] = ()
    """Command-line options of PostgreSQL."""


def run(build: Build, directory: Path, times: int) -> Outcome:
    """Kill the targets so many times, and check the history of writes against the database in the end."""
    return asyncio.run(_run(build, directory, times))


async def _run(build: Build, directory: Path, times: int) -> Outcome:
    postgres = Postgres(directory / "postgres", *build.options)
    await asyncio.to_thread(postgres.start)
    try:
        await migrate(postgres.dsn)
        writers = await _writers(postgres.dsn)
        replica = Replica(directory, postgres.service_dsn, module=build.module)
        await asyncio.to_thread(replica.start)
        try:
            recoveries = await _kill_under_load(build.targets, postgres, replica, writers, times)
        finally:
            await asyncio.to_thread(replica.stop)
        violations = [
            f"nothing was acknowledged within {MAX_RECOVERY:g} s of start {number}" for number in _missing(recoveries)
        ]
        raw = await asyncpg.connect(postgres.dsn)
        violations += await writers.history.violations(raw, writers.world)
        await raw.close()
    finally:
        await asyncio.to_thread(postgres.stop)
    return Outcome(times, tuple(violations), _summary(writers.history, recoveries))


async def _writers(dsn: str) -> Writers:
    raw = await asyncpg.connect(dsn)
    try:
        return await Writers.create(raw, WRITERS)
    finally:
        await raw.close()


async def _kill_under_load(
    targets: Sequence[str], postgres: Postgres, replica: Replica, writers: Writers, times: int
) -> list[float | None]:
    """Return the seconds from each start to the first acknowledgement after it; None if it did not come in time."""
    chance, until, recoveries = random.Random(times), asyncio.Event(), list[float | None]()  # noqa: S311 - no secret
    writing = asyncio.create_task(writers.write(lambda: replica.api, until, PAUSE))
    try:
        await _wait_for_acknowledgement(writers.history, time.monotonic())
        for _ in range(times):
            await asyncio.sleep(chance.uniform(0, MAX_PAUSE_BEFORE_KILL))
            processes = [(POSTGRES, postgres.kill, postgres.start), (SERVICE, replica.kill, replica.start)]
            chance.shuffle(processes)
            chosen = [(kill, start) for name, kill, start in processes if name in targets]
            await asyncio.gather(*(asyncio.to_thread(kill) for kill, _ in chosen))
            await asyncio.gather(*(asyncio.to_thread(start) for _, start in chosen))
            recoveries.append(await _wait_for_acknowledgement(writers.history, time.monotonic()))
    finally:
        until.set()
        await writing
    return recoveries


async def _wait_for_acknowledgement(history: WriteHistory, since: float) -> float | None:
    """Wait for the acknowledgement of a write that was sent after a point in time; return the seconds that it took."""
    checked = len(history.writes)
    while time.monotonic() < since + MAX_RECOVERY:
        for write in history.writes[checked:]:
            if write.acknowledged and write.sent >= since:
                return write.ended - since
        checked = len(history.writes)
        await asyncio.sleep(0.01)
    return None


def _missing(recoveries: Sequence[float | None]) -> list[int]:
    return [number for number, seconds in enumerate(recoveries, 1) if seconds is None]


def _summary(history: WriteHistory, recoveries: Sequence[float | None]) -> str:
    seconds = [each for each in recoveries if each is not None] or [0.0]
    unanswered = sum(not write.acknowledged for write in history.writes)
    return (
        f"{history.acknowledged:,} acknowledged, {unanswered:,} not;"
        f" again {median(seconds):.2f} s after the start (worst {max(seconds):.2f} s)"
    )


PROMISE: Final = "what was acknowledged is there, nothing is half there, each change has one audit row"
ANSWERS_FIRST: Final = "the commit before the answer"
ASYNCHRONOUS: Final = ("-c", "synchronous_commit=off")

FAULTS: Final = (
    Fault(
        name="service-killed",
        description="kill -9 of the service under a load of writes",
        guarantee=PROMISE,
        run=partial(run, Build((SERVICE,))),
        times=34,
        without=ANSWERS_FIRST,
        control=partial(run, Build((SERVICE,), module=answer_before_commit.MODULE)),
        control_times=4,
        shows="0 audit rows",
    ),
    Fault(
        name="postgres-killed",
        description="kill -9 of PostgreSQL, all of it, under a load of writes",
        guarantee=PROMISE,
        run=partial(run, Build((POSTGRES,))),
        times=33,
        without="the write-ahead log on disk before the answer (synchronous_commit)",
        control=partial(run, Build((POSTGRES,), options=ASYNCHRONOUS)),
        control_times=4,
        shows="0 audit rows",
    ),
    Fault(
        name="both-killed",
        description="kill -9 of both at once under a load of writes",
        guarantee=PROMISE,
        run=partial(run, Build((SERVICE, POSTGRES))),
        times=33,
        without=ANSWERS_FIRST,
        control=partial(run, Build((SERVICE, POSTGRES), module=answer_before_commit.MODULE)),
        control_times=4,
        shows="0 audit rows",
    ),
)
