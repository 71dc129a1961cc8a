"""Bodies of SCIM clients → users, as the operations of provisioning take them."""

from collections.abc import Mapping
from typing import Any

from scim2_models import Context

from service.errors import InvalidArgument
from service.operations.provisioned_users import UserState
from service.permissions import Role, mightier
from service.repositories.provisioned_users import ProvisionedUser
from service.scim import answers
from service.scim.bodies import (
    SCHEMAS,
    checked,
    keys,
    operations_of,
    optional,
    patch,
    require_small,
    with_known_schemas,
    with_operations,
)
from service.scim.failures import told
from service.scim.resources import PROVIDER, USERS, User, UserRole
from service.scim.single_values import each_by_path, role_named, single, single_of_operation
from service.values.names import DISPLAY_NAME, EMAIL, EXTERNAL_ID, USERNAME


def new_user(payload: Mapping[str, Any]) -> UserState:
    """Return the user that a body describes, active if it does not say whether they are."""
    described = {"active": True} | _small_user(payload)
    with told(), PROVIDER:
        resource = User.model_validate(described, scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    return _user_state(resource, None, says_role="roles" in keys(payload))


def replaced_user(current: ProvisionedUser, payload: Mapping[str, Any]) -> UserState:
    """Return the user that a PUT makes of one; what it does not say of whether they are active, and of roles, stays."""
    described = {"active": not current.user.disabled} | _with_own_name(current, _small_user(payload))
    with told(), PROVIDER:
        resource = User.model_validate(described, scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
        resource.replace(answers.user_resource(current))
    return _user_state(resource, current, says_role="roles" in keys(payload))


def _small_user(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a body says of a user that the service keeps; the key `active` as it is written in schemas."""
    require_small(payload)
    known = with_known_schemas(single(payload), USERS)
    return {"active" if key.lower() == "active" else key: value for key, value in known.items() if value is not None}


def _with_own_name(current: ProvisionedUser, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of a user, or an operation on one, with their name as it is written here.

    It is the same regardless of case, and so no change of it.
    """
    names = ("username", f"{SCHEMAS['User']}:username".lower())
    own = current.user.username

    def is_own(value: object) -> bool:
        return isinstance(value, str) and value.lower() == own.lower()

    by_name = {key.lower(): key for key in said}
    if str(said.get(by_name.get("path", ""), "")).lower() in names and is_own(said.get(by_name.get("value", ""))):
        return {**said, by_name["value"]: own}
    described = said.get(by_name.get("value", ""))
    if "op" in by_name and isinstance(described, dict):
        return {**said, by_name["value"]: _with_own_name(current, described)}
    return {key: own if key.lower() in names and is_own(value) else value for key, value in said.items()}


def patched_user(current: ProvisionedUser, payload: Mapping[str, Any]) -> UserState:
    """Return the user that a PATCH makes of one."""
    require_small(payload)
    resource = answers.user_resource(current)
    before = _roles(resource.roles)
    named = (_with_own_name(current, part) for each in operations_of(payload) for part in each_by_path(each))
    operations = [each for each in map(single_of_operation, named) if each is not None]
    if operations:
        with told(), PROVIDER:
            patch(User, with_operations(payload, operations)).patch(resource)
    added = [each for each in resource.roles or [] if each.value not in before]
    if added:
        resource.roles = added  # a user has one role: what comes takes the place of what was
    return _user_state(resource, current, says_role=_roles(resource.roles) != before)


def _user_state(resource: User, current: ProvisionedUser | None, *, says_role: bool) -> UserState:
    given = current is not None and current.user.username
    emails = [each.value for each in resource.emails or [] if each.value]
    return UserState(
        username=given or checked("userName", resource.user_name, USERNAME),
        external_id=optional("externalId", resource.external_id, EXTERNAL_ID),
        display_name=optional("displayName", resource.display_name, DISPLAY_NAME),
        email=optional("emails", emails[-1] if emails else None, EMAIL),
        active=bool(resource.active),
        role=_role(resource.roles) if says_role else None,
    )


def _roles(roles: list[UserRole] | None) -> list[str | None]:
    return [each.value for each in roles or []]


def _role(roles: list[UserRole] | None) -> Role:
    """Return the mightiest of some roles, a member's if there is none."""
    found = Role.MEMBER
    for value in map(role_named, _roles(roles)):
        if value is None:
            continue
        if value not in [*Role]:
            raise InvalidArgument(f"Roles must be among {', '.join(Role)}.", reason="invalidValue")
        found = mightier(found, Role(value))
    return found
