"""A timing side channel: requests for hidden and for absent resources must not be distinguishable by their time."""

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
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.harness.raw_http import RawConnection
from tests.faults.harness.wilcoxon import POWER, compare
from tests.process.running import Service, running_service

SIGNIFICANCE: Final = 0.001
"""The probability of a false positive, in all cases together."""
TOLERATED: Final = 10e-6
"""Seconds of difference that are tolerated: the noise of the client's own clock and loop between two equal requests."""
RESOURCES: Final = 40
"""Resources of each kind, so that none is better cached than others."""
REPETITIONS: Final = 3
"""Requests for each resource of a pair."""
MIN_PAIRS: Final = 40
"""Pairs below which the test can't reach the significance."""
WARM_UP_PAIRS: Final = 5
"""Pairs before those that count."""


@dataclass(frozen=True)
class Case:
    """A call, with requests for hidden and for absent resources."""

    name: str
    hidden: "RequestSet"
    """Requests for resources that exist and that the caller may not see."""
    absent: "RequestSet"
    """Requests for resources that don't exist."""


class RequestSet(NamedTuple):
    """Requests for several resources, all with the same request id."""

    request_id: str
    requests: tuple[bytes, ...]


def compare_timings(directory: Path, times: int, module: str = "service", **settings: str) -> Outcome:
    """Compare so many pairs of each case by their time, and by their number of statements."""
    with embedded_postgres(directory / "postgres", ("-c", "fsync=off")) as dsn:
        cases = asyncio.run(_create_cases(dsn))
        by_role = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        with running_service(directory, by_role, module=module, **settings) as service:
            address = urlsplit(service.api)
            connection = RawConnection((str(address.hostname), int(address.port or 0)))
            differences = _measure(connection, cases, times)
            connection.close()
            statements = _count_statements(service)
    violations, summary = [], []
    significance = SIGNIFICANCE / len(cases)
    for case, of_case in zip(cases, differences, strict=True):
        found = compare(of_case, TOLERATED, significance)
        figure = f"{case.name} {found.difference * 1e6:+.0f} µs, p {found.p:.2g}"
        summary.append(f"{figure}, {found.smallest_detectable * 1e6:.0f} µs would be detected")
        if found.p < significance:
            violations.append(f"{case.name}: the hidden one took {figure}")
        hidden, absent = (statements[each.request_id].most_common(1)[0][0] for each in (case.hidden, case.absent))
        if hidden != absent:
            violations.append(f"{case.name}: {hidden} statements if it is hidden, {absent} if it is not there")
    overview = f"significance {SIGNIFICANCE:g} in all, power {POWER:g}; {'; '.join(summary)}"
    return Outcome(times * len(cases), tuple(violations), overview)


def _measure(connection: RawConnection, cases: Sequence[Case], times: int) -> list[list[float]]:
    """Return, by case, the seconds by which the hidden one of each pair took longer, each at its fastest.

    Other work of the machine makes single requests slower, and never faster: so an attacker would compare the fastest
    of several.
    """
    chance = random.Random(1)  # noqa: S311 - no secret
    differences: list[list[float]] = [[] for _ in cases]
    for pair in range(WARM_UP_PAIRS + times):
        for case, of_case in zip(cases, differences, strict=True):
            number = chance.randrange(RESOURCES)
            hidden: list[float] = []
            absent: list[float] = []
            pair_of_requests = [(case.hidden.requests[number], hidden), (case.absent.requests[number], absent)]
            for _ in range(REPETITIONS):
                chance.shuffle(pair_of_requests)
                for request, seconds in pair_of_requests:
                    seconds.append(_time_request(connection, request))
            if pair >= WARM_UP_PAIRS:
                of_case.append(min(hidden) - min(absent))
    return differences


def _time_request(connection: RawConnection, request: bytes) -> float:
    begun = perf_counter()
    connection.send([request])
    response = connection.read_response()
    seconds = perf_counter() - begun
    assert response is not None
    assert response.status == 404, response.body
    return seconds


