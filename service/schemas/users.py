"""Requests and answers about users."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from marshmallow import Schema, fields, validate

from service.identity import Provided
from service.permissions import PERMISSION_BITS, SCOPE_BITS, Role, is_manager, permission_names, scope_names
from service.repositories.kept_grants import KeptGrant
from service.repositories.ordering import Orders
from service.repositories.users import ORDERS, User
from service.schemas.answers import AnswerSchema, OrderedListSchema, answers, dump_page
from service.schemas.fields import (
    PIPELINE_ID,
    Choice,
    Flag,
    Name,
    PageSize,
    Ruled,
    order_by,
    page_token,
    part_of_name,
    says,
    text,
    total,
)
from service.schemas.pages import Page
from service.schemas.request import UNSAID, Unsaid, field, request
from service.values.identity_providers import MAX_MAPPED
from service.values.names import DISPLAY_NAME, EMAIL, USERNAME

USER: Final = "The name of the user, in upper or lower case."
MOST_KEPT: Final = 1000
"""Grants that an answer lists, of those that a user keeps."""
MAX_GROUPS: Final = 1000
"""Groups that an answer names, of those that the caller is in; others are counted."""


@request
class ListUsers:
    """The users of the organization, or those of them that fit the filter.

    Filters, regardless of case: a part of the username; and by `q`, a part of the username, the display name or the
    email, of which only administrators search the last two.
    """

    orders: ClassVar[Orders] = ORDERS

    name: str | None = field(part_of_name(), default=None)
    q: str | None = field(
        text(EMAIL.max_length), "Only those with this in their username, display name or email address.", default=None
    )
    order_by: str | None = field(order_by(ORDERS), default=None)
    total: bool = field(total(), default=False)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


@request
class CreateUser:
    """A new user.

    The username is unique in the organization, regardless of case, and not a word of an address, such as `me`.
    """

    username: str = field(Ruled(USERNAME), "The name of the user.")
    role: Role = field(Choice(Role), "The role they are to have; a member's if it is left out.", default=Role.MEMBER)
    display_name: str | None = field(
        Ruled(DISPLAY_NAME, allow_none=True), "The name that people know them by.", default=None
    )
    email: str | None = field(Ruled(EMAIL, allow_none=True), "An address of theirs, which is not proved.", default=None)


@request
class GetMe:
    """The caller, to be read."""


@request
class GetUser:
    """One user, to be read.

    Names one user, regardless of case.
    """

    username: str = field(Name(), USER)


@request
class UpdateUser:
    """Changes of a user; what is left out stays.

    What is left out stays; null takes a display name or an email away. `withdraw_grants` takes back, each audited,
    every grant that the user has made to themselves, also as the creator of a pipeline. What they granted to groups
    that they are in stays, as others hold it, too: the answer lists it.
    """

    username: str = field(Name(), "The name of the user, in upper or lower case.")
    role: Role | None = field(Choice(Role), "The role they are to have from now on.", default=None)
    disabled: bool | None = field(
        Flag(), "True to refuse all of their tokens, false to allow them again.", default=None
    )
    display_name: str | Unsaid | None = field(
        Ruled(DISPLAY_NAME, allow_none=True), "The name that people know them by; null: none.", default=UNSAID
    )
    email: str | Unsaid | None = field(
        Ruled(EMAIL, allow_none=True), "An address of theirs; null: none.", default=UNSAID
    )
    withdraw_grants: bool = field(Flag(), "True to take back, too, what they have granted themselves.", default=False)


@request
class DeleteUser:
    """One user, to be deleted.

    `jobs_to` names the user who gets their jobs; without it, nobody is deleted who owns any. The name stays reserved.
    """

    username: str = field(Name(), "The name of the user, in upper or lower case.")
    jobs_to: str | None = field(Name(), "The username of the user who is to own their jobs.", default=None)


class UserSchema(Schema):
    """A user; all but the name only for administrators."""

    username = fields.String(required=True, metadata=says("The name of the user."))
    role = fields.String(validate=validate.OneOf([*Role]), metadata=says("Their role; only for administrators."))
    disabled = fields.Boolean(metadata=says("True if all of their tokens are refused; only for administrators."))
    created_at = fields.AwareDateTime(metadata=says("The time of their creation; only for administrators."))
    display_name = fields.String(allow_none=True, metadata={"description": "As people know them; null: none is known."})
    email = fields.String(allow_none=True, metadata={"description": "An address of theirs, which nobody has proved."})
    provisioned = fields.Boolean(
        metadata={
            "description": "True if an identity provider manages them by SCIM, and alone changes them; else absent."
        }
    )


class UserAnswerSchema(AnswerSchema):
    """One user."""

    user = fields.Nested(UserSchema, required=True, metadata=says("The user."))


class KeptGrantSchema(Schema):
    """A grant that a user keeps who is a member now."""

    id = fields.UUID(required=True, metadata=says(PIPELINE_ID))
    name = fields.String(required=True, metadata=says("The name of the pipeline."))
    permissions = fields.List(
        fields.String(validate=validate.OneOf([*PERMISSION_BITS])), required=True, metadata=says("What it grants.")
    )
    is_manager = fields.Boolean(required=True, metadata=says("True if it makes a manager."))
    expires_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata=says("The time of its end; null: never.")
    )
    group = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The group of theirs that it is to; null: to the user."},
    )
    by_themselves = fields.Boolean(
        required=True, metadata={"description": "True if the audit trail says that they made it, or the pipeline."}
    )


class UserUpdatedSchema(UserAnswerSchema):
    """One user, and what they keep: told when they become a member, or grants are withdrawn from one."""

    keeps = fields.List(
        fields.Nested(KeptGrantSchema),
        validate=validate.Length(max=MOST_KEPT),
        metadata={
            "description": "What they keep: grants to them, and those that they made to groups of theirs, by pipeline;"
            f" the first {MOST_KEPT}; none to a token that may not read pipelines."
        },
    )
    keeps_total = fields.Integer(metadata=says("The number of grants that they keep, listed or not."))


class UserListSchema(OrderedListSchema):
    """Users by name."""

    users = fields.List(fields.Nested(UserSchema), required=True, metadata=says("The users, by username."))


class MappedGroupSchema(Schema):
    """A group that a value of a claim is mapped to."""

    name = fields.String(required=True, metadata=says("The name of the group."))
    mapped_from = fields.String(required=True, metadata=says("The identity provider's own name of it."))


class ProvidedSchema(Schema):
    """Claims of an identity provider about the caller: they count for calls by its token, and are stored nowhere."""

    issuer = fields.String(required=True, metadata=says("The address of the identity provider."))
    groups = fields.List(
        fields.Nested(MappedGroupSchema),
        required=True,
        validate=validate.Length(max=MAX_MAPPED),
        metadata=says("The groups that its claims are mapped to."),
    )
    role = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf([role.value for role in Role]),
        metadata=says("The role that its claims are mapped to; null: none. The mightier of it and the user's counts."),
    )
    role_mapped_from = fields.String(
        required=True, allow_none=True, metadata=says("The identity provider's own name of that role; null: none.")
    )


class MeSchema(UserSchema):
    """The caller, and the scopes of the token they call with; null: all that they may."""

    groups = fields.List(
        fields.String(),
        required=True,
        validate=validate.Length(max=MAX_GROUPS),
        metadata=says("The names of the groups that they are in."),
    )
    unlisted_groups = fields.Integer(
        metadata=says("The number of groups beyond those, by name; absent if there are none.")
    )
    scopes = fields.List(
        fields.String(validate=validate.OneOf([*SCOPE_BITS])),
        required=True,
        allow_none=True,
        metadata=says("What the token may do at most, of what its user may; null: all of it."),
    )
    identity_provider = fields.Nested(
        ProvidedSchema, metadata=says("What an identity provider says of them; absent by a token of the service's own.")
    )


class MeAnswerSchema(AnswerSchema):
    """The caller."""

    user = fields.Nested(MeSchema, required=True, metadata=says("The caller."))


@dataclass(frozen=True, slots=True)
class UserView:
    """A user, as whole as the caller may see them: every member may read the names, administrators the rest."""

    user: User
    whole: bool


@dataclass(frozen=True, slots=True)
class Me(UserView):
    """The caller."""

    groups: list[str]
    unlisted_groups: int
    """The number of groups beyond those."""
    scopes: int | None
    provided: Provided | None = None
    """Claims of an identity provider; None for a token of the service's own."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The first of the grants that a user keeps without a role, and how many there are."""

    grants: list[KeptGrant]
    total: int


