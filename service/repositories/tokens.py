"""Statements on tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from service.database.pool import Connection
from service.identity import Caller
from service.repositories import revisions
from service.repositories.literals import column_literal
from service.repositories.ordering import LAST, Column, Order, Orders, Rows, Span, fetch_page, never, not_yet
from service.repositories.times import bounded
from service.repositories.users import role_of
from service.values.instants import FIRST

ACTIVE: Final = "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) AND NOT u.disabled"
"""The condition that the token t of the user u may be used."""


async def find_active(connection: Connection, digests: Sequence[bytes]) -> list[Caller]:
    """Return the callers of tokens by SHA-256 digest, without those expired, revoked, or of disabled users.

    A role that this version does not know is a member's, which may least: strangers share the statement, and a newer
    version may be in service beside this one. One digest has a statement of its own, which takes less.
    """
    if len(digests) == 1:
        rows = await connection.fetch("tokens.find_active", FIND_ACTIVE_ONE, digests[0])
    else:
        rows = await connection.fetch("tokens.find_active", FIND_ACTIVE_EACH, column_literal("bytea", digests))
    return [
        Caller(role_of(role), scopes, organization_id, user_id, username, key, digest, tuple(state), now)
        for digest, key, organization_id, user_id, username, role, scopes, state, now in rows
    ]


_FIND_ACTIVE: Final = f"""
    SELECT t.digest, t.id, t.organization_id, t.user_id, u.username, u.role, t.scopes,
           {revisions.OF_USER} AS revisions, now() AS now
    FROM tokens t
    JOIN users u ON u.organization_id = t.organization_id AND u.id = t.user_id
    WHERE {ACTIVE} AND t.digest
"""
FIND_ACTIVE_ONE: Final = f"{_FIND_ACTIVE} = $1"
FIND_ACTIVE_EACH: Final = f"{_FIND_ACTIVE} = ANY ((SELECT $1::text::bytea[])::bytea[])"
"""The array in a SELECT, which hides its length from the planner: else each length below ten would be planned anew."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that has not been revoked, without its secret, of which only a digest is stored."""

    id: UUID
    user_id: UUID
    username: str
    name: str
    scopes: int | None
    expires_at: datetime | None
    created_at: datetime
    last_used_at: datetime | None


TOKENS: Final = f"""
    SELECT t.id, t.user_id, u.username, t.name, t.scopes, {bounded("t.expires_at")}, {bounded("t.created_at")},
           {bounded("t.last_used_at")}
    FROM tokens t
    JOIN users u ON u.organization_id = t.organization_id AND u.id = t.user_id
    WHERE t.organization_id = $1 AND t.revoked_at IS NULL
"""
"""Reads the columns of `Token`, of those of organization $1 that have not been revoked."""


async def find(connection: Connection, organization_id: UUID, token_id: UUID) -> Token | None:
    """Return a token by its id, None if there is none or it was revoked."""
    row = await connection.fetch_row("tokens.find", f"{TOKENS} AND t.id = $2", organization_id, token_id)
    return Token(*row) if row else None


_ID: Final = Column("t.id", "uuid")

ORDERS: Final = Orders(
    "-created_at",
    {
        "created_at": Order((Column("t.created_at", "timestamptz"), _ID), lambda token: (token.created_at, token.id)),
        "expires_at": Order((never("t.expires_at"), _ID), lambda token: (token.expires_at or LAST, token.id)),
        "last_used_at": Order((not_yet("t.last_used_at"), _ID), lambda token: (token.last_used_at or FIRST, token.id)),
        "name": Order((Column("t.name"), _ID), lambda token: (token.name, token.id)),
        "username": Order((Column("lower(u.username)"), _ID), lambda token: (token.username.lower(), token.id)),
    },
)
"""The orders of tokens."""


@dataclass(frozen=True, slots=True)
class TokenFilters:
    """The conditions of a list of tokens."""

    user_id: UUID | None = None
    """The user whose they are; None: of the whole organization."""
    unused_for: timedelta | None = None
    """The time for which they have not been used, or not been there."""
    expires_after: datetime | None = None
    expires_before: datetime | None = None
    endless: bool = False
    """True for those that never end."""
    of_disabled: bool = False
    """True for those of disabled users."""
    unscoped: bool = False
    """True for those without scopes, which may all that their user may."""


async def page(connection: Connection, organization_id: UUID, filters: TokenFilters, span: Span) -> Rows[Token]:
    """Return a page of tokens that have not been revoked."""
    conditions: list[tuple[str, object]] = [
        ("t.user_id = {}", filters.user_id),
        ("coalesce(t.last_used_at, t.created_at) < now() - {}::interval", filters.unused_for),
        ("t.expires_at > {}", filters.expires_after),
        ("t.expires_at < {}", filters.expires_before),
    ]
    wanted = [(condition, value) for condition, value in conditions if value is not None]
    stated = [
        *(["t.expires_at IS NULL"] if filters.endless else []),
        *(["u.disabled"] if filters.of_disabled else []),
        *(["t.scopes IS NULL"] if filters.unscoped else []),
        *(condition.format(f"${number}") for number, (condition, _) in enumerate(wanted, 2)),
    ]
    return await fetch_page(
        connection,
        "tokens.page",
        " AND ".join([TOKENS, *stated]),
        (organization_id, *(value for _, value in wanted)),
        span,
        lambda row: Token(*row),
    )


