"""Statements on tokens."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.database import Connection
from service.permissions import Role


@dataclass(frozen=True, slots=True)
class ActiveToken:
    """A token that may be used now, and the user it belongs to."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    username: str
    role: Role
    scopes: int | None


async def find_active(connection: Connection, digest: bytes) -> ActiveToken | None:
    """The token of a SHA-256 digest, unless it expired or was revoked or its user is disabled."""
    row = await connection.row(
        "tokens.find_active",
        """
        SELECT t.id, t.organization_id, t.user_id, u.username, u.role, t.scopes
        FROM tokens t
        JOIN users u ON u.organization_id = t.organization_id AND u.id = t.user_id
        WHERE t.digest = $1
          AND t.revoked_at IS NULL
          AND (t.expires_at IS NULL OR t.expires_at > now())
          AND NOT u.disabled
        """,
        digest,
    )
    if row is None:
        return None
    return ActiveToken(
        row["id"], row["organization_id"], row["user_id"], row["username"], Role(row["role"]), row["scopes"]
    )


async def insert(
    connection: Connection,
    organization_id: UUID,
    token_id: UUID,
    user_id: UUID,
    name: str,
    digest: bytes,
    scopes: int | None,
    expires_at: datetime | None,
) -> None:
    """Keep a new token's digest."""
    await connection.execute(
        "tokens.insert",
        """
        INSERT INTO tokens (organization_id, id, user_id, name, digest, scopes, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        organization_id,
        token_id,
        user_id,
        name,
        digest,
        scopes,
        expires_at,
    )


async def revoke_by_name(connection: Connection, organization_id: UUID, user_id: UUID, name: str) -> None:
    """Revoke those of a user's tokens that bear a name."""
    await connection.execute(
        "tokens.revoke_by_name",
        """
        UPDATE tokens SET revoked_at = now()
        WHERE organization_id = $1 AND user_id = $2 AND name = $3 AND revoked_at IS NULL
        """,
        organization_id,
        user_id,
        name,
    )
