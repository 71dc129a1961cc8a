"""The revocation of tokens: what was made with one goes with it, however much that is, or is kept."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from service.database.pool import Connection
from service.errors import PermissionDenied
from service.operations.call import Call, Proof
from service.operations.parts import in_parts
from service.operations.tokens import lock_visible, target_of, token_state
from service.repositories import token_trees, tokens
from service.repositories.token_trees import MAX_TOGETHER, TokenInTree
from service.schemas.tokens import Revoked, RevokeToken, TokenView

MAX_AT_ONCE: Final = 2_000
"""Tokens that go before another in one transaction, for which its organization's wait; and whose states are held."""


async def revoke_token(call: Call, request: RevokeToken) -> Revoked:
    """Revoke a token and those made with it: they are refused from the very next request on.

    What took its place by rotation goes, too, and what was made with that. Very many go in several transactions, those
    first that have made none, so that none survives what made it: asked again after a failure, the call goes on.

    Raises:
        NotFound: there is none, it was revoked, or it is another user's and the caller is no administrator.
        PermissionDenied: the token that calls is too narrow, or is one of those that it asks to keep.
        PreconditionFailed: it is not what the caller has seen.
        Aborted: it has made more tokens than the call revokes, or keeps, in its time; ask again.
    """
    make, verb, gone = (
        (_keep_part, "keeps", "are not its any more")
        if request.keep_descendants
        else (_revoke_part, "revokes", "are revoked")
    )
    done = 0

    async def part(*, first: bool) -> str | None:
        nonlocal done
        number, whole = await make(call, request, first=first)
        done += number
        return (
            None
            if whole
            else f"Token {request.token_id} has made more tokens than one call {verb} in its time. {done:,} of them"
            f" {gone} by now: ask again, and it goes on."
        )

    await in_parts(call, part)
    return Revoked(1 if request.keep_descendants else done)


def _compare(call: Call, found: TokenInTree, descendants: int) -> None:
    """Compare what the caller has seen with the token and the number of its descendants, before any has gone."""
    call.precondition(TokenView(found.token, min(descendants, MAX_TOGETHER)))


async def _begin_part(connection: Connection, call: Call, request: RevokeToken) -> tuple[TokenInTree, Proof]:
    found = await lock_visible(connection, call, request.token_id, "revoke")
    return found, await call.prove(connection)


async def _revoke_part(call: Call, request: RevokeToken, *, first: bool) -> tuple[int, bool]:
    """Revoke a token with its descendants, or the last of these if they are very many.

    Return how many were revoked, and whether the token was. The token that calls stays until the end, and with it what
    that was made with, as it has to prove each part.
    """
    organization_id, token_id = call.caller.organization_id, request.token_id
    async with call.transaction() as connection:
        found, proof = await _begin_part(connection, call, request)
        gone = await token_trees.find_descendants(connection, organization_id, token_id, MAX_TOGETHER + 1)
        if first:
            _compare(call, found, len(gone))
        whole = len(gone) <= MAX_TOGETHER
        if whole:
            gone.append(token_id)
        else:
            but_id = call.caller.token_id
            gone = await token_trees.find_last(connection, organization_id, token_id, but_id, MAX_AT_ONCE)
        number = await revoke_each(proof, sorted(gone))
    return number, whole


async def revoke_each(proof: Proof, ids: Sequence[UUID]) -> int:
    """Revoke tokens, given in the order in which all lock them, and return how many could be.

    Some after the others, as the states of thousands take a kilobyte each.
    """
    connection, organization_id, number = proof.connection, proof.call.caller.organization_id, 0
    for start in range(0, len(ids), MAX_AT_ONCE):
        gone = await tokens.lock(connection, organization_id, ids[start : start + MAX_AT_ONCE])
        await tokens.revoke(connection, organization_id, [each.id for each in gone])
        await proof.audit_each("token.revoke", [(target_of(each.id), token_state(each), None) for each in gone])
        number += len(gone)
    return number


async def _keep_part(call: Call, request: RevokeToken, *, first: bool) -> tuple[int, bool]:
    """Revoke a token alone, or give as many of those made with it to its own parent, or none, as one transaction may.

    Return how many good ones were given, and whether the token was revoked.
    """
    caller, token_id = call.caller, request.token_id
    async with call.transaction() as connection:
        found, proof = await _begin_part(connection, call, request)
        if first:
            await _require_other_token(connection, call, token_id)
            _compare(call, found, await token_trees.count_descendants(connection, caller.organization_id, token_id))
        moved, kept = await token_trees.move_children(
            connection, caller.organization_id, token_id, found.parent_id, found.link_id, MAX_AT_ONCE
        )
        changes = [(target_of(each), {"parent": token_id}, {"parent": found.parent_id}) for each in kept]
        await proof.audit_each("token.keep", changes)
        whole = moved < MAX_AT_ONCE
        if whole:
            await token_trees.forget_replacement(connection, caller.organization_id, token_id)
            await revoke_each(proof, [token_id])
    return len(kept), whole


async def _require_other_token(connection: Connection, call: Call, token_id: UUID) -> None:
    """Require another token of the call than that whose descendants are to be kept, and than these."""
    caller = call.caller
    if caller.token_id == token_id or await token_trees.is_descendant(
        connection, caller.organization_id, caller.token_id, token_id
    ):
        raise PermissionDenied(
            "You may not keep what was made with this token by a call with it, or with one that was made with it: call"
            " with another."
        )
