"""The module of models: vocabularies, what requests have in them, and answers."""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from marshmallow import Schema

from service.http.openapi.vocabularies import VOCABULARIES, Vocabulary
from service.http.routes import ROUTES, Route
from service.schemas.answers import AnswerSchema, ListSchema
from service.schemas.fields import Secret
from service.schemas.request import RequestSchema, schema_of
from tests.proto.fields import kind_of, message_name
from tests.python_client.kinds import OR_TEXT, Field, answered, asked, described, vocabulary_of
from tests.python_client.text import docstring, in_python, paragraphs

HEADER: Final = '''\
"""The words, parts of requests and answers of the API.

Written by `make client` from the method table: a change here would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from flow_pipelines_client.answers import Answer, Page, Word
'''

OF_THE_FEED: Final = {"Changes", "FeedChange"}
"""Models that the package does not export, as what follows the feed has these names there."""
OF_EVERY_ANSWER: Final = ("etag", "request_id", "created")
"""Fields of the class Answer."""


@dataclass
class Models:
    """Collects the classes that calls need, each once."""

    words: dict[str, Vocabulary] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    """The names of those that requests have."""
    inputs: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    fields: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    """Name, type and description of the fields of each class."""

    @classmethod
    def of(cls, routes: Iterable[Route] = ROUTES) -> "Models":
        """Collect those of some rows of the method table."""
        models = cls()
        models.words["Code"] = next(each for each in VOCABULARIES if each.name == "Code")
        for route in routes:
            for member in schema_of(route.request).load_fields.values():
                models._look_at_asked(member)
            models._answer(route.answer())
        return models

    def text(self) -> str:
        """Return the module, not yet formatted."""
        words = [_word(each, asked=each.name in self.asked) for _, each in sorted(self.words.items())]
        or_texts = {f"{each}{OR_TEXT}" for each in self.asked}
        names = sorted({*self.words, *or_texts, *self.inputs, *self.answers} - OF_THE_FEED)
        head = f"{HEADER}\n__all__ = {names!r}\n"
        return "\n\n".join([head, *words, *self.inputs.values(), *self.answers.values()])

    def _look_at_asked(self, member: Field) -> None:
        """Collect what a field of a request has in it."""
        self._look(member)
        if vocabulary := vocabulary_of(member):
            self.asked.add(vocabulary.name)

    def _look(self, member: Field) -> None:
        """Collect what a field has in it."""
        if vocabulary := vocabulary_of(member):
            self.words[vocabulary.name] = vocabulary
        nested = kind_of(member).nested
        if isinstance(nested, RequestSchema):
            self._input(nested)
        elif nested is not None:
            self._answer(nested)

    def _input(self, schema: RequestSchema) -> None:
        name = message_name(schema)
        if name in self.inputs:
            return
        self.inputs[name] = ""  # its place is before those that it has in it
        required: list[str] = []
        optional: list[str] = []
        for key, member in schema.by_key.items():
            self._look_at_asked(member)
            kind = asked(member)
            line = f"{key}: {kind}" if member.required else f"{key}: {kind} | None = None"
            (required if member.required else optional).append(_line(line, member))
            kind = kind.replace(OR_TEXT, "")  # as the reference says once that words may be texts
            self._note(name, key, kind if member.required else f"{kind} | None", member)
        doc = docstring(*paragraphs(in_python(inspect.getdoc(schema.loads_into) or "")))
        self.inputs[name] = _dataclass(name, "", doc, [*required, *optional])

    def _answer(self, schema: Schema) -> None:
        name = message_name(schema)
        if name in self.answers or type(schema) is AnswerSchema:
            return
        self.answers[name] = ""
        base = "Page" if isinstance(schema, ListSchema) else "Answer" if isinstance(schema, AnswerSchema) else ""
        lines = []
        for attribute, member in schema.dump_fields.items():
            if base and attribute in {"status", "next_page_token"}:
                continue
            if base and attribute in OF_EVERY_ANSWER:
                raise ValueError(f"{name} has a field {attribute}, as every answer of the client has: rename one.")
            self._look(member)
            kind, key = answered(member), member.data_key or attribute
            lines.append(_line(f"{attribute}: {kind}{_default(member, attribute, key)}", member))
            self._note(name, attribute, kind, member)
        self.answers[name] = _dataclass(
            name, base, docstring(*paragraphs(in_python(inspect.getdoc(type(schema)) or ""))), lines
        )

    def _note(self, name: str, attribute: str, kind: str, member: Field) -> None:
        self.fields.setdefault(name, []).append((attribute, kind, described(member)))


def _word(vocabulary: Vocabulary, *, asked: bool) -> str:
    lines = [
        f'{word.rpartition(":")[2].upper()} = "{word}"\n"""{_sentence(meaning)}"""'
        for word, meaning in vocabulary.words.items()
    ]
    listed = ", ".join(f'"{word}"' for word in vocabulary.words)
    or_text = (
        f"\n\n\n{vocabulary.name}{OR_TEXT}: TypeAlias = {vocabulary.name} | Literal[{listed}]\n"
        '"""One of them, or the same as text."""'
    )
    return (
        f"class {vocabulary.name}(Word):\n{_indented(docstring(vocabulary.description))}\n\n"
        + _indented("\n".join(lines))
        + (or_text if asked else "")
        + "\n"
    )


def _sentence(meaning: str) -> str:
    return f"{meaning[0].upper()}{meaning[1:]}."


def _default(member: Field, attribute: str, key: str) -> str:
    arguments = [
        *(["default=None"] if not member.required else []),
        *(["repr=False"] if isinstance(member, Secret) else []),
        *([f'metadata={{"key": "{key}"}}'] if key != attribute else []),
    ]
    if arguments == ["default=None"]:
        return " = None"
    return f" = field({', '.join(arguments)})" if arguments else ""


def _line(line: str, member: Field) -> str:
    description = described(member)
    return f"{line}\n{docstring(description)}" if description else line


def _dataclass(name: str, base: str, doc: str, lines: list[str]) -> str:
    head = f"@dataclass(frozen=True, slots=True, kw_only=True)\nclass {name}{f'({base})' if base else ''}:"
    return f"{head}\n{_indented(doc)}\n\n{_indented(chr(10).join(lines))}\n"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.split("\n"))
