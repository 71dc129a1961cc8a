"""Requests and answers about users."""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from service.permissions import SCOPE_BITS, Role, scope_names
from service.repositories.users import User
from service.schemas.answers import AnswerSchema, ListSchema, answers, dump_page
from service.schemas.fields import Choice, Flag, Name, PageSize, page_token, part_of_name
from service.schemas.pages import Page
from service.schemas.request import field, request


@request
class ListUsers:
    """The users of the organization, or those of them that fit the filter.

    Filter: a part of the username regardless of case.
    """

    name: str | None = field(part_of_name(), default=None)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


def _not_an_address(username: str) -> None:
    if username.lower() == "me":
        raise ValidationError('Must not be "me", which is whoever calls.')


@request
class CreateUser:
    """A new user.

    The username is unique in the organization, regardless of case.
    """

    username: str = field(Name(validate=_not_an_address))
    role: Role = field(Choice(Role), default=Role.MEMBER)


@request
class GetMe:
    """The caller, to be read."""


@request
class GetUser:
    """One user, to be read.

    Names one user, regardless of case.
    """

    username: str = field(Name())


@request
class UpdateUser:
    """Changes of a user; None leaves a value as it is.

    What is left out stays.
    """

    username: str = field(Name())
    role: Role | None = field(Choice(Role), default=None)
    disabled: bool | None = field(Flag(), default=None)


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


@answers(UserAnswerSchema)
def dump_user(seen: UserView) -> dict[str, Any]:
    """Dump one user."""
    return {"status": "OK", "user": _dump_user(seen)}


@answers(UserListSchema)
def dump_user_list(page: Page[UserView]) -> dict[str, Any]:
    """Dump a page of users."""
    return dump_page("users", page, _dump_user)


@answers(MeAnswerSchema)
def dump_me(me: Me) -> dict[str, Any]:
    """Dump the caller."""
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
