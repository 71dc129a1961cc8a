"""Requests, declared once: `@request` makes a frozen dataclass and its schema from one list of fields."""

import dataclasses
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ClassVar, Final, TypeVar, dataclass_transform, overload

from marshmallow import RAISE, Schema, ValidationError, fields, missing

Value = TypeVar("Value")
Default = TypeVar("Default")
Request = TypeVar("Request")


class Unsaid(Enum):
    """The value of a field that was left out, where null means another thing."""

    UNSAID = "unsaid"


UNSAID: Final = Unsaid.UNSAID


class RequestSchema(Schema):
    """A schema that refuses unknown keys, and reads a request into its dataclass."""

    class Meta:
        """Refuse unknown keys: a misspelt filter must not answer everything."""

        unknown = RAISE

    loads_into: ClassVar[type]

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.by_key: Final = {field.data_key or name: field for name, field in self.load_fields.items()}
        """The fields by the names that they have in a request."""
        self._steps: Final = [
            (key, name, field.required, _reader_of(field))
            for (name, field), key in zip(self.load_fields.items(), self.by_key, strict=True)
        ]

    def read(self, values: Mapping[str, Any]) -> Any:
        """Return what `load` would give, as the dataclass, in half to two thirds of its time.

        These schemas are flat and have no hooks; the rest of what `load` does is for schemas that are not.

        Raises:
            ValidationError: something is missing, unknown, or not what its field takes.
        """
        found: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        known = 0
        for key, name, required, deserialize in self._steps:
            raw = values.get(key, missing)
            if raw is not missing:
                known += 1
            elif not required:
                continue
            try:
                found[name] = deserialize(raw, key, values)
            except ValidationError as error:
                errors[key] = error.messages
        if known < len(values):
            errors |= {key: [self.error_messages["unknown"]] for key in values if key not in self.by_key}
        if errors:
            raise ValidationError(errors)
        return self.loads_into(**found)

    def write(self, request: Any) -> dict[str, Any]:
        """Return the values that `read` makes a request of, as JSON has them; what has its default is left out."""
        defaults = {each.name: each.default for each in dataclasses.fields(request)}
        return {
            key: field.serialize(name, request)
            for key, (name, field) in zip(self.by_key, self.load_fields.items(), strict=True)
            if field.required or getattr(request, name) != defaults[name]
        }


def _reader_of(field: fields.Field[Any]) -> Callable[[Any, str, Mapping[str, Any]], Any]:
    """Return a field's `deserialize`, in half of its time where nothing is done before or behind the reading itself.

    That makes a validator of those that there are, for each value anew; only what is missing, or null, needs more.
    """
    if field.validators or field.pre_load or field.post_load:
        return field.deserialize

    def read(value: Any, key: str, values: Mapping[str, Any]) -> Any:
        if value is missing or value is None:
            return field.deserialize(value, key, values)
        return field._deserialize(value, key, values)  # noqa: SLF001 - it is what a kind of field is made of

    return read


_KIND: Final = "marshmallow"
_SCHEMAS: Final[dict[type, RequestSchema]] = {}


@overload
def field(kind: fields.Field[Value], description: str = "", *, kw_only: bool = False) -> Value: ...


@overload
def field(kind: fields.Field[Value], description: str = "", *, default: Default) -> Value | Default: ...


def field(
    kind: fields.Field[Any],
    description: str = "",
    *,
    default: Any = dataclasses.MISSING,
    kw_only: bool = False,
) -> Any:
    """Declare one field of a request; it is required unless it has a default.

    Args:
        kind: the marshmallow field that reads it, whose type is checked against the annotation.
        description: a sentence for the OpenAPI document, which has one for each field; the kind's own if empty.
        default: the value if a request leaves it out; not one that a request may give if it is None, which takes a
            `kind` of allow_none.
        kw_only: True for one that is required behind others that are not, as those of a class before it.
    """
    kind.required = default is dataclasses.MISSING
    if description:
        kind.metadata = {**kind.metadata, "description": description}
    return dataclasses.field(default=default, metadata={_KIND: kind}, kw_only=kw_only)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def request(cls: type[Request]) -> type[Request]:
    """Make a frozen, slotted dataclass of a class, and the schema that reads it: schema_of().

    The first paragraph of its docstring is for readers of the code; the others describe the call in the OpenAPI
    document.
    """
    made = dataclasses.dataclass(frozen=True, slots=True)(cls)
    members = {each.name: each.metadata[_KIND] for each in dataclasses.fields(made)}  # type: ignore[arg-type] # it is one
    schema = type(f"{cls.__name__}Schema", (RequestSchema,), {**members, "loads_into": made})
    _SCHEMAS[made] = schema()
    return made


def schema_of(kind: type) -> RequestSchema:
    """Return the schema that reads a request of this type.

    Raises:
        TypeError: the type is not made by @request.
    """
    if kind not in _SCHEMAS:
        raise TypeError(f"{kind.__name__} has no schema: declare it by @request.")
    return _SCHEMAS[kind]
