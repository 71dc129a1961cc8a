"""Neighbours: one tenant does its worst on many connections, and another goes on as usual.

What is usual is measured just before, on the same machine, so that no bound depends on its speed.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import orjson

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.conftest import FAST
from tests.factories import Member, World
from tests.faults.controls import without_fairness
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.harness.load_generator import LoadPlan, LoadResult, run_load
from tests.process.running import Service, running_service

CONNECTIONS: Final = 350
"""Connections of the tenant that does its worst."""
USUAL_RATE: Final = 40.0
"""Requests a second of the other one."""
FACTOR: Final = 2.0
"""The other's median, as a multiple of its usual one."""
LATE: Final = 0.25
"""Seconds by which the other's slowest answer may take longer than its usual slowest."""
LARGE: Final = 1000
"""Pipelines of one large update."""
PIPELINES_OF_JOB: Final = 50
"""Pipelines of each job on a long page."""
FILL_PAGES: Final = """
    WITH made AS (
        INSERT INTO jobs (organization_id, id, owner_id)
        SELECT $1, 'job-' || n, $2 FROM generate_series(1, 1000) n RETURNING id
    )
    INSERT INTO assignments (organization_id, job_id, pipeline_id, position)
    SELECT $1, made.id, p.id, p.position FROM made CROSS JOIN unnest($3::uuid[]) WITH ORDINALITY p (id, position)
"""


@dataclass(frozen=True)
class Bounds:
    """The bounds of what the other tenant may feel, beside so many connections of the one."""

    factor: float = FACTOR
    late: float = LATE
    connections: int = CONNECTIONS


@dataclass(frozen=True)
class Attack:
    """The worst of one tenant, as whole requests."""

    name: str
    requests: Sequence[bytes]


@dataclass
class Findings:
    """The findings of some attacks."""

    violations: list[str] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)


def request(member: Member, method: str, path: str, body: Any = None) -> bytes:
    """Return a whole request."""
    data = b"" if body is None else orjson.dumps(body, default=str)
    head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {member.token}\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def update(member: Member, job_id: str, pipeline_ids: Sequence[Any]) -> bytes:
    """Return an update of a job's pipelines."""
    return request(member, "POST", "/jobs/pipelines", {"job_id": job_id, "pipeline_ids": pipeline_ids})


async def create_attacks(world: World) -> list[Attack]:
    """Fill the tenant that does its worst, and return each way of doing so."""
    member, other = await world.user(), await world.user("other")
    pipelines = [await world.pipeline() for _ in range(2 * LARGE)]
    group = await world.group(member)
    for pipeline in pipelines:
        await world.grant(pipeline, group)
    managed = await world.pipeline()
    await world.grant(managed, member, 63)
    jobs = [await world.job(member) for _ in range(128)]
    large = [update(member, job, half) for job in jobs for half in (pipelines[:LARGE], pipelines[LARGE:])]
    small = [update(member, job, [pipelines[place]]) for job in jobs for place in (0, 1)]
    path = f"/flow/pipeline/{managed}/grants/users/{other.username}"
    permissions = (["flow_pipeline:read"], ["flow_pipeline:read", "flow_pipeline:execute"])
    admin = await world.user("admin", role="admin")
    await world.raw.execute(FILL_PAGES, world.id, member.id, pipelines[:PIPELINES_OF_JOB])
    grants = [request(member, "PUT", path, {"permissions": each}) for each in permissions]
    return [
        Attack(f"updates of {LARGE:,} pipelines", large),
        Attack("grants on one pipeline", grants),
        Attack("updates of one pipeline", small),
        Attack("short lists", [request(other, "GET", "/flow/pipeline")]),
        Attack(f"lists of {2 * LARGE:,} pipelines", [request(member, "GET", "/flow/pipeline")]),
        Attack("long pages of jobs", [request(admin, "GET", "/jobs?page_size=1000")]),
        Attack("long pages of the trail", [request(admin, "GET", "/audit?page_size=1000")]),
        Attack("short pages of jobs", [request(admin, "GET", "/jobs?page_size=20")]),
        Attack("searches for users", [request(admin, "GET", "/users?q=nobody&total=true")]),
        Attack("long pages of changes", [request(admin, "GET", "/changes?after=0&all=true&page_size=1000")]),
    ]


