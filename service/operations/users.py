"""Operations on users."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from service.call import Call
from service.database import Connection
from service.errors import FailedPrecondition
from service.operations.grants import find_user
from service.operations.pipelines import page_start
from service.pagination import Page
from service.permissions import Role, may_administer, require_administrator
from service.repositories import audit, groups, users
from service.repositories.audit import Actor
from service.repositories.users import User
from service.schemas.users import CreateUser, GetMe, GetUser, ListUsers, UpdateUser


@dataclass(frozen=True, slots=True)
class SeenUser:
    """A user, as whole as the caller may see them: every member may read the names, administrators the rest."""

    user: User
    whole: bool


@dataclass(frozen=True, slots=True)
class Me(SeenUser):
    """The caller."""

    groups: list[str]
    scopes: int | None


async def list_users(call: Call, request: ListUsers) -> Page[SeenUser]:
    """The users of the organization, by name."""
    after, size = page_start(call, request)
    async with call.database.connection() as connection:
        found = await users.page(connection, call.caller.organization_id, request.name, after, size + 1)
    whole = may_administer(call.caller)
    seen = [SeenUser(user, whole) for user in found]
    return call.pages.cut(request, seen, lambda each: (each.user.username.lower(),), size)


async def get_me(call: Call, _: GetMe) -> Me:
    """The caller, with their role, their groups, and the scopes of their token."""
    caller = call.caller
    async with call.database.connection() as connection:
        user = await find_user(connection, caller.organization_id, caller.username)
        names = await groups.names_of_user(connection, caller.organization_id, caller.user_id)
    return Me(user, whole=True, groups=names, scopes=caller.scopes)


async def get_user(call: Call, request: GetUser) -> SeenUser:
    """One user.

    Raises:
        NotFound: there is none of that name.
    """
    async with call.database.connection() as connection:
        user = await find_user(connection, call.caller.organization_id, request.username)
    return SeenUser(user, may_administer(call.caller))


async def create_user(call: Call, request: CreateUser) -> SeenUser:
    """Create a user.

    Raises:
        PermissionDenied: the caller is no administrator.
        AlreadyExists: there is one of that name.
    """
    require_administrator(call.caller, "create users")
    async with call.database.transaction() as connection:
        user = await add_user(connection, call.actor, call.caller.organization_id, request.username, request.role)
    return SeenUser(user, whole=True)


async def add_user(connection: Connection, actor: Actor, organization_id: UUID, username: str, role: Role) -> User:
    """Create a user within a transaction, with the audit row.

    Raises:
        AlreadyExists: there is one of that name.
    """
    user = await users.insert(connection, organization_id, uuid4(), username, role)
    after = {"role": role.value, "disabled": False}
    await audit.insert(connection, organization_id, actor, "user.create", f"user:{username}", None, after)
    return user


async def update_user(call: Call, request: UpdateUser) -> SeenUser:
    """Change a user's role, or disable them, or let them in again.

    Raises:
        PermissionDenied: the caller is no administrator.
        NotFound: there is no such user.
        PreconditionFailed: the user is not what the caller has seen.
        FailedPrecondition: it would leave the organization without an administrator.
    """
    require_administrator(call.caller, "change users")
    async with call.database.transaction() as connection:
        user = await change_user(
            connection,
            call.actor,
            call.caller.organization_id,
            request,
            lambda old: call.expect(SeenUser(old, whole=True)),
        )
    return SeenUser(user, whole=True)


async def change_user(
    connection: Connection,
    actor: Actor,
    organization_id: UUID,
    request: UpdateUser,
    expect: Callable[[User], None] = lambda _: None,
) -> User:
    """The same within a transaction, by whoever may.

    Raises:
        NotFound: there is no such user.
        FailedPrecondition: it would leave the organization without an administrator.
    """
    administrators = await users.lock_administrators(connection, organization_id)
    old = await find_user(connection, organization_id, request.username)
    expect(old)
    role = old.role if request.role is None else request.role
    disabled = old.disabled if request.disabled is None else request.disabled
    if administrators == [old.id] and (role is not Role.ADMIN or disabled):
        raise FailedPrecondition(f"{old.username} is the last administrator: make somebody else one first.")
    if (role, disabled) != (old.role, old.disabled):
        await users.update(connection, organization_id, old.id, role, disabled)
        before = {"role": old.role.value, "disabled": old.disabled}
        after = {"role": role.value, "disabled": disabled}
        await audit.insert(connection, organization_id, actor, "user.update", f"user:{old.username}", before, after)
    return User(old.id, old.username, role, disabled, old.created_at)
