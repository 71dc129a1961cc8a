"""Hostile input, over HTTP to a real process: by schemathesis, by hypothesis, by hand, and too slowly."""

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
from tests.faults.harness.fault import Fault, Seen
from tests.faults.scenarios.hostile.clients import Found, generated, shaped, slow
from tests.faults.scenarios.hostile.framing import shapes
from tests.faults.scenarios.hostile.judge import TOKEN
from tests.faults.scenarios.hostile.requests import Target
from tests.process.running import Service, running_service

PASSWORD: Final = "canary-password-8c1f"
"""Of the service's role, which must never be told."""
CLIENTS: Final = 3
"""Processes that send generated requests at the same time."""
SHARE_BY_SCHEMATHESIS: Final = 0.05
LEAST_BY_SCHEMATHESIS: Final = 200
"""For fewer it is not started."""
SHARE_OF_SHAPES: Final = 0.1
REQUEST_TIMEOUT: Final = 3.0
"""Seconds: shorter than the default, so that what is slow is ended sooner."""
WITHIN: Final = 2 * REQUEST_TIMEOUT + 4
"""Seconds in which what comes too slowly must be ended: as long is waited for the rest of a body after its answer."""
GROWTH: Final = 12 * 2**20
"""Bytes by which the process may grow in the second half."""
LEAST_WITHOUT: Final = 300
"""Cases that it takes to meet with what a missing guard lets through."""
LOG_LINES: Final = {"started", "stopping", "stopped", "request"}


def attack(directory: Path, times: int) -> Seen:
    """So many cases against the service as it is."""
    with _target(directory) as (service, target):
        return _attacked(service, target, times)


def _attacked(service: Service, target: Target, times: int) -> Seen:
    process = psutil.Process(service.process.pid)
    dripped, found = Found(), dict[str, Found]()
    drips = threading.Thread(target=lambda: dripped.add(slow(target, WITHIN, idle=times >= 10_000)))
    drips.start()
    by_schemathesis = round(times * SHARE_BY_SCHEMATHESIS)
    by_hand = max(round(times * SHARE_OF_SHAPES), CLIENTS * len(shapes("")))
    if by_schemathesis >= LEAST_BY_SCHEMATHESIS:
        found["by schemathesis"] = _schemathesis(service, target, by_schemathesis)
    found["on the wire"] = _in_processes(shaped, target, by_hand)
    left = max(CLIENTS, times - sum(part.cases for part in found.values()))
    found["by hypothesis"] = _in_processes(generated, target, left // 2)
    half = process.memory_info().rss
    found["by hypothesis"].add(_in_processes(generated, target, left - left // 2, first=1))
    grown = process.memory_info().rss - half
    drips.join()
    found["too slow"] = dripped
    broken = [each for part in found.values() for each in part.broken] + list(_told(service, target))
    if grown > GROWTH:
        broken.append(f"the process grew by {grown / 2**20:.1f} MiB in the second half")
    cases = sum(part.cases for part in found.values())
    counts = ", ".join(f"{part.cases:,} {name}" for name, part in found.items())
    statuses = sum((part.statuses for part in found.values()), start=Counter[int]())
    answered = ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items()))
    return Seen(
        cases, tuple(broken), f"{counts}; {answered}; {half / 2**20:.0f} MiB, {grown / 2**20:+.1f} in the second half"
    )


def _in_processes(clients: Any, target: Target, count: int, first: int = 0) -> Found:
    """Cases by several clients at once."""
    found = Found()
    with ProcessPoolExecutor(CLIENTS, mp_context=multiprocessing.get_context("spawn")) as pool:
        seeds = range(first * CLIENTS, (first + 1) * CLIENTS)
        for each in pool.map(clients, [target] * CLIENTS, seeds, [-(-count // CLIENTS)] * CLIENTS):
            found.add(each)
    return found


def _schemathesis(service: Service, target: Target, count: int) -> Found:
    """About so many cases of what the service says of itself."""
    operations = 40
    examples = str(max(1, count // operations))
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
    broken = [] if ran.returncode == 0 and cases else [f"schemathesis: {ran.stdout[-3000:]} {ran.stderr[-500:]}"]
    return Found(int(cases[1]) if cases else 0, broken)


def _told(service: Service, target: Target) -> Iterator[str]:
    """Secrets, tracebacks and faults in the log, and secrets in the metrics."""
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
    """A service with something in it, and what those who attack know of it."""
    with embedded_postgres(directory / "postgres", ("-c", "fsync=off")) as dsn:
        names, tokens, throwaway = asyncio.run(_filled(dsn))
        by_role = dsn.replace("//postgres@", f"//{SERVICE_ROLE}:{PASSWORD}@")
        settings = {"REQUEST_TIMEOUT": f"{REQUEST_TIMEOUT:g}", **settings}
        with running_service(directory, by_role, module=module, **settings) as service:
            address = urlsplit(service.api)
            assert address.hostname
            assert address.port
            pages = tuple(_page_tokens(service, tokens))
            secrets = tuple(secret.encode() for secret in (*tokens, throwaway, PASSWORD))
            yield service, Target((address.hostname, address.port), tokens, throwaway, names, pages, secrets)


async def _filled(dsn: str) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...], str]:
    """What there is, by the parameter that names it; tokens of users who are none of that; and a throwaway one."""
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
    """What is found against a build that lacks one guard."""
    with _target(directory, without_input_guard.MODULE, WITHOUT=guard) as (service, target):
        if guard == "a time for heads":
            return slow(target, WITHIN, idle=False).broken
        return [*generated(target, 1, times).broken, *_told(service, target)]


def unguarded_attacks(directory: Path, times: int) -> Seen:
    """The same against builds that lack one guard each; broken only if each was found out."""
    times = max(times, LEAST_WITHOUT)
    found_out: list[str] = []
    for number, guard in enumerate(without_input_guard.GUARDS):
        place = directory / str(number)
        place.mkdir()
        broken = without(place, guard, times)
        if not broken:
            return Seen(times, (), f"nothing was seen without {guard}")
        found_out += [f"without {guard}: {breach}" for breach in broken]
    return Seen(
        times * len(without_input_guard.GUARDS),
        tuple(found_out),
        f"each of {', '.join(without_input_guard.GUARDS)} found out",
    )


FAULTS: Final = (
    Fault(
        name="hostile",
        what="hostile input: bodies, headers, paths, tokens, framing, slowness",
        promise="no 5xx, no hang, no traceback, no secret told, memory flat; understood in one way, or refused",
        run=attack,
        times=100_000,
        without="one of: one shape of failures, logs without secrets, a time for heads",
        control=unguarded_attacks,
        control_times=LEAST_WITHOUT,
    ),
)
