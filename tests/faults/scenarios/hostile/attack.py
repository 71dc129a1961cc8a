"""Hostile input over HTTP to a real process: by schemathesis, by hypothesis, by ambiguous framing, and by slowness."""

import asyncio
import multiprocessing
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import psutil
import requests

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from service.permissions import READ
from tests.factories import World, bearer
from tests.faults.controls import without_input_guard
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.scenarios.hostile.clients import Findings, send_ambiguous_framing, send_generated, send_slowly
from tests.faults.scenarios.hostile.framing import framing_cases
from tests.faults.scenarios.hostile.requests import Target
from tests.faults.scenarios.hostile.response_checker import TOKEN
from tests.process.running import Service, running_service
from tests.process.test_document_fuzzed import CONFIGURATION

PASSWORD: Final = "canary-password-8c1f"
"""The password of the service's role, which must never be disclosed."""
CLIENTS: Final = 3
"""Processes that send generated requests at the same time."""
SHARE_BY_SCHEMATHESIS: Final = 0.05
MIN_BY_SCHEMATHESIS: Final = 200
"""Cases below which schemathesis is not started."""
SHARE_OF_FRAMING: Final = 0.1
REQUEST_TIMEOUT: Final = 3.0
"""Seconds: shorter than the default, so that slow connections are closed sooner."""
SLOW_TIMEOUT: Final = 2 * REQUEST_TIMEOUT + 4
"""Seconds within which a slow connection must be closed; the rest of a body is awaited once more after its answer."""
MAX_GROWTH: Final = 12 * 2**20
"""Bytes by which the process may grow in the second half."""
MIN_CONTROL_CASES: Final = 300
"""Cases that it takes to detect a missing guard."""
LOG_LINES: Final = {"started", "stopping", "stopped", "request", "audit_sealed"}
"""The only events that may be logged."""


def attack(directory: Path, times: int) -> Outcome:
    """Run so many cases against the service."""
    with _target(directory) as (service, target):
        return _attack(service, target, times)


