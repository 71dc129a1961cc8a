"""The checks of `doctor`, one function each: a judgement of facts and, where something is wrong, the remedy.

All are pure; examine.py collects the facts.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Final, Literal

import asyncpg

from service.database.connector import OLDEST_SUPPORTED
from service.database.encryption import EncryptionError, TlsFailure
from service.database.failures import UnfitDatabase
from service.database.migrations import Applied, Migration, compare
from service.database.pool import CONNECT_TIMEOUT
from service.database.session import LOCK_TIMEOUT
from service.doctor.facts import Encryption, Keeper, OddName, ServerFacts, Surroundings
from service.errors import StartupError
from service.settings import Settings

Pooling = Literal["none", "session", "transaction", "unprepared"]
"""Nothing in between, a pooler in session or transaction mode, or one that mixes up prepared statements."""

SLOW_CONNECT: Final = 0.1
"""Seconds to connect from which on it is worth a look: a request waits for each new connection."""
CLOCK_TOLERANCE: Final = 1.0
"""Seconds that the clocks of process and server may differ by without consequence."""
PROCESS_MIB: Final = 64
"""MiB of a process that does nothing: 58 to 63, measured with ten connections."""
CONNECTION_MIB: Final = 0.65
"""MiB of a connection of the pool that has prepared 60 statements, measured with 80."""
REQUEST_MIB: Final = 0.125
"""MiB of a request under way beside a large body: 32 KiB that were read ahead, 64 KiB of an answer, and its objects."""
LONG_LISTS_MIB: Final = 40
"""MiB of the four long lists that are read at once, each of 20,000 pipelines."""
RESERVED_CONNECTIONS: Final = 3
"""Connections for `migrate`, a command and a person at psql, beside the service."""

_ROLES: Final = "Let DATABASE_URL of `serve` name the role flow_service, which deploy/roles.sql makes"

_VERIFY: Final = "Let DATABASE_URL say sslmode=verify-full, and by sslrootcert which authority vouches for the server"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    state: Literal["ok", "warning", "wrong", "skipped"]
    found: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """Facts of a deployment that the process itself can't know. Times are seconds."""

    replicas: int
    """The most that an autoscaler may have."""
    grace: float
    """Time from the order to end until the process is killed, such as terminationGracePeriodSeconds."""
    pre_stop: float
    """Time of that grace that passes before SIGTERM comes."""
    memory: int | None = None
    """MiB that a process may take until it is killed; None if that is not known."""


def shutdown_seconds(settings: Settings) -> float:
    """Return the seconds that a process may take from SIGTERM to its end.

    aiohttp waits for a handler as long as may be drained, cancels it, and waits once more for one that does not end.
    """
    return settings.shutdown_delay + 2 * settings.drain_timeout


def check_reached(error: StartupError) -> Finding:
    """Explain a connection that could not be made."""
    cause = error.__cause__
    if isinstance(error, EncryptionError):
        remedy = f"{_VERIFY}: docs/how-to/encryption.md says how."
        return Finding("encryption", "wrong", str(error), remedy)
    if isinstance(cause, TlsFailure):
        remedy = (
            "Check what sslrootcert names, and the server's certificate:"
            " `openssl s_client -starttls postgres -connect HOST:5432` shows its names, its time, and who signed it."
        )
        return Finding("encryption", "wrong", str(error), remedy)
    if isinstance(cause, UnfitDatabase):
        remedy = "Do that, and run `doctor` again: docs/reference/database-address.md says more."
    elif isinstance(cause, asyncpg.ProtocolViolationError):
        remedy = (
            "If this is PgBouncer: let its ignore_startup_parameters include statement_timeout, lock_timeout,"
            " idle_in_transaction_session_timeout and client_connection_check_interval, and set them on the role"
            " (ALTER ROLE flow_service SET ...)."
        )
    elif isinstance(cause, asyncpg.InvalidAuthorizationSpecificationError):
        remedy = f"Check role and password, and the server's pg_hba.conf. {_ROLES}."
    elif isinstance(cause, asyncpg.InvalidCatalogNameError):
        remedy = "Create the database, or let DATABASE_URL name the one that there is."
    elif isinstance(cause, asyncpg.TooManyConnectionsError):
        remedy = "Lower DATABASE_POOL_SIZE or the replicas, or raise max_connections."
    else:
        remedy = (
            "Check host and port in DATABASE_URL, that the server runs, and that networks and policies let it through."
        )
    return Finding("server", "wrong", str(error), remedy)


