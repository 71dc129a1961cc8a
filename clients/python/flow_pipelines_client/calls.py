"""Calls of HTTP, as operations make them: where, with what, and on which condition."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Final, Generic, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

from flow_pipelines_client.answers import Answer, Page

AnswerType = TypeVar("AnswerType", bound=Answer)
PageType = TypeVar("PageType", bound=Page)
Item = TypeVar("Item")
Value = TypeVar("Value")


class Unset(Enum):
    """The value of what is left out, where None means another thing."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


class _Null(Enum):
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of HTTP."""

    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    """What is None is left out."""
    body: Mapping[str, object] | None = None
    """As JSON has it; None if there is none."""
    if_match: str | None = None
    if_none_match: str | None = None
    replaces: bool = False
    """True if it puts something in the place of what is there, so that doing it twice does it once."""

    @property
    def only_reads(self) -> bool:
        """True if it changes nothing."""
        return self.method == "GET"

    @property
    def repeatable(self) -> bool:
        """True if it may be sent again while it is not known whether it was done.

        A condition holds only once: behind a change that was made, it would be refused.
        """
        return self.only_reads or (self.replaces and self.if_match is None and self.if_none_match is None)

    @property
    def target(self) -> str:
        """The path and the query, encoded."""
        query = {name: _text(value) for name, value in self.query.items() if value is not None}
        return f"{self.path}?{urlencode(query, quote_via=quote)}" if query else self.path

    @property
    def headers(self) -> dict[str, str]:
        """The headers that it needs."""
        conditions = {"If-Match": self.if_match, "If-None-Match": self.if_none_match}
        content = {} if self.body is None else {"Content-Type": "application/json"}
        return {**content, **{name: value for name, value in conditions.items() if value is not None}}

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else json.dumps(self.body, allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class Operation(Generic[AnswerType]):
    """A row of the method table: how HTTP reaches an operation, and what it answers.

    Fields of a request that the path names are in the path; the others are in the query of GET and DELETE, and in the
    body of other methods.
    """

    method: str
    path: str
    answer: type[AnswerType]
    has_body: bool = False
    replaces: bool = False
    """True if it puts something in the place of what is there, so that doing it twice does it once."""

    def call(
        self, request: Mapping[str, object], *, if_match: str | None = None, if_none_match: str | None = None
    ) -> Call:
        """Make the call of a request as JSON has it.

        Raises:
            ValueError: it lacks something that the path names, or that can be no name or id.
        """
        named = re.findall(r"{(\w+)}", self.path)
        if lacking := [name for name in named if request.get(name) is None]:
            raise ValueError(f"The request needs {' and '.join(lacking)}.")
        path = re.sub(r"{(\w+)}", lambda found: step(request[found[1]]), self.path)
        rest = {name: value for name, value in request.items() if name not in named}
        in_query = self.method in {"GET", "DELETE"}
        return Call(
            self.method,
            path,
            query=rest if in_query else {},
            body=rest if self.has_body else None,
            if_match=if_match,
            if_none_match=if_none_match,
            replaces=self.replaces,
        )


@dataclass(frozen=True, slots=True)
class ListOperation(Operation[PageType], Generic[PageType, Item]):
    """A row of the method table whose answer is a list, page by page."""

    items: Callable[[PageType], list[Item]] = field(kw_only=True)


def step(value: object) -> str:
    """Return a name or an id as a step of a path.

    Raises:
        ValueError: it can't be one: clients and proxies would drop it.
    """
    text = str(value)
    if text in {"", ".", ".."}:
        raise ValueError(f"{text!r} can be no name or id.")
    return quote(text, safe="")


def items(values: Iterable[Value]) -> list[Value]:
    """Return the items of a list that is to be sent.

    Raises:
        TypeError: it is a text, whose characters are not what is meant.
    """
    if isinstance(values, str | bytes):
        raise TypeError(f"A list is needed, and {values!r} is a text: put it into brackets.")
    return [*values]


def items_or_none(values: Iterable[Value] | None) -> list[Value] | None:
    """Return the items of a list that may be left out."""
    return None if values is None else items(values)


def or_null(value: object) -> object:
    """Return a value of a body in which None takes something away, and is not the same as leaving it out."""
    if value is UNSET:
        return None
    return _Null.NULL if value is None else value


def plain(request: Mapping[str, object]) -> Mapping[str, object]:
    """Return a request as JSON has it; what is None is left out."""
    return {name: _plain(each) for name, each in request.items() if each is not None}


def _text(value: object) -> str:
    """Return a value as a query has it."""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _plain(value: object) -> object:
    """Return a value as JSON has it."""
    if value is _Null.NULL:
        return None
    if isinstance(value, Mapping):
        return plain(value)
    if is_dataclass(value):
        return _plain({each.name: getattr(value, each.name) for each in fields(value)})
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str | int | float):
        return value
    return [_plain(each) for each in items(value)] if isinstance(value, Iterable) else value
