"""PgBouncer in transaction mode between service and database: all tests of the API, and the state of sessions.

Each transaction may run in another session of the server, and each session may serve another client afterwards.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import orjson

from service.database.migrations import migrate
from service.embedded.cluster import embedded_postgres
from service.http.routes import ROUTES
from tests import pgbouncer
from tests.api.test_method_table import what_it_is_for
from tests.api.test_session_state import SESSION
from tests.factories import World
from tests.faults.controls import session_setting_leak
from tests.faults.harness.fault import Fault, Outcome
from tests.pgbouncer import Program
from tests.process.running import ROOT, running_service

THE_API: Final = ("-n", "2", "tests/api")


def run_api_tests(arguments: Sequence[str], programs: Sequence[Program], *, prepares: bool | None = None) -> Outcome:
    """Run the tests that pytest's arguments choose through each program.

    Args:
        arguments: pytest's.
        programs: the PgBouncers.
        prepares: whether to use prepared statements; None: where the program supports them.
    """
    summary, violations, times = [], [], 0
    for program in programs:
        prepared = program.prepares if prepares is None else prepares
        environment = {
            **os.environ,
            "PGBOUNCER": program.name,
            "DATABASE_PREPARED_STATEMENTS": str(prepared).lower(),
        }
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        counted = {kind: int(count) for count, kind in re.findall(r"(\d+) (passed|failed|error)", ran.stdout[-300:])}
        failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", ran.stdout, re.MULTILINE)
        if ran.returncode and not failed:
            failed = [ran.stdout[-500:] + ran.stderr[-500:]]
        violations += [f"through {program.name}: {test}" for test in failed]
        times += sum(counted.values())
        summary.append(f"{program.name} {'with' if prepared else 'without'} prepared statements: {counted}")
    return Outcome(times, tuple(violations), "; ".join(summary) or pgbouncer.NONE_HERE)


def _run_all_tests(_: Path, __: int) -> Outcome:
    return run_api_tests(THE_API, pgbouncer.programs())


def _run_all_tests_prepared(_: Path, __: int) -> Outcome:
    mixing = [each for each in pgbouncer.programs() if not each.prepares]
    return run_api_tests((*THE_API, "--maxfail", "10"), mixing, prepares=True)


def check_sessions(
    directory: Path, times: int, module: str = "service", programs: Sequence[Program] | None = None
) -> Outcome:
    """Make so many calls, and after each one compare the state of the one session that all clients share in turn."""
    programs = pgbouncer.programs() if programs is None else programs
    violations: list[str] = []
    made = 0
    with embedded_postgres(directory / "postgres", ("-c", "fsync=off")) as dsn:
        asyncio.run(_prepare(dsn))
        for program in programs:
            options = [*program.transaction_mode(), "default_pool_size = 1"]
            prepares = {"DATABASE_PREPARED_STATEMENTS": str(program.prepares).lower()}
            with (
                pgbouncer.running(program, directory, dsn, options) as pooled,
                running_service(directory, pooled, module=module, **prepares) as service,
            ):
                found, calls = asyncio.run(_compare_sessions(dsn, pooled, service.api, times // len(programs)))
                violations += [f"through {program.name}: {each}" for each in found]
                made += calls
    return Outcome(made, tuple(violations), f"through {', '.join(program.name for program in programs)}")


async def _prepare(dsn: str) -> None:
    await migrate(dsn)
    await pgbouncer.limit_role(dsn)


async def _compare_sessions(dsn: str, pooled: str, api: str, times: int) -> tuple[list[str], int]:
    """Return each change that another client found in its session, and the number of calls that were made."""
    raw = await asyncpg.connect(dsn)
    other = await asyncpg.connect(pooled, statement_cache_size=0)
    violations = []
    calls = 0
    try:
        before = await _read_session(other)
        async with aiohttp.ClientSession() as client:
            while calls < times:
                for route in ROUTES:
                    caller, path, body = await what_it_is_for(await World.create(raw), route)
                    data = None if body is None else orjson.dumps(body)
                    async with client.request(route.method, api + path, headers=caller.headers, data=data) as answer:
                        if answer.status >= 400:
                            violations.append(f"{route.method} {route.path}: {answer.status} {await answer.text()}")
                    calls += 1
                    after = await _read_session(other)
                    if after != before:
                        changed = {name: after[name] for name in after if after[name] != before[name]}
                        violations.append(f"{route.method} {route.path} left {changed} to another client")
    finally:
        other.terminate()
        await raw.close()
    return violations, calls


async def _read_session(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, Any]:
    row = await connection.fetchrow(SESSION)
    assert row is not None
    return dict(row)


FAULTS: Final = (
    Fault(
        name="pgbouncer",
        description="PgBouncer in transaction mode stands between",
        guarantee="every test of the API passes",
        run=_run_all_tests,
        times=1,
        without="DATABASE_PREPARED_STATEMENTS=false before 1.18",
        control=_run_all_tests_prepared,
        control_times=1,
        shows="through .*: tests/api",
    ),
    Fault(
        name="sessions",
        description="a session of the database goes from client to client",
        guarantee="no call leaves anything in it",
        run=check_sessions,
        times=len(ROUTES) * 4,
        without="settings that end with their transaction",
        control=partial(check_sessions, module=session_setting_leak.MODULE),
        control_times=len(ROUTES),
        shows="left .*lock_timeout",
    ),
)
