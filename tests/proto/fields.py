"""Marshmallow's fields in the words of Protocol Buffers."""

import re
from dataclasses import dataclass
from typing import Final

from marshmallow import Schema, fields

from service.schemas.fields import StrictUUID
from service.schemas.request import RequestSchema

TIMESTAMP: Final = "google.protobuf.Timestamp"
STRUCT: Final = "google.protobuf.Struct"


@dataclass(frozen=True)
class Kind:
    """The type of a field, and where it is a list that."""

    type: str
    repeated: bool = False
    nested: Schema | None = None
    """The schema of the message, where the type is one of the document's own."""
    ids: bool = False
    """True if the type is the text of a UUID."""

    @property
    def is_scalar(self) -> bool:
        return not self.repeated and self.nested is None and "." not in self.type


def kind_of(field: fields.Field[object]) -> Kind:
    """Return the type of a field.

    Raises:
        TypeError: no type of Protocol Buffers is known for it.
    """
    match field:
        case fields.List():
            inner = kind_of(field.inner)
            return Kind(inner.type, repeated=True, nested=inner.nested, ids=inner.ids)
        case fields.Nested():
            schema = field.schema
            assert isinstance(schema, Schema)
            return Kind(message_name(schema), repeated=bool(field.many), nested=schema)
        case fields.DateTime():
            return Kind(TIMESTAMP)
        case fields.Boolean():
            return Kind("bool")
        case fields.Integer():
            return Kind("int64" if field.metadata.get("format") == "int64" else "int32")
        case fields.Float():
            return Kind("double")
        case fields.Dict():
            return Kind(STRUCT)
        case fields.String() | fields.UUID() | fields.Enum():
            return Kind("string", ids=isinstance(field, StrictUUID))
    raise TypeError(f"No type of Protocol Buffers is known for {type(field).__name__}: give it one in {__name__}.")


def message_name(schema: Schema) -> str:
    """Return the name of the message of a schema that is nested in others."""
    if isinstance(schema, RequestSchema):  # with a word behind it, as an answer may have a thing of the same name
        return schema.loads_into.__name__.removesuffix("Input") + "Input"
    return type(schema).__name__.removesuffix("Schema")


def snake(name: str) -> str:
    return re.sub("(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def default_json_name(name: str) -> str:
    """Return the name in JSON that protoc gives a field by itself."""
    made = camel(name)
    return made[:1].lower() + made[1:]


def list_message(key: str, kind: Kind) -> tuple[str, str]:
    """Return the name of the message that holds a list of a request, and that of its one field.

    With a message around it, an empty list and none at all differ.
    """
    if kind.nested is not None:
        return f"{kind.type}List", "items"
    if kind.ids and key.endswith("_ids"):
        return camel(key), "ids"
    return ("Ids", "ids") if kind.ids else ("Names", "names")
