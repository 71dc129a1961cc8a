"""Requests of SCIM clients → what the operations take."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from scim2_models import Context, PatchOp, ResourceType, ResponseParameters, SearchRequest
from scim2_models.path.expressions import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator

from service.errors import InvalidArgument
from service.http.reader import refuse_unstorable
from service.operations.provisioned_groups import MAX_NAMED, GroupState, MemberChanges
from service.operations.provisioned_users import UserState
from service.permissions import Role, mightier
from service.repositories.provisioned_groups import ProvisionedGroup, ProvisionedGroupFilters
from service.repositories.provisioned_users import ProvisionedUser, ProvisionedUserFilters
from service.scim import answers
from service.scim.failures import told
from service.scim.resources import GROUPS, MAX_COUNT, PROVIDER, SERVICE, USERS, Group, User, UserRole
from service.scim.single_values import single, single_of_operation
from service.values.ids import parse_uuid
from service.values.names import DISPLAY_NAME, EMAIL, EXTERNAL_ID, GROUP_NAME, USERNAME, Rule

MAX_FILTER: Final = 1_000
"""Characters of a filter."""
MAX_START: Final = 2**31
MAX_PATH: Final = 200
"""Characters of the path of an operation of a PATCH."""
MAX_PATHS: Final = 2_000
"""Characters of those paths together, as the library takes some microseconds for each."""
MAX_VALUES: Final = 250
"""Values in a body beside members: several times what identity providers send, and read in some milliseconds."""

_SCHEMAS: Final = {USERS.name: str(User.__schema__), GROUPS.name: str(Group.__schema__)}


class Search(NamedTuple):
    """A page of a list that a client asks for."""

    request: SearchRequest[Any]
    conditions: Mapping[str, Any]
    """The values that attributes must equal, by the attribute's name in lower case."""
    offset: int
    limit: int


def id_of(text: str) -> UUID | None:
    """Return an id; None if no resource can have it."""
    return parse_uuid(text)


# ---- lists


def search(kind: ResourceType, parameters: Mapping[str, Any]) -> Search:
    """Read what a list is asked for, of a query or of the body of a `.search`.

    Raises:
        InvalidArgument: it is not valid, or its filter is not one of equality.
        NotSupported: it is to be sorted, or paged by a cursor.
    """
    if len(str(parameters.get("filter", ""))) > MAX_FILTER:
        raise InvalidArgument(f"A filter must have at most {MAX_FILTER:,} characters.", reason="invalidFilter")
    with told(), PROVIDER:
        request, _ = SERVICE.read_search([kind], parameters)
    limit = MAX_COUNT if request.count is None else max(request.count, 0)
    start = max(request.start_index or 1, 1)
    if start > MAX_START:
        raise InvalidArgument(f"The startIndex must be at most {MAX_START:,}.", reason="invalidValue")
    conditions = _conditions(request.filter.ast) if request.filter else {}
    return Search(request, conditions, start - 1, min(limit, MAX_COUNT))


def _conditions(node: FilterNode) -> dict[str, Any]:
    """Return the values that attributes must equal.

    Raises:
        InvalidArgument: one must equal two values, or the filter is not one of equality.
    """
    conditions: dict[str, Any] = {}
    for attribute, value in _equalities(node):
        refuse_unstorable(value)
        if conditions.setdefault(attribute, value) != value:
            raise InvalidArgument(f"A filter can ask for one value of {attribute} alone.", reason="invalidFilter")
    return conditions


def _equalities(node: FilterNode) -> Iterator[tuple[str, Any]]:
    """Yield the attributes and values of comparisons that are joined by `and`."""
    if isinstance(node, LogicalExpr) and node.op is LogicalOperator.and_:
        for term in node.terms:
            yield from _equalities(term)
    elif isinstance(node, Comparison) and node.op is CompareOperator.eq:
        yield str(node.attr_path).rpartition(":")[2].lower(), node.value
    else:
        raise InvalidArgument("A filter can only ask for equality (eq), several by and.", reason="invalidFilter")


def user_filters(conditions: Mapping[str, Any]) -> ProvisionedUserFilters | None:
    """Return the filters of users; None if no user can fit.

    Raises:
        InvalidArgument: it is another attribute that is asked for.
    """
    of = {
        "id": "id",
        "username": "username",
        "externalid": "external_id",
        "displayname": "display_name",
        "active": "active",
    }
    values = _filters(conditions, of, "id, userName, externalId, displayName, active")
    return None if None in values.values() else ProvisionedUserFilters(**values)


def group_filters(conditions: Mapping[str, Any]) -> ProvisionedGroupFilters | None:
    """Return the filters of groups, likewise."""
    of = {
        "id": "id",
        "displayname": "name",
        "externalid": "external_id",
        "members": "member_id",
        "members.value": "member_id",
    }
    values = _filters(conditions, of, "id, displayName, externalId, members.value")
    return None if None in values.values() else ProvisionedGroupFilters(**values)


