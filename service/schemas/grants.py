"""Requests and answers about grants on a pipeline, and about the access that users have and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.permissions import (
    MAX_REASONS,
    PERMISSION_BITS,
    PERMISSION_NAMES,
    Explanation,
    is_manager,
    permission_names,
)
from service.repositories import holders
from service.repositories.grant_sets import GROUP_GRANT_ORDERS, GroupGrant
from service.repositories.grants import ORDERS, Grant
from service.repositories.ordering import Orders
from service.schemas.answers import AnswerSchema, OrderedListSchema, answers, dump_page
from service.schemas.fields import (
    PIPELINE_ID,
    Flag,
    Name,
    PageSize,
    StrictUUID,
    end,
    objects,
    order_by,
    page_token,
    part,
    permission,
    permissions,
    says,
    text,
    total,
)
from service.schemas.groups import GROUP
from service.schemas.pages import Page
from service.schemas.request import field, request
from service.schemas.users import USER
from service.values.names import EMAIL

MANAGES: Final = "True to make a manager, who holds all five permissions."


@request
class ListGrants:
    """The grants on a pipeline, or those of them that fit the filter.

    Groups first, then by name.
    """

    orders: ClassVar[Orders] = ORDERS

    pipeline_id: UUID = field(StrictUUID(), PIPELINE_ID)
    q: str | None = field(part("group's or user's name"), default=None)
    order_by: str | None = field(order_by(ORDERS), default=None)
    total: bool = field(total(), default=False)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


@request
class PutUserGrant:
    """A grant to a user, in the place of an earlier one.

    Any grant includes read.
    """

    pipeline_id: UUID = field(StrictUUID(), PIPELINE_ID)
    username: str = field(Name(), USER)
    permissions: int = field(permissions())
    """A bit set of permissions/."""
    is_manager: bool = field(Flag(), MANAGES, default=False)
    expires_at: datetime | None = field(end(), default=None)


@request
class PutGroupGrant:
    """A grant to a group, in the place of an earlier one.

    Any grant includes read.
    """

    pipeline_id: UUID = field(StrictUUID(), PIPELINE_ID)
    name: str = field(Name(), GROUP)
    permissions: int = field(permissions())
    """A bit set of permissions/."""
    is_manager: bool = field(Flag(), MANAGES, default=False)
    expires_at: datetime | None = field(end(), default=None)


MAX_GRANTS: Final = 1000
"""The number of grants in a whole set of those on a pipeline."""


@request
class GrantInSet:
    """One grant of a whole set, to a user or to a group.

    Any grant includes read.
    """

    permissions: int = field(permissions())
    """A bit set of permissions/."""
    user: str | None = field(Name(), "The user it is to; left out: a group.", default=None)
    group: str | None = field(Name(), "The group it is to; left out: a user.", default=None)
    is_manager: bool = field(Flag(), "True to make a manager, who holds all five permissions.", default=False)
    expires_at: datetime | None = field(end(), default=None)


@request
class ReplaceGrants:
    """All grants on a pipeline, in the place of those that there are.

    Each names either a user or a group, and each of these once. Grants that are not named are taken back; one that is
    named as it is stays as it is, and takes no more than to manage the grants. The rules of single grants hold for each
    that differs. What has expired gives nobody anything: it goes unless it is named anew. `If-Match` takes the tag of
    the list read whole, which `page_size=1000` does.
    """

    pipeline_id: UUID = field(StrictUUID(), "The id of the pipeline.")
    grants: list[GrantInSet] = field(
        objects(GrantInSet, MAX_GRANTS), "All the grants that there are to be; others are revoked."
    )


@request
class ListGroupGrants:
    """The grants to a group, by the pipelines' names.

    Of each pipeline to those who may manage its grants: to administrators and pipeline administrators on all.
    """

    orders: ClassVar[Orders] = GROUP_GRANT_ORDERS

    name: str = field(Name(), GROUP)
    q: str | None = field(
        text(EMAIL.max_length), "Only those on pipelines with this in their name, in upper or lower case.", default=None
    )
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)
    order_by: str | None = field(order_by(GROUP_GRANT_ORDERS), default=None)
    total: bool = field(total(), default=False)


@request
class UserGrantRef:
    """The grant to a user on a pipeline, to be read or revoked."""

    pipeline_id: UUID = field(StrictUUID(), PIPELINE_ID)
    username: str = field(Name(), USER)


@request
class GroupGrantRef:
    """The grant to a group on a pipeline, to be read or revoked."""

    pipeline_id: UUID = field(StrictUUID(), PIPELINE_ID)
    name: str = field(Name(), GROUP)


@request
class ListAccess:
    """The users that may read a pipeline, or have the named permission on it.

    By username; disabled users can nothing.
    """

    orders: ClassVar[Orders] = holders.ORDERS

    pipeline_id: UUID = field(StrictUUID(), PIPELINE_ID)
    permission: str | None = field(permission(), "Only users who hold this permission.", default=None)
    order_by: str | None = field(order_by(holders.ORDERS), default=None)
    total: bool = field(total(), default=False)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


@request
class ExplainAccess:
    """A user's access to a pipeline, to be explained."""

    pipeline_id: UUID = field(StrictUUID(), PIPELINE_ID)
    username: str = field(Name(), USER)


