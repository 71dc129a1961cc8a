"""Marshmallow's fields as types of Python."""

from collections.abc import Iterable
from typing import Final

from marshmallow import fields, validate

from service.http.openapi.vocabularies import VOCABULARIES, Vocabulary
from service.schemas.fields import StrictUUID
from tests.proto.fields import kind_of
from tests.python_client.text import in_python

Field = fields.Field[object]

OR_TEXT: Final = "Text"
"""The end of the names of types that take a word of a vocabulary, or the same as text."""
WORDS: Final = {frozenset(each.words): each for each in VOCABULARIES}


def words_of(field: Field) -> list[str]:
    """Return the words that a field takes, if it takes a few alone; else none."""
    if isinstance(field, fields.Enum):
        return [each.value for each in field.enum]
    chosen = [each for each in field.validators if isinstance(each, validate.OneOf)]
    return [str(each) for each in chosen[0].choices] if chosen else []


def described(field: Field) -> str:
    """Return the description of a field."""
    return in_python(str(field.metadata.get("description", "")))


def vocabulary_of(field: Field) -> Vocabulary | None:
    """Return the vocabulary of a field, or of the items of a list."""
    inner = field.inner if isinstance(field, fields.List) else field
    return WORDS.get(frozenset(words_of(inner)))


def answered(field: Field) -> str:
    """Return the type of a field of an answer. Words that are no vocabulary are texts: others may come."""
    kind = _answered(field)
    return kind if field.required and not field.allow_none else f"{kind} | None"


def _answered(field: Field) -> str:
    match field:
        case fields.List():
            return f"list[{_answered(field.inner)}]"
        case fields.Nested():
            return f"list[{kind_of(field).type}]" if field.many else kind_of(field).type
        case fields.Dict():
            return "dict[str, Any]"
        case fields.UUID():
            return "UUID"
    return _scalar(field, [])


def asked(field: Field, *, models: str = "") -> str:
    """Return the type of a field of a request.

    Args:
        field: its field.
        models: what stands before the names of the module of models.
    """
    match field:
        case fields.List():
            return f"Iterable[{asked(field.inner, models=models)}]"
        case fields.Nested():
            return f"{models}{kind_of(field).type}"
        case StrictUUID():
            return "UUID | str"
    vocabulary = vocabulary_of(field)
    return f"{models}{vocabulary.name}{OR_TEXT}" if vocabulary else _scalar(field, words_of(field))


def _scalar(field: Field, words: Iterable[str]) -> str:
    vocabulary = vocabulary_of(field)
    if vocabulary is not None:
        return vocabulary.name
    match field:
        case fields.DateTime():
            return "datetime"
        case fields.Boolean():
            return "bool"
        case fields.Integer():
            return "int"
        case fields.Float():
            return "float"
    listed = ", ".join(f'"{each}"' for each in words)
    return f"Literal[{listed}]" if listed else "str"