def _attack(service: Service, target: Target, times: int) -> Outcome:
    process = psutil.Process(service.process.pid)
    slow_findings, findings = Findings(), dict[str, Findings]()
    idle = times >= 10_000
    slow_thread = threading.Thread(target=lambda: slow_findings.add(send_slowly(target, SLOW_TIMEOUT, idle=idle)))
    slow_thread.start()
    by_schemathesis = round(times * SHARE_BY_SCHEMATHESIS)
    by_framing = max(round(times * SHARE_OF_FRAMING), CLIENTS * len(framing_cases("")))
    if by_schemathesis >= MIN_BY_SCHEMATHESIS:
        findings["by schemathesis"] = _schemathesis(service, target, by_schemathesis)
    findings["on the wire"] = _run_in_processes(send_ambiguous_framing, target, by_framing)
    left = max(CLIENTS, times - sum(part.cases for part in findings.values()))
    findings["by hypothesis"] = _run_in_processes(send_generated, target, left // 2)
    half = process.memory_info().rss
    findings["by hypothesis"].add(_run_in_processes(send_generated, target, left - left // 2, first=1))
    growth = process.memory_info().rss - half
    slow_thread.join()
    findings["too slow"] = slow_findings
    violations = [each for part in findings.values() for each in part.violations] + list(_disclosures(service, target))
    if growth > MAX_GROWTH:
        violations.append(f"the process grew by {growth / 2**20:.1f} MiB in the second half")
    cases = sum(part.cases for part in findings.values())
    counts = ", ".join(f"{part.cases:,} {name}" for name, part in findings.items())
    statuses = sum((part.statuses for part in findings.values()), start=Counter[int]())
    answered = ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items()))
    return Outcome(
        cases,
        tuple(violations),
        f"{counts}; {answered}; {half / 2**20:.0f} MiB, {growth / 2**20:+.1f} in the second half",
    )


def _run_in_processes(clients: Any, target: Target, count: int, first: int = 0) -> Findings:
    """Run cases by several clients at once."""
    findings = Findings()
    with ProcessPoolExecutor(CLIENTS, mp_context=multiprocessing.get_context("spawn")) as pool:
        seeds = range(first * CLIENTS, (first + 1) * CLIENTS)
        for each in pool.map(clients, [target] * CLIENTS, seeds, [-(-count // CLIENTS)] * CLIENTS):
            findings.add(each)
    return findings


def _schemathesis(service: Service, target: Target, count: int) -> Findings:
    """Run about so many cases generated from the service's OpenAPI document."""
    operations = 40
    examples = str(max(1, count // operations))
    (service.log.parent / "schemathesis.toml").write_text(CONFIGURATION)
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{service.api}/openapi.json", "--no-color"),
            *("-H", f"Authorization: {bearer(target.throwaway)['Authorization']}", "--max-examples", examples),
            *("--seed", "1", "--phases", "fuzzing", "--mode", "all", "--exclude-checks", "positive_data_acceptance"),
        ],
        cwd=service.log.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    cases = re.search(r"(\d+) generated", ran.stdout)
    violations = [] if ran.returncode == 0 and cases else [f"schemathesis: {ran.stdout[-3000:]} {ran.stderr[-500:]}"]
    return Findings(int(cases[1]) if cases else 0, violations)


def _disclosures(service: Service, target: Target) -> Iterator[str]:
    """Yield secrets, tracebacks and unexpected lines in the log, and secrets in the metrics."""
    log, metrics = service.log.read_bytes(), requests.get(f"{service.operations}/metrics", timeout=10).content
    for place, text in (("log", log), ("metrics", metrics)):
        for secret in target.secrets:
            if secret in text:
                yield f"the secret {secret[:12]!r}... is in the {place}"
        if token := TOKEN.search(text):
            yield f"a token is in the {place}: {token[0][:12]!r}..."
    for line in service.lines():
        if line["level"] == "error" or line["event"] not in LOG_LINES or "exception" in line:
            yield f"logged: {str(line)[:1000]}"


@contextmanager
def _target(directory: Path, module: str = "service", **settings: str) -> Iterator[tuple[Service, Target]]:
    """Run a service with some data; yield it with what hostile clients know of it."""
    with embedded_postgres(directory / "postgres", ("-c", "fsync=off")) as dsn:
        names, tokens, throwaway = asyncio.run(_fill(dsn))
        by_role = dsn.replace("//postgres@", f"//{SERVICE_ROLE}:{PASSWORD}@")
        settings = {"REQUEST_TIMEOUT": f"{REQUEST_TIMEOUT:g}", **settings}
        with running_service(directory, by_role, module=module, **settings) as service:
            address = urlsplit(service.api)
            assert address.hostname
            assert address.port
            pages = tuple(_page_tokens(service, tokens))
            secrets = tuple(secret.encode() for secret in (*tokens, throwaway, PASSWORD))
            yield service, Target((address.hostname, address.port), tokens, throwaway, names, pages, secrets)


async def _fill(dsn: str) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...], str]:
    """Fill the database.

    Returns:
        Names of resources, by the parameter of paths; tokens of users that are not among these; and a throwaway token.
    """
    await migrate(dsn)
    raw = await asyncpg.connect(dsn)
    world = await World.create(raw)
    admin, member = await world.user(role="admin"), await world.user()
    reader = await world.token(admin.id, scopes=READ)
    users = [await world.user() for _ in range(4)]
    groups = [f"group-{number}" for number in range(4)]
    for name in groups:
        await world.group(*users[:2], name=name)
    pipelines = [await world.pipeline() for _ in range(5)]
    for pipeline in pipelines[:3]:
        await world.grant(pipeline, member)
    jobs = [await world.job(users[0], *pipelines[:2]) for _ in range(5)]
    token_ids = await raw.fetch("SELECT id FROM tokens WHERE user_id = ANY ($1)", [user.id for user in users])
    throwaway = (await (await World.create(raw)).user(role="admin")).token
    await raw.close()
    names = {
        "pipeline_id": tuple(map(str, pipelines)),
        "job_id": tuple(jobs),
        "username": tuple(user.username for user in users),
        "name": tuple(groups),
        "token_id": tuple(str(row["id"]) for row in token_ids),
    }
    return names, (admin.token, member.token, reader), throwaway


def _page_tokens(service: Service, tokens: tuple[str, ...]) -> Iterator[str]:
    for path in ("flow/pipeline?", "flow/pipeline?name=p&", "users?", "jobs?", "groups?"):
        for token in tokens[:2]:
            answer = requests.get(f"{service.api}/api/v1/{path}page_size=1", headers=bearer(token), timeout=10).json()
            if "next_page_token" in answer:
                yield answer["next_page_token"]


def without(directory: Path, guard: str, times: int) -> list[str]:
    """Return the violations of a build that lacks one guard."""
    with _target(directory, without_input_guard.MODULE, WITHOUT=guard) as (service, target):
        if guard == "a header timeout":
            return send_slowly(target, SLOW_TIMEOUT, idle=False).violations
        return [*send_generated(target, 1, times).violations, *_disclosures(service, target)]


def attack_each_control(directory: Path, times: int) -> Outcome:
    """Run the cases against builds that lack one guard each; report violations only if each build has some."""
    times = max(times, MIN_CONTROL_CASES)
    detected: list[str] = []
    for number, guard in enumerate(without_input_guard.GUARDS):
        place = directory / str(number)
        place.mkdir()
        violations = [each for each in without(place, guard, times) if without_input_guard.SHOWS[guard] in each]
        if not violations:
            return Outcome(times, (), f"nothing was seen without {guard}")
        detected += [f"without {guard}: {violation}" for violation in violations]
    guards = without_input_guard.GUARDS
    return Outcome(times * len(guards), tuple(detected), f"detected without each of {', '.join(guards)}")


FAULTS: Final = (
    Fault(
        name="hostile",
        description="hostile input: bodies, headers, paths, tokens, framing, slowness",
        guarantee="no 5xx, no hang, no traceback, no secret told, memory flat; understood in one way, or refused",
        run=attack,
        times=100_000,
        without="one of: uniform error bodies, no credentials in logs, a header timeout",
        control=attack_each_control,
        control_times=MIN_CONTROL_CASES,
        shows="^without",
    ),
)