async def find_end(connection: Connection, seconds: int) -> datetime:
    """Return the end of what lives for so many seconds from now, by the database's clock, by which tokens end."""
    row = await connection.fetch_one("tokens.find_end", "SELECT now() + make_interval(secs => $1) AS ends_at", seconds)
    ends_at: datetime = row["ends_at"]
    return ends_at


async def insert(
    connection: Connection,
    organization_id: UUID,
    token_id: UUID,
    user_id: UUID,
    name: str,
    digest: bytes,
    scopes: int | None,
    expires_at: datetime | None,
    parent_id: UUID | None,
    link_id: UUID | None,
) -> datetime:
    """Insert a token by its digest, with the token or link that it is made with; return the time of that."""
    row = await connection.fetch_one(
        "tokens.insert",
        """
        INSERT INTO tokens (organization_id, id, user_id, name, digest, scopes, expires_at, parent_id, link_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        RETURNING created_at
        """,
        organization_id,
        token_id,
        user_id,
        name,
        digest,
        scopes,
        expires_at,
        parent_id,
        link_id,
    )
    created_at: datetime = row["created_at"]
    return created_at


async def lock(connection: Connection, organization_id: UUID, token_ids: Sequence[UUID]) -> list[Token]:
    """Lock tokens, and return those of them that have not been revoked; by id, the order in which all lock them."""
    rows = await connection.fetch(
        "tokens.lock",
        f"""
        WITH locked AS (
            SELECT t.*
            FROM tokens t
            WHERE t.organization_id = $1 AND t.revoked_at IS NULL AND t.id = ANY ($2)
            ORDER BY t.id FOR NO KEY UPDATE
        )
        SELECT t.id, t.user_id,
               (SELECT u.username FROM users u WHERE u.organization_id = $1 AND u.id = t.user_id) AS username,
               t.name, t.scopes, {bounded("t.expires_at")}, {bounded("t.created_at")}, {bounded("t.last_used_at")}
        FROM locked t
        ORDER BY t.id
        """,
        organization_id,
        token_ids,
    )
    return [Token(*row) for row in rows]


async def revoke(connection: Connection, organization_id: UUID, token_ids: Sequence[UUID]) -> None:
    """Revoke tokens that are locked."""
    await connection.execute(
        "tokens.revoke",
        "UPDATE tokens SET revoked_at = now() WHERE organization_id = $1 AND id = ANY ($2)",
        organization_id,
        token_ids,
    )


async def end_by(
    connection: Connection, organization_id: UUID, token_ids: Sequence[UUID], latest: datetime
) -> list[tuple[UUID, datetime | None]]:
    """Let none of some tokens live beyond a time; return those that would have, and when they would have ended."""
    rows = await connection.fetch(
        "tokens.end_by",
        f"""
        -- By id, the order in which all lock tokens.
        WITH longer AS MATERIALIZED (
            SELECT t.id, t.expires_at
            FROM tokens t
            WHERE t.organization_id = $1 AND t.id = ANY ($2) AND (t.expires_at IS NULL OR t.expires_at > $3)
            ORDER BY t.id FOR NO KEY UPDATE
        ),
        ended AS (
            UPDATE tokens t SET expires_at = $3 FROM longer l WHERE t.organization_id = $1 AND t.id = l.id
        )
        SELECT l.id, {bounded("l.expires_at")} FROM longer l ORDER BY l.id
        """,
        organization_id,
        token_ids,
        latest,
    )
    return [(row[0], row[1]) for row in rows]


async def note_use(connection: Connection, used: Sequence[tuple[UUID, UUID, datetime]]) -> None:
    """Update the last use of tokens, each by organization, id and time, unless it is known to within a minute.

    Strangers' tokens share the statement, and other processes note the same ones: it waits for no lock, and leaves
    alone what is locked.
    """
    await connection.execute(
        "tokens.note_use",
        """
        -- A minute's precision saves a write, and a version of the row, for most requests.
        WITH noted AS MATERIALIZED (
            SELECT t.organization_id, t.id, used.at
            FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS used (organization_id, id, at)
            JOIN tokens t ON t.organization_id = used.organization_id AND t.id = used.id
            WHERE t.last_used_at IS NULL OR t.last_used_at < used.at - interval '1 minute'
            FOR NO KEY UPDATE OF t SKIP LOCKED
        )
        UPDATE tokens t SET last_used_at = noted.at
        FROM noted
        WHERE t.organization_id = noted.organization_id AND t.id = noted.id
        """,
        *zip(*used, strict=True),
    )
