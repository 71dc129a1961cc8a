"""Fields with the contract's own rules, stricter than marshmallow's: JSON has types, and a text is not a number."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, Protocol, TypeVar, runtime_checkable
from uuid import UUID

from asyncpg.pgproto import pgproto
from marshmallow import ValidationError, fields, validate

from service.errors import MOST_TOLD
from service.permissions import PERMISSION_BITS, SCOPE_BITS, scope_set
from service.repositories.ordering import MAX_COUNTED, Orders
from service.schemas.pages import DEFAULT_PAGE_SIZE
from service.schemas.request import schema_of
from service.values.durations import LONGEST, parse_duration
from service.values.ids import UUID_TEXT
from service.values.instants import END, check_end, parse_instant
from service.values.names import EMAIL, JOB_ID, PIPELINE_NAME, RESERVED, USERNAME, Rule

Item = TypeVar("Item")
Chosen = TypeVar("Chosen", bound=Enum)

PIPELINE_ID: Final = "The id of the pipeline."
"""A description that many fields share."""

FILTER_LENGTH: Final = PIPELINE_NAME.max_length
"""The characters of a filter by a part of a name: nothing can hold a longer one."""
PAGE_TOKEN_LENGTH: Final = 2_000
"""The characters of a page token; one that names a pipeline of 255 characters of four bytes has 1,600."""
MAX_NAMES: Final = 50
"""The names in a list of permissions or scopes, of which there are fewer: some may be given twice."""


@runtime_checkable
class WrittenAsText(Protocol):
    """A field of another JSON type than text, whose values are written as text where there is no other type."""

    def from_text(self, text: str, /) -> object:
        """Return the value that a text stands for; the text itself, which the field refuses, if it is none of these."""


class StrictUUID(fields.UUID):
    """A UUID in its one canonical form, in upper or lower case; not the other spellings that libraries understand."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> UUID:
        if not isinstance(value, str) or not UUID_TEXT.fullmatch(value):
            raise self.make_error("invalid_uuid")
        return pgproto.UUID(value)  # which is one, and is made and written in a tenth of the time


class BoundedList(fields.List[Item]):
    """A list whose length is looked at before its items: of what is too long, nothing else is told."""

    def __init__(self, inner: fields.Field[Item], max_length: int, **arguments: Any) -> None:
        super().__init__(inner, **arguments)
        self.max_length: Final = max_length

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Item | None]:
        if isinstance(value, list) and len(value) > self.max_length:
            raise ValidationError(f"Longer than maximum length {self.max_length}.")
        return self._read(value, attr, data, **kwargs)

    def _read(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Item | None]:
        """Return the items of a list that is short enough, or refuse what is no list."""
        return super()._deserialize(value, attr, data, **kwargs)