def check_answers(error: Exception) -> Finding:
    """Report a server that was reached, but does not answer what every PostgreSQL does."""
    said = f"The server was reached, but did not answer: {type(error).__name__}: {error}"
    return Finding("server", "wrong", said, "Look into the server's log, and try again.")


def check_server(server: ServerFacts) -> Finding:
    """Check that the server is a PostgreSQL that is new enough and can be written to."""
    found = f"PostgreSQL {server.version}, as role {server.role}"
    if server.version < OLDEST_SUPPORTED:
        return Finding("server", "wrong", found, f"Upgrade to PostgreSQL {OLDEST_SUPPORTED} or newer.")
    if server.read_only:
        remedy = (
            "Let DATABASE_URL lead to the primary: with several hosts in it, target_session_attrs=read-write finds it."
        )
        return Finding("server", "wrong", f"{found}: it only reads", remedy)
    return Finding("server", "ok", found)


def check_connecting(seconds: Sequence[float]) -> Finding:
    """Check that connecting is fast enough, by the median."""
    typical = median(seconds)
    found = f"{typical * 1000:.0f} ms for a new connection"
    if typical > CONNECT_TIMEOUT:
        remedy = f"The service gives up after {CONNECT_TIMEOUT:g} s: look at the network, name look-up and TLS."
        return Finding("connect", "wrong", found, remedy)
    if typical > SLOW_CONNECT:
        return Finding(
            "connect", "warning", found, "Look at the network, name look-up and TLS, or use a pooler nearby."
        )
    return Finding("connect", "ok", found)


def check_encryption(here: Encryption, server: Encryption, pooling: Pooling) -> Finding:
    """Check that what leaves the machine is encrypted, and the server's certificate verified.

    Args:
        here: the connection, as its end here has it.
        server: as its end at the server has it, which is another connection's where something stands between.
        pooling: whether a pooler does.
    """
    found, remedy = _judge_encryption(here)
    if pooling != "none" or bool(here.tls) != bool(server.tls):
        found += "; from what stands between to the server: "
        if server.tls:
            found += f"{server.tls}, and only its own configuration says whether that is verified"
        elif server.elsewhere:
            found += f"plain text, from {server.elsewhere}"
            remedy = remedy or "Let what stands between verify the server, too (PgBouncer: server_tls_sslmode)."
        else:
            found += "none, within one machine"
    return Finding("encryption", "warning" if remedy else "ok", found, remedy)


def _judge_encryption(here: Encryption) -> tuple[str, str | None]:
    """Return what protects a connection, and a remedy if that is too little."""
    if here.tls is None and here.elsewhere:
        return f"plain text to {here.elsewhere}: whatever is on the way can read and change it", f"{_VERIFY}."
    if here.tls is None:
        return "none, within this machine", None
    if here.verified == "name":
        return f"{here.tls}, authority and name verified", None
    if not here.elsewhere:
        return f"{here.tls}, within this machine", None
    if here.verified == "authority":
        return f"{here.tls}, verified but for the name: any certificate of that authority will do", f"{_VERIFY}."
    return f"{here.tls}, not verified: whatever is on the way can pass for the server", f"{_VERIFY}."


def check_role(server: ServerFacts) -> Finding:
    """Check that the role is the service's own, with no power over the tables as such."""
    if server.superuser:
        return Finding("role", "wrong", f"{server.role} is a superuser", f"{_ROLES}.")
    if server.can_become_owner:
        found = f"{server.role} owns the tables, or may act as their owner: it could change the audit trail"
        return Finding("role", "wrong", found, f"{_ROLES}; only `migrate`, `import` and `export` take more.")
    return Finding("role", "ok", f"{server.role} is neither a superuser nor the owner")