def _filters(conditions: Mapping[str, Any], of: Mapping[str, str], known: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for attribute, value in conditions.items():
        if attribute not in of:
            raise InvalidArgument(f"A filter can ask for {known}, and nothing else.", reason="invalidFilter")
        name = of[attribute]
        kind = bool if name == "active" else str
        if name == "active" and isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"  # noqa: PLW2901 - as Entra writes it
        if not isinstance(value, kind):
            raise InvalidArgument(f"{attribute} is compared with a value of another type.", reason="invalidFilter")
        values[name] = id_of(str(value)) if name in ("id", "member_id") else value
    return values


def projection(kind: ResourceType, query: Mapping[str, str]) -> ResponseParameters[Any]:
    """Read which attributes an answer is to have."""
    with told(), PROVIDER:
        return SERVICE.read_response_parameters(kind, query)


# ---- users


def new_user(payload: Mapping[str, Any]) -> UserState:
    """Return the user that a body describes, active if it does not say whether they are."""
    described = {"active": True} | _small_user(payload)
    with told(), PROVIDER:
        resource = User.model_validate(described, scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    return _user_state(resource, None, says_role="roles" in _keys(payload))


def replaced_user(current: ProvisionedUser, payload: Mapping[str, Any]) -> UserState:
    """Return the user that a PUT makes of one; what it does not say of whether they are active, and of roles, stays."""
    described = {"active": not current.user.disabled} | _small_user(payload)
    with told(), PROVIDER:
        resource = User.model_validate(described, scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
        resource.replace(answers.user_resource(current))
    return _user_state(resource, current, says_role="roles" in _keys(payload))


def _small_user(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a body says of a user that the service keeps; the key `active` as it is written in schemas."""
    _require_small(payload)
    known = _known(single(payload), USERS)
    return {"active" if key.lower() == "active" else key: value for key, value in known.items() if value is not None}


def patched_user(current: ProvisionedUser, payload: Mapping[str, Any]) -> UserState:
    """Return the user that a PATCH makes of one."""
    _require_small(payload)
    resource = answers.user_resource(current)
    before = _roles(resource.roles)
    operations = [each for each in map(single_of_operation, _operations(payload)) if each is not None]
    if operations:
        with told(), PROVIDER:
            _patch(User, _with_operations(payload, operations)).patch(resource)
    added = [each for each in resource.roles or [] if each.value not in before]
    if added:
        resource.roles = added  # a user has one role: what comes takes the place of what was
    return _user_state(resource, current, says_role=_roles(resource.roles) != before)


def _user_state(resource: User, current: ProvisionedUser | None, *, says_role: bool) -> UserState:
    given = current is not None and current.user.username
    emails = [each.value for each in resource.emails or [] if each.value]
    return UserState(
        username=given or _checked("userName", resource.user_name, USERNAME),
        external_id=_optional("externalId", resource.external_id, EXTERNAL_ID),
        display_name=_optional("displayName", resource.display_name, DISPLAY_NAME),
        email=_optional("emails", emails[-1] if emails else None, EMAIL),
        active=bool(resource.active),
        role=_role(resource.roles) if says_role else None,
    )


def _roles(roles: list[UserRole] | None) -> list[str | None]:
    return [each.value for each in roles or []]


def _role(roles: list[UserRole] | None) -> Role:
    """Return the mightiest of some roles, a member's if there is none."""
    found = Role.MEMBER
    for value in _roles(roles):
        if value is None:
            continue
        if value not in [*Role]:
            raise InvalidArgument(f"Roles must be among {', '.join(Role)}.", reason="invalidValue")
        found = mightier(found, Role(value))
    return found


def _checked(name: str, value: object, rule: Rule) -> str:
    try:
        return rule.check(value)
    except ValueError as error:
        sentence = f"{name}: must be {error}."
    raise InvalidArgument(sentence, reason="invalidValue")


def _optional(name: str, value: str | None, rule: Rule) -> str | None:
    return None if value is None or value == "" else _checked(name, value, rule)


# ---- groups


def new_group(payload: Mapping[str, Any]) -> GroupState:
    """Return the group that a body describes."""
    rest, members = _apart(payload)
    _require_small(rest)
    with told(), PROVIDER:
        resource = Group.model_validate(_known(rest, GROUPS), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    return _group_state(resource, MemberChanges(whole=True, named=dict.fromkeys(_ids(members), True)))


def replaced_group(payload: Mapping[str, Any]) -> GroupState:
    """Return the group that a PUT makes of one."""
    rest, members = _apart(payload)
    _require_small(rest)
    with told(), PROVIDER:
        resource = Group.model_validate(_known(rest, GROUPS), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
    return _group_state(resource, MemberChanges(whole=True, named=dict.fromkeys(_ids(members), True)))


def patched_group(current: ProvisionedGroup, payload: Mapping[str, Any]) -> GroupState:
    """Return the group that a PATCH makes of one.

    What is about members is read here: the library would have to be given all of them, and takes seconds for some
    thousand.
    """
    members, others = MemberChanges(), []
    for operation in _operations(payload):
        rest = _patch_members(operation, members)
        if rest is not None:
            others.append(rest)
    resource = answers.group_resource(current)
    _require_small({"Operations": others})
    if others:
        with told(), PROVIDER:
            _patch(Group, _with_operations(payload, others)).patch(resource)
    return _group_state(resource, members)


def _group_state(resource: Group, members: MemberChanges) -> GroupState:
    if len(members.named) > MAX_NAMED:
        raise InvalidArgument(f"At most {MAX_NAMED:,} members may be named at once.", reason="tooMany")
    return GroupState(
        name=_checked("displayName", resource.display_name, GROUP_NAME),
        external_id=_optional("externalId", resource.external_id, EXTERNAL_ID),
        members=members,
    )


def _apart(payload: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return a body without its members, and these."""
    rest = {key: value for key, value in payload.items() if key.lower() != "members"}
    return rest, next((value for key, value in payload.items() if key.lower() == "members"), None)


def _ids(members: object) -> list[UUID]:
    """Return the ids of members, each of which is an object with a value.

    Raises:
        InvalidArgument: they are not.
    """
    if members is None:
        return []
    listed = members if isinstance(members, list) else [members]
    ids = []
    for each in listed:
        value = (
            next((value for key, value in each.items() if key.lower() == "value"), None)
            if isinstance(each, dict)
            else each
        )
        found = id_of(value) if isinstance(value, str) else None
        if found is None:
            raise InvalidArgument(
                "Each of the members must be an object with the id of a user as its value.", reason="invalidValue"
            )
        ids.append(found)
    return ids


_ONE: Final = r'value\s+eq\s+"([^"\\]{1,100})"'
_MEMBERS_PATH: Final = re.compile(
    rf"(?:{re.escape(_SCHEMAS['Group'])}:)?members(?:\[\s*({_ONE}(?:\s+or\s+{_ONE})*)\s*\])?", re.IGNORECASE
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
        match = _MEMBERS_PATH.fullmatch(path) if isinstance(path, str) else None
        if match is None:
            return operation
        selected = match[1]
    _note(op, [*map(id_of, _VALUE.findall(selected))] if selected else None, value, members)
    return rest


def _note(op: str, selected: list[UUID | None] | None, value: object, members: MemberChanges) -> None:
    if op == "remove":
        if selected is None and value in (None, [], ""):
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


# ---- what both share


def _keys(payload: Mapping[str, Any]) -> set[str]:
    return {key.lower() for key in payload}


def _operations(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the operations of a PATCH.

    Raises:
        InvalidArgument: there are none, or not as objects.
    """
    found = next((value for key, value in payload.items() if key.lower() == "operations"), None)
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise InvalidArgument("Operations must be a list of at least one.", reason="invalidSyntax")
    return found


def _with_operations(payload: Mapping[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a PATCH with other operations."""
    return {key: operations if key.lower() == "operations" else value for key, value in payload.items()}


def _patch(model: type[User] | type[Group], payload: Mapping[str, Any]) -> Any:
    """Return a PATCH of a kind of resource, which is small.

    Raises:
        InvalidArgument: it is none, or its paths are longer than any that the service knows.
    """
    paths = [value for each in _operations(payload) for key, value in each.items() if key.lower() == "path"]
    lengths = [len(each) for each in paths if isinstance(each, str)]
    if max(lengths, default=0) > MAX_PATH or sum(lengths) > MAX_PATHS:
        raise InvalidArgument(
            f"A path must have at most {MAX_PATH} characters, and those of a request {MAX_PATHS:,}; of members, any.",
            reason="invalidPath",
        )
    return _PATCHES[model].model_validate(payload, scim_ctx=Context.RESOURCE_PATCH_REQUEST)


_PATCHES: Final[Mapping[type[Any], Any]] = {User: PatchOp[User], Group: PatchOp[Group]}


def _require_small(payload: Mapping[str, Any]) -> None:
    """Require no more values than a user or a group can have use for, as the library takes long for each.

    Raises:
        InvalidArgument: there are more.
    """
    number = 0
    level: list[Any] = [payload]
    while level:
        children = [child for each in level for child in (each if isinstance(each, list) else each.values())]
        number += len(children)
        if number > MAX_VALUES:
            raise InvalidArgument(f"The body holds more than {MAX_VALUES} values beside members.", reason="tooMany")
        level = [child for child in children if isinstance(child, dict | list)]


def _known(payload: Mapping[str, Any], kind: ResourceType) -> dict[str, Any]:
    """Return a body without the schemas that the service does not know: it would otherwise answer that it has them."""
    schema = _SCHEMAS[str(kind.name)]
    known = dict(payload)
    for key, value in payload.items():
        if (
            key.lower() == "schemas"
            and isinstance(value, list)
            and schema.lower() in [str(each).lower() for each in value]
        ):
            known[key] = [schema]
    return known
