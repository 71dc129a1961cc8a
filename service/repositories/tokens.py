"""Statements on tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from service.database.pool import Connection
from service.identity import Caller
from service.permissions import Role
from service.repositories import revisions

ACTIVE: Final = "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) AND NOT u.disabled"
"""The condition that the token t of the user u may be used."""


async def find_active(connection: Connection, digests: Sequence[bytes]) -> list[Caller]:
    """Return the callers of tokens by SHA-256 digest, without those expired, revoked, or of disabled users."""
    rows = await connection.fetch(
        "tokens.find_active",
        f"""
        SELECT t.digest, t.id, t.organization_id, t.user_id, u.username, u.role, t.scopes,
               {revisions.OF_USER} AS revisions, now() AS now
        FROM tokens t
        JOIN users u ON u.organization_id = t.organization_id AND u.id = t.user_id
        WHERE t.digest = ANY ($1) AND {ACTIVE}
        """,
        digests,
    )
    return [
        Caller(_ROLES[role], scopes, organization_id, user_id, username, key, digest, tuple(state), now)
        for digest, key, organization_id, user_id, username, role, scopes, state, now in rows
    ]


_ROLES: Final = {role.value: role for role in Role}


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


_TOKENS: Final = """
    SELECT t.id, t.user_id, u.username, t.name, t.scopes, t.expires_at, t.created_at, t.last_used_at
    FROM tokens t
    JOIN users u ON u.organization_id = t.organization_id AND u.id = t.user_id
    WHERE t.organization_id = $1 AND t.revoked_at IS NULL
"""


async def find(connection: Connection, organization_id: UUID, token_id: UUID) -> Token | None:
    """Return a token by its id, None if there is none or it was revoked."""
    row = await connection.fetch_row("tokens.find", f"{_TOKENS} AND t.id = $2", organization_id, token_id)
    return Token(*row) if row else None


async def page_of_user(
    connection: Connection, organization_id: UUID, user_id: UUID, after: Sequence[Any] | None, limit: int | None
) -> list[Token]:
    """Return a page of a user's tokens, newest first."""
    rows = await connection.fetch(
        "tokens.page_of_user",
        f"""
        {_TOKENS} AND t.user_id = $2
          AND ($3::text IS NULL OR (t.created_at, t.id) < ($3::text::timestamptz, $4::uuid))
        ORDER BY t.created_at DESC, t.id DESC
        LIMIT $5
        """,
        organization_id,
        user_id,
        *(after or (None, None)),
        limit,
    )
    return [Token(*row) for row in rows]


async def insert(
    connection: Connection,
    organization_id: UUID,
    token_id: UUID,
    user_id: UUID,
    name: str,
    digest: bytes,
    scopes: int | None,
    expires_at: datetime | None,
) -> datetime:
    """Insert a token by its digest; return the time of that."""
    row = await connection.fetch_one(
        "tokens.insert",
        """
        INSERT INTO tokens (organization_id, id, user_id, name, digest, scopes, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING created_at
        """,
        organization_id,
        token_id,
        user_id,
        name,
        digest,
        scopes,
        expires_at,
    )
    created_at: datetime = row["created_at"]
    return created_at


async def revoke(connection: Connection, organization_id: UUID, token_id: UUID) -> bool:
    """Revoke a token; return False if that was done before."""
    row = await connection.fetch_row(
        "tokens.revoke",
        """
        UPDATE tokens SET revoked_at = now()
        WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL
        RETURNING id
        """,
        organization_id,
        token_id,
    )
    return row is not None


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
