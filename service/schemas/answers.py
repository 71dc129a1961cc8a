"""Parts that all answers share, and the register of how each type of answer is dumped."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar, get_type_hints

from marshmallow import Schema, fields

from service.errors import CODES
from service.repositories.examining import MAX_EXAMINED
from service.repositories.ordering import MAX_COUNTED
from service.schemas.pages import Page

Item = TypeVar("Item")
Value = TypeVar("Value")

Dump = Callable[[Value], dict[str, Any]]


class Answer(NamedTuple):
    """The schema and the dump function of one type."""

    schema: type[Schema]
    dump: Dump[Any]


_ANSWERS: Final[dict[Any, Answer]] = {}


def answers(schema: type[Schema]) -> Callable[[Dump[Value]], Dump[Value]]:
    """Register a dump function for the type of its parameter, with the schema that its answers follow.

    Raises:
        TypeError: another one is registered for that type.
    """

    def register(dump: Dump[Value]) -> Dump[Value]:
        kind, _ = get_type_hints(dump).values()
        if kind in _ANSWERS:
            raise TypeError(f"{kind} is answered by {_ANSWERS[kind].dump.__name__} already.")
        _ANSWERS[kind] = Answer(schema, dump)
        return dump

    return register


def answer_of(kind: Any) -> Answer:
    """Return the schema and the dump function of a type.

    Raises:
        TypeError: no dump function is registered for it.
    """
    if kind not in _ANSWERS:
        raise TypeError(f"Nothing dumps {kind}: write a function of it, and decorate that with @answers(its schema).")
    return _ANSWERS[kind]


class AnswerSchema(Schema):
    """A success."""

    status = fields.String(required=True, metadata={"enum": ["OK"], "description": "`OK`: it is done."})


class ListSchema(AnswerSchema):
    """A list, or a page of one."""

    next_page_token = fields.String(
        metadata={
            "description": "The `page_token` of the next page; absent on the last. A page may have fewer items than"
            " were asked for, or none, and yet not be the last."
        }
    )


class OrderedListSchema(ListSchema):
    """A list whose order can be chosen, and whose rows are counted if that is asked for."""

    total_size = fields.Integer(
        metadata={"description": f"How many there are on all pages; only with total=true, up to {MAX_COUNTED:,}."}
    )
    total_size_at_least = fields.Integer(
        metadata={
            "description": f"In its place where there may be more: {MAX_COUNTED:,}, as these are not counted, or as"
            f" many as fit a search among the first {MAX_EXAMINED:,}."
        }
    )


class FailureSchema(Schema):
    """Any failure."""

    status = fields.String(required=True, metadata={"enum": ["ERROR"], "description": "`ERROR`: it failed."})
    msg = fields.String(required=True, metadata={"description": "What went wrong, for a person."})
    code = fields.String(required=True, metadata={"enum": [*CODES], "description": "What went wrong, for a program."})
    request_id = fields.String(
        required=True, metadata={"description": "The id of the request, by which its operators find it in the log."}
    )
    details = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "Reasons, by invalid field; absent where no field is."},
    )


def dump_page(name: str, page: Page[Item], dump: Callable[[Item], dict[str, Any]]) -> dict[str, Any]:
    """Dump a page as a ListSchema, its items under their name."""
    body: dict[str, Any] = {"status": "OK", name: [dump(item) for item in page.items]}
    if page.next_page_token:
        body["next_page_token"] = page.next_page_token
    if page.total is not None:
        body["total_size_at_least" if page.total.at_least else "total_size"] = page.total.number
    return body


@answers(AnswerSchema)
def dump_nothing(_: None) -> dict[str, Any]:
    """Dump the answer of an operation that has nothing to say but that it is done."""
    return {"status": "OK"}
