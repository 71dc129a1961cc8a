"""Bearer token → who is calling, as RFC 6750 has it."""

import hashlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from service.database import Database
from service.errors import Unauthenticated
from service.permissions import Holder
from service.repositories import tokens

OPERATOR: Final = UUID(int=0)
"""In the place of a user's id: an operator at the command line, who is no user and acts as an administrator."""


@dataclass(frozen=True, slots=True)
class Caller(Holder):
    """The user who calls, and the token they call with: its scopes, if it has any, narrow what they may."""

    organization_id: UUID
    user_id: UUID
    username: str
    token_id: UUID


def token_digest(token: str) -> bytes:
    """What is stored of a token. A token has 256 random bits, so one fast hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def bearer_token(authorization: str | None) -> str:
    """The token in an Authorization header.

    Raises:
        Unauthenticated: the header is missing, of another scheme, or holds no token.
    """
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated.no_credentials()
    return token


async def authenticate(database: Database, authorization: str | None) -> tuple[Caller, bytes]:
    """Who is calling, read after the request arrived: a revoked token is refused from the very next request on.

    Returns:
        the caller, and a secret that only they and the service know, which signs their page tokens.

    Raises:
        Unauthenticated: no token came, or it is unknown, expired or revoked, or its user is disabled.
    """
    digest = token_digest(bearer_token(authorization))
    async with database.connection() as connection:
        found = await tokens.find_active(connection, digest)
    if found is None:
        raise Unauthenticated.invalid_token()
    caller = Caller(found.role, found.scopes, found.organization_id, found.user_id, found.username, found.id)
    return caller, digest
