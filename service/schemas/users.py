"""Requests and answers about users."""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from service.permissions import SCOPE_BITS, Role, scope_names
from service.repositories.users import User
from service.schemas.answers import AnswerSchema, ListSchema, dump_page
from service.schemas.fields import IN_PATH, IN_QUERY, Flag, Name, PageSize, page_token
from service.schemas.pages import Page
from service.schemas.request import RequestSchema


@dataclass(frozen=True, slots=True)
class ListUsers:
    """The users of the organization."""

    name: str | None = None
    page_size: int | None = None
    page_token: str | None = None


class ListUsersSchema(RequestSchema):
    """Filter: a part of the username regardless of case."""

    loads_into = ListUsers
    name = fields.String(metadata=IN_QUERY, load_default=None)
    page_size = PageSize()
    page_token = page_token()


@dataclass(frozen=True, slots=True)
class CreateUser:
    """A new user."""

    username: str
    role: Role = Role.MEMBER


class _RoleField(fields.Enum[Role]):
    def __init__(self) -> None:
        super().__init__(Role, by_value=True)


def _not_an_address(username: str) -> None:
    if username.lower() == "me":
        raise ValidationError('Must not be "me", which is whoever calls.')


class CreateUserSchema(RequestSchema):
    """The username is unique in the organization, regardless of case."""

    loads_into = CreateUser
    username = Name(required=True, validate=_not_an_address)
    role = _RoleField()


@dataclass(frozen=True, slots=True)
class GetMe:
    """Whoever calls."""


class GetMeSchema(RequestSchema):
    """Asks for nothing."""

    loads_into = GetMe


@dataclass(frozen=True, slots=True)
class GetUser:
    """One user."""

    username: str


class GetUserSchema(RequestSchema):
    """Names one user, regardless of case."""

    loads_into = GetUser
    username = Name(required=True, metadata=IN_PATH)


@dataclass(frozen=True, slots=True)
class UpdateUser:
    """What is to change of a user; None is to stay."""

    username: str
    role: Role | None = None
    disabled: bool | None = None


class UpdateUserSchema(RequestSchema):
    """What is left out stays."""

    loads_into = UpdateUser
    username = Name(required=True, metadata=IN_PATH)
    role = _RoleField()
    disabled = Flag()


class UserSchema(Schema):
    """A user; all but the name only for administrators."""

    username = fields.String(required=True)
    role = fields.String(validate=validate.OneOf([*Role]))
    disabled = fields.Boolean()
    created_at = fields.AwareDateTime()


class UserAnswerSchema(AnswerSchema):
    """One user."""

    user = fields.Nested(UserSchema, required=True)


class UserListSchema(ListSchema):
    """Users by name."""

    users = fields.List(fields.Nested(UserSchema), required=True)


class MeSchema(UserSchema):
    """The caller, and the scopes of the token they call with; null: all that they may."""

    groups = fields.List(fields.String(), required=True)
    scopes = fields.List(fields.String(validate=validate.OneOf([*SCOPE_BITS])), required=True, allow_none=True)


class MeAnswerSchema(AnswerSchema):
    """The caller."""

    user = fields.Nested(MeSchema, required=True)


@dataclass(frozen=True, slots=True)
class UserView:
    """A user, as whole as the caller may see them: every member may read the names, administrators the rest."""

    user: User
    whole: bool


@dataclass(frozen=True, slots=True)
class Me(UserView):
    """The caller."""

    groups: list[str]
    scopes: int | None


def dump_user(seen: UserView) -> dict[str, Any]:
    """A UserAnswerSchema."""
    return {"status": "OK", "user": _dump_user(seen)}


def dump_user_list(page: Page[UserView]) -> dict[str, Any]:
    """A UserListSchema."""
    return dump_page("users", page, _dump_user)


def dump_me(me: Me) -> dict[str, Any]:
    """A MeAnswerSchema."""
    return {"status": "OK", "user": {**_dump_user(me), "groups": me.groups, "scopes": scope_names(me.scopes)}}


def _dump_user(seen: UserView) -> dict[str, Any]:
    if not seen.whole:
        return {"username": seen.user.username}
    user = seen.user
    return {
        "username": user.username,
        "role": user.role.value,
        "disabled": user.disabled,
        "created_at": user.created_at,
    }
