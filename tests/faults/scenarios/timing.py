"""What is hidden and what is not there, asked for in turn: whoever measures must not be able to tell them apart."""

import asyncio
import random
import secrets
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.factories import World
from tests.faults.controls import timing_leak
from tests.faults.harness.fault import Fault, Seen
from tests.faults.harness.raw_http import Wire
from tests.faults.harness.wilcoxon import POWER, compare
from tests.process.running import Service, running_service

SIGNIFICANCE: Final = 0.001
"""How often a difference is told where there is none, in all kinds together."""
TOLERATED: Final = 10e-6
"""Seconds of difference that are not looked for: what the client's own clock and loop make of two equal ones."""
HIDDEN: Final = 40
"""Things of each kind, so that none is better known to any memory than others."""
ASKED: Final = 3
"""How often each of a pair is asked for."""
FEWEST: Final = 40
"""Pairs: ranks of fewer can't be so unlikely."""
WARM_UP: Final = 5
"""Pairs."""


@dataclass(frozen=True)
class Kind:
    """Something to be asked for, in both ways."""

    name: str
    hidden: "Way"
    """For what is there and may not be seen."""
    absent: "Way"
    """For what is not there."""


class Way(NamedTuple):
    """Requests that ask for some things, all with the same id."""

    request_id: str
    asked: tuple[bytes, ...]


def told_apart(directory: Path, times: int, module: str = "service", **settings: str) -> Seen:
    """So many pairs of each kind: by their time, and by how many statements they took."""
    with embedded_postgres(directory / "postgres", ("-c", "fsync=off")) as dsn:
        kinds = asyncio.run(_kinds(dsn))
        by_role = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        with running_service(directory, by_role, module=module, **settings) as service:
            address = urlsplit(service.api)
            wire = Wire((str(address.hostname), int(address.port or 0)))
            differences = _measured(wire, kinds, times)
            wire.close()
            statements = _statements(service)
    broken, figures = [], []
    significance = SIGNIFICANCE / len(kinds)
    for kind, those in zip(kinds, differences, strict=True):
        found = compare(those, TOLERATED, significance)
        figure = f"{kind.name} {found.difference * 1e6:+.0f} µs, p {found.p:.2g}"
        figures.append(f"{figure}, {found.smallest * 1e6:.0f} µs would be told")
        if found.p < significance:
            broken.append(f"{kind.name}: by time, what is hidden took {figure}")
        hidden, absent = (statements[way.request_id].most_common(1)[0][0] for way in (kind.hidden, kind.absent))
        if hidden != absent:
            broken.append(f"{kind.name}: {hidden} statements if it is hidden, {absent} if it is not there")
    said = f"significance {SIGNIFICANCE:g} in all, power {POWER:g}; {'; '.join(figures)}"
    return Seen(times * len(kinds), tuple(broken), said)


def _measured(wire: Wire, kinds: Sequence[Kind], times: int) -> list[list[float]]:
    """By kind, for each pair, the seconds that the hidden one took longer than the absent one, each at its fastest.

    A machine that does something else makes single requests slower, and never faster: so the fastest of some is what
    somebody who wants to know would compare.
    """
    chance = random.Random(1)  # noqa: S311 - no secret
    differences: list[list[float]] = [[] for _ in kinds]
    for pair in range(WARM_UP + times):
        for kind, those in zip(kinds, differences, strict=True):
            number = chance.randrange(HIDDEN)
            hidden: list[float] = []
            absent: list[float] = []
            both = [(kind.hidden.asked[number], hidden), (kind.absent.asked[number], absent)]
            for _ in range(ASKED):
                chance.shuffle(both)
                for request, seconds in both:
                    seconds.append(_seconds(wire, request))
            if pair >= WARM_UP:
                those.append(min(hidden) - min(absent))
    return differences


def _seconds(wire: Wire, request: bytes) -> float:
    begun = perf_counter()
    wire.send([request])
    answer = wire.answer()
    seconds = perf_counter() - begun
    assert answer is not None
    assert answer.status == 404, answer.body
    return seconds


def _statements(service: Service) -> dict[str, Counter[int]]:
    """How many statements requests took, by their id."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for line in service.events("request"):
        counts[str(line["request_id"])][int(str(line["statements"]))] += 1
    return counts


def controls(directory: Path, times: int) -> Seen:
    """The same against builds that do more for what is hidden, each of which must be told."""
    times = max(times, FEWEST)
    broken: list[str] = []
    for more in ("moment", "statement"):
        (directory / more).mkdir()
        seen = told_apart(directory / more, times, timing_leak.MODULE, MORE=more)
        if not seen.broken:
            return Seen(seen.times, (), f"one more {more} was not told: {seen.figures}")
        broken += [f"one more {more}: {breach}" for breach in seen.broken]
    return Seen(times, tuple(broken), "; ".join(broken[:1] + broken[-1:]))


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
    jobs = [await own.job(owner, UUID(pipeline)) for pipeline in hidden]
    tokens = [str(row["id"]) for row in await raw.fetch("SELECT id FROM tokens WHERE user_id = $1", owner.id)]
    for _ in range(HIDDEN - 1):
        await own.token(owner.id)
    tokens = [str(row["id"]) for row in await raw.fetch("SELECT id FROM tokens WHERE user_id = $1", owner.id)]
    mine = await own.job(caller)
    theirs = [str(await other.pipeline()) for _ in range(HIDDEN)]
    users = [(await other.user(f"user-{secrets.token_hex(4)}")).username for _ in range(HIDDEN)]
    their_jobs = [await other.job(stranger, UUID(pipeline)) for pipeline in theirs]
    await raw.execute("ANALYZE")
    await raw.close()
    head = f"Host: flow\r\nAuthorization: Bearer {caller.token}\r\n"

    def way(number: int, way: str, line: str, names: Sequence[str], body: str) -> Way:
        """A request for each name, which stands in the place of @."""
        length = f"Content-Length: {len(body.replace('@', names[0]))}\r\n" if body else ""
        request_id = f"{way}-{number}"
        request = f"{line} HTTP/1.1\r\n{head}X-Request-Id: {request_id}\r\n{length}\r\n{body}"
        return Way(request_id, tuple(request.replace("@", name).encode() for name in names))

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
        "a change of a pipeline": ("PATCH /api/v1/flow/pipeline/@", '{"name": "new"}', hidden, absent),
        "another's token": ("GET /api/v1/tokens/@", "", tokens, absent),
        "a user of another organization": ("GET /api/v1/users/@", "", users, nobody),
    }  # fmt: skip
    return [
        Kind(name, way(number, "hidden", line, there, body), way(number, "absent", line, not_there, body))
        for number, (name, (line, body, there, not_there)) in enumerate(calls.items())
    ]


FAULTS: Final = (
    Fault(
        name="timing",
        what="what is hidden and what is not there, asked for in turn",
        promise="the same statements, and no difference that a test can tell",
        run=told_apart,
        times=100,
        without="the least time that a 404 takes, and the same work for both",
        control=controls,
        control_times=FEWEST,
    ),
)
