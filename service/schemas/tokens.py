"""Requests and answers about tokens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.permissions import SCOPE_BITS, scope_names
from service.repositories.tokens import Token
from service.schemas.answers import AnswerSchema, ListSchema, answers, dump_page
from service.schemas.fields import Name, PageSize, StrictUUID, end, page_token, scopes, text
from service.schemas.pages import Page
from service.schemas.request import field, request


@request
class ListTokens:
    """The tokens of the caller, or of the named user.

    Newest first; another user's only for administrators.
    """

    username: str | None = field(Name(), default=None)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


@request
class CreateToken:
    """A new token of the caller, or of the named user.

    Another user's only for administrators.
    """

    username: str | None = field(Name(), default=None)
    name: str = field(text(255), default="")
    scopes: int | None = field(scopes(), default=None)
    """A bit set of permissions.py; None: all that the user may."""
    expires_at: datetime | None = field(end(), default=None)


@request
class TokenRef:
    """One token, to be read or revoked.

    Names one token by its id, which is no secret.
    """

    token_id: UUID = field(StrictUUID())


class TokenSchema(Schema):
    """A token, without its secret; scopes null: all that the user may."""

    id = fields.UUID(required=True)
    username = fields.String(required=True)
    name = fields.String(required=True)
    scopes = fields.List(fields.String(validate=validate.OneOf([*SCOPE_BITS])), required=True, allow_none=True)
    expires_at = fields.AwareDateTime(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)
    last_used_at = fields.AwareDateTime(required=True, allow_none=True)


class TokenAnswerSchema(AnswerSchema):
    """One token."""

    token = fields.Nested(TokenSchema, required=True)


class NewTokenSchema(TokenAnswerSchema):
    """A token just made, and its secret, which is stored nowhere."""

    secret = fields.String(required=True, metadata={"description": "Shown here and nowhere again."})


class TokenListSchema(ListSchema):
    """Tokens, newest first."""

    tokens = fields.List(fields.Nested(TokenSchema), required=True)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made, and its secret, which is stored nowhere."""

    token: Token
    secret: str


@answers(TokenAnswerSchema)
def dump_token(token: Token) -> dict[str, Any]:
    """Dump one token."""
    return {"status": "OK", "token": _dump_token(token)}


@answers(NewTokenSchema)
def dump_new_token(new: NewToken) -> dict[str, Any]:
    """Dump a new token and its secret."""
    return {**dump_token(new.token), "secret": new.secret}


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
