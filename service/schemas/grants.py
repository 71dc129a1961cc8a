"""Requests and answers about grants on a pipeline, and about the access that users have and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.permissions import PERMISSION_BITS, PERMISSION_NAMES, Explanation, is_manager, permission_names
from service.repositories.grants import Grant
from service.schemas.answers import AnswerSchema, ListSchema, answers, dump_page
from service.schemas.fields import Flag, Name, PageSize, StrictUUID, end, page_token, permission, permissions
from service.schemas.pages import Page, Part, is_text
from service.schemas.request import field, request


@request
class ListGrants:
    """The grants on a pipeline.

    Groups first, then by name.
    """

    sort_key: ClassVar[tuple[Part, ...]] = (is_text, is_text)

    pipeline_id: UUID = field(StrictUUID())
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


@request
class PutUserGrant:
    """A grant to a user, in the place of an earlier one.

    Any grant includes read.
    """

    pipeline_id: UUID = field(StrictUUID())
    username: str = field(Name())
    permissions: int = field(permissions())
    """A bit set of permissions/."""
    is_manager: bool = field(Flag(), default=False)
    expires_at: datetime | None = field(end(), default=None)


@request
class PutGroupGrant:
    """A grant to a group, in the place of an earlier one.

    Any grant includes read.
    """

    pipeline_id: UUID = field(StrictUUID())
    name: str = field(Name())
    permissions: int = field(permissions())
    """A bit set of permissions/."""
    is_manager: bool = field(Flag(), default=False)
    expires_at: datetime | None = field(end(), default=None)


@request
class UserGrantRef:
    """The grant to a user on a pipeline, to be read or revoked."""

    pipeline_id: UUID = field(StrictUUID())
    username: str = field(Name())


@request
class GroupGrantRef:
    """The grant to a group on a pipeline, to be read or revoked."""

    pipeline_id: UUID = field(StrictUUID())
    name: str = field(Name())


@request
class ListAccess:
    """The users that may read a pipeline, or have the named permission on it.

    By username; disabled users can nothing.
    """

    sort_key: ClassVar[tuple[Part, ...]] = (is_text,)

    pipeline_id: UUID = field(StrictUUID())
    permission: str | None = field(permission(), default=None)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


@request
class ExplainAccess:
    """A user's access to a pipeline, to be explained."""

    pipeline_id: UUID = field(StrictUUID())
    username: str = field(Name())


def _permission_list() -> fields.List[Any]:
    return fields.List(fields.String(validate=validate.OneOf([*PERMISSION_BITS])), required=True)


class GrantSchema(Schema):
    """A grant: of username and group, one is null."""

    username = fields.String(required=True, allow_none=True)
    group = fields.String(required=True, allow_none=True)
    permissions = _permission_list()
    is_manager = fields.Boolean(required=True)
    expires_at = fields.AwareDateTime(required=True, allow_none=True)
    updated_at = fields.AwareDateTime(required=True)


class GrantAnswerSchema(AnswerSchema):
    """One grant."""

    grant = fields.Nested(GrantSchema, required=True)


class GrantListSchema(ListSchema):
    """Grants on a pipeline, expired ones too."""

    grants = fields.List(fields.Nested(GrantSchema), required=True)


class UserAccessSchema(Schema):
    """A user with access to a pipeline, and their permissions."""

    username = fields.String(required=True)
    permissions = _permission_list()
    is_manager = fields.Boolean(required=True)


class AccessListSchema(ListSchema):
    """Users with access to a pipeline, by name."""

    users = fields.List(fields.Nested(UserAccessSchema), required=True)


class ReasonSchema(Schema):
    """One path that gives a permission."""

    through = fields.String(required=True, validate=validate.OneOf(["user", "group", "role"]))
    name = fields.String(required=True, metadata={"description": "Of the user, the group or the role."})
    as_manager = fields.Boolean(required=True, metadata={"description": "It makes a manager, who holds all five."})
    expires_at = fields.AwareDateTime(required=True, allow_none=True)


class ExplanationSchema(Schema):
    """The reasons by which one permission is held, or what is missing."""

    permission = fields.String(required=True, validate=validate.OneOf([*PERMISSION_BITS]))
    held = fields.Boolean(required=True)
    reasons = fields.List(fields.Nested(ReasonSchema), required=True)
    missing = fields.String(required=True, allow_none=True)
    unlisted = fields.Integer(metadata={"description": "Of reasons beyond those; left out if there are none."})


class AccessSchema(UserAccessSchema):
    """A user's access to a pipeline, and the reasons for each of the five permissions."""

    explanations = fields.List(fields.Nested(ExplanationSchema), required=True)


class AccessAnswerSchema(AnswerSchema):
    """One user's access to a pipeline."""

    access = fields.Nested(AccessSchema, required=True)


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
