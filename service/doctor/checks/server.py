"""Checks of the server, of the way to it, and of what stands between."""

from collections.abc import Sequence
from statistics import median
from typing import Final, Literal

import asyncpg

from service.database.address_syntax import AddressError
from service.database.connector import OLDEST_SUPPORTED
from service.database.encryption import EncryptionError, TlsFailure
from service.database.failures import UnfitDatabase, in_one_line
from service.database.migrations import Applied, Migration, compare
from service.database.pool import CONNECT_TIMEOUT
from service.database.session import LOCK_TIMEOUT
from service.doctor.checks.finding import USE_OWN_ROLE, Finding
from service.doctor.facts import Encryption, ServerFacts
from service.errors import StartupError
from service.settings import Settings

Pooling = Literal["none", "session", "transaction", "unprepared"]
"""Nothing in between, a pooler in session or transaction mode, or one that mixes up prepared statements."""

SLOW_CONNECT: Final = 0.1
"""Seconds to connect from which on it is worth a look: a request waits for each new connection."""
CLOCK_TOLERANCE: Final = 1.0
"""Seconds that the clocks of process and server may differ by without consequence."""
_VERIFY: Final = "Let DATABASE_URL say sslmode=verify-full, and by sslrootcert which authority vouches for the server"


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
    if isinstance(error, AddressError) or isinstance(cause, UnfitDatabase):
        remedy = "Do that, and run `doctor` again: docs/reference/database-address.md says more."
    elif isinstance(cause, asyncpg.ProtocolViolationError):
        remedy = (
            "If this is PgBouncer: let its ignore_startup_parameters include statement_timeout, lock_timeout,"
            " idle_in_transaction_session_timeout and client_connection_check_interval, and set them on the role"
            " (ALTER ROLE flow_service SET ...)."
        )
    elif isinstance(cause, asyncpg.InvalidAuthorizationSpecificationError):
        remedy = f"Check role and password, and the server's pg_hba.conf. {USE_OWN_ROLE}."
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
    said = f"The server was reached, but did not answer: {type(error).__name__}: {in_one_line(error)}"
    return Finding("server", "wrong", said, "Look into the server's log, and try again.")


def check_server(server: ServerFacts) -> Finding:
    """Check that the server is a PostgreSQL that is new enough and can be written to."""
    found = f"PostgreSQL {server.version}, as role {server.role}"
    if server.version < OLDEST_SUPPORTED:
        return Finding("server", "wrong", found, f"Upgrade to PostgreSQL {OLDEST_SUPPORTED} or newer.")
    if server.read_only:
        remedy = (
            "Let DATABASE_URL lead to the primary: with several hosts in it, target_session_attrs=read-write finds it."
            " If it is the primary, reset default_transaction_read_only, by ALTER DATABASE or ALTER ROLE."
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


def check_clock(skew: float) -> Finding:
    """Check that the two clocks agree: tokens and grants expire by both."""
    if abs(skew) > CLOCK_TOLERANCE:
        found = f"the server's is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this process's"
        return Finding(
            "clock", "wrong", found, "Let NTP set the clocks of both hosts: tokens and grants expire by them."
        )
    return Finding("clock", "ok", f"within {CLOCK_TOLERANCE:g} s of the server's")
