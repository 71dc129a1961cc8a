"""Calls of HTTP, as operations make them: where, with what, and on which condition."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Final, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

Value = TypeVar("Value")


class Unset(Enum):
    """The value of what is left out, where None means another thing."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


class _Null(Enum):
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of HTTP. Of query and body, what is None is left out."""

    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    """None if it has none."""
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
        return None if self.body is None else json.dumps(_plain(self.body), allow_nan=False).encode()


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


def _text(value: object) -> str:
    """Return a value as a query has it."""
    return json.dumps(value) if isinstance(value, bool) else str(_plain(value))


def _plain(value: object) -> object:
    """Return a value as JSON has it."""
    if value is _Null.NULL:
        return None
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items() if each is not None}
    if is_dataclass(value):
        return _plain({each.name: getattr(value, each.name) for each in fields(value)})
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str | int | float):
        return value
    return [_plain(each) for each in items(value)] if isinstance(value, Iterable) else value