def _count_statements(service: Service) -> dict[str, Counter[int]]:
    """Return counts of the numbers of statements that requests took, by request id."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for line in service.events("request"):
        counts[str(line["request_id"])][int(str(line["statements"]))] += 1
    return counts


def run_controls(directory: Path, times: int) -> Outcome:
    """Compare timings of builds that do more for hidden resources; report violations only if each build has some."""
    times = max(times, MIN_PAIRS)
    violations: list[str] = []
    for more in ("moment", "statement"):
        (directory / more).mkdir()
        outcome = compare_timings(directory / more, times, timing_leak.MODULE, MORE=more)
        if not outcome.violations:
            return Outcome(outcome.times, (), f"one more {more} was not detected: {outcome.summary}")
        violations += [f"one more {more}: {violation}" for violation in outcome.violations]
    return Outcome(times, tuple(violations), "; ".join(violations[:1] + violations[-1:]))


async def _create_cases(dsn: str) -> list[Case]:
    await migrate(dsn)
    raw = await asyncpg.connect(dsn)
    own, other = await World.create(raw), await World.create(raw)
    caller, owner, stranger = await own.user(), await own.user(), await other.user()
    for _ in range(20):  # visible to the caller
        pipeline = await own.pipeline()
        await own.grant(pipeline, caller)
        await own.job(caller, pipeline)
    hidden = [str(await own.pipeline()) for _ in range(RESOURCES)]
    jobs = [await own.job(owner, UUID(pipeline)) for pipeline in hidden]
    tokens = [str(row["id"]) for row in await raw.fetch("SELECT id FROM tokens WHERE user_id = $1", owner.id)]
    for _ in range(RESOURCES - 1):
        await own.token(owner.id)
    tokens = [str(row["id"]) for row in await raw.fetch("SELECT id FROM tokens WHERE user_id = $1", owner.id)]
    own_job = await own.job(caller)
    foreign_pipelines = [str(await other.pipeline()) for _ in range(RESOURCES)]
    users = [(await other.user(f"user-{secrets.token_hex(4)}")).username for _ in range(RESOURCES)]
    foreign_jobs = [await other.job(stranger, UUID(pipeline)) for pipeline in foreign_pipelines]
    await raw.execute("ANALYZE")
    await raw.close()
    head = f"Host: flow\r\nAuthorization: Bearer {caller.token}\r\n"

    def request_set(number: int, kind: str, line: str, names: Sequence[str], body: str) -> RequestSet:
        """Return a request for each name, which replaces @."""
        length = f"Content-Length: {len(body.replace('@', names[0]))}\r\n" if body else ""
        request_id = f"{kind}-{number}"
        request = f"{line} HTTP/1.1\r\n{head}X-Request-Id: {request_id}\r\n{length}\r\n{body}"
        return RequestSet(request_id, tuple(request.replace("@", name).encode() for name in names))

    absent = [str(uuid4()) for _ in range(RESOURCES)]
    absent_users = [f"user-{secrets.token_hex(4)}" for _ in range(RESOURCES)]
    calls = {
        "a pipeline": ("GET /api/v1/flow/pipeline/@", "", hidden, absent),
        "a pipeline of another organization": ("GET /api/v1/flow/pipeline/@", "", foreign_pipelines, absent),
        "a pipeline's queue": ("GET /api/v1/flow/pipeline/@/jobs", "", hidden, absent),
        "a job": ("GET /api/v1/jobs/@", "", jobs, absent),
        "a job of another organization": ("GET /api/v1/jobs/@", "", foreign_jobs, absent),
        "a job's pipelines": ("GET /api/v1/jobs/pipelines?job_id=@", "", jobs, absent),
        "an update of a job": ("POST /api/v1/jobs/pipelines", '{"job_id": "@", "pipeline_ids": []}', jobs, absent),
        "an update to a pipeline": (
            "POST /api/v1/jobs/pipelines", f'{{"job_id": "{own_job}", "pipeline_ids": ["@"]}}', hidden, absent,
        ),
        "a change of a pipeline": ("PATCH /api/v1/flow/pipeline/@", '{"name": "new"}', hidden, absent),
        "another's token": ("GET /api/v1/tokens/@", "", tokens, absent),
        "a user of another organization": ("GET /api/v1/users/@", "", users, absent_users),
    }  # fmt: skip
    return [
        Case(
            name, request_set(number, "hidden", line, existing, body), request_set(number, "absent", line, other, body)
        )
        for number, (name, (line, body, existing, other)) in enumerate(calls.items())
    ]


FAULTS: Final = (
    Fault(
        name="timing",
        description="what is hidden and what is not there, asked for in turn",
        guarantee="the same statements, and no difference that a test can tell",
        run=compare_timings,
        times=100,
        without="the least time that a 404 takes, and the same work for both",
        control=run_controls,
        control_times=MIN_PAIRS,
        shows="the hidden one took|statements if it is hidden",
    ),
)