@dataclass(frozen=True, slots=True)
class UserUpdated(UserView):
    """A user after a change, and what they keep if that made a member of them."""

    keeps: Kept | None = None


@answers(UserAnswerSchema)
def dump_user(seen: UserView) -> dict[str, Any]:
    """Dump one user."""
    return {"status": "OK", "user": _dump_user(seen)}


@answers(UserUpdatedSchema)
def dump_user_updated(seen: UserUpdated) -> dict[str, Any]:
    """Dump a user after a change."""
    if seen.keeps is None:
        return dump_user(seen)
    keeps = [_dump_kept(grant) for grant in seen.keeps.grants]
    return {**dump_user(seen), "keeps": keeps, "keeps_total": seen.keeps.total}


@answers(UserListSchema)
def dump_user_list(page: Page[UserView]) -> dict[str, Any]:
    """Dump a page of users."""
    return dump_page("users", page, _dump_user)


@answers(MeAnswerSchema)
def dump_me(me: Me) -> dict[str, Any]:
    """Dump the caller."""
    user = {**_dump_user(me), "groups": me.groups, "scopes": scope_names(me.scopes)}
    if me.unlisted_groups:
        user["unlisted_groups"] = me.unlisted_groups
    if me.provided is not None:
        user["identity_provider"] = _dump_provided(me.provided)
    return {"status": "OK", "user": user}


def _dump_provided(provided: Provided) -> dict[str, Any]:
    return {
        "issuer": provided.issuer,
        "groups": [{"name": group.name, "mapped_from": group.value} for group in provided.groups],
        "role": None if provided.role is None else provided.role.value,
        "role_mapped_from": provided.role_value,
    }


def _dump_user(seen: UserView) -> dict[str, Any]:
    if not seen.whole:
        return {"username": seen.user.username}
    user = seen.user
    return {
        "username": user.username,
        "role": user.role.value,
        "disabled": user.disabled,
        "created_at": user.created_at,
        "display_name": user.display_name,
        "email": user.email,
        **({"provisioned": True} if user.provisioned else {}),
    }


def _dump_kept(grant: KeptGrant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "name": grant.name,
        "permissions": permission_names(grant.access),
        "is_manager": is_manager(grant.access),
        "expires_at": grant.expires_at,
        "group": grant.group,
        "by_themselves": grant.by_themselves,
    }
