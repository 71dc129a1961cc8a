"""Each check of `doctor`, content and not, and what it says of real installations."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from service.database.migrations import Applied, load_migrations, migrate
from service.doctor import checks as doctor
from service.doctor.checks import Deployment, Finding, examine
from service.doctor.facts import Server
from service.doctor.privileges import intended_privileges
from service.embedded.cluster import SERVICE_ROLE
from service.errors import StartupError
from service.settings import Settings
from tests import pgbouncer

SERVER = Server(
    version=18,
    role="flow_service",
    superuser=False,
    migrated=True,
    can_become_owner=False,
    read_only=False,
    statement_timeout=5000,
    connections=97,
)
DEPLOYMENT = Deployment(replicas=2, grace=40, pre_stop=5)


async def found(dsn: str, settings: Settings, deployment: Deployment = DEPLOYMENT) -> dict[str, Finding]:
    return {finding.check: finding for finding in await examine(dsn, settings, deployment)}


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


def as_service(dsn: str) -> str:
    return dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")


# ---- real installations


async def test_an_installation_in_order(empty_dsn: str, settings: Settings) -> None:
    await migrate(empty_dsn)

    findings = await found(as_service(empty_dsn), settings)

    assert {check: finding.state for check, finding in findings.items()} == dict.fromkeys(
        [
            *("server", "connect", "role", "privileges", "migrations", "pooler"),
            *("statement timeout", "connections", "clock", "shutdown"),
        ],
        "ok",
    )
    assert all(finding.remedy is None for finding in findings.values())


async def test_a_superuser_serves(dsn: str, settings: Settings) -> None:
    findings = await found(dsn, settings)

    assert findings["role"].found == "postgres is a superuser"
    assert findings["privileges"].state == "skipped"


async def test_the_owner_serves(empty_dsn: str, settings: Settings) -> None:
    await migrate(empty_dsn)
    role = f"owner_{empty_dsn.split('/test_')[1][:8]}"
    await execute(empty_dsn, f"CREATE ROLE {role} LOGIN; ALTER TABLE schema_migrations OWNER TO {role}")
    try:
        findings = await found(empty_dsn.replace("//postgres@", f"//{role}@"), settings)
    finally:
        await execute(empty_dsn, f"REASSIGN OWNED BY {role} TO postgres; DROP ROLE {role}")

    assert findings["role"].state == "wrong"
    assert "could change the audit trail" in findings["role"].found


async def test_a_database_that_was_never_migrated(empty_dsn: str, settings: Settings) -> None:
    findings = await found(as_service(empty_dsn), settings)

    assert findings["migrations"].found == f"{len(load_migrations())} are missing, from 0001_create_tables.sql on"
    assert findings["migrations"].remedy == "Run `migrate`, by the role flow_migrator."
    assert findings["privileges"].state == "skipped"


async def test_privileges_that_are_missing_and_too_many(empty_dsn: str, settings: Settings) -> None:
    await migrate(empty_dsn)
    await execute(empty_dsn, f"REVOKE INSERT ON audit FROM {SERVICE_ROLE}; REVOKE UPDATE ON jobs FROM {SERVICE_ROLE}")
    missing = await found(as_service(empty_dsn), settings)
    await migrate(empty_dsn)
    await execute(
        empty_dsn, f"GRANT DELETE, UPDATE (actor) ON audit TO {SERVICE_ROLE}; GRANT SELECT ON users TO PUBLIC"
    )
    excess = await found(as_service(empty_dsn), settings)

    assert missing["privileges"].found == "flow_service lacks INSERT on audit; UPDATE on jobs"
    assert str(missing["privileges"].remedy).startswith("Run `migrate`")
    assert excess["privileges"].found == "flow_service may, beside what it needs, DELETE, UPDATE (actor) on audit"
    assert excess["privileges"].state == "wrong"


async def test_a_role_that_may_nothing(empty_dsn: str, settings: Settings) -> None:
    await migrate(empty_dsn)
    await execute(empty_dsn, f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {SERVICE_ROLE}")

    findings = await found(as_service(empty_dsn), settings)

    assert (findings["privileges"].state, findings["migrations"].state) == ("wrong", "skipped")


async def test_a_server_that_only_reads(empty_dsn: str, settings: Settings) -> None:
    name = urlsplit(empty_dsn).path[1:]
    await execute(empty_dsn, f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    findings = await found(as_service(empty_dsn), settings)

    assert findings["server"].found.endswith(": it only reads")
    assert "target_session_attrs=read-write" in str(findings["server"].remedy)


async def test_limits_of_database_and_role_count_too(empty_dsn: str, settings: Settings) -> None:
    name = urlsplit(empty_dsn).path[1:]
    await execute(empty_dsn, f"ALTER DATABASE {name} CONNECTION LIMIT 20")

    findings = await found(as_service(empty_dsn), settings)

    assert findings["connections"].state == "wrong"
    assert findings["connections"].found.endswith(", of 20")


async def test_a_database_that_is_not_there(server_dsn: str, settings: Settings) -> None:
    findings = await found(server_dsn.replace("/flow_pipelines?", "/nothing?"), settings)

    assert set(findings) == {"server", "shutdown"}
    assert findings["server"].remedy == "Create the database, or let DATABASE_URL name the one that there is."


@pytest.mark.skipif(not pgbouncer.programs(), reason=pgbouncer.NONE_HERE)
async def test_poolers(empty_dsn: str, settings: Settings, tmp_path: Path) -> None:
    await migrate(empty_dsn)
    database = urlsplit(empty_dsn).path[1:]
    await execute(empty_dsn, f"ALTER ROLE {SERVICE_ROLE} IN DATABASE {database} SET statement_timeout = 0")
    oldest, newest = pgbouncer.programs()[0], pgbouncer.programs()[-1]
    mixing = [pgbouncer.IGNORING, *(["max_prepared_statements = 0"] if oldest.prepares else [])]
    unprepared = replace(settings, database_prepared_statements=False)
    with pgbouncer.running(oldest, tmp_path, empty_dsn, [pgbouncer.IGNORING], "session") as pooled:
        session = await found(pooled, settings)
    with pgbouncer.running(oldest, tmp_path, empty_dsn, mixing) as pooled:
        transaction = await found(pooled, settings)
        without = await found(pooled, unprepared)
    with pgbouncer.running(oldest, tmp_path, empty_dsn, []) as pooled:
        strict = await found(pooled, settings)
    with pgbouncer.running(newest, tmp_path, empty_dsn, newest.transaction_mode()) as pooled:
        prepared = await found(pooled, settings)

    assert session["pooler"].state == "warning"
    assert transaction["pooler"].found.endswith("which mixes up the prepared statements of its clients")
    assert transaction["statement timeout"].state == "wrong"
    assert (without["pooler"].state, "without prepared" in without["pooler"].found) == ("ok", True)
    assert "ignore_startup_parameters" in str(strict["server"].remedy)
    assert prepared["pooler"].state == ("ok" if newest.prepares else "wrong")


# ---- each check by itself


def failed(cause: Exception) -> StartupError:
    error = StartupError("It can't be reached.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "remedy"),
    [
        (ConnectionRefusedError(), "Check host and port"),
        (asyncpg.InvalidPasswordError("x"), "Check role and password"),
        (asyncpg.InvalidCatalogNameError("x"), "Create the database"),
        (asyncpg.TooManyConnectionsError("x"), "Lower DATABASE_POOL_SIZE"),
        (asyncpg.ProtocolViolationError("x"), "If this is PgBouncer"),
    ],
)
def test_reached(cause: Exception, remedy: str) -> None:
    finding = doctor.check_reached(failed(cause))

    assert (finding.state, finding.found) == ("wrong", "It can't be reached.")
    assert str(finding.remedy).startswith(remedy)


@pytest.mark.parametrize(
    ("finding", "state", "said"),
    [
        (doctor.check_server(replace(SERVER, version=14)), "wrong", "Upgrade to PostgreSQL 15 or newer."),
        (doctor.check_server(SERVER), "ok", "PostgreSQL 18, as role flow_service"),
        (doctor.check_connecting([0.01, 0.02, 3.0]), "ok", "20 ms for a new connection"),
        (doctor.check_connecting([0.3, 0.3, 0.3]), "warning", "300 ms for a new connection"),
        (doctor.check_connecting([2.5, 2.5, 2.5]), "wrong", "The service gives up after 2 s"),
        (doctor.check_role(replace(SERVER, can_become_owner=True)), "wrong", "serve` name the role flow_service"),
        (doctor.check_pooler("transaction", prepares=True), "ok", "`migrate` needs an address that leads past it"),
        (doctor.check_pooler("unprepared", prepares=True), "wrong", "max_prepared_statements = 200"),
        (doctor.check_pooler("unprepared", prepares=True), "wrong", "DATABASE_PREPARED_STATEMENTS=false"),
        (doctor.check_pooler("unprepared", prepares=False), "ok", "`migrate` needs an address that leads past it"),
        (doctor.check_pooler("transaction", prepares=False), "warning", "unset DATABASE_PREPARED_STATEMENTS"),
        (doctor.check_pooler("none", prepares=False), "warning", "unset DATABASE_PREPARED_STATEMENTS"),
        (doctor.check_pooler("session", prepares=True), "warning", "Use transaction mode, or no pooler"),
        (doctor.check_clock(0.4), "ok", "within 1 s of the server's"),
        (doctor.check_clock(2.06), "wrong", "the server's is 2.1 s ahead of this process's"),
        (doctor.check_clock(-90.0), "wrong", "the server's is 90.0 s behind this process's"),
        (doctor.check_answers(OSError("gone")), "wrong", "did not answer: OSError: gone"),
    ],
)
def test_findings(finding: Finding, state: str, said: str) -> None:
    assert finding.state == state
    assert said in f"{finding.found} {finding.remedy}"


def test_statement_timeout(settings: Settings) -> None:
    dropped = doctor.check_timeout(replace(SERVER, statement_timeout=0), settings)

    assert (dropped.state, dropped.found) == ("wrong", "0 ms, and STATEMENT_TIMEOUT is 5000 ms")
    assert dropped.remedy == "A pooler dropped it: ALTER ROLE flow_service SET statement_timeout = 5000."


@pytest.mark.parametrize(
    ("replicas", "pooling", "state"), [(7, "none", "ok"), (8, "none", "wrong"), (90, "transaction", "ok")]
)
def test_connections(settings: Settings, replicas: int, pooling: Any, state: str) -> None:
    """97 are enough for 7 replicas of 10 and 1 for probes, an eighth while updating, and 3 for commands."""
    finding = doctor.check_connections(SERVER, pooling, settings, replace(DEPLOYMENT, replicas=replicas))

    assert finding.state == state


@pytest.mark.parametrize(
    ("grace", "pre_stop", "changes", "state", "said"),
    [
        (25.0, 0.0, {}, "ok", "25 s at most"),
        (24.9, 0.0, {}, "wrong", "Raise the grace (terminationGracePeriodSeconds) to 25 or more"),
        (25.0, 1.0, {}, "wrong", "26 or more"),
        (60.0, 0.0, {"drain_timeout": 9.0}, "warning", "Raise DRAIN_TIMEOUT to REQUEST_TIMEOUT, 10"),
        (60.0, 0.0, {"shutdown_delay": 0.0}, "warning", "Set SHUTDOWN_DELAY"),
        (60.0, 5.0, {"shutdown_delay": 0.0}, "ok", "pre-stop 5 + SHUTDOWN_DELAY 0"),
    ],
)
def test_shutdown(
    settings: Settings, grace: float, pre_stop: float, changes: dict[str, float], state: str, said: str
) -> None:
    finding = doctor.check_shutdown(replace(settings, **changes), Deployment(1, grace, pre_stop))  # type: ignore[arg-type]  # they are floats

    assert finding.state == state
    assert said in f"{finding.found} {finding.remedy}"


def test_migrations() -> None:
    known = [Applied(each.version, each.name, each.checksum, each.compatible_from) for each in load_migrations()]
    newer = Applied(len(known) + 1, "later.sql", "", 0)

    assert doctor.check_migrations(known).state == "ok"
    assert doctor.check_migrations(known[:-1]).found == f"1 are missing, from {known[-1].name} on"
    assert (
        doctor.check_migrations([*known, newer]).found == "newer than this version (later.sql), which can work with it"
    )
    refused = doctor.check_migrations([*known, replace(newer, compatible_from=newer.version)])
    assert (refused.state, "The database is too new" in refused.found) == ("wrong", True)


def test_intended_privileges_are_read_from_the_file() -> None:
    intended = intended_privileges()

    assert {("revisions", "USAGE"), ("organizations", "UPDATE (revision)"), ("assignments", "DELETE")} <= intended
    assert {privilege for relation, privilege in intended if relation == "audit"} == {"SELECT", "INSERT"}