def check_privileges(server: ServerFacts, held: set[tuple[str, str]], intended: set[tuple[str, str]]) -> Finding:
    """Check the privileges that the role holds against those that sql/privileges.sql intends."""
    if server.superuser or server.can_become_owner:
        return Finding("privileges", "skipped", f"{server.role} may do everything")
    if not server.migrated:
        return Finding("privileges", "skipped", "nothing was ever migrated here")
    missing, excess = intended - held, held - intended
    if missing:
        found = f"{server.role} lacks {_listed(missing)}"
        remedy = f"Run `migrate`, which sets what flow_service may do. {_ROLES}."
        return Finding("privileges", "wrong", found, remedy)
    if excess:
        remedy = (
            "Run deploy/roles.sql once more, which closes what is open to every role, and revoke the rest, from the"
            " role or from PUBLIC: `migrate` takes back what was granted to flow_service itself."
        )
        return Finding("privileges", "wrong", f"{server.role} may, beside what it needs, {_listed(excess)}", remedy)
    return Finding("privileges", "ok", f"{server.role} may do what it needs, and nothing else")


def _listed(privileges: set[tuple[str, str]]) -> str:
    """Format privileges by relation, such as "INSERT (action, actor), SELECT on audit; UPDATE on jobs"."""
    by_relation: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for relation, privilege in sorted(privileges):
        name, _, column = privilege.partition(" ")
        by_relation[relation][name] += [column.strip("()")] if column else []
    return "; ".join(
        ", ".join(f"{name} ({', '.join(columns)})" if columns else name for name, columns in each.items())
        + f" on {relation}"
        for relation, each in by_relation.items()
    )


def check_surroundings(server: ServerFacts, surroundings: Surroundings) -> Finding:
    """Check that the role owns nothing, and gets into no database but those that it was let into."""
    if server.superuser or server.can_become_owner:
        return Finding("surroundings", "skipped", f"{server.role} may do everything")
    if surroundings.owned:
        found = f"{server.role} owns {surroundings.owned} objects, which it may change in any way"
        remedy = f"Let flow_migrator run `migrate`, and give them away: REASSIGN OWNED BY {server.role} TO flow_owner."
        return Finding("surroundings", "wrong", found, remedy)
    if surroundings.database in surroundings.open_databases:
        found = f"every role of the server may connect to {surroundings.database}"
        return Finding(
            "surroundings", "warning", found, "Run deploy/roles.sql once more: it lets in the service's own."
        )
    if surroundings.open_databases:
        found = f"{server.role} may connect to {', '.join(surroundings.open_databases)}, as every role may"
        remedy = "REVOKE CONNECT ON DATABASE ... FROM PUBLIC, if nothing else needs that."
        return Finding("surroundings", "warning", found, remedy)
    return Finding("surroundings", "ok", f"{server.role} owns nothing, and gets into no other database uninvited")


def check_migrations(applied: Sequence[Applied], known: Sequence[Migration]) -> Finding:
    """Check that the database is neither too old nor too new for this version."""
    try:
        missing = compare(applied, known)
    except StartupError as error:
        return Finding("migrations", "wrong", str(error), "No command can mend this: do what the sentence says.")
    if missing:
        found = f"{len(missing)} are missing, from {missing[0].name} on"
        return Finding("migrations", "wrong", found, "Run `migrate`, by the role flow_migrator.")
    if len(applied) > len(known):
        return Finding("migrations", "ok", f"newer than this version ({applied[-1].name}), which can work with it")
    return Finding("migrations", "ok", f"all {len(known)} are in place, the last is {known[-1].name}")


def check_times(unbounded: Sequence[str]) -> Finding:
    """Check that the database refuses times out of bounds in every column that a client can set."""
    if unbounded:
        found = f"nothing keeps infinity out of {', '.join(unbounded)}"
        return Finding("times", "wrong", found, "Run `migrate`; restore the constraints that somebody has dropped.")
    return Finding("times", "ok", "within bounds in every column that a client can set")


def check_tokens(escaped: int) -> Finding:
    """Check that no token is better than the one that it was made with, or has survived it."""
    if escaped:
        found = f"{escaped} live longer, or may more, than the token they were made with, or have survived it"
        return Finding("tokens", "wrong", found, "Revoke them: something else than the service has changed tokens.")
    return Finding("tokens", "ok", "none is better than the one it was made with")


