"""Operations on tokens.

Each knows the token that it was made with: it never may more or lives longer, and is revoked with it.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from service.authentication.bearer import token_digest
from service.authentication.token_format import new_token
from service.database.pool import Connection
from service.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unauthenticated
from service.operations.call import Call, Proof
from service.operations.users import find_user
from service.permissions import (
    SCOPE_TOKENS,
    Holder,
    Role,
    check_token_scopes,
    require_administrator,
    require_scope,
    scope_names,
)
from service.repositories import token_trees, tokens
from service.repositories.token_trees import Maker, TokenInTree
from service.repositories.tokens import Token, TokenFilters
from service.repositories.users import User
from service.schemas.pages import Page
from service.schemas.tokens import (
    CreateToken,
    ListTokens,
    NewToken,
    RotatedToken,
    RotateToken,
    TokenRef,
    TokenView,
)
from service.values.instants import END, written
from service.values.names import name_key

MAX_MOVED: Final = 20_000
"""Tokens made with one that is rotated: they get another parent in one transaction."""
MAX_HELD: Final = 2_000
"""Tokens whose states are held at once, of those that end with another."""
MAX_GENERATIONS: Final = 16
"""Tokens of which each was made with the one before: deeper, a person can't see any more what a revocation takes."""


async def list_tokens(call: Call, request: ListTokens) -> Page[Token]:
    """List the caller's tokens, or another user's, or everybody's, newest first, without those revoked.

    Raises:
        InvalidArgument: a user is named, and everybody's tokens are asked for.
        PermissionDenied: they are another user's, and the caller is no administrator; or the token is too narrow.
        NotFound: there is no such user.
    """
    if request.everybodys and request.username is not None:
        sentence = "Must be left out with all=true, which asks for everybody's."
        raise InvalidArgument(f"The request is not valid: username: {sentence}", details={"username": [sentence]})
    span = call.span(request)
    async with call.database.connection() as connection:
        filters = TokenFilters(
            await _listed_user_id(connection, call, request),
            request.unused_for,
            request.expires_after,
            request.expires_before,
            endless=request.expires is not None,
            of_disabled=request.of_disabled,
            unscoped=request.scopes is not None,
        )
        found = await tokens.page(connection, call.caller.organization_id, filters, span)
    return call.pages.cut_found(request, span, found)


async def _listed_user_id(connection: Connection, call: Call, request: ListTokens) -> UUID | None:
    """Return whose tokens are listed; None: everybody's."""
    if not request.everybodys:
        return (await _whose(connection, call, request.username, "see")).id
    require_scope(call.caller, SCOPE_TOKENS, "tokens", "see tokens")
    require_administrator(call.caller, "see everybody's tokens")
    return None


async def _whose(connection: Connection, call: Call, username: str | None, what: str) -> User:
    """Return the user whose tokens a call is about: the caller, or for administrators any user."""
    caller = call.caller
    require_scope(caller, SCOPE_TOKENS, "tokens", f"{what} tokens")
    if username is None or name_key(username) == name_key(caller.username):
        return await find_user(connection, caller.organization_id, caller.username)
    require_administrator(caller, f"{what} somebody else's tokens")
    return await find_user(connection, caller.organization_id, username)


async def create_token(call: Call, request: CreateToken) -> NewToken:
    """Make a token, which can do no more, and live no longer, than the one it is made with, and is revoked with it.

    Raises:
        PermissionDenied: it is for somebody else, and the caller is no administrator; or it would widen.
        NotFound: there is no such user.
        FailedPrecondition: too many tokens were made with one another.
    """
    async with call.transaction() as connection:
        expires_at = await _within_lifetime(connection, call, request.expires_at)
        await _whose(connection, call, request.username, "make")  # refused before anything is locked
        await token_trees.share_trees(connection, call.caller.organization_id)
        user = await _whose(connection, call, request.username, "make")
        proof = await call.prove(connection)
        maker = await _maker(connection, call)
        check_token_scopes(Holder(call.caller.role, maker.scopes) if maker else call.caller, request.scopes)
        if maker is not None:
            expires_at = _within(maker, expires_at, asked=request.expires_at is not None)
            _require_depth(maker)
        made_with = (maker.id, maker.link_id) if maker else (None, None)
        return await _issue(proof, user.id, user.username, request.name, request.scopes, expires_at, *made_with)


async def _maker(connection: Connection, call: Call) -> Maker | None:
    """Return the token of the call as it is now; None for an operator.

    An identity provider's is stored nowhere: what is made with it goes with the link, and ends with that token, unless
    the installation lets it live longer.

    Raises:
        Unauthenticated: it is not good any more.
    """
    caller = call.caller
    if caller.is_operator:
        return None
    if caller.provided is not None:
        ends = caller.provided.token_ends_at or caller.provided.expires_at
        if call.sign_in_token_lifetime:
            ends = max(ends, await tokens.find_end(connection, call.sign_in_token_lifetime))
        return Maker(None, caller.scopes, min(ends, END - timedelta(microseconds=1)), 0, caller.provided.link_id)
    maker = await token_trees.find_maker(connection, call.caller.organization_id, call.caller.token_id)
    if maker is None:
        raise Unauthenticated.invalid_token()
    return maker


