"""Statements on the facts that `doctor` judges: the server, the role that asks, and what stands between."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from service.database.asyncpg_internals import get_socket, get_tls
from service.database.connector import Raw
from service.database.encryption import is_this_machine
from service.database.pool import Connection
from service.permissions import MANAGER
from service.values.casefold import IGNORABLE_RANGES
from service.values.identity_providers import Provider
from service.values.names import BLANK, RESERVED, UNFIT


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
    """The session's, likewise."""
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


async def read_encryption(connection: Connection) -> Encryption:
    """Read how the connection is encrypted by its end at the server: behind a pooler, that is the pooler's own."""
    row = await connection.fetch_one(
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


async def read_privileges(connection: Connection) -> set[tuple[str, str]]:
    """Read what the role may do on relations and by functions of the tables' owner, and may create in this database.

    Returns:
        pairs such as ("jobs", "SELECT"), or ("audit", "UPDATE (actor)") for a privilege on one column alone.
    """
    rows = await connection.fetch(
        "doctor.privileges",
        """
        -- The relations of the tables' owner, in their schema.
        WITH ours AS (
            SELECT c.oid, c.relname::text AS name, c.relkind FROM pg_class c
            JOIN pg_class t ON t.oid = to_regclass('schema_migrations')
            WHERE c.relnamespace = t.relnamespace AND c.relowner = t.relowner
        )
        -- Privileges on whole tables, partitioned ones included, and views.
        SELECT o.name, p.name FROM ours o
        CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p (name)
        WHERE o.relkind IN ('r', 'p', 'v') AND has_table_privilege(o.oid, p.name)
        UNION ALL
        -- Privileges on single columns, where the whole table is not granted.
        SELECT o.name, format('%s (%s)', p.name, a.attname) FROM ours o
        JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
        CROSS JOIN unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS p (name)
        WHERE o.relkind IN ('r', 'p', 'v')
          AND has_column_privilege(o.oid, a.attnum, p.name) AND NOT has_table_privilege(o.oid, p.name)
        UNION ALL
        -- Privileges on sequences.
        SELECT o.name, p.name FROM ours o CROSS JOIN unnest('{USAGE,SELECT,UPDATE}'::text[]) AS p (name)
        WHERE o.relkind = 'S' AND has_sequence_privilege(o.oid, p.name)
        UNION ALL
        -- Privileges on functions that run by their owner's rights.
        SELECT p.oid::regprocedure::text, 'EXECUTE' FROM pg_proc p
        JOIN pg_class t ON t.oid = to_regclass('schema_migrations')
        WHERE p.pronamespace = t.relnamespace AND p.proowner = t.relowner AND p.prosecdef
          AND has_function_privilege(p.oid, 'EXECUTE')
        UNION ALL
        -- What lets a role make objects of its own: schemas, temporary tables, and anything in a schema.
        SELECT 'this database', p.name FROM unnest('{CREATE,TEMPORARY}'::text[]) AS p (name)
        WHERE has_database_privilege(current_database(), p.name)
        UNION ALL
        SELECT format('schema %s', n.nspname), 'CREATE' FROM pg_namespace n
        WHERE NOT starts_with(n.nspname, 'pg_temp_') AND NOT starts_with(n.nspname, 'pg_toast_temp_')
          AND has_schema_privilege(n.oid, 'CREATE')
        UNION ALL
        -- Large objects, which every role may make by default.
        SELECT 'large objects', 'CREATE'
        WHERE has_function_privilege('pg_catalog.lo_creat(integer)', 'EXECUTE')
           OR has_function_privilege('pg_catalog.lo_create(oid)', 'EXECUTE')
           OR has_function_privilege('pg_catalog.lo_from_bytea(oid, bytea)', 'EXECUTE')
        """,
    )
    return {(row[0], row[1]) for row in rows}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The objects and databases of a server that are open to the role beside what it was granted."""

    owned: int
    """Objects that the role owns, in any database."""
    database: str
    open_databases: list[str]
    """Databases that every role may connect to."""


async def read_surroundings(connection: Connection) -> Surroundings:
    """Read what the role owns, and where it gets in without having been let in."""
    row = await connection.fetch_one(
        "doctor.surroundings",
        """
        SELECT
            (
                SELECT count(*) FROM pg_shdepend d
                WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = current_user::regrole AND d.deptype = 'o'
            ) AS owned,
            current_database()::text AS database,
            ARRAY(
                SELECT d.datname::text FROM pg_database d
                -- Privileges never set are the default ones, by which PUBLIC (grantee 0) may connect.
                CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
                WHERE d.datallowconn AND a.grantee = 0 AND a.privilege_type = 'CONNECT'
                ORDER BY d.datname
            ) AS open_databases
        """,
    )
    return Surroundings(*row)


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


async def read_unbounded_times(connection: Connection) -> list[str]:
    """Read which columns may hold times out of bounds: those that no validated check is about.

    The service's own clock sets those of the audit trail and of migrations.
    """
    rows = await connection.fetch(
        "doctor.unbounded_times",
        """
        SELECT format('%s.%s', c.relname, a.attname) AS name
        FROM pg_class c
        JOIN pg_class t ON t.oid = to_regclass('schema_migrations') AND t.relnamespace = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.atttypid = 'timestamptz'::regtype AND NOT a.attisdropped
        WHERE c.relkind = 'r' AND c.relowner = t.relowner AND c.relname <> 'schema_migrations'
          -- The trail's months, also those that were archived.
          AND c.relname !~ '^audit_(earlier|later|[0-9]{4}_[0-9]{2})$'
          AND NOT EXISTS (
              SELECT FROM pg_constraint k
              WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.convalidated AND a.attnum = ANY (k.conkey)
          )
        ORDER BY 1
        """,
    )
    return [row["name"] for row in rows]


class TrailPart(NamedTuple):
    """A partition of the audit trail, and from when to when it is; None: it is open there."""

    name: str
    begin: datetime | None
    end: datetime | None
    detaching: bool
    """True if it is half taken out."""


@dataclass(frozen=True, slots=True)
class TrailState:
    """The state of the audit trail's partitions, in the order of time."""

    now: datetime
    parts: Sequence[TrailPart]
    misplaced: bool
    """True if something is behind all months."""


async def read_trail(connection: Connection) -> TrailState:
    """Read the state of the audit trail's partitions."""
    rows = await connection.fetch(
        "doctor.audit_partitions", "SELECT p.name, p.begins, p.ends, p.detaching FROM audit_partitions() p"
    )
    row = await connection.fetch_one(
        "doctor.audit_later",
        "SELECT now() AS now, EXISTS (SELECT FROM audit a WHERE a.at >= $1) AS misplaced",
        rows[-1]["begins"],
    )
    return TrailState(row["now"], [TrailPart(*each) for each in rows], row["misplaced"])


async def count_escaped_tokens(connection: Connection) -> int:
    """Count the tokens that are good, but better than the one that they were made with, or have survived it."""
    row = await connection.fetch_one(
        "doctor.escaped_tokens",
        """
        SELECT count(*) AS number
        FROM tokens c
        JOIN tokens p ON p.organization_id = c.organization_id AND p.id = c.parent_id
        WHERE c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > now())
          AND (
              p.revoked_at IS NOT NULL
              OR p.expires_at < coalesce(c.expires_at, 'infinity')
              OR coalesce(c.scopes, 255) & ~coalesce(p.scopes, 255)::integer <> 0
          )
        """,
    )
    return int(row["number"])


@dataclass(frozen=True, slots=True)
class OddName:
    """A thing whose name or id nothing new could have, by what can be typed: by its id where the name can't be seen."""

    kind: str
    key: str
    organization_id: UUID
    fault: Literal["address", "unfit", "duplicate"]


def _codes(*ranges: tuple[int, int]) -> str:
    """Return ranges of codes as PostgreSQL's regular expressions have them, without those that its texts can't have."""
    stored = [(max(first, 1), last) for first, last in ranges if not 0xD800 <= first <= 0xDFFF]
    return "".join(f"\\U{first:08X}-\\U{last:08X}" for first, last in stored)


_SPACES: Final = (
    *((0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x202F, 0x202F), (0x205F, 0x205F)),
    (0x3000, 0x3000),
)
_UNSEEN: Final = _codes(*_SPACES, *((ord(each), ord(each)) for each in sorted(BLANK)), *IGNORABLE_RANGES)
_UNFIT_NAME: Final = f"[{_codes(*UNFIT)}]|^[{_UNSEEN}]+$"


async def read_odd_names(connection: Connection) -> list[OddName]:
    """Read the first of the names that nothing new could have: made before there were rules, or by something else."""
    rows = await connection.fetch(
        "doctor.odd_names",
        """
        -- Words of addresses; what can't be seen, or turns a line around; pipelines whose key is not up to date, as
        -- another has it.
        SELECT 'user', u.username, u.organization_id, 'address' FROM users u WHERE lower(u.username) = ANY ($1)
        UNION ALL
        SELECT 'group', g.name, g.organization_id, 'address' FROM groups g WHERE lower(g.name) = ANY ($1)
        UNION ALL
        SELECT 'job', j.id, j.organization_id, 'address' FROM jobs j WHERE j.id = ANY ($1)
        UNION ALL
        SELECT 'pipeline', p.id::text, p.organization_id, 'unfit' FROM pipelines p WHERE p.name ~ $2
        UNION ALL
        SELECT 'organization', o.id::text, o.id, 'unfit' FROM organizations o WHERE o.name ~ $2
        UNION ALL
        SELECT 'job', j.id, j.organization_id, 'unfit' FROM jobs j WHERE j.name ~ $2
        UNION ALL
        SELECT 'token', t.id::text, t.organization_id, 'unfit' FROM tokens t WHERE t.revoked_at IS NULL AND t.name ~ $2
        UNION ALL
        SELECT 'pipeline', p.id::text, p.organization_id, 'duplicate' FROM pipelines p
        WHERE p.name_key ~ $3 OR p.name_key <> btrim(p.name_key)
        LIMIT 100
        """,
        [*RESERVED],
        _UNFIT_NAME,
        f"[{_codes(*IGNORABLE_RANGES)}]",
    )
    return [OddName(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Keeper:
    """A member who manages pipelines by grants that they made to themselves while they had another role."""

    username: str
    organization: str
    pipelines: int


async def read_keepers(connection: Connection) -> list[Keeper]:
    """Read the first of those who keep what they have granted themselves, by the audit trail."""
    rows = await connection.fetch(
        "doctor.keepers",
        f"""
        -- Members who manage pipelines by grants of their own, and had another role before.
        WITH demoted AS MATERIALIZED (
            SELECT u.organization_id, u.id, u.username
            FROM users u
            WHERE u.role = 'member'
              AND EXISTS (
                  SELECT FROM user_grants ug
                  WHERE ug.organization_id = u.organization_id AND ug.user_id = u.id
                    AND ug.access & {MANAGER} = {MANAGER} AND (ug.expires_at IS NULL OR ug.expires_at > now())
              )
              AND EXISTS (
                  SELECT FROM audit a
                  WHERE a.organization_id = u.organization_id AND a.target = 'user:' || u.username
                    AND a.action = 'user.update' AND a.before ->> 'role' <> 'member'
              )
        )
        SELECT d.username, o.name, count(*)
        FROM demoted d
        JOIN organizations o ON o.id = d.organization_id
        JOIN user_grants ug ON ug.organization_id = d.organization_id AND ug.user_id = d.id
        JOIN LATERAL (
            -- The last who is known to have set the grant.
            SELECT a.actor_id
            FROM audit a
            WHERE a.organization_id = d.organization_id
              AND (
                  (a.action = 'grant.set' AND a.target = 'grant:' || ug.pipeline_id || '/user:' || d.username)
                  OR (a.action = 'pipeline.create' AND a.target = 'pipeline:' || ug.pipeline_id)
              )
            ORDER BY a.id DESC
            LIMIT 1
        ) made ON made.actor_id = d.id
        WHERE ug.access & {MANAGER} = {MANAGER} AND (ug.expires_at IS NULL OR ug.expires_at > now())
        GROUP BY o.id, d.id, d.username, o.name
        ORDER BY count(*) DESC, d.username
        LIMIT 100
        """,
    )
    return [Keeper(*row) for row in rows]


async def read_missing_groups(connection: Connection, providers: Sequence[Provider]) -> list[tuple[str, Sequence[str]]]:
    """Read, for each identity provider whose claims are mapped to groups that do not exist, its issuer and their names.

    Where the provider is bound to no organization, a group may be of any.
    """
    found: list[tuple[str, Sequence[str]]] = []
    for provider in providers:
        rows = await connection.fetch(
            "doctor.read_missing_groups",
            """
            SELECT named.name FROM unnest($2::text[]) named (name)
            WHERE NOT EXISTS (
                SELECT FROM groups g
                WHERE ($1::uuid IS NULL OR g.organization_id = $1) AND lower(g.name) = lower(named.name)
            )
            ORDER BY named.name
            """,
            provider.organization,
            [name for _, name in provider.groups],
        )
        if rows:
            found.append((provider.issuer, [row["name"] for row in rows]))
    return found
