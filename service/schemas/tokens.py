"""Requests and answers about tokens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.permissions import SCOPE_BITS, scope_names
from service.repositories.tokens import Token
from service.schemas.answers import AnswerSchema, ListSchema, dump_page
from service.schemas.fields import (
    IN_PATH,
    IN_QUERY,
    Instant,
    Name,
    PageSize,
    StrictUUID,
    page_token,
    scopes,
    text,
)
from service.schemas.pages import Page
from service.schemas.request import RequestSchema


@dataclass(frozen=True, slots=True)
class ListTokens:
    """The caller's tokens, or those of the user who is named."""

    username: str | None = None
    page_size: int | None = None
    page_token: str | None = None


class ListTokensSchema(RequestSchema):
    """Newest first; somebody else's only for administrators."""

    loads_into = ListTokens
    username = Name(metadata=IN_QUERY, load_default=None)
    page_size = PageSize()
    page_token = page_token()


@dataclass(frozen=True, slots=True)
class CreateToken:
    """A new token of the caller, or of the user who is named. Scopes are a bit set; None: all that the user may."""

    username: str | None = None
    name: str = ""
    scopes: int | None = None
    expires_at: datetime | None = None


class CreateTokenSchema(RequestSchema):
    """Somebody else's only for administrators."""

    loads_into = CreateToken
    username = Name()
    name = text(255)
    scopes = scopes(allow_none=True)
    expires_at = Instant(allow_none=True)


@dataclass(frozen=True, slots=True)
class TokenRef:
    """One token, to be read or revoked."""

    token_id: UUID


class TokenRefSchema(RequestSchema):
    """Names one token by its id, which is no secret."""

    loads_into = TokenRef
    token_id = StrictUUID(required=True, metadata=IN_PATH)


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
    """A token just made, and its secret: nothing else ever holds it."""

    secret = fields.String(required=True, metadata={"description": "Shown here and nowhere again."})


class TokenListSchema(ListSchema):
    """Tokens, newest first."""

    tokens = fields.List(fields.Nested(TokenSchema), required=True)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made, and its secret, which nothing else ever holds."""

    token: Token
    secret: str


def dump_token(token: Token) -> dict[str, Any]:
    """A TokenAnswerSchema."""
    return {"status": "OK", "token": _dump_token(token)}


def dump_new_token(new: NewToken) -> dict[str, Any]:
    """A NewTokenSchema."""
    return {**dump_token(new.token), "secret": new.secret}


def dump_token_list(page: Page[Token]) -> dict[str, Any]:
    """A TokenListSchema."""
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