def _require_depth(maker: Maker) -> None:
    """Require a token with which another may be made.

    Raises:
        FailedPrecondition: it is the last of too many that were made with one another.
    """
    if maker.generation >= MAX_GENERATIONS:
        raise FailedPrecondition(
            f"The token that you call with is the last of {MAX_GENERATIONS}, each made with the one before, and"
            " there may be no more of these: call with an earlier one."
        )


async def _latest_end(connection: Connection, call: Call) -> datetime | None:
    """Return the latest end of a token that is made now, by the installation's setting; None: it may have none."""
    return await tokens.find_end(connection, call.token_max_lifetime) if call.token_max_lifetime else None


async def _within_lifetime(connection: Connection, call: Call, expires_at: datetime | None) -> datetime | None:
    """Return the expiry of a new token: the installation's latest, if none is asked for.

    Raises:
        InvalidArgument: it is later than that.
    """
    latest = await _latest_end(connection, call)
    if latest is None or (expires_at is not None and expires_at <= latest):
        return expires_at
    if expires_at is None:
        return latest
    sentence = f"Must be before {written(latest.replace(microsecond=0))}: no new token may live longer here."
    raise InvalidArgument(f"The request is not valid: expires_at: {sentence}", details={"expires_at": [sentence]})


def _within(maker: Maker, expires_at: datetime | None, *, asked: bool) -> datetime | None:
    """Return the expiry of a new token: that of the token that makes it, if nothing else is asked for.

    Raises:
        PermissionDenied: it is later than that.
    """
    limit = maker.expires_at
    if limit is None or (expires_at is not None and expires_at <= limit):
        return expires_at
    if not asked:
        return limit
    if maker.link_id is not None:
        raise PermissionDenied(
            f"You may not make a token by an identity provider's that lives beyond {written(limit)}: call with one of"
            " this service's own, or have OIDC_TOKEN_LIFETIME set.",
            reason="grant_denied",
        )
    raise PermissionDenied(
        f"You may not make a token that lives longer than the one you call with. That one ends at {written(limit)}.",
        reason="grant_denied",
    )


async def _issue(
    proof: Proof,
    user_id: UUID,
    username: str,
    name: str,
    scopes: int | None,
    expires_at: datetime | None,
    parent_id: UUID | None,
    link_id: UUID | None,
) -> NewToken:
    organization_id, token_id, secret = proof.call.caller.organization_id, uuid4(), new_token()
    digest = token_digest(secret)
    created_at = await tokens.insert(
        proof.connection, organization_id, token_id, user_id, name, digest, scopes, expires_at, parent_id, link_id
    )
    token = Token(token_id, user_id, username, name, scopes, expires_at, created_at, None)
    await proof.audit(
        "token.create", target_of(token_id), None, {**token_state(token), "parent": parent_id, **_of_link(link_id)}
    )
    return NewToken(token, secret)


def target_of(token_id: UUID) -> str:
    """Return how the audit trail names a token."""
    return f"token:{token_id}"


def _of_link(link_id: UUID | None) -> dict[str, Any]:
    return {} if link_id is None else {"link": link_id}


def token_state(token: Token) -> dict[str, Any]:
    """Return what the audit trail says of a token."""
    return {
        "username": token.username,
        "name": token.name,
        "scopes": scope_names(token.scopes),
        "expires_at": token.expires_at,
    }


async def get_token(call: Call, request: TokenRef) -> TokenView:
    """Return a token, and how many would be revoked with it.

    Raises:
        NotFound: there is none, it was revoked, or it is another user's and the caller is no administrator.
        PermissionDenied: the token that calls is too narrow.
    """
    async with call.database.connection() as connection:
        found = await find_visible(connection, call, request.token_id, "see")
        descendants = await token_trees.count_descendants(connection, call.caller.organization_id, request.token_id)
    return TokenView(found.token, descendants)


async def find_visible(connection: Connection, call: Call, token_id: UUID, what: str) -> TokenInTree:
    """Return a token that the caller may see.

    Args:
        what: what they are about to do with it.

    Raises:
        NotFound: there is none, it was revoked, or it is another user's and the caller is no administrator.
        PermissionDenied: the token that calls is too narrow.
    """
    caller = call.caller
    require_scope(caller, SCOPE_TOKENS, "tokens", f"{what} tokens")
    found = await token_trees.find_in_tree(connection, caller.organization_id, token_id, caller.token_id)
    if found is not None and found.token.user_id == caller.user_id:
        return found
    if caller.role is Role.ADMIN:
        # Also where there is none: a token without the scope admin does not tell which tokens there are.
        require_administrator(caller, f"{what} tokens other than your own")
    if found is None or caller.role is not Role.ADMIN:
        raise NotFound(f"Token {token_id} does not exist, or you may not see it.")
    return found


