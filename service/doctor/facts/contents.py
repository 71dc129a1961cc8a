"""Facts of what is in the tables: what nothing new could be like, and what needs a decision by an operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from service.database.pool import Connection
from service.permissions import MANAGER
from service.values.casefold import IGNORABLE_RANGES
from service.values.identity_providers import Provider
from service.values.names import BLANK, RESERVED, UNFIT


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