def _permission_list(description: str) -> fields.List[Any]:
    word = fields.String(validate=validate.OneOf([*PERMISSION_BITS]))
    return fields.List(word, required=True, metadata=says(description))


class GrantSchema(Schema):
    """A grant: of username and group, one is null."""

    username = fields.String(required=True, allow_none=True, metadata=says("The user it is to; null: a group."))
    group = fields.String(required=True, allow_none=True, metadata=says("The group it is to; null: a user."))
    permissions = _permission_list("What it grants.")
    is_manager = fields.Boolean(required=True, metadata=says("True if it makes a manager."))
    expires_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata=says("The time of its end; null: never.")
    )
    updated_at = fields.AwareDateTime(required=True, metadata=says("The time at which it was made as it is."))


class GrantAnswerSchema(AnswerSchema):
    """One grant."""

    grant = fields.Nested(GrantSchema, required=True, metadata=says("The grant."))


class GrantListSchema(OrderedListSchema):
    """Grants on a pipeline, expired ones too."""

    grants = fields.List(
        fields.Nested(GrantSchema), required=True, metadata=says("The grants: groups first, then by name.")
    )


class NamedPipelineSchema(Schema):
    """A pipeline by id and name."""

    id = fields.UUID(required=True, metadata=says("The id of the pipeline."))
    name = fields.String(required=True, metadata=says("The name of the pipeline."))


class GroupGrantSchema(Schema):
    """A grant to a group, with the pipeline that it is on."""

    pipeline = fields.Nested(NamedPipelineSchema, required=True, metadata=says("The pipeline that it is on."))
    permissions = _permission_list("What it gives.")
    is_manager = fields.Boolean(required=True, metadata=says("True if it makes a manager."))
    expires_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata=says("The time of its end; null: never.")
    )


class GroupGrantListSchema(OrderedListSchema):
    """Grants to a group, expired ones too."""

    grants = fields.List(
        fields.Nested(GroupGrantSchema), required=True, metadata=says("The grants, by the names of their pipelines.")
    )


class UserAccessSchema(Schema):
    """A user with access to a pipeline, and their permissions."""

    username = fields.String(required=True, metadata=says("The name of the user."))
    permissions = _permission_list("What they may do on the pipeline.")
    is_manager = fields.Boolean(required=True, metadata=says("True if they are a manager of it, who may do all."))


class AccessListSchema(OrderedListSchema):
    """Users with access to a pipeline, by name."""

    users = fields.List(fields.Nested(UserAccessSchema), required=True, metadata=says("The users, by username."))


class ReasonSchema(Schema):
    """One path that gives a permission."""

    through = fields.String(
        required=True,
        validate=validate.OneOf(["user", "group", "role"]),
        metadata=says("What gives it: a grant to the user, one to a group of theirs, or their role."),
    )
    name = fields.String(required=True, metadata={"description": "The name of the user, the group or the role."})
    as_manager = fields.Boolean(
        required=True, metadata={"description": "True if it makes a manager, who holds all five."}
    )
    expires_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata=says("The time until which it gives it; null: for ever.")
    )
    mapped_from = fields.String(
        metadata=says(
            "The identity provider's own name of the group or role, where a claim is mapped to it; absent where it is"
            " the user's without that."
        )
    )


