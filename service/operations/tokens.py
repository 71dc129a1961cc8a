"""Operations on tokens."""

import secrets
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from service.authentication.bearer import token_digest
from service.database.pool import Connection
from service.errors import NotFound, PermissionDenied
from service.operations.call import Call, Proof
from service.operations.users import find_user
from service.permissions import (
    SCOPE_TOKENS,
    Role,
    check_token_scopes,
    require_administrator,
    require_scope,
    scope_names,
)
from service.repositories import tokens
from service.repositories.authority import PROVE_ALONE
from service.repositories.tokens import Token
from service.repositories.users import User
from service.schemas.pages import Page
from service.schemas.tokens import CreateToken, ListTokens, NewToken, TokenRef

TOKEN_PREFIX: Final = "fp_"  # noqa: S105 - not a secret, but what all of them begin with
"""The prefix of every token, by which scanners for leaked secrets can tell one."""


async def list_tokens(call: Call, request: ListTokens) -> Page[Token]:
    """List the caller's tokens, or another user's, newest first, without those revoked.

    Raises:
        PermissionDenied: they are another user's, and the caller is no administrator; or the token is too narrow.
        NotFound: there is no such user.
    """
    after, size = call.page_start(request)
    async with call.database.connection() as connection:
        user = await _whose(connection, call, request.username, "see")
        found = await tokens.page_of_user(connection, call.caller.organization_id, user.id, after, size + 1)
    return call.pages.cut(request, found, lambda token: (token.created_at, token.id), size)


async def _whose(connection: Connection, call: Call, username: str | None, what: str) -> User:
    """Return the user whose tokens a call is about: the caller, or for administrators any user."""
    caller = call.caller
    require_scope(caller, SCOPE_TOKENS, "tokens", f"{what} tokens")
    if username is None or username.lower() == caller.username.lower():
        return await find_user(connection, caller.organization_id, caller.username)
    require_administrator(caller, f"{what} somebody else's tokens")
    return await find_user(connection, caller.organization_id, username)


async def create_token(call: Call, request: CreateToken) -> NewToken:
    """Make a token, which can do no more, and live no longer, than the one it is made with.

    Raises:
        PermissionDenied: it is for somebody else, and the caller is no administrator; or it would widen.
        NotFound: there is no such user.
    """
    caller = call.caller
    async with call.transaction() as connection:
        user = await _whose(connection, call, request.username, "make")
        check_token_scopes(caller, request.scopes)
        expires_at = _within(await tokens.find(connection, caller.organization_id, caller.token_id), request.expires_at)
        return await _issue(await call.prove(connection), user, replace(request, expires_at=expires_at))


def _within(mine: Token | None, expires_at: datetime | None) -> datetime | None:
    """Return the expiry of a new token: that of the token that makes it, if nothing else is asked for."""
    limit = mine.expires_at if mine else None
    if limit is None or (expires_at is not None and expires_at <= limit):
        return expires_at
    if expires_at is None:
        return limit
    raise PermissionDenied(
        "You may not make a token that lives longer than the one you call with.", reason="grant_denied"
    )


async def _issue(proof: Proof, user: User, request: CreateToken) -> NewToken:
    call, connection = proof.call, proof.connection
    organization_id, token_id, secret = call.caller.organization_id, uuid4(), TOKEN_PREFIX + secrets.token_hex(32)
    created_at = await tokens.insert(
        connection,
        organization_id,
        token_id,
        user.id,
        request.name,
        token_digest(secret),
        request.scopes,
        request.expires_at,
    )
    token = Token(token_id, user.id, user.username, request.name, request.scopes, request.expires_at, created_at, None)
    target = f"token:{token_id}"
    await proof.audit("token.create", target, None, _state(token))
    return NewToken(token, secret)


def _state(token: Token) -> dict[str, Any]:
    return {
        "username": token.username,
        "name": token.name,
        "scopes": scope_names(token.scopes),
        "expires_at": token.expires_at,
    }


async def get_token(call: Call, request: TokenRef) -> Token:
    """Return a token.

    Raises:
        NotFound: there is none, it was revoked, or it is another user's and the caller is no administrator.
        PermissionDenied: the token that calls is too narrow.
    """
    async with call.database.connection() as connection:
        return await _find(connection, call, request.token_id, "see")


async def _find(connection: Connection, call: Call, token_id: UUID, what: str) -> Token:
    caller = call.caller
    require_scope(caller, SCOPE_TOKENS, "tokens", f"{what} tokens")
    found = await tokens.find(connection, caller.organization_id, token_id)
    if found is None or (found.user_id != caller.user_id and caller.role is not Role.ADMIN):
        raise NotFound(f"Token {token_id} does not exist, or you may not see it.")
    if found.user_id != caller.user_id:
        require_administrator(caller, f"{what} somebody else's tokens")
    return found


async def revoke_token(call: Call, request: TokenRef) -> None:
    """Revoke a token: it is refused from the very next request on.

    Raises:
        NotFound: there is none, it was revoked, or it is another user's and the caller is no administrator.
        PermissionDenied: the token that calls is too narrow.
        PreconditionFailed: it is not what the caller has seen.
    """
    async with call.transaction() as connection:
        token = await _find(connection, call, request.token_id, "revoke")
        proof = await call.prove(connection, PROVE_ALONE)
        call.precondition(token)
        if await tokens.revoke(connection, call.caller.organization_id, token.id):
            target = f"token:{token.id}"
            await proof.audit("token.revoke", target, _state(token), None)
