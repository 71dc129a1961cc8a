"""What is hidden and what is not there, asked for in turn: whoever measures must not be able to tell them apart."""

import asyncio
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from service.embedded import SERVICE_ROLE, embedded_postgres
from service.migrate import migrate
from tests.factories import World
from tests.faults import talkative
from tests.faults.fault import Fault, Seen
from tests.faults.statistics import POWER, compare
from tests.faults.wire import Wire
from tests.process.running import running_service

SIGNIFICANCE: Final = 0.001
"""How often a difference is told where there is none, in all kinds together."""
HIDDEN: Final = 40
"""Things of each kind, so that none is better known to any memory than others."""
WARM_UP: Final = 200


@dataclass(frozen=True)
class Kind:
    """Something to be asked for, in both ways."""

    name: str
    hidden: tuple[bytes, ...]
    """Requests for what is there and may not be seen."""
    absent: tuple[bytes, ...]
    """The same, for what is not there."""


def told_apart(directory: Path, times: int, module: str = "service") -> Seen:
    """So many pairs of each kind, the hidden one first or last by chance."""
    with embedded_postgres(directory / "postgres", ("-c", "fsync=off")) as dsn:
        kinds = asyncio.run(_kinds(dsn))
        by_role = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        with running_service(directory, by_role, module=module) as service:
            address = urlsplit(service.api)
            wire = Wire((str(address.hostname), int(address.port or 0)))
            differences = _measured(wire, kinds, times)
            wire.close()
    broken, figures = [], []
    significance = SIGNIFICANCE / len(kinds)
    for kind, those in zip(kinds, differences, strict=True):
        found = compare(those, significance)
        figure = f"{kind.name} {found.difference * 1e6:+.1f} µs, p {found.p:.2g}"
        figures.append(f"{figure} ({found.smallest * 1e6:.0f} µs would be told)")
        if found.p < significance:
            broken.append(f"{kind.name}: what is hidden took {figure}")
    said = f"significance {SIGNIFICANCE:g} in all, power {POWER:g}: {'; '.join(figures)}"
    return Seen(times * len(kinds), tuple(broken), said)


def _measured(wire: Wire, kinds: Sequence[Kind], times: int) -> list[list[float]]:
    """By kind, the seconds that the hidden one of each pair took longer than the absent one."""
    chance = random.Random(1)  # noqa: S311 - no secret
    differences: list[list[float]] = [[] for _ in kinds]
    for pair in range(WARM_UP + times):
        for kind, those in zip(kinds, differences, strict=True):
            number = chance.randrange(HIDDEN)
            if chance.random() < 0.5:
                hidden, absent = _seconds(wire, kind.hidden[number]), _seconds(wire, kind.absent[number])
            else:
                absent, hidden = _seconds(wire, kind.absent[number]), _seconds(wire, kind.hidden[number])
            if pair >= WARM_UP:
                those.append(hidden - absent)
    return differences


def _seconds(wire: Wire, request: bytes) -> float:
    begun = perf_counter()
    wire.send([request])
    answer = wire.answer()
    seconds = perf_counter() - begun
    assert answer is not None
    assert answer.status == 404, answer.body
    return seconds


async def _kinds(dsn: str) -> list[Kind]:
    await migrate(dsn)
    raw = await asyncpg.connect(dsn)
    own, other = await World.create(raw), await World.create(raw)
    caller, owner, stranger = await own.user(), await own.user(), await other.user()
    for _ in range(20):  # what the caller may see
        pipeline = await own.pipeline()
        await own.grant(pipeline, caller)
        await own.job(caller, pipeline)
    hidden = [str(await own.pipeline()) for _ in range(HIDDEN)]
    jobs = [await own.job(owner) for _ in range(HIDDEN)]
    tokens = [str(row["id"]) for row in await raw.fetch("SELECT id FROM tokens WHERE user_id = $1", owner.id)]
    for _ in range(HIDDEN - 1):
        await own.token(owner.id)
    tokens = [str(row["id"]) for row in await raw.fetch("SELECT id FROM tokens WHERE user_id = $1", owner.id)]
    mine = await own.job(caller)
    theirs = [str(await other.pipeline()) for _ in range(HIDDEN)]
    users = [(await other.user(f"user-{secrets.token_hex(4)}")).username for _ in range(HIDDEN)]
    their_jobs = [await other.job(stranger) for _ in range(HIDDEN)]
    await raw.execute("ANALYZE")
    await raw.close()
    head = f"Host: flow\r\nAuthorization: Bearer {caller.token}\r\n"

    def asked(line: str, names: Sequence[str], body: str = "") -> tuple[bytes, ...]:
        """A request for each name, which stands in the place of @."""
        length = f"Content-Length: {len(body.replace('@', names[0]))}\r\n" if body else ""
        return tuple(f"{line} HTTP/1.1\r\n{head}{length}\r\n{body}".replace("@", name).encode() for name in names)

    absent = [str(uuid4()) for _ in range(HIDDEN)]
    nobody = [f"user-{secrets.token_hex(4)}" for _ in range(HIDDEN)]
    calls = {
        "a pipeline": ("GET /api/v1/flow/pipeline/@", "", hidden, absent),
        "a pipeline of another organization": ("GET /api/v1/flow/pipeline/@", "", theirs, absent),
        "a pipeline's queue": ("GET /api/v1/flow/pipeline/@/jobs", "", hidden, absent),
        "a job": ("GET /api/v1/jobs/@", "", jobs, absent),
        "a job of another organization": ("GET /api/v1/jobs/@", "", their_jobs, absent),
        "a job's pipelines": ("GET /api/v1/jobs/pipelines?job_id=@", "", jobs, absent),
        "an update of a job": ("POST /api/v1/jobs/pipelines", '{"job_id": "@", "pipeline_ids": []}', jobs, absent),
        "an update to a pipeline": (
            "POST /api/v1/jobs/pipelines", f'{{"job_id": "{mine}", "pipeline_ids": ["@"]}}', hidden, absent,
        ),
        "another's token": ("GET /api/v1/tokens/@", "", tokens, absent),
        "a user of another organization": ("GET /api/v1/users/@", "", users, nobody),
    }  # fmt: skip
    return [
        Kind(name, asked(line, there, body), asked(line, no, body)) for name, (line, body, there, no) in calls.items()
    ]


FAULTS: Final = (
    Fault(
        name="timing",
        what="what is hidden and what is not there, asked for in turn",
        promise="no difference in time that a test can tell",
        run=told_apart,
        times=1_500,
        without="the same work for both",
        control=partial(told_apart, module=talkative.MODULE),
        control_times=400,
    ),
)
