"""Acknowledged means kept: kill -9 of the service, of PostgreSQL, of both, at any moment of a load of writes."""

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
from tests.faults.harness.fault import Fault, Seen
from tests.faults.harness.processes import Postgres, Replica
from tests.faults.harness.write_history import Ledger
from tests.faults.harness.writers import Writers

WRITERS: Final = 8
PAUSE: Final = 0.005
"""Seconds between a writer's rounds: what is killed has to start beside them."""
BETWEEN: Final = 0.5
"""Seconds: at most so long after the first acknowledgement comes the next kill."""
BACK: Final = 30.0
"""Seconds for the first acknowledgement after a start."""

SERVICE: Final = "the service"
POSTGRES: Final = "PostgreSQL"


@dataclass(frozen=True)
class Build:
    """What is killed, and how safe it is built."""

    victims: tuple[str, ...]
    module: str = "service"
    options: tuple[str, ...] = ()
    """Of PostgreSQL."""


def run(build: Build, directory: Path, times: int) -> Seen:
    """Kill so many times, and hold in the end what clients were told against what is there."""
    return asyncio.run(_run(build, directory, times))


async def _run(build: Build, directory: Path, times: int) -> Seen:
    postgres = Postgres(directory / "postgres", *build.options)
    await asyncio.to_thread(postgres.start)
    try:
        await migrate(postgres.dsn)
        writers = await _writers(postgres.dsn)
        replica = Replica(directory, postgres.service_dsn, module=build.module)
        await asyncio.to_thread(replica.start)
        try:
            recoveries = await _kill_under_load(build.victims, postgres, replica, writers, times)
        finally:
            await asyncio.to_thread(replica.stop)
        broken = [f"nothing was acknowledged within {BACK:g} s of start {at}" for at in _missing(recoveries)]
        raw = await asyncpg.connect(postgres.dsn)
        broken += await writers.ledger.breaches(raw, writers.world)
        await raw.close()
    finally:
        await asyncio.to_thread(postgres.stop)
    return Seen(times, tuple(broken), _figures(writers.ledger, recoveries))


async def _writers(dsn: str) -> Writers:
    raw = await asyncpg.connect(dsn)
    try:
        return await Writers.create(raw, WRITERS)
    finally:
        await raw.close()


async def _kill_under_load(
    victims: Sequence[str], postgres: Postgres, replica: Replica, writers: Writers, times: int
) -> list[float | None]:
    """The seconds from each start to the first acknowledgement after it; None if it did not come in time."""
    chance, until, recoveries = random.Random(times), asyncio.Event(), list[float | None]()  # noqa: S311 - no secret
    writing = asyncio.create_task(writers.write(lambda: replica.api, until, PAUSE))
    try:
        await _acknowledged(writers.ledger, time.monotonic())
        for _ in range(times):
            await asyncio.sleep(chance.uniform(0, BETWEEN))
            killed = [(POSTGRES, postgres.kill, postgres.start), (SERVICE, replica.kill, replica.start)]
            chance.shuffle(killed)
            chosen = [(kill, start) for name, kill, start in killed if name in victims]
            await asyncio.gather(*(asyncio.to_thread(kill) for kill, _ in chosen))
            await asyncio.gather(*(asyncio.to_thread(start) for _, start in chosen))
            recoveries.append(await _acknowledged(writers.ledger, time.monotonic()))
    finally:
        until.set()
        await writing
    return recoveries


async def _acknowledged(ledger: Ledger, since: float) -> float | None:
    """Wait for an acknowledgement of a write that was sent after a moment; the seconds that it took."""
    looked_at = len(ledger.writes)
    while time.monotonic() < since + BACK:
        for write in ledger.writes[looked_at:]:
            if write.acknowledged and write.sent >= since:
                return write.ended - since
        looked_at = len(ledger.writes)
        await asyncio.sleep(0.01)
    return None


def _missing(recoveries: Sequence[float | None]) -> list[int]:
    return [at for at, seconds in enumerate(recoveries, 1) if seconds is None]


def _figures(ledger: Ledger, recoveries: Sequence[float | None]) -> str:
    seconds = [each for each in recoveries if each is not None] or [0.0]
    unanswered = sum(not write.acknowledged for write in ledger.writes)
    return (
        f"{ledger.acknowledged:,} acknowledged, {unanswered:,} not;"
        f" again {median(seconds):.2f} s after the start (worst {max(seconds):.2f} s)"
    )


PROMISE: Final = "what was acknowledged is there, nothing is half there, each change has one audit row"
ANSWERS_FIRST: Final = "the commit before the answer"
ASYNCHRONOUS: Final = ("-c", "synchronous_commit=off")

FAULTS: Final = (
    Fault(
        name="service-killed",
        what="kill -9 of the service under a load of writes",
        promise=PROMISE,
        run=partial(run, Build((SERVICE,))),
        times=34,
        without=ANSWERS_FIRST,
        control=partial(run, Build((SERVICE,), module=answer_before_commit.MODULE)),
        control_times=4,
    ),
    Fault(
        name="postgres-killed",
        what="kill -9 of PostgreSQL, all of it, under a load of writes",
        promise=PROMISE,
        run=partial(run, Build((POSTGRES,))),
        times=33,
        without="the write-ahead log on disk before the answer (synchronous_commit)",
        control=partial(run, Build((POSTGRES,), options=ASYNCHRONOUS)),
        control_times=4,
    ),
    Fault(
        name="both-killed",
        what="kill -9 of both at once under a load of writes",
        promise=PROMISE,
        run=partial(run, Build((SERVICE, POSTGRES))),
        times=33,
        without=ANSWERS_FIRST,
        control=partial(run, Build((SERVICE, POSTGRES), module=answer_before_commit.MODULE)),
        control_times=4,
    ),
)
