"""Operations that end the management by provisioning (SCIM), where a company gives its identity provider up.

For operators alone: a user who could call them by the API would be free of what the provider says of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from service.errors import FailedPrecondition
from service.operations import provisioned_groups as of_groups
from service.operations import provisioned_users as of_users
from service.operations.call import Call
from service.operations.groups import find_group
from service.operations.users import find_user, state_of
from service.repositories import provisioned_groups, provisioned_users, releases
from service.repositories.authority import PROVE_FOR_USERS

MAX_PER_TRANSACTION: Final = 500
"""Users or groups that are locked at once."""


@dataclass(frozen=True, slots=True)
class ReleaseUser:
    """A user who is to be managed here again."""

    username: str


@dataclass(frozen=True, slots=True)
class ReleaseGroup:
    """A group that is to be managed here again."""

    name: str


@dataclass(frozen=True, slots=True)
class Released:
    """The numbers of users and groups that are no longer managed by provisioning."""

    users: int
    groups: int


async def release_user(call: Call, request: ReleaseUser) -> Released:
    """Let provisioning manage a user no more: they stay as they are, and administrators change them.

    Raises:
        NotFound: there is no such user.
        FailedPrecondition: provisioning does not manage them.
    """
    async with call.database.connection() as connection:
        user = await find_user(connection, call.caller.organization_id, request.username)
    released = await _release_users(call, [user.id])
    if not released:
        raise _unmanaged(f"User {user.username}")
    return Released(released, 0)


async def release_group(call: Call, request: ReleaseGroup) -> Released:
    """Let provisioning manage a group no more, likewise; its members stay in it.

    Raises:
        NotFound: there is no such group.
        FailedPrecondition: provisioning does not manage it.
    """
    async with call.database.connection() as connection:
        group = await find_group(connection, call.caller.organization_id, request.name)
    released = await _release_groups(call, [group.id])
    if not released:
        raise _unmanaged(f"Group {group.name}")
    return Released(0, released)


async def release_all(call: Call, _: None) -> Released:
    """Let provisioning manage nothing of the organization any more; in several transactions, if that is much."""
    organization_id = call.caller.organization_id
    users = groups = 0
    while True:
        async with call.database.connection() as connection:
            user_ids = await releases.list_managed(connection, releases.USERS, organization_id, MAX_PER_TRANSACTION)
            group_ids = await releases.list_managed(connection, releases.GROUPS, organization_id, MAX_PER_TRANSACTION)
        if not user_ids and not group_ids:
            return Released(users, groups)
        users += await _release_users(call, user_ids)
        groups += await _release_groups(call, group_ids)


async def _release_users(call: Call, ids: Sequence[UUID]) -> int:
    """Release those of some users whom provisioning manages, and return how many these are."""
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        proof = await call.prove(connection, PROVE_FOR_USERS, ids)
        found = await provisioned_users.find_managed(connection, organization_id, ids)
        await releases.release(connection, releases.USERS, organization_id, ids)
        changes = [
            (
                f"user:{each.user.username}",
                of_users.as_audited(each),
                state_of(replace(each.user, provisioned=False)),
            )
            for each in found
        ]
        await proof.audit_each("user.update", changes)
    return len(found)


async def _release_groups(call: Call, ids: Sequence[UUID]) -> int:
    """Release those of some groups that provisioning manages, and return how many these are."""
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        for group_id in sorted(ids):
            await provisioned_groups.lock(connection, organization_id, group_id)
        proof = await call.prove(connection)
        found = await provisioned_groups.find_managed(connection, organization_id, ids)
        await releases.release(connection, releases.GROUPS, organization_id, ids)
        changes = [
            (f"group:{each.group.name}", of_groups.as_audited(each), {"name": each.group.name}) for each in found
        ]
        await proof.audit_each("group.update", changes)
    return len(found)


def _unmanaged(what: str) -> FailedPrecondition:
    return FailedPrecondition(f"{what} is not managed by provisioning (SCIM): administrators change it here.")