def check_names(odd: Sequence[OddName]) -> Finding:
    """Check that nothing has a name that nothing new could have."""
    if odd:
        first = odd[0]
        what, remedy = _ODD_NAMES[first.fault]
        more = f", and {len(odd) - 1} more of such things" if len(odd) > 1 else ""
        found = f"{first.kind} {first.key} of organization {first.organization_id} {what}{more}"
        return Finding("names", "warning", found, remedy)
    return Finding("names", "ok", "all are names that can be seen, compared and addressed")


_ODD_NAMES: Final = {
    "address": (
        "is called like an address of the API",
        "`import` its record with the same id and another name; a job is registered anew, and this one forgotten.",
    ),
    "unfit": (
        "has a name of control, bidirectional or only invisible characters",
        "Rename it, or `import` refuses what is exported here; of a token, make another, and revoke it.",
    ),
    "duplicate": (
        "has a name that counts as another one's, or was named by an older version",
        "Rename it; to what it is called already, if nothing else has that name.",
    ),
}


def check_kept_grants(keepers: Sequence[Keeper]) -> Finding:
    """Check that nobody who was demoted still manages pipelines by grants that they made to themselves."""
    if keepers:
        first = keepers[0]
        more = f", and {len(keepers) - 1} more like them" if len(keepers) > 1 else ""
        found = f"{first.username} of {first.organization} still manages {first.pipelines} pipelines by grants to"
        remedy = "`user role USERNAME member --withdraw-grants` takes them back, or let a manager set them anew."
        return Finding("kept grants", "warning", f"{found} themselves, though a member now{more}", remedy)
    return Finding("kept grants", "ok", "no member manages pipelines by what they granted themselves in another role")


def check_pooler(pooling: Pooling, *, prepares: bool) -> Finding:
    """Check that a pooler, if there is one, fits to whether the service prepares statements."""
    if pooling == "unprepared" and prepares:
        found = "a pooler in transaction mode, which mixes up the prepared statements of its clients"
        remedy = (
            "In PgBouncer 1.21 or newer set max_prepared_statements = 200; before an older one, start the service"
            " with DATABASE_PREPARED_STATEMENTS=false."
        )
        return Finding("pooler", "wrong", found, remedy)
    if pooling == "session":
        remedy = (
            "Use transaction mode, or no pooler: the service keeps its connections, so session mode shares nothing."
        )
        return Finding("pooler", "warning", "a pooler in session mode", remedy)
    if pooling != "unprepared" and not prepares:
        between = "none in between" if pooling == "none" else "a pooler in transaction mode"
        remedy = "Each statement is planned anew for nothing: unset DATABASE_PREPARED_STATEMENTS."
        return Finding("pooler", "warning", f"{between}, and prepared statements would work", remedy)
    if pooling == "none":
        return Finding("pooler", "ok", "none in between")
    found = f"a pooler in transaction mode, {'with' if prepares else 'without'} prepared statements"
    return Finding("pooler", "ok", f"{found}; `migrate` needs an address that leads past it")


def check_timeout(server: ServerFacts, settings: Settings) -> Finding:
    """Check that the server ends statements when the service gives them up, and sooner those that wait for a lock."""
    wanted, for_locks = round(settings.statement_timeout * 1000), round(LOCK_TIMEOUT * 1000)
    found = f"{server.statement_timeout} ms, and STATEMENT_TIMEOUT is {wanted} ms"
    if server.statement_timeout != wanted:
        remedy = f"A pooler dropped it: ALTER ROLE {server.role} SET statement_timeout = {wanted}."
        return Finding("statement timeout", "wrong", found, remedy)
    if server.lock_timeout != for_locks:
        found = f"{server.lock_timeout} ms for a lock, and {for_locks} ms are asked for"
        remedy = f"A pooler dropped it: ALTER ROLE {server.role} SET lock_timeout = {for_locks}."
        return Finding("statement timeout", "wrong", found, remedy)
    return Finding("statement timeout", "ok", found)


