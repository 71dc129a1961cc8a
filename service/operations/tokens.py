"""Operations on tokens."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from service.authentication import token_digest
from service.database import Connection
from service.permissions import scope_names
from service.repositories import audit, tokens
from service.repositories.audit import Actor

TOKEN_PREFIX: Final = "fp_"  # noqa: S105 - not a secret, but what all of them begin with
"""What every token begins with, so that scanners for leaked secrets can tell one."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made, and its secret, which nothing else ever holds."""

    id: UUID
    secret: str


async def issue_token(
    connection: Connection,
    actor: Actor,
    organization_id: UUID,
    user_id: UUID,
    *,
    name: str = "",
    scopes: int | None = None,
    expires_at: datetime | None = None,
) -> NewToken:
    """Make a token for a user within a transaction, with its audit row.

    Args:
        scopes: a bit set of permissions.py; None for all that the user may.
    """
    token = NewToken(uuid4(), TOKEN_PREFIX + secrets.token_hex(32))
    await tokens.insert(
        connection, organization_id, token.id, user_id, name, token_digest(token.secret), scopes, expires_at
    )
    after = {"user_id": user_id, "name": name, "scopes": scope_names(scopes), "expires_at": expires_at}
    await audit.insert(connection, organization_id, actor, "token.create", f"token:{token.id}", None, after)
    return token
