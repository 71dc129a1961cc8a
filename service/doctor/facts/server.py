"""Facts of the server: what it is to the role that asks, its clock, and what stands between, such as a pooler."""

import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.database.asyncpg_internals import get_socket, get_tls
from service.database.connector import Raw
from service.database.encryption import is_this_machine
from service.database.pool import Connection


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server, as the role that asks meets it."""

    version: int
    """The major version."""
    role: str
    superuser: bool
    migrated: bool
    """True if there are tables at all."""
    can_become_owner: bool
    """True if the role is, or may act as, the owner of the tables."""
    read_only: bool
    """True for a standby, and for a server that was made to only read."""
    statement_timeout: int
    """The session's, in milliseconds; 0 is none."""
    lock_timeout: int
    """The session's, in milliseconds; 0 is none."""
    connections: int
    """The most that the role can have, by the narrowest of the limits of server, database and role."""


@dataclass(frozen=True, slots=True)
class Encryption:
    """The encryption of a connection, as one of its ends has it."""

    tls: str | None
    """Version and cipher; None for plain text."""
    elsewhere: str | None
    """The address of the other end, if that is on another machine."""
    verified: Literal["nothing", "authority", "name"] = "nothing"
    """Parts of the server's certificate that were verified: none, the authority that signed it, or its name, too."""


def find_encryption(connection: Raw) -> Encryption:
    """Find how a connection is encrypted, by its end here."""
    found, tls = get_socket(connection), get_tls(connection)
    peer = found.getpeername() if found else ""
    address = peer if isinstance(peer, str) else str(peer[0])
    elsewhere = address if address and not is_this_machine(address) else None
    if tls is None:
        return Encryption(None, elsewhere)
    cipher = tls.cipher()
    named = f"{tls.version()}, {cipher[0] if cipher else 'no cipher'}"
    if tls.context.verify_mode != ssl.CERT_REQUIRED:
        return Encryption(named, elsewhere)
    return Encryption(named, elsewhere, "name" if tls.context.check_hostname else "authority")


async def read_encryption(raw: Raw) -> Encryption:
    """Read how the connection is encrypted by its end at the server: behind a pooler, that is the pooler's own."""
    async with raw.transaction():
        # Who acts as another role, as flow_migrator does, is told of its own session only as itself.
        await raw.execute("SET LOCAL ROLE NONE")
        row = await Connection(raw).fetch_one(
            "doctor.encryption",
            """
            SELECT CASE WHEN s.ssl THEN s.version || ', ' || s.cipher END AS tls,
                -- NULL for a Unix socket.
                host(inet_client_addr()) AS peer
            FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()
            """,
        )
    return Encryption(row["tls"], row["peer"] if row["peer"] and not is_this_machine(row["peer"]) else None)


async def read_server(connection: Connection) -> ServerFacts:
    """Read what the server is to the role."""
    row = await connection.fetch_one(
        "doctor.server",
        """
        SELECT current_setting('server_version_num')::integer / 10000 AS version,
            current_user::text AS role, r.rolsuper,
            t.oid IS NOT NULL AS migrated,
            COALESCE(pg_has_role(t.relowner, 'MEMBER'), false) AS can_become_owner,
            pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only,
            -- pg_settings has the bare number, current_setting() one with a unit.
            (SELECT s.setting::integer FROM pg_settings s WHERE s.name = 'statement_timeout') AS statement_timeout,
            (SELECT s.setting::integer FROM pg_settings s WHERE s.name = 'lock_timeout') AS lock_timeout,
            -- LEAST passes over NULL, which stands for "no limit"; reserved_connections is new in PostgreSQL 16.
            LEAST(
                current_setting('max_connections')::integer
                    - current_setting('superuser_reserved_connections')::integer
                    - COALESCE(current_setting('reserved_connections', true)::integer, 0),
                NULLIF(d.datconnlimit, -1),
                NULLIF(r.rolconnlimit, -1)
            ) AS connections
        FROM pg_roles r
        JOIN pg_database d ON d.datname = current_database()
        -- The owner of this table owns all of them; without it nothing was ever migrated.
        LEFT JOIN pg_class t ON t.oid = to_regclass('schema_migrations')
        WHERE r.rolname = current_user
        """,
    )
    return ServerFacts(*row)


async def read_clock(connection: Connection) -> datetime:
    """Read the server's clock."""
    row = await connection.fetch_one("doctor.clock", "SELECT clock_timestamp() AS at")
    at: datetime = row["at"]
    return at


async def read_backend_pid(connection: Connection) -> int:
    """Read which process of the server answers: behind a pooler not the one that the connection was told of."""
    row = await connection.fetch_one("doctor.backend_pid", "SELECT pg_backend_pid() AS pid")
    return int(row["pid"])


async def read_prepared_statements(connection: Connection) -> set[str]:
    """Read the names of the statements that the process of the server holds prepared."""
    rows = await connection.fetch("doctor.prepared_statements", "SELECT name FROM pg_prepared_statements")
    return {row["name"] for row in rows}
