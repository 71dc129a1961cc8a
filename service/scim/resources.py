"""The resources that SCIM clients see, and what the service announces of itself."""

from typing import Annotated, Any, Final

from pydantic import Field
from scim2_models import (
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    Mutability,
    Patch,
    Reference,
    Required,
    Resource,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)
from scim2_models import Group as ScimGroup
from scim2_models import User as ScimUser
from scim2_models.resources.service_provider_config import Filter as FilterSupport
from scim2_server.service import ScimService

MAX_COUNT: Final = 100
"""Resources in one answer: rendered in 20 ms."""


class Email(ComplexAttribute):
    """The address of mail of a user: the service keeps one, and not of which type it is; see single_values.py."""

    value: str | None = None


class UserRole(ComplexAttribute):
    """A role beyond a member's: a user has one at most."""

    value: Annotated[str | None, Field(examples=["pipeline_admin", "admin"])] = None


class User(Resource[Any]):
    """A user, as far as the service knows anything of users."""

    __schema__ = ScimUser.__schema__

    user_name: Annotated[str | None, Uniqueness.server, Required.true, Mutability.immutable] = None
    display_name: str | None = None
    active: Annotated[bool | None, Required.true] = None
    emails: list[Email] | None = None
    roles: list[UserRole] | None = None


class GroupMember(ComplexAttribute):
    """A user who is in a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference["User"] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    type: Annotated[str | None, Mutability.immutable, Field(examples=["User"])] = None


class Group(Resource[Any]):
    """A group, and who is in it."""

    __schema__ = ScimGroup.__schema__

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    members: list[GroupMember] | None = None


_POLICY: Final = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
"""Attributes that the service does not keep are passed over, as identity providers send more of them than it knows."""

_CONFIG: Final = ServiceProviderConfig(
    patch=Patch(supported=True),
    bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
    filter=FilterSupport(supported=True, max_results=MAX_COUNT),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=False),
    etag=ETag(supported=True),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="Bearer token",
            description="A token of the service with the scope scim, in the header Authorization.",
            primary=True,
        )
    ],
)

PROVIDER: Final = ScimProvider([User, Group], config=_CONFIG, policy=_POLICY)
SERVICE: Final = ScimService(PROVIDER)
USERS, GROUPS = PROVIDER.resource_types
