"""The deletion of a user: what they own goes to somebody, what they may do ends, and their name stays theirs."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from service.database.pool import Connection
from service.errors import FailedPrecondition, InvalidArgument, NotFound
from service.operations.call import Call, Proof
from service.operations.managed import require_unmanaged_user
from service.operations.parts import in_parts
from service.operations.token_revocation import revoke_each
from service.operations.users import administrators_of, find_user, state_of
from service.permissions import require_administrator
from service.repositories import token_trees, user_deletion, users
from service.repositories.token_trees import MAX_TOGETHER
from service.repositories.user_deletion import (
    GRANTS_OF_USER,
    GROUPS_OF_USER,
    LINKS_OF_USER,
    MAX_HANDED_OVER,
    MAX_TOKENS,
    TOKENS_OF_USER,
)
from service.repositories.users import User
from service.schemas.users import DeleteUser, UserView
from service.values.names import name_key


async def delete_user(call: Call, request: DeleteUser) -> None:
    """Delete a user, with their tokens, grants, memberships and links; their jobs go to another user.

    Nobody else ever gets the name, so that the audit trail means one person by it. Very many jobs are handed over, and
    tokens deleted, in several transactions, the first of which disables the user, and the last deletes them: asked
    again after a failure, the call goes on.

    Raises:
        PermissionDenied: the caller is no administrator, or provisioning manages the user.
        NotFound: there is no such user, or none of the name that the jobs are to go to.
        PreconditionFailed: the user is not what the caller has seen.
        Aborted: they have more jobs or tokens than the call hands over, or deletes, in its time; ask again.
        FailedPrecondition: they own jobs that nobody is named for; or they are the caller, or the last administrator.
        FailedPrecondition: what took the places of tokens that they had made for others has made too many.
    """
    if request.jobs_to is not None and name_key(request.jobs_to) == name_key(request.username):
        sentence = "Must be another user than the one who is deleted."
        raise InvalidArgument(f"The request is not valid: jobs_to: {sentence}", details={"jobs_to": [sentence]})
    require_administrator(call.caller, "delete users")
    await in_parts(call, partial(_delete, call, request))


async def _delete(call: Call, request: DeleteUser, *, first: bool) -> str | None:
    """Delete a user, or as much of what is theirs as one transaction may, ahead: see Part.

    The first one may disable the user, and so compares alone what the caller has seen.
    """
    unfinished = (
        f"{request.username} has more jobs or tokens than one call hands over, or deletes, in its time. Some are by"
        " now, and they are disabled: ask again, and it goes on."
    )
    caller, organization_id = call.caller, call.caller.organization_id
    async with call.transaction() as connection:
        await token_trees.lock_trees(connection, organization_id)
        found = await find_user(connection, organization_id, request.username)
        heir = await find_user(connection, organization_id, request.jobs_to) if request.jobs_to else None
        locked = await users.lock_with_administrators(connection, organization_id, found.id, caller.user_id)
        user = next((each for each in locked if each.id == found.id), None)
        if user is None:
            raise NotFound(f"User {request.username} does not exist.")  # since they were looked for, before the lock
        proof = await call.prove(connection)
        await require_unmanaged_user(connection, call, user, None)
        if first:
            call.precondition(UserView(user, whole=True))
        _require_deletable(call, user, locked)
        if heir is None:
            await _require_no_jobs(call, connection, user)
        elif (
            await user_deletion.hand_over_jobs(connection, caller, user, heir, call.request_id, MAX_HANDED_OVER)
            == MAX_HANDED_OVER
        ):
            await _disable(proof, user)
            return unfinished
        tokens = await user_deletion.find_last_tokens(connection, organization_id, user.id, caller.token_id, MAX_TOKENS)
        await _revoke_outliving(
            proof, user, tokens or await user_deletion.list_going(connection, organization_id, user.id)
        )
        if tokens:
            await user_deletion.delete_tokens(connection, caller, user, tokens, call.request_id)
            await _disable(proof, user)
            return unfinished
        before = state_of(user) | ({"jobs_to": heir.username} if heir else {})
        lost = (GRANTS_OF_USER, GROUPS_OF_USER, LINKS_OF_USER, TOKENS_OF_USER)
        await proof.audit_deletion("user.delete", f"user:{user.username}", before, user.id, lost)
        await user_deletion.delete(connection, organization_id, user.id)
    return None


async def _revoke_outliving(proof: Proof, user: User, going: Sequence[UUID]) -> None:
    """Revoke what has taken the place of others' tokens that are deleted with a user, and what was made with it.

    The user may know the secrets: they had made the tokens, and may have made others with them.

    Raises:
        FailedPrecondition: it is more than one transaction revokes.
    """
    organization_id = proof.call.caller.organization_id
    ids = await token_trees.find_outliving(proof.connection, organization_id, user.id, going, MAX_TOGETHER + 1)
    if len(ids) > MAX_TOGETHER:
        raise FailedPrecondition(
            f"Tokens that {user.username} has made for others were rotated by these, and have made more than"
            f" {MAX_TOGETHER:,} since: revoke {user.username}'s tokens first."
        )
    await revoke_each(proof, sorted(ids))


async def _disable(proof: Proof, user: User) -> None:
    """Disable a locked user of whom there is more to delete, so that they neither go on nor add to it."""
    if user.disabled:
        return
    disabled = replace(user, disabled=True)
    await users.update(proof.connection, proof.call.caller.organization_id, disabled)
    await proof.audit("user.update", f"user:{user.username}", state_of(user), state_of(disabled))


def _require_deletable(call: Call, user: User, locked: list[User]) -> None:
    """Require another user than the caller and the last administrator, of whom all are locked.

    Raises:
        FailedPrecondition: it is one of these.
    """
    if user.id == call.caller.user_id:
        raise FailedPrecondition("You are that user, and nobody deletes themselves: ask another administrator to.")
    if administrators_of(locked) == [user.id]:
        raise FailedPrecondition(f"{user.username} is the last administrator: make somebody else one first.")


async def _require_no_jobs(call: Call, connection: Connection, user: User) -> None:
    jobs = await user_deletion.count_jobs(connection, call.caller.organization_id, user.id)
    if jobs:
        own = "1 job" if jobs == 1 else f"{jobs:,} jobs"
        raise FailedPrecondition(f"{user.username} owns {own}: say by jobs_to which user gets what is theirs.")
