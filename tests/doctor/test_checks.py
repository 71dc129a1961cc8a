"""Each check of `doctor`, content and not."""

from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from service.database.address_syntax import AddressError
from service.database.encryption import EncryptionError, TlsFailure
from service.database.migrations import Applied, load_migrations
from service.doctor import checks
from service.doctor.checks import Deployment, Finding, check_audit
from service.doctor.facts import Encryption, ServerFacts, TrailPart, TrailState
from service.errors import StartupError
from service.settings import Settings
from service.values.months import Month

SERVER = ServerFacts(
    version=18,
    role="flow_service",
    superuser=False,
    migrated=True,
    can_become_owner=False,
    read_only=False,
    statement_timeout=5000,
    lock_timeout=1500,
    connections=97,
)
DEPLOYMENT = Deployment(replicas=2, grace=40, pre_stop=5)


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
def test_check_reached_gives_a_remedy_by_cause(cause: Exception, remedy: str) -> None:
    finding = checks.check_reached(failed(cause))

    assert (finding.state, finding.found) == ("wrong", "It can't be reached.")
    assert str(finding.remedy).startswith(remedy)


def test_check_reached_tells_of_an_address_where_to_read_on() -> None:
    finding = checks.check_reached(AddressError("DATABASE_URL names the service x, which no service file has."))

    assert (finding.check, finding.state) == ("server", "wrong")
    assert "docs/reference/database-address.md" in str(finding.remedy)
    assert "host and port" not in str(finding.remedy)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (EncryptionError("It can't be reached."), "Let DATABASE_URL say sslmode=verify-full"),
        (failed(TlsFailure("its certificate has expired")), "Check what sslrootcert names"),
    ],
)
def test_check_reached_tells_what_encryption_hinders(error: StartupError, remedy: str) -> None:
    finding = checks.check_reached(error)

    assert (finding.check, finding.state, finding.found) == ("encryption", "wrong", "It can't be reached.")
    assert str(finding.remedy).startswith(remedy)


HERE, PLAIN, FAR = Encryption(None, None), Encryption(None, "10.0.0.1"), "TLSv1.3, AES"


@pytest.mark.parametrize(
    ("here", "server", "pooling", "state", "said"),
    [
        (HERE, HERE, "none", "ok", "none, within this machine"),
        (Encryption(FAR, None), Encryption(FAR, None), "none", "ok", f"{FAR}, within this machine"),
        (Encryption(FAR, "db", "name"), Encryption(FAR, "10.0.0.2"), "none", "ok", "authority and name verified"),
        (Encryption(FAR, "db", "authority"), Encryption(FAR, "c"), "none", "warning", "verified but for the name"),
        (Encryption(FAR, "db"), Encryption(FAR, "c"), "none", "warning", "not verified"),
        (PLAIN, PLAIN, "none", "warning", "plain text to 10.0.0.1: whatever is on the way can read and change it"),
        # A pooler here, whose own connection is another one.
        (HERE, HERE, "session", "ok", "this machine; from what stands between to the server: none, within one machine"),
        (HERE, PLAIN, "transaction", "warning", "from what stands between to the server: plain text, from 10.0.0.1"),
        (HERE, PLAIN, "transaction", "warning", "PgBouncer: server_tls_sslmode"),
        (HERE, Encryption(FAR, "c"), "transaction", "ok", f"to the server: {FAR}, and only its own configuration says"),
        (PLAIN, HERE, "transaction", "warning", "Let DATABASE_URL say sslmode=verify-full"),
        # Something that ends TLS, and otherwise hides.
        (Encryption(FAR, "db", "name"), PLAIN, "none", "warning", "to the server: plain text, from 10.0.0.1"),
    ],
)
def test_check_encryption_of_each_stretch(
    here: Encryption, server: Encryption, pooling: Any, state: str, said: str
) -> None:
    finding = checks.check_encryption(here, server, pooling)

    assert (finding.check, finding.state, bool(finding.remedy)) == ("encryption", state, state == "warning")
    assert said in f"{finding.found} {finding.remedy}"