class ExplanationSchema(Schema):
    """The reasons by which one permission is held, or what is missing."""

    permission = fields.String(
        required=True, validate=validate.OneOf([*PERMISSION_BITS]), metadata=says("The permission in question.")
    )
    held = fields.Boolean(required=True, metadata=says("True if the user holds it."))
    reasons = fields.List(
        fields.Nested(ReasonSchema),
        required=True,
        validate=validate.Length(max=MAX_REASONS + 1),  # the role is one more
        metadata=says("All that gives it to them."),
    )
    missing = fields.String(
        required=True, allow_none=True, metadata=says("What is missing, for a person; null if they hold it.")
    )
    unlisted = fields.Integer(metadata={"description": "The number of reasons beyond those; absent if there are none."})


class AccessSchema(UserAccessSchema):
    """A user's access to a pipeline, and the reasons for each of the five permissions."""

    explanations = fields.List(
        fields.Nested(ExplanationSchema),
        required=True,
        validate=validate.Length(equal=len(PERMISSION_BITS)),
        metadata=says("One for each of the five permissions."),
    )


class AccessAnswerSchema(AnswerSchema):
    """One user's access to a pipeline."""

    access = fields.Nested(AccessSchema, required=True, metadata=says("What the user may do, and why."))


@dataclass(frozen=True, slots=True)
class UserAccess:
    """A user, and what they may do on a pipeline (an access of permissions/)."""

    username: str
    access: int


@dataclass(frozen=True, slots=True)
class AccessExplained(UserAccess):
    """A user's access to a pipeline, and the reasons for each of the five permissions."""

    explanations: list[Explanation]


@answers(GrantAnswerSchema)
def dump_grant(grant: Grant) -> dict[str, Any]:
    """Dump one grant."""
    return {"status": "OK", "grant": _dump_grant(grant)}


@answers(GrantListSchema)
def dump_grant_list(page: Page[Grant]) -> dict[str, Any]:
    """Dump a page of grants."""
    return dump_page("grants", page, _dump_grant)


@answers(GroupGrantListSchema)
def dump_group_grant_list(page: Page[GroupGrant]) -> dict[str, Any]:
    """Dump a page of the grants to a group."""
    return dump_page("grants", page, _dump_group_grant)


@answers(AccessListSchema)
def dump_access_list(page: Page[UserAccess]) -> dict[str, Any]:
    """Dump a page of users, and what each may do."""
    return dump_page("users", page, _dump_user_access)


@answers(AccessAnswerSchema)
def dump_access(access: AccessExplained) -> dict[str, Any]:
    """Dump one user's access, and why."""
    explanations = [_dump_explanation(explanation) for explanation in access.explanations]
    return {"status": "OK", "access": {**_dump_user_access(access), "explanations": explanations}}


def _dump_grant(grant: Grant) -> dict[str, Any]:
    return {
        "username": grant.name if grant.kind == "user" else None,
        "group": grant.name if grant.kind == "group" else None,
        "permissions": permission_names(grant.access),
        "is_manager": is_manager(grant.access),
        "expires_at": grant.expires_at,
        "updated_at": grant.updated_at,
    }


def _dump_group_grant(grant: GroupGrant) -> dict[str, Any]:
    return {
        "pipeline": {"id": grant.pipeline_id, "name": grant.pipeline_name},
        "permissions": permission_names(grant.access),
        "is_manager": is_manager(grant.access),
        "expires_at": grant.expires_at,
    }


def _dump_user_access(access: UserAccess) -> dict[str, Any]:
    return {
        "username": access.username,
        "permissions": permission_names(access.access),
        "is_manager": is_manager(access.access),
    }


def _dump_explanation(explanation: Explanation) -> dict[str, Any]:
    return {
        "permission": PERMISSION_NAMES[explanation.permission],
        "held": bool(explanation.reasons),
        "reasons": explanation.reasons,  # dataclasses of the schema's own names
        "missing": explanation.missing,
    } | ({"unlisted": explanation.unlisted} if explanation.unlisted else {})