def check_connections(server: ServerFacts, pooling: Pooling, settings: Settings, deployment: Deployment) -> Finding:
    """Check that there are connections for all replicas, one more during a rolling update, and commands."""
    needed = (settings.database_pool_size + 1) * (deployment.replicas + 1) + RESERVED_CONNECTIONS
    found = (
        f"{needed} at most, as (DATABASE_POOL_SIZE {settings.database_pool_size} + 1 for probes) x"
        f" ({deployment.replicas} replicas + 1 while updating) + {RESERVED_CONNECTIONS} for commands"
    )
    if pooling != "none":
        return Finding("connections", "ok", f"{found}: hold that against the pooler's max_client_conn")
    found += f", of {server.connections}"
    if needed > server.connections:
        remedy = (
            "Lower DATABASE_POOL_SIZE or the replicas, raise max_connections (or the role's limit), or use a pooler."
        )
        return Finding("connections", "wrong", found, remedy)
    return Finding("connections", "ok", found)


def check_clock(skew: float) -> Finding:
    """Check that the two clocks agree: tokens and grants expire by both."""
    if abs(skew) > CLOCK_TOLERANCE:
        found = f"the server's is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this process's"
        return Finding(
            "clock", "wrong", found, "Let NTP set the clocks of both hosts: tokens and grants expire by them."
        )
    return Finding("clock", "ok", f"within {CLOCK_TOLERANCE:g} s of the server's")


def check_memory(settings: Settings, deployment: Deployment) -> Finding:
    """Check that what the settings allow a process to keep at once fits into its limit of memory."""
    parts = {
        "process": PROCESS_MIB,
        "RESPONSE_CACHE_BYTES": settings.response_cache_bytes / 2**20,
        "PERMISSION_CACHE_BYTES": settings.permission_cache_bytes / 2**20,
        "MAX_BODIES_BYTES": max(settings.max_bodies_bytes, settings.max_body_bytes) / 2**20,
        "MAX_UNSENT_BYTES": settings.max_unsent_bytes / 2**20,
        f"MAX_REQUESTS {settings.max_requests}": settings.max_requests * REQUEST_MIB,
        f"DATABASE_POOL_SIZE {settings.database_pool_size}": settings.database_pool_size * CONNECTION_MIB,
        "long lists": LONG_LISTS_MIB,
    }
    needed = ceil(sum(parts.values()))
    found = f"{needed} MiB at most, as {' + '.join(f'{name} {size:.0f}' for name, size in parts.items())}"
    if deployment.memory is None:
        return Finding("memory", "ok", f"{found}: hold that against the limit (--memory)")
    found += f", of {deployment.memory} MiB"
    if needed > deployment.memory:
        remedy = f"Raise the limit (resources.limits.memory) to {needed} MiB or more, or lower the largest of these."
        return Finding("memory", "wrong", found, remedy)
    return Finding("memory", "ok", found)


def check_shutdown(settings: Settings, deployment: Deployment) -> Finding:
    """Check that a graceful shutdown is over before the process is killed, and cuts no request off."""
    needed = deployment.pre_stop + shutdown_seconds(settings)
    found = (
        f"{needed:g} s at most, as pre-stop {deployment.pre_stop:g} + SHUTDOWN_DELAY {settings.shutdown_delay:g}"
        f" + 2 x DRAIN_TIMEOUT {settings.drain_timeout:g}, of {deployment.grace:g} s of grace"
    )
    if needed > deployment.grace:
        remedy = f"Raise the grace (terminationGracePeriodSeconds) to {needed:g} or more, or lower the others."
        return Finding("shutdown", "wrong", found, remedy)
    if settings.drain_timeout < settings.request_timeout:
        remedy = f"Raise DRAIN_TIMEOUT to REQUEST_TIMEOUT, {settings.request_timeout:g}: slower requests are cut off."
        return Finding("shutdown", "warning", found, remedy)
    if not deployment.pre_stop + settings.shutdown_delay:
        remedy = "Set SHUTDOWN_DELAY to some seconds: load balancers send requests until they see that it is unready."
        return Finding("shutdown", "warning", found, remedy)
    return Finding("shutdown", "ok", found)
