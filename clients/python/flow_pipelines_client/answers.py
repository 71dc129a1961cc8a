"""Answers: what JSON says, as dataclasses. What this version does not know is passed over."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

Value = TypeVar("Value")


class Word(StrEnum):
    """A word of the API. A newer service may answer others, which are kept as they are."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_, word._value_ = value, value
        return word


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer; most have more in them than this."""

    etag: str | None = None
    """The tag of what was read, for `if_match`; None behind a change."""
    request_id: str = ""
    """The id of the request, by which the service's operators find it in their log."""
    created: bool = False
    """True if the call has made something that was not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Answer):
    """A page of a list."""

    next_page_token: str | None = None
    """The token of the next page; None on the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonAnswer(Answer):
    """An answer as JSON has it."""

    body: Mapping[str, Any]


class _Field(NamedTuple):
    name: str
    key: str
    """The name in JSON."""
    required: bool
    read: Callable[[Any], Any]
    is_list: bool


_OF_EVERY_ANSWER: Final = frozenset(each.name for each in fields(Answer))


def read(kind: type[Value], found: object, **beside: object) -> Value:
    """Return what a JSON object says, as a dataclass.

    Args:
        kind: the dataclass.
        found: the object.
        beside: values of fields that are not in it.

    Raises:
        ValueError: it lacks something, or has something that can't be what it is to be.
    """
    if not isinstance(found, Mapping):
        raise ValueError(f"{kind.__name__} is no object")  # noqa: TRY004 - it is what was answered that is wrong
    values = dict(beside)
    for each in _fields_of(kind):
        if each.key in found:
            try:
                values[each.name] = each.read(found[each.key])
            except (TypeError, AttributeError) as error:
                raise ValueError(f"{kind.__name__} has another {each.key}") from error
        elif each.required:
            raise ValueError(f"{kind.__name__} has no {each.key}")
    return kind(**values)


def read_json(kind: type[Answer], found: Mapping[str, Any], **beside: Any) -> JsonAnswer:
    """Return an answer as it is, if it has what a dataclass needs; what that is made of is not looked at.

    Raises:
        ValueError: it lacks something.
    """
    for each in _fields_of(kind):
        if (each.required and each.key not in found) or (
            each.is_list and not isinstance(found.get(each.key, []), list)
        ):
            raise ValueError(f"{kind.__name__} has no {each.key}")
    return JsonAnswer(body=found, **beside)


_FIELDS: Final[dict[type, list[_Field]]] = {}


def _fields_of(kind: type) -> list[_Field]:
    """Return the fields of a dataclass, which are looked at once."""
    if kind not in _FIELDS:
        _FIELDS[kind] = _look_at(kind)
    return _FIELDS[kind]


def _look_at(kind: type) -> list[_Field]:
    hints = get_type_hints(kind)
    own = (each for each in fields(kind) if not (issubclass(kind, Answer) and each.name in _OF_EVERY_ANSWER))
    return [
        _Field(
            each.name,
            each.metadata.get("key", each.name),
            type(None) not in get_args(hints[each.name]),
            _reader(hints[each.name]),
            get_origin(hints[each.name]) is list,
        )
        for each in own
    ]


def _reader(hint: Any) -> Callable[[Any], Any]:
    """Return what reads a value of a type."""
    if get_origin(hint) in {Union, types.UnionType}:
        (inner,) = (_reader(each) for each in get_args(hint) if each is not type(None))
        return lambda value: None if value is None else inner(value)
    if get_origin(hint) is list:
        (item,) = (_reader(each) for each in get_args(hint))
        return lambda value: [item(each) for each in _of_type(list, value)]
    if get_origin(hint) is dict:
        return lambda value: _of_type(dict, value)
    if is_dataclass(hint):
        return lambda value: read(hint, value)  # type: ignore[arg-type] # a class, no instance
    if hint is datetime:
        return datetime.fromisoformat
    if hint is UUID or issubclass(hint, Word):
        return lambda value: hint(_of_type(str, value))
    return lambda value: _of_type(hint, value)


def _of_type(kind: type[Value], value: object) -> Value:
    """Return a value that is of a type; true and false are no numbers.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError
    return value
