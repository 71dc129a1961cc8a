"""Operations on users by provisioning (SCIM): an identity provider creates, changes and ends them, and alone does.

They take the scope `scim`. What they write is managed by provisioning from then on; see operations/managed.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from service.database.pool import Connection
from service.errors import AlreadyExists, FailedPrecondition, NotFound
from service.operations.call import Call, Proof
from service.operations.parts import in_parts
from service.operations.users import administrators_of, state_of
from service.permissions import Role, require_provisioning
from service.repositories import provisioned_users, users
from service.repositories.provisioned_users import ProvisionedUser, ProvisionedUserFilters
from service.repositories.users import User

WHAT = "provision users"
MAX_LEFT: Final = 2_000
"""Groups that one transaction takes a user out of who is ended: others wait for its locks of these."""


@dataclass(frozen=True, slots=True)
class UserState:
    """All that provisioning says of a user."""

    username: str
    external_id: str | None
    display_name: str | None
    email: str | None
    active: bool
    role: Role | None
    """None: it says nothing of a role, so that they keep theirs, whoever gave it."""


Window = tuple[ProvisionedUserFilters | None, int, int]
"""The filters of a list (None: no user can fit), how many to pass over, and how many to return at most."""


@dataclass(frozen=True, slots=True)
class DiscoverProvisioning:
    """A question of what provisioning is like here."""


@dataclass(frozen=True, slots=True)
class ListProvisionedUsers:
    """Some of the users that fit."""

    read: Callable[[], Window]
    """Returns which are wanted.

    It may refuse: it is called once the caller is known to be allowed to ask, as are those below.
    """


@dataclass(frozen=True, slots=True)
class ProvisionedUserRef:
    """One user, by id."""

    id: UUID | None
    """None: what the client named is no id."""


@dataclass(frozen=True, slots=True)
class CreateProvisionedUser:
    """A new user."""

    read: Callable[[], UserState]


@dataclass(frozen=True, slots=True)
class ChangeProvisionedUser(ProvisionedUserRef):
    """A change of a user."""

    change: Callable[[ProvisionedUser], UserState]
    """Returns what they are to be, given what they are."""


@dataclass(frozen=True, slots=True)
class ListedUsers:
    """Users that fit, and how many there are."""

    users: list[ProvisionedUser]
    total: int


async def discover_provisioning(call: Call, _: DiscoverProvisioning) -> None:
    """Let a caller see what provisioning is like here, who may provision.

    Raises:
        PermissionDenied: they may not.
    """
    require_provisioning(call.caller, WHAT)


async def list_provisioned_users(call: Call, request: ListProvisionedUsers) -> ListedUsers:
    """List the users whom provisioning sees, by name.

    Raises:
        PermissionDenied: the caller may not provision users.
    """
    require_provisioning(call.caller, WHAT)
    filters, offset, limit = request.read()
    if filters is None:
        return ListedUsers([], 0)
    async with call.database.connection() as connection:
        found, total = await provisioned_users.page(connection, call.caller.organization_id, filters, offset, limit)
    return ListedUsers(found, total)


async def get_provisioned_user(call: Call, request: ProvisionedUserRef) -> ProvisionedUser:
    """Return a user.

    Raises:
        PermissionDenied: the caller may not provision users.
        NotFound: there is none of that id.
    """
    require_provisioning(call.caller, WHAT)
    async with call.database.connection() as connection:
        return await _find(connection, call, request)


async def create_provisioned_user(call: Call, request: CreateProvisionedUser) -> ProvisionedUser:
    """Create a user, or take up again one whom provisioning has deleted.

    Raises:
        PermissionDenied: the caller may not provision users.
        AlreadyExists: there is one of that name.
    """
    require_provisioning(call.caller, WHAT)
    wanted, organization_id = request.read(), call.caller.organization_id
    async with call.transaction() as connection:
        former = await users.find_by_name(connection, organization_id, wanted.username)
        if former is not None:
            if await provisioned_users.find(connection, organization_id, former.id):
                raise AlreadyExists(f"There is a user called {wanted.username}, regardless of case.")
            return await _take_up(connection, call, former, wanted)
        proof = await call.prove(connection)
        names = wanted.display_name, wanted.email
        role = wanted.role or Role.MEMBER
        user = await users.insert(connection, organization_id, uuid4(), wanted.username, role, *names)
        if not wanted.active:
            user = replace(user, disabled=True)
            await users.update(connection, organization_id, user)
        gives_role = wanted.role is not None
        await provisioned_users.put(connection, organization_id, user.id, wanted.external_id, gives_role=gives_role)
        made = await _seen(connection, call, user.id)
        await proof.audit("user.create", f"user:{user.username}", None, as_audited(made))
    return made


async def change_provisioned_user(call: Call, request: ChangeProvisionedUser) -> ProvisionedUser:
    """Change a user, who is managed by provisioning from now on.

    Raises:
        PermissionDenied: the caller may not provision users.
        NotFound: there is none of that id.
        FailedPrecondition: it would leave the organization without an administrator.
    """
    require_provisioning(call.caller, WHAT)
    async with call.transaction() as connection:
        found = await _find(connection, call, request)
        locked = await _lock(connection, call, found.user)
        proof = await call.prove(connection)
        current = await _find(connection, call, request)
        return await _write(proof, locked, current, request.change(current))


async def deprovision_user(call: Call, request: ChangeProvisionedUser) -> None:
    """Disable a user and take them out of the groups that provisioning manages, and see them no more.

    What is theirs stays: their jobs, what was granted to them, and their name. They are an administrator's to delete.

    Raises:
        PermissionDenied: the caller may not provision users.
        NotFound: there is none of that id.
        FailedPrecondition: it would leave the organization without an administrator.
        Aborted: they are in more groups than the call takes them out of in its time; ask again.
    """
    require_provisioning(call.caller, WHAT)
    await in_parts(call, partial(_deprovision, call, request))


async def _deprovision(call: Call, request: ChangeProvisionedUser, *, first: bool) -> str | None:
    """End a user, or take them out of as many groups as one transaction may: see Part.

    The first transaction disables them, so that they do not go on while the others are made.
    """
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        found = await _find(connection, call, request)
        groups = await provisioned_users.lock_groups_of(connection, organization_id, found.user.id, MAX_LEFT + 1)
        locked = await _lock(connection, call, found.user)
        proof = await call.prove(connection)
        current = await _find(connection, call, request)
        if first:
            request.change(current)
        user = current.user
        _require_administrator_left(locked, user, replace(user, disabled=True))
        leaving = groups[:MAX_LEFT]
        left = await provisioned_users.leave_groups(connection, organization_id, user.id, [key for key, _ in leaving])
        member = {"member": user.username}
        await proof.audit_each(
            "group.remove_member", [(f"group:{name}", member, None) for key, name in leaving if key in left]
        )
        disabled = replace(user, disabled=True)
        ended = len(groups) <= MAX_LEFT
        after = as_audited(replace(current, user=disabled))
        if disabled != user:
            await users.update(connection, organization_id, disabled)
        if ended:
            await provisioned_users.end(connection, organization_id, user.id)
            after = state_of(replace(disabled, provisioned=False))
        if after != as_audited(current):
            await proof.audit("user.update", f"user:{user.username}", as_audited(current), after)
    if ended:
        return None
    return (
        f"{user.username} is in more groups than one call takes them out of in its time. They are disabled, and out of"
        " some of these by now: ask again, and it goes on."
    )


async def _find(connection: Connection, call: Call, request: ProvisionedUserRef) -> ProvisionedUser:
    found = None
    if request.id is not None:
        found = await provisioned_users.find(connection, call.caller.organization_id, request.id)
    if found is None:
        raise NotFound("There is no user of that id.")
    return found


async def _lock(connection: Connection, call: Call, user: User) -> list[User]:
    caller = call.caller
    return await users.lock_with_administrators(connection, caller.organization_id, user.id, caller.user_id)


async def _take_up(connection: Connection, call: Call, former: User, wanted: UserState) -> ProvisionedUser:
    """Manage a user again whom the identity provider had deleted: they are who they were."""
    locked = await _lock(connection, call, former)
    proof = await call.prove(connection)
    user = next((each for each in locked if each.id == former.id), None)
    if user is None or not user.disabled:
        raise AlreadyExists(f"There is a user called {wanted.username}, regardless of case.")
    current = ProvisionedUser(user, None, gives_role=False, changed_at=user.created_at)
    return await _write(proof, locked, current, wanted)


async def _write(proof: Proof, locked: list[User], current: ProvisionedUser, wanted: UserState) -> ProvisionedUser:
    """Make a locked user what provisioning wants them to be."""
    call, connection, user = proof.call, proof.connection, current.user
    new = replace(
        user,
        role=wanted.role or user.role,
        disabled=not wanted.active,
        display_name=wanted.display_name,
        email=wanted.email,
    )
    _require_administrator_left(locked, user, new)
    gives_role = current.gives_role or wanted.role is not None
    same = user.provisioned and (current.external_id, current.gives_role) == (wanted.external_id, gives_role)
    if same and new == user:
        return current
    organization_id = call.caller.organization_id
    if new != user:
        await users.update(connection, organization_id, new)
    await provisioned_users.put(connection, organization_id, user.id, wanted.external_id, gives_role=gives_role)
    made = await _seen(connection, call, user.id)
    await proof.audit("user.update", f"user:{user.username}", as_audited(current), as_audited(made))
    return made


def _require_administrator_left(locked: list[User], old: User, new: User) -> None:
    """Require an active administrator beside a user who is to be one no more."""
    if administrators_of(locked) == [old.id] and (new.role is not Role.ADMIN or new.disabled):
        raise FailedPrecondition(f"{old.username} is the last administrator: make somebody else one first.")


async def _seen(connection: Connection, call: Call, user_id: UUID) -> ProvisionedUser:
    found = await provisioned_users.find(connection, call.caller.organization_id, user_id)
    assert found is not None  # noqa: S101 - it was written in this transaction
    return found


def as_audited(seen: ProvisionedUser) -> dict[str, Any]:
    """Return a user as the audit trail shows one that provisioning manages."""
    external = {} if seen.external_id is None else {"external_id": seen.external_id}
    return {**state_of(seen.user), **external}
