"""Requests and answers about grants on a pipeline, and about who can and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.permissions import PERMISSION_BITS, PERMISSION_NAMES, Explanation, is_manager, permission_names
from service.repositories.grants import Grant
from service.schemas.answers import AnswerSchema, ListSchema, dump_page
from service.schemas.fields import (
    IN_PATH,
    Flag,
    Instant,
    Name,
    PageSize,
    StrictUUID,
    page_token,
    permission_in_query,
    permissions,
)
from service.schemas.pages import Page
from service.schemas.request import RequestSchema


@dataclass(frozen=True, slots=True)
class ListGrants:
    """Who was granted what on a pipeline."""

    pipeline_id: UUID
    page_size: int | None = None
    page_token: str | None = None


class ListGrantsSchema(RequestSchema):
    """Groups first, then by name."""

    loads_into = ListGrants
    pipeline_id = StrictUUID(required=True, metadata=IN_PATH)
    page_size = PageSize()
    page_token = page_token()


@dataclass(frozen=True, slots=True)
class PutUserGrant:
    """A grant to a user, in the place of what was granted before. The permissions are a bit set, read included."""

    pipeline_id: UUID
    username: str
    permissions: int
    is_manager: bool = False
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PutGroupGrant:
    """The same to a group."""

    pipeline_id: UUID
    name: str
    permissions: int
    is_manager: bool = False
    expires_at: datetime | None = None


class _PutGrantSchema(RequestSchema):
    pipeline_id = StrictUUID(required=True, metadata=IN_PATH)
    permissions = permissions(required=True)
    is_manager = Flag()
    expires_at = Instant(allow_none=True)


class PutUserGrantSchema(_PutGrantSchema):
    """Any grant includes read."""

    loads_into = PutUserGrant
    username = Name(required=True, metadata=IN_PATH)


class PutGroupGrantSchema(_PutGrantSchema):
    """Any grant includes read."""

    loads_into = PutGroupGrant
    name = Name(required=True, metadata=IN_PATH)


@dataclass(frozen=True, slots=True)
class UserGrantRef:
    """What was granted to a user, to be read or taken back."""

    pipeline_id: UUID
    username: str


class UserGrantRefSchema(RequestSchema):
    """Names the user."""

    loads_into = UserGrantRef
    pipeline_id = StrictUUID(required=True, metadata=IN_PATH)
    username = Name(required=True, metadata=IN_PATH)


@dataclass(frozen=True, slots=True)
class GroupGrantRef:
    """What was granted to a group, to be read or taken back."""

    pipeline_id: UUID
    name: str


class GroupGrantRefSchema(RequestSchema):
    """Names the group."""

    loads_into = GroupGrantRef
    pipeline_id = StrictUUID(required=True, metadata=IN_PATH)
    name = Name(required=True, metadata=IN_PATH)


@dataclass(frozen=True, slots=True)
class ListAccess:
    """Who can, on a pipeline: everyone who may read it, or do what is named."""

    pipeline_id: UUID
    permission: str | None = None
    page_size: int | None = None
    page_token: str | None = None


class ListAccessSchema(RequestSchema):
    """By username; disabled users can nothing."""

    loads_into = ListAccess
    pipeline_id = StrictUUID(required=True, metadata=IN_PATH)
    permission = permission_in_query()
    page_size = PageSize()
    page_token = page_token()


@dataclass(frozen=True, slots=True)
class ExplainAccess:
    """Why a user can what they can."""

    pipeline_id: UUID
    username: str


class ExplainAccessSchema(RequestSchema):
    """Names the user."""

    loads_into = ExplainAccess
    pipeline_id = StrictUUID(required=True, metadata=IN_PATH)
    username = Name(required=True, metadata=IN_PATH)


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
    """A user who can, and what."""

    username = fields.String(required=True)
    permissions = _permission_list()
    is_manager = fields.Boolean(required=True)


class AccessListSchema(ListSchema):
    """Who can."""

    users = fields.List(fields.Nested(UserAccessSchema), required=True)


class ReasonSchema(Schema):
    """One path that gives a permission."""

    through = fields.String(required=True, validate=validate.OneOf(["user", "group", "role"]))
    name = fields.String(required=True, metadata={"description": "Of the user, the group or the role."})
    as_manager = fields.Boolean(required=True, metadata={"description": "It makes a manager, who holds all five."})
    expires_at = fields.AwareDateTime(required=True, allow_none=True)


class ExplanationSchema(Schema):
    """Why one permission is held, or what stops it."""

    permission = fields.String(required=True, validate=validate.OneOf([*PERMISSION_BITS]))
    held = fields.Boolean(required=True)
    reasons = fields.List(fields.Nested(ReasonSchema), required=True)
    missing = fields.String(required=True, allow_none=True)


class AccessSchema(UserAccessSchema):
    """What a user can, and why, each of the five permissions."""

    explanations = fields.List(fields.Nested(ExplanationSchema), required=True)


class AccessAnswerSchema(AnswerSchema):
    """One user's access to a pipeline."""

    access = fields.Nested(AccessSchema, required=True)


@dataclass(frozen=True, slots=True)
class UserAccess:
    """A user, and what they may do on a pipeline (an access of permissions.py)."""

    username: str
    access: int


@dataclass(frozen=True, slots=True)
class AccessExplained(UserAccess):
    """The same, and why, for each of the five permissions."""

    explanations: list[Explanation]


def dump_grant(grant: Grant) -> dict[str, Any]:
    """A GrantAnswerSchema."""
    return {"status": "OK", "grant": _dump_grant(grant)}


def dump_grant_list(page: Page[Grant]) -> dict[str, Any]:
    """A GrantListSchema."""
    return dump_page("grants", page, _dump_grant)


def dump_access_list(page: Page[UserAccess]) -> dict[str, Any]:
    """An AccessListSchema."""
    return dump_page("users", page, _dump_user_access)


def dump_access(access: AccessExplained) -> dict[str, Any]:
    """A AccessAnswerSchema."""
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
    }
