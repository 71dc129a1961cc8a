"""The examination of `doctor`: collect the facts of an installation, and hand each to the check that judges it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from time import perf_counter
from typing import TypeVar
from uuid import uuid4

import asyncpg

from service.database.connector import Raw, connect
from service.database.failures import in_one_line
from service.database.migrations import list_applied, load_migrations
from service.database.pool import Connection
from service.database.session import session_settings
from service.database.triggers import Fault, list_faults
from service.doctor import checks, facts
from service.doctor.checks import Deployment, Finding, Pooling
from service.doctor.facts import ServerFacts
from service.doctor.privileges import intended_privileges
from service.errors import StartupError
from service.settings import Settings

Fact = TypeVar("Fact")


async def examine(dsn: str, settings: Settings, deployment: Deployment) -> list[Finding]:
    """Examine an installation, and return all findings, those on the database first."""
    return [
        *await _examine_database(dsn, settings, deployment),
        checks.check_memory(settings, deployment),
        checks.check_shutdown(settings, deployment),
    ]


async def _examine_database(dsn: str, settings: Settings, deployment: Deployment) -> list[Finding]:
    async with AsyncExitStack() as stack:
        opened: list[Raw] = []
        seconds: list[float] = []
        try:
            for _ in range(3):
                begun = perf_counter()
                # As the service connects, but without named statements, which some poolers can't do.
                raw = await connect(
                    dsn,
                    plaintext=settings.database_plaintext,
                    server_settings=session_settings(settings),
                    statement_cache_size=0,
                )
                stack.callback(raw.terminate)
                seconds.append(perf_counter() - begun)
                opened.append(raw)
            return await _examine_connection(opened[0], opened[1], seconds, settings, deployment)
        except StartupError as error:
            return [checks.check_reached(error)]
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            return [checks.check_answers(error)]


async def _examine_connection(
    first: Raw, second: Raw, seconds: Sequence[float], settings: Settings, deployment: Deployment
) -> list[Finding]:
    connection = Connection(first)
    server = await facts.read_server(connection)
    pooling = await _find_pooling(first, second)
    return [
        checks.check_server(server),
        checks.check_connecting(seconds),
        checks.check_encryption(facts.find_encryption(first), await facts.read_encryption(first), pooling),
        checks.check_role(server),
        checks.check_privileges(server, await facts.read_privileges(connection), intended_privileges()),
        checks.check_surroundings(server, await facts.read_surroundings(connection)),
        await _examine_migrations(connection, server),
        *await _examine_data(connection, server, settings),
        checks.check_pooler(pooling, prepares=settings.database_prepared_statements),
        checks.check_timeout(server, settings),
        checks.check_connections(server, pooling, settings, deployment),
        checks.check_clock(await _measure_skew(connection)),
    ]


async def _examine_migrations(connection: Connection, server: ServerFacts) -> Finding:
    try:
        return checks.check_migrations(await list_applied(connection), load_migrations())
    except asyncpg.InsufficientPrivilegeError:
        return Finding("migrations", "skipped", f"{server.role} may not read schema_migrations")


async def _examine_data(connection: Connection, server: ServerFacts, settings: Settings) -> list[Finding]:
    """Examine what is in the tables; skip what is not there yet, not readable, or takes too long to find."""
    examinations: list[tuple[str, Callable[[], Awaitable[Finding]]]] = [
        ("times", lambda: _judge(facts.read_unbounded_times(connection), checks.check_times)),
        ("names", lambda: _judge(facts.read_odd_names(connection), checks.check_names)),
        ("tokens", lambda: _judge(facts.count_escaped_tokens(connection), checks.check_tokens)),
        ("kept grants", lambda: _judge(facts.read_keepers(connection), checks.check_kept_grants)),
        ("triggers", lambda: _judge(_read_trigger_faults(connection), checks.check_triggers)),
        ("audit", lambda: _judge(facts.read_trail(connection), lambda trail: checks.check_audit(trail, settings))),
    ]
    if settings.providers:
        examinations.append(
            (
                "mapped groups",
                lambda: _judge(facts.read_missing_groups(connection, settings.providers), checks.check_mapped_groups),
            )
        )
    findings = []
    for check, examination in examinations:
        if not server.migrated:
            findings.append(Finding(check, "skipped", "nothing was ever migrated here"))
            continue
        try:
            findings.append(await examination())
        except (asyncpg.SyntaxOrAccessError, asyncpg.QueryCanceledError) as error:
            findings.append(Finding(check, "skipped", f"it can't be found out: {in_one_line(error)}"))
    return findings


async def _judge(reading: Awaitable[Fact], judge: Callable[[Fact], Finding]) -> Finding:
    return judge(await reading)


async def _read_trigger_faults(connection: Connection) -> list[Fault] | None:
    """Read which triggers do not fire as they should; None for a database with other migrations than this version."""
    if len(await list_applied(connection)) != len(load_migrations()):
        return None
    return await list_faults(connection)


async def _find_pooling(first: Raw, second: Raw) -> Pooling:
    """Find what stands between, by which processes of the server answer two connections."""
    if first.get_server_pid() == await facts.read_backend_pid(Connection(first)):
        return "none"
    for _ in range(3):  # another client may come between
        statement = await first.prepare("SELECT 1", name=f"doctor_{uuid4().hex}")
        if await facts.read_backend_pid(Connection(first)) == await facts.read_backend_pid(Connection(second)):
            confused = statement.get_name() in await facts.read_prepared_statements(Connection(second))
            return "unprepared" if confused else "transaction"
    return "session"


async def _measure_skew(connection: Connection) -> float:
    """Measure by how many seconds the server's clock is ahead of this process's, to within half a round trip."""
    sent = datetime.now(UTC)
    there = await facts.read_clock(connection)
    return (there - (sent + (datetime.now(UTC) - sent) / 2)).total_seconds()