class _UUIDs(BoundedList[UUID]):
    """A list of UUIDs. Where all are right, and so for nearly every update, each is looked at but once."""

    def _read(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[UUID | None]:
        if isinstance(value, list) and {*map(type, value)} <= {str} and all(map(UUID_TEXT.fullmatch, value)):
            return [*map(pgproto.UUID, value)]
        if not isinstance(value, list):
            return super()._read(value, attr, data, **kwargs)  # says so
        # By no exceptions, which would take 5 µs each: thousands may be wrong.
        null, invalid = [[self.inner.error_messages[key]] for key in ("null", "invalid_uuid")]
        raise ValidationError(
            {
                place: null if item is None else invalid
                for place, item in enumerate(value)
                if not isinstance(item, str) or not UUID_TEXT.fullmatch(item)
            }
        )


def uuids(max_length: int) -> fields.Field[list[UUID]]:
    """Return a field of a list of UUIDs."""
    return _UUIDs(StrictUUID(), max_length)  # type: ignore[return-value] # none is null


class Objects(BoundedList[Item]):
    """A list of objects, each read as a request of one kind.

    What is wrong with one is told by its place, from 0; of many that are wrong, no more than the first are looked at.
    """

    def __init__(self, kind: type[Item], max_length: int, **arguments: Any) -> None:
        self.schema: Final = schema_of(kind)
        super().__init__(fields.Nested(type(self.schema)), max_length, **arguments)

    def _read(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Item | None]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        found: list[Item | None] = []
        wrong = {}
        for place, each in enumerate(value):
            try:
                found.append(self._read_one(each))
            except ValidationError as error:
                wrong[place] = error.messages
                if len(wrong) == MOST_TOLD:  # what is wrong with others takes as long to find, and would not be told
                    break
        if wrong:
            raise ValidationError(wrong)
        return found

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[Any] | None:
        return None if value is None else [self.schema.write(each) for each in value]

    def _read_one(self, value: object) -> Item:
        """Return what an item of the list stands for.

        Raises:
            ValidationError: it is none.
        """
        if not isinstance(value, dict):
            raise ValidationError("Must be an object.")
        item: Item = self.schema.read(value)
        return item


def objects(kind: type[Item], max_length: int) -> fields.Field[list[Item]]:
    """Return a field of a list of objects, each read as a request of that kind."""
    return Objects(kind, max_length)  # type: ignore[return-value] # none is null


class Ruled(fields.String):
    """A text by one of the rules of values/names.py."""

    rule: Rule

    def __init__(self, rule: Rule | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.rule = rule or self.rule

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            return self._check(text)
        except ValueError as error:
            raise ValidationError(f"Must be {error}.") from error

    def _check(self, text: str) -> str:
        """Return a text that names something new."""
        return self.rule.check(text)


class Reference(Ruled):
    """A text that names something that there is, whatever that may be called."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        pattern = self.rule.pattern
        if pattern is not None and isinstance(value, str) and pattern.fullmatch(value):  # and so in nearly every update
            return value
        return super()._deserialize(value, attr, data, **kwargs)

    def _check(self, text: str) -> str:
        return self.rule.check_reference(text)


class JobId(Reference):
    """A job's id: opaque, compared as it is."""

    rule = JOB_ID


class Name(Reference):
    """A user's or group's name, compared regardless of case."""

    rule = USERNAME  # as of groups


class PipelineName(Ruled):
    """A pipeline's name, trimmed."""

    rule = PIPELINE_NAME


def pattern_of(field: Ruled) -> str | None:
    """Return the pattern of a field that has one, in the dialect of JSON Schema."""
    if field.rule.pattern is None:
        return None
    pattern = field.rule.pattern.pattern.replace(r"\Z", "$")
    if isinstance(field, Reference) or not field.rule.in_address:
        return f"^(?:{pattern})$"
    words = [re.escape(word) for word in RESERVED]
    if not field.rule.exact:
        words = [re.sub("[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", word) for word in words]
    return f"^(?!(?:{'|'.join(words)})$)(?:{pattern})$"


def text(max_length: int, description: str = "") -> fields.String:
    """Return a field of a text of bounded length."""
    return fields.String(validate=validate.Length(max=max_length), metadata=says(description))


def says(description: str) -> dict[str, str]:
    """Return the metadata of a field with this description, which the OpenAPI document needs of each."""
    return {"description": description} if description else {}


def part_of_name(data_key: str | None = None) -> fields.String:
    """Return a field of a filter by a part of a name."""
    description = "Only those with this in their name, in upper or lower case."
    return fields.String(data_key=data_key, validate=validate.Length(max=FILTER_LENGTH), metadata=says(description))


def part(of: str) -> fields.String:
    """Return a field of a filter by a part of one of several things."""
    return text(EMAIL.max_length, f"Only those with this in their {of}; letters from A to Z in upper or lower case.")


def page_token() -> fields.String:
    """Return a field of the token of the page before."""
    return text(PAGE_TOKEN_LENGTH, "The `next_page_token` of the page before; without one, the list begins.")


class Choice(fields.Enum[Chosen]):
    """One of a few words, of which nothing else is made a message of."""

    def __init__(self, kind: type[Chosen]) -> None:
        super().__init__(kind, by_value=True)
        self._words: Final = {member.value: member for member in kind}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Chosen:
        chosen = self._words.get(value) if isinstance(value, str) else None
        if chosen is None:
            raise self.make_error("unknown", choices=self.choices_text)
        return chosen


class Flag(fields.Boolean):
    """True or false, and none of the other words that marshmallow takes for them."""

    def from_text(self, text: str) -> bool | str:
        """Return what "true" and "false" stand for."""
        return {"true": True, "false": False}.get(text, text)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Must be true or false.")
        return value


class WholeNumber(fields.Integer):
    """A whole number within bounds."""

    def __init__(self, low: int, high: int, description: str = "") -> None:
        super().__init__(validate=validate.Range(low, high), metadata=says(description))

    def from_text(self, text: str) -> int | str:
        """Return the number that decimal digits stand for; not those of other scripts, signs, or thousands of them."""
        return int(text) if re.fullmatch("[0-9]{1,9}", text) else text

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValidationError("Must be a whole number.")
        return value


class PageSize(WholeNumber):
    """The number of rows on a page."""

    def __init__(self) -> None:
        super().__init__(1, 1000, f"The number of items on a page; {DEFAULT_PAGE_SIZE} if it is left out.")


def order_by(orders: Orders) -> fields.String:
    """Return a field of the name of one of a list's orders, descending if it begins with "-"."""
    return fields.String(
        validate=validate.OneOf(orders.names),
        metadata={"description": f"Behind - descending. Without it: {orders.default}."},
    )


def total() -> Flag:
    """Return a field of whether a list is to be counted."""
    return Flag(
        metadata={
            "description": f"Whether the answer says how many there are: total_size up to {MAX_COUNTED:,}, beyond that"
            " total_size_at_least."
        }
    )


class Duration(fields.String):
    """A length of time in whole days or hours."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else f"{value // timedelta(hours=1)}h"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> timedelta:  # type: ignore[override] # not the text
        try:
            return parse_duration(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


def duration() -> fields.Field[timedelta]:
    """Return a field of a length of time."""
    return Duration(  # type: ignore[return-value] # it loads into a timedelta, not the text
        validate=None,
        metadata={
            "pattern": "^[0-9]{1,6}[dh]$",
            "maxLength": 7,
            "description": f"As in 90d or 12h: from 1h to {LONGEST.days}d.",
        },
    )


class Secret(fields.String):
    """A text that is answered once: the answer must be stored nowhere on its way."""


class Instant(fields.DateTime):
    """A moment as RFC 3339 has it, with its offset from UTC, within the bounds of instants.py."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            return parse_instant(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class End(Instant):
    """A moment at which something is to end, and so one to come."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        instant = super()._deserialize(value, attr, data, **kwargs)
        try:
            return check_end(instant)
        except ValueError as error:
            raise ValidationError(str(error)) from error


def end() -> End:
    """Return a field of a moment at which something is to end; null: never."""
    return End(allow_none=True, metadata=says(f"When it ends: after now, before the year {END.year}; null: never."))


class _BitSet(BoundedList[str]):
    """A list of names that loads into the bit set of permissions/."""

    def __init__(self, names: Mapping[str, int], **arguments: Any) -> None:
        super().__init__(fields.String(validate=validate.OneOf([*names])), MAX_NAMES, **arguments)
        self._names: Final = names

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[str] | None:
        return None if value is None else [name for name, bit in self._names.items() if value & bit]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:  # type: ignore[override] # a set, not the list
        names = super()._deserialize(value, attr, data, **kwargs)
        return scope_set(name for name in names if name is not None)

    def _read(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str | None]:
        if isinstance(value, list) and all(isinstance(name, str) and name in self._names for name in value):
            return value  # and so in nearly every request, of which one may have a thousand such lists
        return super()._read(value, attr, data, **kwargs)


def permissions() -> fields.Field[int]:
    """Return a field of a bit set, given as a list of names of the five permissions."""
    names = "What is granted; any grant includes read. Managers hold all five, whatever this list has."
    return _BitSet(PERMISSION_BITS, metadata=says(names))  # type: ignore[return-value] # it loads into a set, not the list


def scopes() -> fields.Field[int]:
    """Return a field of a bit set, given as a list of names of scopes.

    None given, or null, means all that the user may; an empty list is refused as ambiguous.
    """
    names = "What the token may do at most, of what its user may; null, or left out: all of it."
    return _BitSet(SCOPE_BITS, validate=_not_empty, allow_none=True, metadata=says(names))  # type: ignore[return-value] # as above


def _not_empty(bits: int) -> None:
    if not bits:
        raise ValidationError("Must not be empty: leave it out for a token that can do all that its user may.")


def permission() -> fields.String:
    """Return a field of the name of one of the five permissions."""
    return fields.String(
        validate=validate.OneOf([*PERMISSION_BITS]), metadata=says("Only those on which this permission is held.")
    )