async def lock_visible(connection: Connection, call: Call, token_id: UUID, what: str) -> TokenInTree:
    """Have an organization's trees alone, to change that of a token; return it as it is then, likewise.

    It is looked for before the lock, too: for whoever may not see it, nobody waits, nor do they for others.

    Raises:
        NotFound, PermissionDenied: as of `find_visible`.
    """
    await find_visible(connection, call, token_id, what)
    await token_trees.lock_trees(connection, call.caller.organization_id)
    return await find_visible(connection, call, token_id, what)


async def rotate_token(call: Call, request: RotateToken) -> RotatedToken:
    """Make a token that takes another's place, and let that one end after a while.

    It has the same user, name, scopes and expiry, and becomes the parent of the tokens made with the old one.

    Raises:
        NotFound: there is none, it was revoked, or it is another user's and the caller is no administrator.
        PermissionDenied: the token that calls is too narrow, ends before, or was made with that which it is to replace.
        FailedPrecondition: it has expired, was rotated before, or has made too many; or too many follow one another.
    """
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        found = await lock_visible(connection, call, request.token_id, "rotate")
        old = found.token
        proof = await call.prove(connection)
        made_with = await _makers_in_its_place(connection, call, found)
        if found.expired or found.replaced_by_id is not None:
            raise FailedPrecondition(
                f"Token {old.id} {'has expired' if found.expired else 'was rotated before'}: make another."
            )
        expires_at = await _cut_to_lifetime(connection, call, old.expires_at)
        new = await _issue(proof, old.user_id, old.username, old.name, old.scopes, expires_at, *made_with)
        await _move_to(proof, old.id, new.token.id)
        if expires_at is not None and expires_at != old.expires_at:
            await _bound(proof, new.token.id, expires_at)
        ends_at = await token_trees.replace(connection, organization_id, old.id, new.token.id, request.overlap_seconds)
        after = {**token_state(old), "expires_at": ends_at, "replaced_by": new.token.id}
        await proof.audit("token.rotate", target_of(old.id), token_state(old), after)
    return RotatedToken(new.token, new.secret, old.id, ends_at)


async def _move_to(proof: Proof, old_id: UUID, new_id: UUID) -> None:
    """Make a token the parent of those made with another.

    Raises:
        FailedPrecondition: they are too many for the one transaction of a rotation, whose secret is told but once.
    """
    organization_id = proof.call.caller.organization_id
    moved, _ = await token_trees.move_children(proof.connection, organization_id, old_id, new_id, None, MAX_MOVED + 1)
    if moved > MAX_MOVED:
        raise _too_many(old_id, MAX_MOVED)


def _too_many(token_id: UUID, limit: int) -> FailedPrecondition:
    return FailedPrecondition(
        f"Token {token_id} has made more than {limit:,} tokens, too many to rotate it: make another, and revoke this"
        " one, by keep_descendants if those that it has made are to stay."
    )


async def _bound(proof: Proof, token_id: UUID, latest: datetime) -> None:
    """Let no descendant live longer than a token, by an audit row each.

    Raises:
        FailedPrecondition: too many would.
    """
    connection, organization_id = proof.connection, proof.call.caller.organization_id
    longer = await token_trees.find_longer(connection, organization_id, token_id, latest, token_trees.MAX_TOGETHER + 1)
    if len(longer) > token_trees.MAX_TOGETHER:
        raise _too_many(token_id, token_trees.MAX_TOGETHER)
    longer.sort()
    for start in range(0, len(longer), MAX_HELD):
        part = longer[start : start + MAX_HELD]
        bounded = await tokens.end_by(connection, organization_id, part, latest)
        changes = [(target_of(each), {"expires_at": former}, {"expires_at": latest}) for each, former in bounded]
        await proof.audit_each("token.bound", changes)


async def _makers_in_its_place(
    connection: Connection, call: Call, found: TokenInTree
) -> tuple[UUID | None, UUID | None]:
    """Return the parent and the link of the token that takes another's place.

    They are those of the old one, if the call comes with that or what it was made with; else the token or link of the
    call, as who gets a secret by a token must lose it with that.
    """
    maker, old = await _maker(connection, call), found.token
    if maker is None:
        check_token_scopes(call.caller, old.scopes)
        return found.parent_id, found.link_id
    check_token_scopes(Holder(call.caller.role, maker.scopes), old.scopes)
    _within(maker, old.expires_at, asked=True)
    if maker.id == old.id or found.made_by_caller:
        return found.parent_id, found.link_id
    if maker.link_id is not None:
        return found.parent_id, maker.link_id
    if await token_trees.is_descendant(connection, call.caller.organization_id, call.caller.token_id, old.id):
        raise PermissionDenied(
            "You may not rotate the token that the one you call with was made with: call with that itself, or with"
            " another that was not made with it."
        )
    _require_depth(maker)
    return maker.id, found.link_id


async def _cut_to_lifetime(connection: Connection, call: Call, expires_at: datetime | None) -> datetime | None:
    """Return when a token ends that takes another's place: when that would have, or the installation's latest."""
    ends = [end for end in (expires_at, await _latest_end(connection, call)) if end is not None]
    return min(ends, default=None)
