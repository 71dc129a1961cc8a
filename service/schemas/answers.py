"""What all answers share."""

from collections.abc import Callable
from typing import Any, TypeVar

from marshmallow import Schema, fields

from service.schemas.pages import Page

Item = TypeVar("Item")


class AnswerSchema(Schema):
    """A success."""

    status = fields.String(required=True, metadata={"enum": ["OK"]})


class ListSchema(AnswerSchema):
    """A list, or a page of one."""

    next_page_token = fields.String(metadata={"description": "Absent on the last page."})


class FailureSchema(Schema):
    """Any failure."""

    status = fields.String(required=True, metadata={"enum": ["ERROR"]})
    msg = fields.String(required=True, metadata={"description": "What went wrong, for a person."})
    code = fields.String(required=True, metadata={"description": "The name of the google.rpc.Code."})
    request_id = fields.String(required=True)
    details = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "Reasons, by invalid field."},
    )


def dump_page(name: str, page: Page[Item], dump: Callable[[Item], dict[str, Any]]) -> dict[str, Any]:
    """A ListSchema, its items under their name."""
    body: dict[str, Any] = {"status": "OK", name: [dump(item) for item in page.items]}
    if page.next_page_token:
        body["next_page_token"] = page.next_page_token
    return body


def dump_nothing(_: object) -> dict[str, Any]:
    """An AnswerSchema, of what has nothing to say."""
    return {"status": "OK"}
