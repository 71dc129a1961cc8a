"""Operations on groups and their members."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from service.database.pool import Connection
from service.errors import FailedPrecondition, InvalidArgument, NotFound
from service.operations.call import Call, Outcome, Proof
from service.operations.managed import require_unmanaged_group
from service.operations.parts import in_parts
from service.operations.users import find_self_or_other, find_user, require_order
from service.permissions import require_administrator
from service.repositories import grant_sets, groups, memberships, organizations
from service.repositories.audit_lists import GRANTS_OF_GROUP, MEMBERS_OF_GROUP
from service.repositories.authority import PROVE_FOR_MEMBERS, PROVE_FOR_USER, PROVE_FOR_USERS
from service.repositories.groups import Group, Member
from service.repositories.ordering import Rows, Span
from service.repositories.users import User
from service.schemas.groups import (
    MAX_GROUPS_OF_USER,
    MAX_NAMES,
    CreateGroup,
    GroupRef,
    GroupView,
    ListGroups,
    ListMembers,
    ListUserGroups,
    MemberRef,
    MembersUpdated,
    RenameGroup,
    UpdateMembers,
)
from service.schemas.pages import OrderedRequest, Page
from service.values.names import name_key

MAX_TAKEN_OUT: Final = 2_000
"""Members that one transaction takes out of a group, or deletes it with: others wait for its locks of these users."""


async def list_groups(call: Call, request: ListGroups) -> Page[GroupView]:
    """List the groups of the organization, by name.

    Raises:
        PermissionDenied: they are to be in the order of something that only administrators see.
    """
    span = call.span(request)
    require_order(call, request, "groups", "name")
    async with call.database.connection() as connection:
        found = await groups.page(connection, call.caller.organization_id, request.contains, span)
    return _seen(call, request, found, span)


def _seen(call: Call, request: OrderedRequest, found: Rows[Group], span: Span) -> Page[GroupView]:
    whole = call.caller.administers
    seen = [GroupView(group, whole) for group in found.items]
    return call.pages.cut(request, seen, lambda each: span.order.key(each.group), span.size, total=found.total)


async def list_user_groups(call: Call, request: ListUserGroups) -> Page[GroupView]:
    """List the groups that a user is in, by name.

    Raises:
        PermissionDenied: the caller is no administrator, and it is somebody else, or an order by what only these see.
        NotFound: there is no such user.
    """
    span = call.span(request)
    async with call.database.connection() as connection:
        user = await find_self_or_other(connection, call, request.username, "the groups")
        require_order(call, request, "groups", "name")
        found = await groups.page_of_user(connection, call.caller.organization_id, user.id, span)
    return _seen(call, request, found, span)


async def find_group(connection: Connection, organization_id: UUID, name: str, *, for_update: bool = False) -> Group:
    """Return a group by name, locked if it, its members or its grants are to be changed.

    Raises:
        NotFound: there is none.
    """
    group = await groups.find_by_name(connection, organization_id, name, for_update=for_update)
    if group is None:
        raise NotFound(f"Group {name} does not exist.")
    return group


async def get_group(call: Call, request: GroupRef) -> GroupView:
    """Return a group.

    Raises:
        NotFound: there is none of that name.
    """
    async with call.database.connection() as connection:
        group = await find_group(connection, call.caller.organization_id, request.name)
    return GroupView(group, call.caller.administers)


async def create_group(call: Call, request: CreateGroup) -> GroupView:
    """Create a group, without members.

    Raises:
        PermissionDenied: the caller is no administrator.
        AlreadyExists: there is one of that name.
    """
    require_administrator(call.caller, "create groups")
    async with call.transaction() as connection:
        proof = await call.prove(connection)
        group = await groups.insert(connection, call.caller.organization_id, uuid4(), request.name)
        await proof.audit("group.create", f"group:{group.name}", None, {"name": group.name})
    return GroupView(group, whole=True)


async def rename_group(call: Call, request: RenameGroup) -> GroupView:
    """Rename a group.

    Raises:
        PermissionDenied: the caller is no administrator, or provisioning manages the group.
        NotFound: there is no such group.
        PreconditionFailed: it is not what the caller has seen.
        AlreadyExists: there is another one of that name.
    """
    require_administrator(call.caller, "change groups")
    async with call.transaction() as connection:
        # Two groups that take each other's name would each wait for the other.
        await organizations.lock(connection, call.caller.organization_id)
        old = await _find_for_update(connection, call, request.name)
        proof = await call.prove(connection)
        if old.name == request.new_name:
            return GroupView(old, whole=True)
        await groups.rename(connection, call.caller.organization_id, old.id, request.new_name)
        await proof.audit("group.update", f"group:{old.name}", {"name": old.name}, {"name": request.new_name})
    return GroupView(Group(old.id, request.new_name, old.created_at), whole=True)


async def _find_for_update(connection: Connection, call: Call, name: str) -> Group:
    """Return a group that calls may change, locked, as the caller has seen it."""
    group = await find_group(connection, call.caller.organization_id, name, for_update=True)
    await require_unmanaged_group(connection, call.caller.organization_id, group)
    call.precondition(GroupView(group, whole=True))
    return group


async def delete_group(call: Call, request: GroupRef) -> None:
    """Delete a group, its memberships and the grants to it.

    Very many members are taken out in several transactions, the last of which deletes the group: asked again after a
    failure, the call goes on.

    Raises:
        PermissionDenied: the caller is no administrator, or provisioning manages the group.
        NotFound: there is no such group.
        PreconditionFailed: it is not what the caller has seen.
        Aborted: it has more members than the call takes out in its time; ask again.
    """
    require_administrator(call.caller, "delete groups")
    await in_parts(call, partial(_delete, call, request))


async def _delete(call: Call, request: GroupRef, *, first: bool) -> str | None:
    """Delete a group, or take as many members out as one transaction may: see Part.

    Each compares what the caller has seen, as none changes that. Within the transaction of a declared state, the group
    is deleted however many they are.
    """
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        old = await _find_for_update(connection, call, request.name)
        if call.within is None and await take_members_out(call, connection, old):
            return more_members(request.name)
        proof = await call.prove(connection, PROVE_FOR_MEMBERS, old.id)
        lost = (MEMBERS_OF_GROUP, GRANTS_OF_GROUP)
        await proof.audit_deletion("group.delete", f"group:{old.name}", {"name": old.name}, old.id, lost)
        await groups.delete(connection, organization_id, old.id)
    return None


async def take_members_out(call: Call, connection: Connection, group: Group) -> bool:
    """Take as many members out of a locked group as one transaction may; return False if it can be deleted with all."""
    members = await memberships.find_first(connection, call.caller.organization_id, group.id, MAX_TAKEN_OUT + 1)
    if len(members) <= MAX_TAKEN_OUT:
        return False
    leaving = [*members][:MAX_TAKEN_OUT]
    proof = await call.prove(connection, PROVE_FOR_USERS, leaving)
    left = await memberships.remove_each(connection, call.caller.organization_id, group.id, leaving)
    changes = [(f"group:{group.name}", {"member": members[each]}, None) for each in leaving if each in left]
    await proof.audit_each("group.remove_member", changes)
    return True


def more_members(name: str) -> str:
    """Return the sentences about a group of which more members are to be taken out than one call does in its time."""
    return (
        f"Group {name} has more members than one call takes out in its time. Some are out of it by now: ask again, and"
        " it goes on."
    )


async def list_members(call: Call, request: ListMembers) -> Page[Member]:
    """List the members of a group, by name.

    Raises:
        PermissionDenied: the caller is no administrator.
        NotFound: there is no such group.
    """
    span = call.span(request)
    require_administrator(call.caller, "see who is in a group")
    async with call.database.connection() as connection:
        group = await find_group(connection, call.caller.organization_id, request.name)
        found = await groups.page_members(connection, call.caller.organization_id, group.id, span, request.q)
    return call.pages.cut_found(request, span, found)


async def add_member(call: Call, request: MemberRef) -> Outcome[None]:
    """Add a user to a group; nothing happens if they are a member.

    Raises:
        PermissionDenied: the caller is no administrator, or provisioning manages the group.
        NotFound: there is no such group or user.
        FailedPrecondition: the user is in as many groups as calls put a user into.
    """
    require_administrator(call.caller, "change who is in a group")
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        group, user, proof = await _find_to_change(connection, call, request)
        joined = await groups.add_member(connection, organization_id, group.id, user.id)
        if joined:
            await require_few_groups(connection, organization_id, [user.id])
            await proof.audit("group.add_member", f"group:{group.name}", None, {"member": user.username})
    return Outcome(None, joined)


async def remove_member(call: Call, request: MemberRef) -> None:
    """Remove a user from a group.

    Raises:
        PermissionDenied: the caller is no administrator, or provisioning manages the group.
        NotFound: there is no such group or user, or the user is not in it.
    """
    require_administrator(call.caller, "change who is in a group")
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        group, user, proof = await _find_to_change(connection, call, request)
        if not await groups.remove_member(connection, organization_id, group.id, user.id):
            raise NotFound(f"User {user.username} is not in group {group.name}.")
        await proof.audit("group.remove_member", f"group:{group.name}", {"member": user.username}, None)


async def _find_to_change(connection: Connection, call: Call, request: MemberRef) -> tuple[Group, User, Proof]:
    """Return a group and a user, both locked, and the proof that the caller may change whether the user is in it.

    Raises:
        PermissionDenied: provisioning manages the group.
        NotFound: there is no such group or user.
    """
    organization_id = call.caller.organization_id
    group = await find_group(connection, organization_id, request.name, for_update=True)
    user = await find_user(connection, organization_id, request.username)
    proof = await call.prove(connection, PROVE_FOR_USER, user.id)
    await require_unmanaged_group(connection, organization_id, group)
    return group, user, proof


async def update_members(call: Call, request: UpdateMembers) -> MembersUpdated:
    """Put users into a group and take others out, all or nothing.

    Raises:
        InvalidArgument: a user is to be put in and taken out, or they are too many.
        PermissionDenied: the caller is no administrator, or provisioning manages the group.
        NotFound: there is no such group, or a user of such a name; `details` names them.
        FailedPrecondition: a user to be put in is in as many groups as calls put a user into.
    """
    wanted = {"add": request.add or [], "remove": request.remove or []}
    _require_apart(wanted)
    require_administrator(call.caller, "change who is in a group")
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        group = await find_group(connection, organization_id, request.name, for_update=True)
        names = [*wanted["add"], *wanted["remove"]]
        known = dict(await grant_sets.find_grantees(connection, organization_id, "user", names))
        ids = _ids_of(wanted, known)
        proof = await call.prove(connection, PROVE_FOR_USERS, [*ids["add"], *ids["remove"]])
        await require_unmanaged_group(connection, organization_id, group)
        joined = await memberships.add_each(connection, organization_id, group.id, ids["add"])
        await require_few_groups(connection, organization_id, [*joined])
        left = await memberships.remove_each(connection, organization_id, group.id, ids["remove"])
        added = [known[each] for each in ids["add"] if each in joined]
        removed = [known[each] for each in ids["remove"] if each in left]
        target = f"group:{group.name}"
        await proof.audit_each("group.add_member", [(target, None, {"member": name}) for name in added])
        await proof.audit_each("group.remove_member", [(target, {"member": name}, None) for name in removed])
    return MembersUpdated(added, removed)


async def require_few_groups(connection: Connection, organization_id: UUID, joined: Sequence[UUID]) -> None:
    """Require that locked users who have just been put into a group are in no more groups than they may be.

    Each request of theirs reads and compares a revision of each group, and each change that they make locks them all.

    Raises:
        FailedPrecondition: one of them is.
    """
    if not joined:
        return
    if crowded := await memberships.find_crowded(connection, organization_id, joined, MAX_GROUPS_OF_USER):
        more = f" (as are {len(crowded) - 1:,} more of these users)" if len(crowded) > 1 else ""
        raise FailedPrecondition(
            f"User {crowded[0]} is in {MAX_GROUPS_OF_USER:,} groups or more{more}, and nobody is put into another one:"
            " take them out of a group first."
        )


def _require_apart(wanted: Mapping[str, Sequence[str]]) -> None:
    """Require no more names than one change may have, and none that is to be added and removed."""
    if sum(map(len, wanted.values())) > MAX_NAMES:
        reason = [f"Must not have more than {MAX_NAMES:,} names together."]
        raise InvalidArgument.of_fields((field, reason) for field in wanted)
    removed = {name_key(name) for name in wanted["remove"]}
    if both := [name for name in wanted["add"] if name_key(name) in removed]:
        raise InvalidArgument.of_fields([("add", [f"{name} is to be removed, too." for name in dict.fromkeys(both)])])


def _ids_of(wanted: Mapping[str, Sequence[str]], known: Mapping[UUID, str]) -> dict[str, list[UUID]]:
    """Return the ids of the users of some names, each once.

    Raises:
        NotFound: there is none of a name.
    """
    by_key = {name_key(username): user_id for user_id, username in known.items()}
    unknown = {
        field: [f"User {name} does not exist." for name in dict.fromkeys(names) if name_key(name) not in by_key]
        for field, names in wanted.items()
    }
    if missing := [sentence for sentences in unknown.values() for sentence in sentences]:
        more = f" (and {len(missing) - 1:,} more, see details)" if len(missing) > 1 else ""
        details = {field: each for field, each in unknown.items() if each}
        raise NotFound(f"{missing[0].removesuffix('.')}{more}.", details=details)
    return {field: [*dict.fromkeys(by_key[name_key(name)] for name in names)] for field, names in wanted.items()}
