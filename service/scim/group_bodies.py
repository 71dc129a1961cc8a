"""Bodies of SCIM clients → groups, and changes of their members, as the operations of provisioning take them."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from scim2_models import Context

from service.errors import InvalidArgument
from service.operations.provisioned_groups import MAX_NAMED, GroupState, MemberChanges
from service.repositories.provisioned_groups import ProvisionedGroup
from service.scim import answers
from service.scim.bodies import (
    SCHEMAS,
    checked,
    operations_of,
    optional,
    patch,
    require_small,
    with_known_schemas,
    with_operations,
)
from service.scim.failures import told
from service.scim.resources import GROUPS, PROVIDER, Group
from service.values.ids import parse_uuid
from service.values.names import EXTERNAL_ID, GROUP_NAME


def new_group(payload: Mapping[str, Any]) -> GroupState:
    """Return the group that a body describes."""
    rest, members = _apart(payload)
    require_small(rest)
    with told(), PROVIDER:
        resource = Group.model_validate(with_known_schemas(rest, GROUPS), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    return _group_state(resource, MemberChanges(whole=True, named=dict.fromkeys(_ids(members), True)))


def replaced_group(payload: Mapping[str, Any]) -> GroupState:
    """Return the group that a PUT makes of one."""
    rest, members = _apart(payload)
    require_small(rest)
    with told(), PROVIDER:
        resource = Group.model_validate(with_known_schemas(rest, GROUPS), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
    return _group_state(resource, MemberChanges(whole=True, named=dict.fromkeys(_ids(members), True)))


def patched_group(current: ProvisionedGroup, payload: Mapping[str, Any]) -> GroupState:
    """Return the group that a PATCH makes of one.

    What is about members is read here: the library would have to be given all of them, and takes seconds for some
    thousand.
    """
    members, others = MemberChanges(), []
    _require_few_named(payload)
    for operation in operations_of(payload):
        other = _patch_members(operation, members)
        if other is not None:
            others.append(other)
    resource = answers.group_resource(current)
    rest = with_operations(payload, others)
    require_small(rest)
    if others:
        with told(), PROVIDER:
            patch(Group, rest).patch(resource)
    return _group_state(resource, members)


def _group_state(resource: Group, members: MemberChanges) -> GroupState:
    if len(members.named) > MAX_NAMED:
        raise _too_many_named()
    return GroupState(
        name=checked("displayName", resource.display_name, GROUP_NAME),
        external_id=optional("externalId", resource.external_id, EXTERNAL_ID),
        members=members,
    )


def _too_many_named() -> InvalidArgument:
    return InvalidArgument(f"At most {MAX_NAMED:,} members may be named at once.", reason="tooMany")


def _require_few_named(payload: Mapping[str, Any]) -> None:
    """Require that the operations of a PATCH name few members in all: each time that one is named takes its time.

    Raises:
        InvalidArgument: they name more, be it the same ones.
    """
    named = 0
    for operation in operations_of(payload):
        for value in operation.values():
            listed = [*value.values()] if isinstance(value, dict) else [value]
            named += sum(len(each) for each in (*listed, value) if isinstance(each, list))
            named += value.count('"') // 2 if isinstance(value, str) else 0
        if named > MAX_NAMED:
            raise _too_many_named()


def _apart(payload: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return a body without its members, and these."""
    rest = {key: value for key, value in payload.items() if key.lower() not in _KEYS}
    return rest, next((value for key, value in payload.items() if key.lower() in _KEYS), None)


def _ids(members: object) -> list[UUID]:
    """Return the ids of members, each of which is an object with a value.

    Raises:
        InvalidArgument: they are not.
    """
    if members is None:
        return []
    listed = members if isinstance(members, list) else [members]
    if len(listed) > MAX_NAMED:
        raise _too_many_named()
    ids = []
    for each in listed:
        value = (
            next((value for key, value in each.items() if key.lower() == "value"), None)
            if isinstance(each, dict)
            else each
        )
        found = parse_uuid(value) if isinstance(value, str) else None
        if found is None:
            raise InvalidArgument(
                "Each of the members must be an object with the id of a user as its value.", reason="invalidValue"
            )
        ids.append(found)
    return ids


_URN: Final = f"{SCHEMAS['Group']}:"
_KEYS: Final = ("members", f"{_URN}members".lower())
_ONE: Final = r'value\s{1,9}eq\s{1,9}"([^"\\]{1,100})"(?:\s{1,9}and\s{1,9}type\s{1,9}eq\s{1,9}"User")?'
_MEMBERS: Final = re.compile(rf"(?:{re.escape(_URN)})?members\b", re.IGNORECASE)
_MEMBERS_PATH: Final = re.compile(
    rf"(?:{re.escape(_URN)})?members(?:\[\s{{0,9}}({_ONE}(?:\s{{1,9}}or\s{{1,9}}{_ONE})*)\s{{0,9}}\])?", re.IGNORECASE
)
_VALUE: Final = re.compile(_ONE, re.IGNORECASE)


def _patch_members(operation: dict[str, Any], members: MemberChanges) -> dict[str, Any] | None:
    """Note what an operation of a PATCH does to members; return what else it does, None if that is nothing."""
    by_name = {key.lower(): key for key in operation}
    op = str(operation.get(by_name.get("op", ""), "")).lower()
    path, value = (operation.get(by_name.get(name, "")) for name in ("path", "value"))
    rest: dict[str, Any] | None = None
    if path in (None, ""):
        if not isinstance(value, dict):
            return operation
        left, value = _apart(value)
        if value is None:
            return operation
        rest = {**operation, by_name["value"]: left} if left else None
        selected = None
    else:
        if not isinstance(path, str) or not _MEMBERS.match(path):
            return operation
        match = _MEMBERS_PATH.fullmatch(path)
        if match is None:
            raise InvalidArgument(
                'Members are named as members, or as members[value eq "ID"], several by or.', reason="invalidPath"
            )
        selected = match[1]
    _note(op, [*map(parse_uuid, _VALUE.findall(selected))] if selected else None, value, members)
    return rest


def _note(op: str, selected: list[UUID | None] | None, value: object, members: MemberChanges) -> None:
    if op == "remove":
        if selected is None and value in (None, ""):
            members.whole, members.named = True, {}
        else:
            leaving = selected if selected is not None else _ids(value)
            members.named |= dict.fromkeys((each for each in leaving if each is not None), False)
    elif selected is not None:
        raise InvalidArgument("The members of a group are not changed, only put in or taken out.", reason="mutability")
    elif op == "add":
        members.named |= dict.fromkeys(_ids(value), True)
    elif op == "replace":
        members.whole, members.named = True, dict.fromkeys(_ids(value), True)
    else:
        raise InvalidArgument("An operation (op) must be add, replace or remove.", reason="invalidSyntax")
