"""Results of the operations → the resources that SCIM clients see."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from scim2_models import Context, Meta, ResponseParameters

from service.http.responses import encode
from service.operations.provisioned_groups import SeenGroup
from service.permissions import Role
from service.repositories.provisioned_groups import ProvisionedGroup, SeenMember
from service.repositories.provisioned_users import ProvisionedUser
from service.scim.resources import GROUPS, PROVIDER, USERS, Email, Group, User, UserRole

Projection = ResponseParameters[Any] | None

LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


def user_version(seen: ProvisionedUser) -> str:
    """Return the entity tag of a user."""
    user = seen.user
    return _version(
        (user.username, seen.external_id, user.display_name, user.email, user.disabled, user.role, user.provisioned)
    )


def group_version(seen: ProvisionedGroup) -> str | None:
    """Return the entity tag of a group; None if it was read without what its members are."""
    if not seen.members_digest:
        return None
    return _version((seen.group.name, seen.external_id, seen.group.provisioned, seen.members_digest))


def _version(state: Sequence[object]) -> str:
    return f'W/"{hashlib.sha256(encode({"state": state})).hexdigest()[:24]}"'


def user_resource(seen: ProvisionedUser, base: str = "") -> User:
    """Return a user as a resource; a role only if it is more than a member's."""
    user = seen.user
    return User(
        id=str(user.id),
        external_id=seen.external_id,
        user_name=user.username,
        display_name=user.display_name,
        active=not user.disabled,
        emails=[Email(value=user.email)] if user.email else None,
        roles=None if user.role is Role.MEMBER else [UserRole(value=user.role.value)],
        meta=Meta(
            resource_type=USERS.name,
            created=user.created_at,
            last_modified=seen.changed_at,
            location=f"{base}/Users/{user.id}",
            version=user_version(seen),
        ),
    )


def group_resource(seen: ProvisionedGroup, base: str = "") -> Group:
    """Return a group as a resource, without its members."""
    group = seen.group
    return Group(
        id=str(group.id),
        external_id=seen.external_id,
        display_name=group.name,
        meta=Meta(
            resource_type=GROUPS.name,
            created=group.created_at,
            last_modified=seen.changed_at,
            location=f"{base}/Groups/{group.id}",
            version=group_version(seen),
        ),
    )


def shows_members(projection: Projection) -> bool:
    """Return whether the members of groups are wanted."""
    if projection is None:
        return True
    excluded = {_attribute(each) for each in projection.excluded_attributes or []}
    included = {_attribute(each) for each in projection.attributes or []}
    return "members" not in excluded and (not included or any(each.startswith("members") for each in included))


def _attribute(path: object) -> str:
    return str(path).rpartition(":")[2].lower()


def render_user(base: str, seen: ProvisionedUser, projection: Projection) -> dict[str, Any]:
    """Render a user as JSON."""
    return _render(user_resource(seen, base), projection)


def render_group(base: str, seen: SeenGroup, projection: Projection) -> dict[str, Any]:
    """Render a group as JSON, with its members if they were read; they take a library a hundred times as long."""
    rendered = _render(group_resource(seen.seen, base), projection)
    if seen.members:
        rendered["members"] = [_member(base, each) for each in seen.members]
    return rendered


def _member(base: str, member: SeenMember) -> dict[str, str]:
    key = str(member.user_id)
    return {"value": key, "$ref": f"{base}/Users/{key}", "type": "User"}


def _render(resource: User | Group, projection: Projection) -> dict[str, Any]:
    with PROVIDER:
        dumped: dict[str, Any] = resource.model_dump(
            scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=projection
        )
    return dumped


def render_list(
    render: Callable[[Any], dict[str, Any]], found: Sequence[Any], total: int, start: int
) -> dict[str, Any]:
    """Render a page of a list."""
    return {
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(found),
        "Resources": [render(each) for each in found],
    }