@pytest.mark.parametrize(
    ("finding", "state", "said"),
    [
        (checks.check_server(replace(SERVER, version=14)), "wrong", "Upgrade to PostgreSQL 15 or newer."),
        (checks.check_server(SERVER), "ok", "PostgreSQL 18, as role flow_service"),
        (checks.check_connecting([0.01, 0.02, 3.0]), "ok", "20 ms for a new connection"),
        (checks.check_connecting([0.3, 0.3, 0.3]), "warning", "300 ms for a new connection"),
        (checks.check_connecting([2.5, 2.5, 2.5]), "wrong", "The service gives up after 2 s"),
        (checks.check_role(replace(SERVER, can_become_owner=True)), "wrong", "serve` name the role flow_service"),
        (checks.check_pooler("transaction", prepares=True), "ok", "`migrate` needs an address that leads past it"),
        (checks.check_pooler("unprepared", prepares=True), "wrong", "max_prepared_statements = 200"),
        (checks.check_pooler("unprepared", prepares=True), "wrong", "DATABASE_PREPARED_STATEMENTS=false"),
        (checks.check_pooler("unprepared", prepares=False), "ok", "`migrate` needs an address that leads past it"),
        (checks.check_pooler("transaction", prepares=False), "warning", "unset DATABASE_PREPARED_STATEMENTS"),
        (checks.check_pooler("none", prepares=False), "warning", "unset DATABASE_PREPARED_STATEMENTS"),
        (checks.check_pooler("session", prepares=True), "warning", "Use transaction mode, or no pooler"),
        (checks.check_clock(0.4), "ok", "within 1 s of the server's"),
        (checks.check_clock(2.06), "wrong", "the server's is 2.1 s ahead of this process's"),
        (checks.check_clock(-90.0), "wrong", "the server's is 90.0 s behind this process's"),
        (checks.check_answers(OSError("gone")), "wrong", "did not answer: OSError: gone"),
    ],
)
def test_checks_tell_state_and_remedy(finding: Finding, state: str, said: str) -> None:
    assert finding.state == state
    assert said in f"{finding.found} {finding.remedy}"


def test_check_timeout_of_a_pooler_that_dropped_the_setting(settings: Settings) -> None:
    dropped = checks.check_timeout(replace(SERVER, statement_timeout=0), settings)

    assert (dropped.state, dropped.found) == ("wrong", "0 ms, and STATEMENT_TIMEOUT is 5000 ms")
    assert dropped.remedy == "A pooler dropped it: ALTER ROLE flow_service SET statement_timeout = 5000."


def test_check_timeout_of_a_pooler_that_dropped_that_of_locks(settings: Settings) -> None:
    dropped = checks.check_timeout(replace(SERVER, lock_timeout=0), settings)

    assert (dropped.state, dropped.found) == ("wrong", "0 ms for a lock, and 1500 ms are asked for")
    assert dropped.remedy == "A pooler dropped it: ALTER ROLE flow_service SET lock_timeout = 1500."


@pytest.mark.parametrize(
    ("replicas", "pooling", "state"), [(7, "none", "ok"), (8, "none", "wrong"), (90, "transaction", "ok")]
)
def test_check_connections_counts_replicas_probes_and_commands(
    settings: Settings, replicas: int, pooling: Any, state: str
) -> None:
    """97 are enough for 7 replicas of 10 and 1 for probes, an eighth while updating, and 3 for commands."""
    finding = checks.check_connections(SERVER, pooling, settings, replace(DEPLOYMENT, replicas=replicas))

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
def test_check_shutdown_fits_the_grace_and_cuts_nothing_off(
    settings: Settings, grace: float, pre_stop: float, changes: dict[str, float], state: str, said: str
) -> None:
    finding = checks.check_shutdown(replace(settings, **changes), Deployment(1, grace, pre_stop))  # type: ignore[arg-type]  # they are floats

    assert finding.state == state
    assert said in f"{finding.found} {finding.remedy}"


