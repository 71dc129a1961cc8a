"""Messages: what requests hold, in the form that the requests' schemas read, and answers made of what is dumped."""

import asyncio
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from marshmallow import Schema, fields

from service.errors import InvalidArgument
from service.grpc.flow_pipelines.v1.flow_pipelines_pb2 import DESCRIPTOR
from service.http.reader import MAX_VALUES, refuse_unstorable
from service.http.routes import ROUTES, Route
from service.schemas.request import schema_of

PACKAGE: Final = DESCRIPTOR.package
"""The package of the services, with which the path of each call begins."""
TIMESTAMP: Final = "google.protobuf.Timestamp"

Convert = Callable[[Any], Any]


class Room:
    """The values that a request may still hold."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def take(self, values: int) -> None:
        """Take the room of some values.

        Raises:
            InvalidArgument: there is not as much left.
        """
        self._left -= values
        if self._left <= 0:
            raise InvalidArgument(f"The message holds more than {MAX_VALUES:,} values: no request takes as many.")


Read = Callable[[Any, Room], Any]


WATCH: Final = DESCRIPTOR.services_by_name["Changes"].methods_by_name["Watch"]
"""The one RPC that is no row of the method table: it goes on."""


def methods() -> Iterator[tuple[Route, MethodDescriptor]]:
    """Yield the rows of the method table with their RPCs, which are named as the operations."""
    rows = {route.operation.__name__.replace("_", ""): route for route in ROUTES}
    for service in DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            if method.full_name == WATCH.full_name:
                continue
            yield rows[method.name.lower()], method


class RequestMessage:
    """The message of one method's requests."""

    def __init__(self, route: Route, descriptor: Descriptor) -> None:
        self._known = _known(descriptor)
        self._type = GetMessageClass(descriptor)
        self._keys = _Keys(descriptor, schema_of(route.request))

    def values(self, raw: bytes) -> dict[str, Any]:
        """Return what is set in a message, as JSON would have it.

        Raises:
            InvalidArgument: the bytes are no such message, or it has fields that are not known, or too many values.
        """
        message = self._parse(raw)
        size = message.ByteSize()
        message.DiscardUnknownFields()  # also within others; to look at them takes a second where there are thousands
        if message.ByteSize() != size:
            raise InvalidArgument(_UNKNOWN)
        values = self._keys.read(message, Room())
        if b"\0" in raw:
            refuse_unstorable(values)
        return values

    def values_of_json(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is set in a message that came as JSON, with its lists as they are by HTTP.

        Raises:
            InvalidArgument: a list is not in a message, as the .proto file has it.
        """
        return self._keys.unwrap(values)

    def _parse(self, raw: bytes) -> Message:
        if len(raw) > FIELD_BYTES * MAX_FIELDS:
            with suppress(IndexError):  # it is malformed, which the parser finds
                _Fields(raw).count(0, len(raw), self._known)
        with suppress(DecodeError):
            return self._type.FromString(raw)
        raise InvalidArgument("The message can't be read: it is not of the type that this call takes.")


MAX_FIELDS: Final = 3 * MAX_VALUES // 2
"""Fields of a message, those of messages in it included: what JSON has as lists and times takes two or three each."""
_UNKNOWN: Final = "The message has fields that this service does not know."
FIELD_BYTES: Final = 2
"""Bytes of a field at least: a tag, and an empty value."""
_NUMBER_BYTES: Final = 10
"""Bytes of a number at most."""
_VARINT: Final = 0
_LENGTH_DELIMITED: Final = 2
_WIDTHS: Final[Mapping[int, int]] = {1: 8, 5: 4}
"""Bytes of the other kinds of fields; the beginning and the end of a group have none."""


_Known = Mapping[int, "_Known | None"]
"""The numbers of a message's fields, with those of the message that a field is."""


def _known(descriptor: Descriptor) -> _Known:
    return {
        field.number: None if field.message_type is None else _known(field.message_type) for field in descriptor.fields
    }


class _Fields:
    """The fields of a message that is not parsed yet: half a million of them, in a megabyte, take 40 MiB and 60 ms."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._number = 0

    def count(self, place: int, end: int, known: "_Known") -> None:
        """Count the fields of the message between two places, and those of messages in it.

        Raises:
            InvalidArgument: they are more than any request takes, or one is not known.
            IndexError: it ends within a field.
        """
        raw = self._raw
        while place < end:
            self._number += 1
            if self._number > MAX_FIELDS:
                raise InvalidArgument(f"The message has more than {MAX_FIELDS:,} fields: no request takes as many.")
            tag, place = raw[place], place + 1
            if tag > 127:
                tag, place = self._read(place - 1)
            kind, number = tag & 7, tag >> 3
            if number not in known:
                raise InvalidArgument(_UNKNOWN)
            if kind == _LENGTH_DELIMITED:
                length, place = raw[place], place + 1
                if length > 127:
                    length, place = self._read(place - 1)
                inner = known[number]
                if inner is not None:
                    self.count(place, min(place + length, end), inner)
                place += length
            elif kind == _VARINT:
                last = place + _NUMBER_BYTES
                while raw[place] > 127 and place < last:
                    place += 1
                place += 1
            else:
                place += _WIDTHS.get(kind, 0)

    def _read(self, place: int) -> tuple[int, int]:
        """Return a number, and the place behind it."""
        number = 0
        for byte_number in range(_NUMBER_BYTES):
            byte = self._raw[place + byte_number]
            number |= (byte & 127) << 7 * byte_number
            if byte < 128:
                return number, place + byte_number + 1
        raise IndexError


class _Keys:
    """The keys of a message's fields in JSON, and how their values are read."""

    def __init__(self, descriptor: Descriptor, schema: Schema) -> None:
        members = {member.data_key or name: member for name, member in schema.load_fields.items()}
        self._read = {
            field.name: (field.json_name, _reader(field, members[field.json_name]))
            for field in descriptor.fields
            if field.json_name in members
        }
        self._names = frozenset(key for key, _ in self._read.values())
        self._emptied = _emptied(schema)
        self._lists = {key: read for key, read in self._read.values() if isinstance(read, _List)}
        self._integers = {each.json_name for each in descriptor.fields if each.cpp_type in _INTEGERS}

    def read(self, message: Message, room: Room) -> dict[str, Any]:
        """Return what is set in a message."""
        found = {}
        for field, value in message.ListFields():
            key, read = self._read[field.name]
            found[key] = None if value == "" and key in self._emptied else read(value, room)
        return found

    def unwrap(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what JSON has, with bare lists, and numbers as such.

        A null of a field stands for nothing there, and is left out; any other key stays, so that it is refused.
        """
        found: dict[str, Any] = {}
        for key, value in values.items():
            if value is None and key in self._names:
                continue
            if value == "" and key in self._emptied:
                found[key] = None
            elif key in self._lists:
                found[key] = self._lists[key].unwrap(key, value)
            else:
                found[key] = _integer(value) if key in self._integers else value
        return found


_INTEGERS: Final = frozenset({FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64})
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,19})?([eE][+-]?[0-9]{1,2})?")


def _integer(value: Any) -> Any:
    """Return what JSON of Protocol Buffers has for an integer: a number, or one as a text; anything else as it is."""
    if not isinstance(value, float) and not (isinstance(value, str) and _NUMBER.fullmatch(value)):
        return value
    number = Decimal(value)
    return int(number) if number == number.to_integral_value() else value


def _emptied(schema: Schema) -> set[str]:
    """Return the keys of texts that null takes away by HTTP: messages have no null, so an empty text does here."""
    kind = getattr(schema, "loads_into", None)
    stays = {each.name for each in dataclasses.fields(kind) if each.default is not None} if kind else set()
    return {
        member.data_key or name
        for name, member in schema.load_fields.items()
        if member.allow_none and name in stays and isinstance(member, fields.String)
    }


def _reader(field: FieldDescriptor, member: fields.Field[Any]) -> Read:
    """Return how a value of a request is read, which has a list within a message of its own."""
    if field.message_type is None:
        return _as_it_is
    if field.message_type.full_name == TIMESTAMP:
        return _instant
    if isinstance(member, fields.List):
        (items,) = field.message_type.fields
        return _List(items, member.inner)
    assert isinstance(member, fields.Nested)  # noqa: S101 - the generator makes messages of nothing else
    return _Keys(field.message_type, _schema(member)).read


class _List:
    """A reader of a list of a request, which is the one field of a message."""

    def __init__(self, items: FieldDescriptor, member: fields.Field[Any]) -> None:
        self._name = items.name
        self._read = _reader(items, member)
        kind = items.message_type
        self._keys = _Keys(kind, _schema(member)) if isinstance(member, fields.Nested) and kind is not None else None

    def __call__(self, message: Message, room: Room) -> list[Any]:
        found: Sequence[Any] = getattr(message, self._name)
        room.take(len(found))
        return [*found] if self._read is _as_it_is else [self._read(each, room) for each in found]

    def unwrap(self, key: str, value: Any) -> Any:
        """Return the list in what JSON has in its place."""
        if not isinstance(value, dict) or value.keys() - {self._name}:
            raise InvalidArgument.of_fields([(key, [f'Must be an object with the list in its field "{self._name}".'])])
        items = value.get(self._name) or []
        if self._keys is None or not isinstance(items, list):
            return items
        return [self._keys.unwrap(each) if isinstance(each, dict) else each for each in items]


def _schema(member: fields.Nested) -> Schema:
    schema = member.schema
    assert isinstance(schema, Schema)  # noqa: S101 - marshmallow has made it of the class
    return schema


def _as_it_is(value: Any, _: Room) -> Any:
    return value


def _instant(value: Any, _: Room) -> str:
    """Return a Timestamp as RFC 3339 has it; one that it can't have, as a text that is no time."""
    try:
        return str(value.ToJsonString())
    except ValueError:
        return f"{value.seconds} seconds after 1970"


class AnswerMessage:
    """The message of one method's answers."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.name: Final = descriptor.full_name
        self._make = _maker(descriptor)
        self._lists = {each.json_name for each in descriptor.fields if each.is_repeated}

    def encode(self, dumped: Mapping[str, Any]) -> bytes:
        """Return an answer, as its JSON was parsed, as the bytes of a message."""
        return self._make(dumped).SerializeToString()  # type: ignore[no-any-return] # a message's

    async def encode_in_slices(self, dumped: Mapping[str, Any]) -> bytes:
        """Return the same, its lists one item after the other, between some of which the event loop goes on."""
        lists = [(key, value) for key, value in dumped.items() if key in self._lists and value is not None]
        parts = [self.encode({key: value for key, value in dumped.items() if key not in self._lists})]
        at_once = 0
        for key, items in lists:
            for item in items:
                parts.append(self.encode({key: (item,)}))
                at_once += len(parts[-1])
                if at_once > ENCODED_AT_ONCE:
                    at_once = 0
                    await asyncio.sleep(0)
        return b"".join(parts)


ENCODED_AT_ONCE: Final = 65_536
"""Bytes of a message that are encoded at once, in three milliseconds where they are lists of what has no type."""


def _maker(descriptor: Descriptor) -> Convert:
    """Return what makes a message of an object as JSON has it; null is left out."""
    kind = GetMessageClass(descriptor)
    members = [(field.json_name, field.name, _writer(field)) for field in descriptor.fields]

    def make(source: Mapping[str, Any]) -> Message:
        given = {}
        for key, name, write in members:
            value = source.get(key)
            if value is not None:
                given[name] = value if write is None else write(value)
        return kind(**given)

    return make


def _writer(field: FieldDescriptor) -> Convert | None:
    """Return how a value of an answer becomes one of a field; None: it is one."""
    one = _item_writer(field)
    if one is None or not field.is_repeated:
        return one
    return lambda values: [one(value) for value in values]


def _item_writer(field: FieldDescriptor) -> Convert | None:
    if field.message_type is not None:
        if field.message_type.full_name == TIMESTAMP:
            return datetime.fromisoformat
        return None if field.message_type.full_name.startswith("google.") else _maker(field.message_type)
    return None
