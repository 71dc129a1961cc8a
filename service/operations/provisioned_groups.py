"""Operations on groups by provisioning (SCIM), likewise: see provisioned_users.py."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from service.database.pool import Connection
from service.errors import FailedPrecondition, InvalidArgument, NotFound
from service.operations.call import Call, Proof
from service.operations.groups import more_members, require_few_groups, take_members_out
from service.operations.parts import in_parts
from service.permissions import require_provisioning
from service.repositories import groups, memberships, provisioned_groups, provisioned_users
from service.repositories.audit_lists import GRANTS_OF_GROUP, MEMBERS_OF_GROUP
from service.repositories.authority import PROVE_FOR_MEMBERS, PROVE_FOR_USERS
from service.repositories.groups import Group
from service.repositories.provisioned_groups import ProvisionedGroup, ProvisionedGroupFilters, SeenMember

WHAT: Final = "provision groups"
MAX_CHANGED: Final = 1_000
"""Members who come or go by one change, as by the API: others wait for its locks."""
MAX_NAMED: Final = 5_000
"""Members whom a request names, most of them as they are."""
MAX_LISTED: Final = 10_000
"""Members in one answer, of all its groups together."""


@dataclass(slots=True)
class MemberChanges:
    """The changes of who is in a group, as far as they follow from a request alone."""

    whole: bool = False
    """True if the request names all members that the group is to have."""
    named: dict[UUID, bool] = field(default_factory=dict)
    """The users that it names, by id, each with whether they are to be a member."""


@dataclass(frozen=True, slots=True)
class GroupState:
    """All that provisioning says of a group."""

    name: str
    external_id: str | None
    members: MemberChanges


Window = tuple[ProvisionedGroupFilters | None, int, int, bool]
"""The filters of a list (None: no group can fit), how many to pass over, how many to return at most, and whether their
members are wanted."""


@dataclass(frozen=True, slots=True)
class ListProvisionedGroups:
    """Some of the groups that fit."""

    read: Callable[[], Window]
    """Returns which are wanted."""


@dataclass(frozen=True, slots=True)
class ProvisionedGroupRef:
    """One group, by id."""

    id: UUID | None
    """None: what the client named is no id."""


@dataclass(frozen=True, slots=True)
class GetProvisionedGroup(ProvisionedGroupRef):
    """One group, to be read."""

    read: Callable[[], bool]
    """Returns whether members are wanted."""


@dataclass(frozen=True, slots=True)
class CreateProvisionedGroup:
    """A new group."""

    read: Callable[[], GroupState]


@dataclass(frozen=True, slots=True)
class ChangeProvisionedGroup(ProvisionedGroupRef):
    """A change of a group."""

    change: Callable[[ProvisionedGroup], GroupState]
    """Returns what it is to be, given what it is."""
    shows_members: Callable[[], bool] = lambda: False
    """Returns whether the answer is to have its members."""


@dataclass(frozen=True, slots=True)
class SeenGroup:
    """A group, and who is in it."""

    seen: ProvisionedGroup
    members: list[SeenMember] | None
    """None: they are not wanted."""


@dataclass(frozen=True, slots=True)
class ListedGroups:
    """Groups that fit, and how many there are."""

    groups: list[SeenGroup]
    total: int


async def list_provisioned_groups(call: Call, request: ListProvisionedGroups) -> ListedGroups:
    """List the groups of the organization, by name; fewer where their members would be too many for one answer.

    Raises:
        PermissionDenied: the caller may not provision groups.
        InvalidArgument: a group alone has too many members.
    """
    require_provisioning(call.caller, WHAT)
    filters, offset, limit, with_members = request.read()
    if filters is None:
        return ListedGroups([], 0)
    organization_id = call.caller.organization_id
    async with call.database.connection() as connection:
        found, total = await provisioned_groups.page(connection, organization_id, filters, offset, limit)
        seen = (
            await _with_members(connection, organization_id, found)
            if with_members
            else [SeenGroup(each, None) for each in found]
        )
    return ListedGroups(seen, total)


async def get_provisioned_group(call: Call, request: GetProvisionedGroup) -> SeenGroup:
    """Return a group.

    Raises:
        PermissionDenied: the caller may not provision groups.
        NotFound: there is none of that id.
        InvalidArgument: it has too many members for one answer.
    """
    require_provisioning(call.caller, WHAT)
    with_members = request.read()
    async with call.database.connection() as connection:
        found = await _find(connection, call, request)
        if not with_members:
            return SeenGroup(found, None)
        (seen,) = await _with_members(connection, call.caller.organization_id, [found])
    return seen


async def create_provisioned_group(call: Call, request: CreateProvisionedGroup) -> SeenGroup:
    """Create a group.

    Raises:
        PermissionDenied: the caller may not provision groups.
        AlreadyExists: there is one of that name.
        InvalidArgument: there is no user of an id that it names.
    """
    require_provisioning(call.caller, WHAT)
    wanted, organization_id = request.read(), call.caller.organization_id
    async with call.transaction() as connection:
        _require_few(wanted.name, wanted.members.named)
        proof = await call.prove(connection, PROVE_FOR_USERS, _changed(wanted.members.named))
        group = await groups.insert(connection, organization_id, uuid4(), wanted.name)
        await provisioned_groups.put(connection, organization_id, group.id, wanted.external_id)
        made = await _seen(connection, call, group.id)
        await proof.audit("group.create", f"group:{group.name}", None, as_audited(made))
        await _write_members(proof, group, wanted.members.named)
        (seen,) = await _with_members(connection, organization_id, [await _seen(connection, call, group.id)])
    return seen


async def change_provisioned_group(call: Call, request: ChangeProvisionedGroup) -> SeenGroup:
    """Change a group, which is managed by provisioning from now on.

    Raises:
        PermissionDenied: the caller may not provision groups.
        NotFound: there is none of that id.
        AlreadyExists: there is another one of that name.
        InvalidArgument: there is no user of an id that it names.
        FailedPrecondition: more members would come or go than one change may have.
    """
    require_provisioning(call.caller, WHAT)
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        if request.id is not None:
            await provisioned_groups.lock(connection, organization_id, request.id)
        current = await _find(connection, call, request)
        wanted = request.change(current)
        members = await _differences(connection, current.group, organization_id, wanted.members)
        proof = await call.prove(connection, PROVE_FOR_USERS, _changed(members))
        old = current.group
        same = old.provisioned and (old.name, current.external_id) == (wanted.name, wanted.external_id)
        if not same or members:
            if old.name != wanted.name:
                await groups.rename(connection, organization_id, old.id, wanted.name)
            await provisioned_groups.put(connection, organization_id, old.id, wanted.external_id)
        made = await _seen(connection, call, old.id)
        if not same:
            await proof.audit("group.update", f"group:{old.name}", as_audited(current), as_audited(made))
        await _write_members(proof, made.group, members)
        made = await _seen(connection, call, old.id)
        if not request.shows_members():
            return SeenGroup(made, None)
        (seen,) = await _with_members(connection, organization_id, [made])
        return seen


async def delete_provisioned_group(call: Call, request: ChangeProvisionedGroup) -> None:
    """Delete a group, its memberships and the grants to it; of very many members, some are taken out before.

    Raises:
        PermissionDenied: the caller may not provision groups.
        NotFound: there is none of that id.
        Aborted: it has more members than the call takes out in its time; ask again.
    """
    require_provisioning(call.caller, WHAT)
    await in_parts(call, partial(_delete, call, request))


async def _delete(call: Call, request: ChangeProvisionedGroup, *, first: bool) -> str | None:
    """Delete a group, or take as many members out as one transaction may: see Part."""
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        if request.id is not None:
            await provisioned_groups.lock(connection, organization_id, request.id)
        current = await _find(connection, call, request)
        old = current.group
        if first:
            request.change(current)
        if await take_members_out(call, connection, old):
            return more_members(old.name)
        proof = await call.prove(connection, PROVE_FOR_MEMBERS, old.id)
        lost = (MEMBERS_OF_GROUP, GRANTS_OF_GROUP)
        await proof.audit_deletion("group.delete", f"group:{old.name}", as_audited(current), old.id, lost)
        await groups.delete(connection, organization_id, old.id)
    return None


async def _find(connection: Connection, call: Call, request: ProvisionedGroupRef) -> ProvisionedGroup:
    found = None
    if request.id is not None:
        found = await provisioned_groups.find(connection, call.caller.organization_id, request.id)
    if found is None:
        raise NotFound("There is no group of that id.")
    return found


async def _seen(connection: Connection, call: Call, group_id: UUID) -> ProvisionedGroup:
    found = await provisioned_groups.find(connection, call.caller.organization_id, group_id)
    assert found is not None  # noqa: S101 - it was written in this transaction
    return found


async def _with_members(
    connection: Connection, organization_id: UUID, found: list[ProvisionedGroup]
) -> list[SeenGroup]:
    """Return the first of some groups with their members, as many groups as one answer has room for."""
    counted = await provisioned_groups.count_members(connection, organization_id, [each.group.id for each in found])
    shown = [*_first(found, counted)]
    listed: dict[UUID, list[SeenMember]] = {each.group.id: [] for each in shown}
    for member in await provisioned_groups.list_members(connection, organization_id, [*listed]):
        listed[member.group_id].append(member)
    return [
        SeenGroup(
            ProvisionedGroup(each.group, each.external_id, each.changed_at, counted.get(each.group.id, (0, "none"))[1]),
            listed[each.group.id],
        )
        for each in shown
    ]


def _first(found: list[ProvisionedGroup], counted: Mapping[UUID, tuple[int, str]]) -> Iterator[ProvisionedGroup]:
    """Yield groups for as long as there is room for their members.

    Raises:
        InvalidArgument: there is none for those of the first.
    """
    room = MAX_LISTED
    for place, each in enumerate(found):
        room -= counted.get(each.group.id, (0, ""))[0]
        if room < 0:
            if not place:
                raise InvalidArgument(
                    f"Group {each.group.name} has more than {MAX_LISTED:,} members, the most that an answer lists:"
                    " ask with excludedAttributes=members.",
                    reason="tooMany",
                )
            return
        yield each


async def _differences(
    connection: Connection, group: Group, organization_id: UUID, wanted: MemberChanges
) -> Mapping[UUID, bool]:
    """Return the users to put into a locked group, and those to take out.

    Raises:
        FailedPrecondition: they are too many.
    """
    differences: dict[UUID, bool] = dict(wanted.named)
    if wanted.whole:
        present = await provisioned_groups.ids_of_members(connection, organization_id, group.id)
        differences = {key: joins for key, joins in differences.items() if joins is not (key in present)}
        differences |= dict.fromkeys(present - wanted.named.keys(), False)
    _require_few(group.name, differences)
    return differences


def _require_few(name: str, differences: Mapping[UUID, bool]) -> None:
    if len(differences) > MAX_CHANGED:
        raise FailedPrecondition(
            f"More than {MAX_CHANGED:,} members of group {name} would come or go at once: change them in parts."
        )


def _changed(members: Mapping[UUID, bool]) -> list[UUID]:
    return sorted(members)


async def _write_members(proof: Proof, group: Group, members: Mapping[UUID, bool]) -> None:
    """Put users into a locked group, and take others out; they are locked, too.

    Raises:
        InvalidArgument: there is no user of an id that is to be put in.
        FailedPrecondition: one who is to be put in is in too many groups.
    """
    if not members:
        return
    connection, organization_id = proof.connection, proof.call.caller.organization_id
    known = await provisioned_users.names_of(connection, organization_id, [*members])
    joining = [key for key, joins in members.items() if joins]
    if (unknown := next((key for key in joining if key not in known or not known[key][1]), None)) is not None:
        raise InvalidArgument(f"There is no user of the id {unknown}, who is to be a member.", reason="invalidValue")
    joined = await memberships.add_each(connection, organization_id, group.id, joining)
    await require_few_groups(connection, organization_id, [*joined])
    leaving = [key for key, joins in members.items() if not joins and key in known]
    left = await memberships.remove_each(connection, organization_id, group.id, leaving)
    target = f"group:{group.name}"
    came = [(target, None, {"member": known[key][0]}) for key in joining if key in joined]
    went = [(target, {"member": known[key][0]}, None) for key in leaving if key in left]
    await proof.audit_each("group.add_member", came)
    await proof.audit_each("group.remove_member", went)


def as_audited(seen: ProvisionedGroup) -> dict[str, Any]:
    """Return a group as the audit trail shows one that provisioning manages."""
    external = {} if seen.external_id is None else {"external_id": seen.external_id}
    managed = {"provisioned": True} if seen.group.provisioned else {}
    return {"name": seen.group.name, **managed, **external}