async def create_usual(world: World) -> list[bytes]:
    """Fill the tenant that goes on as usual, and return its requests."""
    member = await world.user()
    pipelines = [await world.pipeline() for _ in range(10)]
    for pipeline in pipelines:
        await world.grant(pipeline, member)
    jobs = [await world.job(member, pipelines[0]) for _ in range(20)]
    updates = [update(member, job, [pipelines[place]]) for job in jobs for place in (1, 2)]
    reads = [request(member, "GET", "/jobs?page_size=20"), request(member, "GET", "/flow/pipeline")]
    return [*updates, *(reads * 10)]


async def attack_neighbour(service: Service, dsn: str, seconds: float, bounds: Bounds) -> Findings:
    """Measure what is usual for one tenant, then what it is while another one does its worst in each way."""
    address = urlsplit(service.api)
    raw = await asyncpg.connect(dsn)
    usual, attacks = await create_usual(await World.create(raw)), await create_attacks(await World.create(raw))
    await raw.execute("ANALYZE")
    await raw.close()
    plan = partial(LoadPlan, str(address.hostname), int(address.port or 0))
    await run_load(plan(usual, 1, 4, USUAL_RATE))
    (alone,) = await run_load(plan(usual, seconds, 4, USUAL_RATE))
    findings = Findings(summary=[f"usually {_figures(alone)}"])
    for attack in attacks:
        worst, beside = await run_load(
            plan(attack.requests, seconds + 1, bounds.connections), plan(usual, seconds, 4, USUAL_RATE)
        )
        if not worst.count(200):
            findings.violations.append(f"{attack.name}: none was done, which proves nothing: {[*worst.latencies]}")
        findings.violations += _violations(attack, alone, beside, bounds)
        findings.summary.append(f"beside {attack.name} {_figures(beside)}")
    return findings


def _figures(load: LoadResult) -> str:
    return f"{load.quantile(0.5, 200) * 1000:.0f} ms, worst {load.quantile(1, 200) * 1000:.0f} ms"


def _violations(attack: Attack, alone: LoadResult, beside: LoadResult, bounds: Bounds) -> Iterator[str]:
    if not alone.count(200) or not beside.count(200):
        yield f"beside {attack.name}: nothing was answered: {[*alone.latencies]}, {[*beside.latencies]}"
    for status in beside.latencies.keys() - {200}:
        yield f"beside {attack.name}: {beside.count(status)} requests came to {status or 'no answer'}"
    usual, median = alone.quantile(0.5, 200), beside.quantile(0.5, 200)
    if median > bounds.factor * usual:
        yield f"beside {attack.name}: half took {median * 1000:.0f} ms, usually {usual * 1000:.0f} ms"
    slowest, longest = alone.quantile(1, 200), beside.quantile(1, 200)
    if longest > slowest + bounds.late:
        yield f"beside {attack.name}: an answer took {longest * 1000:.0f} ms, usually {slowest * 1000:.0f} ms at most"


def _run(settings: dict[str, str], module: str, directory: Path, times: int) -> Outcome:
    with embedded_postgres(directory / "postgres", FAST) as dsn:
        asyncio.run(migrate(dsn))
        as_service = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        with running_service(directory, as_service, module=module, **settings) as service:
            service.wait_until("/readyz", 200)
            findings = asyncio.run(attack_neighbour(service, dsn, 5.0 * times, Bounds()))
    return Outcome(3, tuple(findings.violations), "; ".join(findings.summary))


FAULTS: Final = (
    Fault(
        "neighbours",
        f"one tenant does its worst with {CONNECTIONS} connections",
        f"another's median stays within {FACTOR:g} x, and its worst within {LATE * 1000:.0f} ms + its own time",
        partial(_run, {}, "service"),
        2,
        "shares of the connections, bounds of batches",
        partial(_run, {}, without_fairness.MODULE),
        1,
        "half took|an answer took",
    ),
)
