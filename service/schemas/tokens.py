"""Requests and answers about tokens."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, ClassVar, Final
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.permissions import SCOPE_BITS, scope_names
from service.repositories.ordering import Orders
from service.repositories.tokens import ORDERS, Token
from service.schemas.answers import AnswerSchema, OrderedListSchema, answers, dump_page
from service.schemas.fields import (
    Choice,
    Flag,
    Instant,
    Name,
    PageSize,
    Ruled,
    Secret,
    StrictUUID,
    WholeNumber,
    duration,
    end,
    order_by,
    page_token,
    says,
    scopes,
    total,
)
from service.schemas.pages import Page
from service.schemas.request import field, request
from service.values.names import TOKEN_NAME

ID: Final = "The id of the token, which is no secret."


class Ending(Enum):
    """The one thing that tokens are looked for by in the place of an end: that they have none."""

    NEVER = "never"


class NoScopes(Enum):
    """The one thing that tokens are looked for by in the place of scopes: that they have none."""

    NONE = "none"


@request
class ListTokens:
    """The tokens of the caller, or of the named user, or of the organization.

    Newest first; another user's, and with `all` everybody's, only for administrators. Filters: a time for which they
    have not been used (or, if never, have been there), a time that they end after, one that they end before, no end, no
    scopes, a disabled user.
    """

    orders: ClassVar[Orders] = ORDERS

    username: str | None = field(Name(), "The user whose tokens they are; the caller if left out.", default=None)
    everybodys: bool = field(
        Flag(data_key="all"), "True for those of all users; only for administrators.", default=False
    )
    unused_for: timedelta | None = field(
        duration(), "Only those that were not used for so long, as `90d` or `12h`.", default=None
    )
    expires_after: datetime | None = field(Instant(), "Only those that end, and do so after this time.", default=None)
    expires_before: datetime | None = field(Instant(), "Only those that end before this time.", default=None)
    expires: Ending | None = field(Choice(Ending), "`never`: only those that have no end.", default=None)
    of_disabled: bool = field(Flag(), "True for those of disabled users alone.", default=False)
    scopes: NoScopes | None = field(
        Choice(NoScopes), "`none`: only those that can do all that their users may.", default=None
    )
    order_by: str | None = field(order_by(ORDERS), default=None)
    total: bool = field(total(), default=False)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


@request
class CreateToken:
    """A new token of the caller, or of the named user.

    Another user's only for administrators.
    """

    username: str | None = field(Name(), "The user whose token it is to be; the caller if left out.", default=None)
    name: str = field(Ruled(TOKEN_NAME), "A name, for people; empty if it is left out.", default="")
    scopes: int | None = field(scopes(), default=None)
    """A bit set of permissions/; None: all that the user may."""
    expires_at: datetime | None = field(end(), default=None)


@request
class TokenRef:
    """One token, to be read.

    Names one token by its id, which is no secret.
    """

    token_id: UUID = field(StrictUUID(), ID)


@request
class RevokeToken:
    """One token, to be revoked.

    With `keep_descendants` those made with it are not revoked, and go on as if what made it had made them; this takes a
    token that is none of them.
    """

    token_id: UUID = field(StrictUUID(), ID)
    keep_descendants: bool = field(Flag(), "True to revoke none of those that were made with it.", default=False)


MAX_OVERLAP: Final = 3600
"""Seconds that a token may stay good for once another takes its place."""
DEFAULT_OVERLAP: Final = 300
"""Seconds that it stays good for where nothing is said."""


@request
class RotateToken:
    """One token, to be replaced.

    The old one stays good for `overlap_seconds`, at most an hour, so that whatever uses it can be given the new one.
    """

    token_id: UUID = field(StrictUUID(), ID)
    overlap_seconds: int = field(
        WholeNumber(0, MAX_OVERLAP),
        f"Seconds that the old one stays good for; {DEFAULT_OVERLAP} if it is left out.",
        default=DEFAULT_OVERLAP,
    )


class TokenSummarySchema(Schema):
    """The facts that tell a token from others, and its use."""

    id = fields.UUID(required=True, metadata=says(ID))
    username = fields.String(required=True, metadata=says("The username of the user whose it is."))
    name = fields.String(required=True, metadata=says("The name, for people; it may be empty."))
    created_at = fields.AwareDateTime(required=True, metadata=says("The time of its creation."))
    last_used_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata=says("The time of its last use, to a minute or so; null: never.")
    )


class TokenSchema(TokenSummarySchema):
    """A token, without its secret; scopes null: all that the user may."""

    scopes = fields.List(
        fields.String(validate=validate.OneOf([*SCOPE_BITS])),
        required=True,
        allow_none=True,
        metadata=says("What it may do at most, of what its user may; null: all of it."),
    )
    expires_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata=says("The time of its end; null: never.")
    )


class TokenAnswerSchema(AnswerSchema):
    """One token."""

    token = fields.Nested(TokenSchema, required=True, metadata=says("The token, without its secret."))


class TokenViewSchema(TokenAnswerSchema):
    """One token, and how many would be revoked with it."""

    descendants = fields.Integer(
        required=True,
        metadata={
            "description": "The number of good tokens made with it or with one of these, and what took its place;"
            " 10,000 if there are more."
        },
    )


class NewTokenSchema(TokenAnswerSchema):
    """A token just made, and its secret, which is stored nowhere."""

    secret = Secret(
        required=True, metadata={"description": "The token itself, as it is sent; shown here and nowhere again."}
    )


class ReplacedSchema(Schema):
    """The token whose place another has taken."""

    id = fields.UUID(required=True, metadata=says(ID))
    expires_at = fields.AwareDateTime(required=True, metadata={"description": "The time until which it is good."})


class RotatedTokenSchema(NewTokenSchema):
    """A token just made in the place of another."""

    replaced = fields.Nested(ReplacedSchema, required=True, metadata=says("The token whose place it has taken."))


class RevokedSchema(AnswerSchema):
    """The number of tokens that were revoked."""

    revoked = fields.Integer(
        required=True,
        metadata={"description": "The number of tokens that were revoked: this one, and those that went with it."},
    )


class TokenListSchema(OrderedListSchema):
    """Tokens, newest first."""

    tokens = fields.List(fields.Nested(TokenSchema), required=True, metadata=says("The tokens, newest first."))


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token, and how many would be revoked with it."""

    token: Token
    descendants: int


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made, and its secret, which is stored nowhere."""

    token: Token
    secret: str


@dataclass(frozen=True, slots=True)
class RotatedToken(NewToken):
    """A token just made in the place of another, which stays good until a time."""

    replaced_id: UUID
    replaced_expires_at: datetime


@dataclass(frozen=True, slots=True)
class Revoked:
    """The number of tokens that were revoked, the one that was asked for included."""

    number: int


@answers(TokenViewSchema)
def dump_token(seen: TokenView) -> dict[str, Any]:
    """Dump one token."""
    return {"status": "OK", "token": _dump_token(seen.token), "descendants": seen.descendants}


@answers(NewTokenSchema)
def dump_new_token(new: NewToken) -> dict[str, Any]:
    """Dump a new token and its secret."""
    return {"status": "OK", "token": _dump_token(new.token), "secret": new.secret}


@answers(RotatedTokenSchema)
def dump_rotated_token(new: RotatedToken) -> dict[str, Any]:
    """Dump a token that takes another's place."""
    return {**dump_new_token(new), "replaced": {"id": new.replaced_id, "expires_at": new.replaced_expires_at}}


@answers(RevokedSchema)
def dump_revoked(revoked: Revoked) -> dict[str, Any]:
    """Dump how many tokens were revoked."""
    return {"status": "OK", "revoked": revoked.number}


@answers(TokenListSchema)
def dump_token_list(page: Page[Token]) -> dict[str, Any]:
    """Dump a page of tokens."""
    return dump_page("tokens", page, _dump_token)


def _dump_token(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "username": token.username,
        "name": token.name,
        "scopes": scope_names(token.scopes),
        "expires_at": token.expires_at,
        "created_at": token.created_at,
        "last_used_at": token.last_used_at,
    }