@pytest.mark.parametrize(
    ("memory", "changes", "state", "said"),
    [
        (None, {}, "ok", "MiB at most, as process 64 + RESPONSE_CACHE_BYTES 16 + PERMISSION_CACHE_BYTES 8"),
        (256, {}, "ok", ", of 256 MiB"),
        (200, {}, "wrong", "Raise the limit (resources.limits.memory) to"),
        (256, {"max_requests": 800}, "wrong", "MAX_REQUESTS 800 100"),
        (256, {"max_bodies_bytes": 64 * 2**20}, "wrong", "MAX_BODIES_BYTES 64"),
        (256, {"max_body_bytes": 64 * 2**20}, "wrong", "MAX_BODIES_BYTES 64"),
        (256, {"max_unsent_bytes": 64 * 2**20}, "wrong", "MAX_UNSENT_BYTES 64"),
        (256, {"database_pool_size": 100}, "wrong", "DATABASE_POOL_SIZE 100 65"),
        (300, {"max_unsent_bytes": 64 * 2**20}, "ok", ""),
        (256, {"grpc_port": 0}, "wrong", "long lists 40 + GRPC_PORT 212, of"),
        (512, {"grpc_port": 0, "scim": True}, "ok", "GRPC_PORT 212 + SCIM 13, of 512"),
        (512, {"grpc_port": 0, "max_unsent_bytes": 32 * 2**20}, "ok", "GRPC_PORT 220"),
        (512, {"grpc_port": 0, "max_body_bytes": 4 * 2**20}, "wrong", "GRPC_PORT 500"),
    ],
)
def test_check_memory_adds_up_what_the_settings_allow(
    settings: Settings, memory: int | None, changes: dict[str, int], state: str, said: str
) -> None:
    finding = checks.check_memory(replace(settings, **changes), replace(DEPLOYMENT, memory=memory))  # type: ignore[arg-type]  # they are integers

    assert finding.state == state
    assert said in f"{finding.found} {finding.remedy}"


def test_check_migrations_of_databases_older_and_newer() -> None:
    known = load_migrations()
    applied = [Applied(each.version, each.name, each.checksum, each.compatible_from) for each in known]
    newer = Applied(len(known) + 1, "later.sql", "", 0)

    assert checks.check_migrations(applied, known).state == "ok"
    assert checks.check_migrations(applied[:-1], known).found == f"1 are missing, from {known[-1].name} on"
    served = checks.check_migrations([*applied, newer], known)
    assert served.found == "newer than this version (later.sql), which can work with it"
    refused = checks.check_migrations([*applied, replace(newer, compatible_from=newer.version)], known)
    assert (refused.state, "The database is too new" in refused.found) == ("wrong", True)


def test_check_privileges_lists_what_is_missing_before_what_is_in_excess() -> None:
    held, intended = {("jobs", "SELECT"), ("audit", "DELETE")}, {("jobs", "SELECT"), ("jobs", "UPDATE")}

    assert checks.check_privileges(SERVER, held, intended).found == "flow_service lacks UPDATE on jobs"
    assert checks.check_privileges(SERVER, held | intended, intended).found.endswith("it needs, DELETE on audit")
    assert checks.check_privileges(SERVER, intended, intended).state == "ok"


def test_check_audit_finds_months_half_taken_out_and_beyond_the_retention(settings: Settings) -> None:
    keeping = replace(settings, audit_retention_months=12)
    begins = [None, *(Month(2025, 1).plus(each).begin for each in range(17))]
    parts = [
        TrailPart(f"p{place}", *each, False) for place, each in enumerate(zip(begins, [*begins[1:], None], strict=True))
    ]
    trail = TrailState(Month(2026, 2).begin, parts, misplaced=False)
    pending = TrailState(trail.now, [parts[0]._replace(detaching=True), *parts[1:]], misplaced=False)

    assert check_audit(trail, settings).state == "ok"
    assert check_audit(trail, keeping).found == "p0 is older than the 12 months of AUDIT_RETENTION_MONTHS"
    assert check_audit(pending, settings).found == "p0 is half taken out of it"
    assert check_audit(TrailState(Month(2026, 1).begin, parts[1:], misplaced=False), replace(keeping)).state == "ok"
