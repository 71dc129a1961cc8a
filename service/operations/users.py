"""Operations on users."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from service.database.pool import Connection
from service.errors import FailedPrecondition, NotFound
from service.operations.call import Call, Proof
from service.operations.managed import require_unmanaged_user
from service.permissions import READ, Role, require_administrator
from service.repositories import grants, groups, kept_grants, users
from service.repositories.users import User, UserFilters
from service.schemas.pages import OrderedRequest, Page
from service.schemas.request import UNSAID
from service.schemas.users import (
    MAX_GROUPS,
    MOST_KEPT,
    CreateUser,
    GetMe,
    GetUser,
    Kept,
    ListUsers,
    Me,
    UpdateUser,
    UserUpdated,
    UserView,
)
from service.values.names import name_key


async def list_users(call: Call, request: ListUsers) -> Page[UserView]:
    """List the users of the organization, by name.

    Raises:
        PermissionDenied: they are to be in the order of something that only administrators see.
    """
    whole, span = call.caller.administers, call.span(request)
    require_order(call, request, "users", "username")
    async with call.database.connection() as connection:
        filters = UserFilters(request.name, request.q, whole)
        found = await users.page(connection, call.caller.organization_id, filters, span)
    seen = [UserView(user, whole) for user in found.items]
    return call.pages.cut(request, seen, lambda each: span.order.key(each.user), span.size, total=found.total)


def require_order(call: Call, request: OrderedRequest, things: str, name: str) -> None:
    """Require an administrator for an order by anything but a name, as the order tells what the list does not show.

    Raises:
        PermissionDenied: it is somebody else.
    """
    if request.order_by is not None and request.order_by.removeprefix("-") != name:
        require_administrator(call.caller, f"order {things} by anything but {name}")


async def find_user(connection: Connection, organization_id: UUID, username: str) -> User:
    """Return a user by name.

    Raises:
        NotFound: there is none.
    """
    user = await users.find_by_name(connection, organization_id, username)
    if user is None:
        raise NotFound(f"User {username} does not exist.")
    return user


async def find_self_or_other(connection: Connection, call: Call, username: str, what: str) -> User:
    """Return a user of whom a call tells something: the caller, or for administrators any user.

    Raises:
        PermissionDenied: it is somebody else, and the caller is no administrator.
        NotFound: there is none.
    """
    caller = call.caller
    if name_key(username) != name_key(caller.username):
        require_administrator(caller, f"see {what} of somebody else")
    return await find_user(connection, caller.organization_id, username)


async def get_me(call: Call, _: GetMe) -> Me:
    """Return the caller, with their role, their groups, and the scopes of their token."""
    caller = call.caller
    async with call.database.connection() as connection:
        user = await find_user(connection, caller.organization_id, caller.username)
        names, total = await groups.names_of_user(connection, caller.organization_id, caller.user_id, MAX_GROUPS)
    if caller.provided is not None:
        user = replace(user, role=caller.role)
    return Me(user, True, names, total - len(names), caller.scopes, caller.provided)


async def get_user(call: Call, request: GetUser) -> UserView:
    """Return a user.

    Raises:
        NotFound: there is none of that name.
    """
    async with call.database.connection() as connection:
        user = await find_user(connection, call.caller.organization_id, request.username)
    return UserView(user, call.caller.administers)


async def create_user(call: Call, request: CreateUser) -> UserView:
    """Create a user.

    Raises:
        PermissionDenied: the caller is no administrator.
        AlreadyExists: there is one of that name.
    """
    require_administrator(call.caller, "create users")
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        proof = await call.prove(connection)
        user = await users.insert(
            connection,
            organization_id,
            uuid4(),
            request.username,
            request.role,
            request.display_name,
            request.email,
        )
        await proof.audit("user.create", _target(user), None, state_of(user))
    return UserView(user, whole=True)


async def update_user(call: Call, request: UpdateUser) -> UserUpdated:
    """Change a user's role, display name or email, or disable or enable them.

    Who becomes a member keeps what was granted to them, also what they granted themselves: the answer lists it.

    Raises:
        PermissionDenied: the caller is no administrator, or provisioning manages what is to be changed.
        NotFound: there is no such user.
        PreconditionFailed: the user is not what the caller has seen.
        FailedPrecondition: it would leave the organization without an administrator.
    """
    require_administrator(call.caller, "change users")
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        found = await find_user(connection, organization_id, request.username)
        if request.withdraw_grants:
            await kept_grants.lock_granted(connection, organization_id, found.id)
        locked = await users.lock_with_administrators(connection, organization_id, found.id, call.caller.user_id)
        old = next((user for user in locked if user.id == found.id), None)
        if old is None:
            raise NotFound(f"User {request.username} does not exist.")  # since they were looked for, before the lock
        proof = await call.prove(connection)
        new = _changed(old, request)
        await require_unmanaged_user(connection, call, old, new)
        call.precondition(UserView(old, whole=True))
        if administrators_of(locked) == [old.id] and (new.role is not Role.ADMIN or new.disabled):
            raise FailedPrecondition(f"{old.username} is the last administrator: make somebody else one first.")
        if new != old:
            await users.update(connection, organization_id, new)
            before, after = state_of(old), state_of(new)
            await proof.audit("user.update", _target(old), before, after)
        if request.withdraw_grants:
            await _withdraw_grants(proof, old)
        keeps = None
        if new.role is Role.MEMBER and (request.withdraw_grants or old.role is not Role.MEMBER):
            kept, total = await kept_grants.list_first(connection, organization_id, old.id, old.username, MOST_KEPT)
            keeps = Kept(kept if call.caller.allows(READ) else [], total)  # each is shown with its pipeline's name
    return UserUpdated(new, whole=True, keeps=keeps)


def administrators_of(locked: list[User]) -> list[UUID]:
    """Return the administrators among locked users, without those disabled."""
    return [user.id for user in locked if user.role is Role.ADMIN and not user.disabled]


def _changed(old: User, request: UpdateUser) -> User:
    return replace(
        old,
        role=old.role if request.role is None else request.role,
        disabled=old.disabled if request.disabled is None else request.disabled,
        display_name=old.display_name if request.display_name is UNSAID else request.display_name,
        email=old.email if request.email is UNSAID else request.email,
    )


async def _withdraw_grants(proof: Proof, user: User) -> None:
    """Take back what a user has granted themselves."""
    organization_id = proof.call.caller.organization_id
    withdrawn = await kept_grants.delete_self_granted(proof.connection, organization_id, user.id, user.username)
    changes = [
        (f"grant:{each.id}/user:{user.username}", grants.state_to(user.id, each.access, each.expires_at), None)
        for each in withdrawn
    ]
    await proof.audit_each("grant.revoke", changes)


def _target(user: User) -> str:
    return f"user:{user.username}"


def state_of(user: User) -> dict[str, Any]:
    """Return a user as the audit trail shows them."""
    named = {"display_name": user.display_name, "email": user.email}
    known = {key: value for key, value in named.items() if value is not None}
    managed = {"provisioned": True} if user.provisioned else {}
    return {"role": user.role.value, "disabled": user.disabled, **known, **managed}
