"""The sentences of the whole service, collected from its source; `python -m tests.test_sentences` prints them.

Each tells a person what happened, to what, and what helps. A program can judge their form: that they are whole, or a
part that stands in another sentence; and that none speaks of what only this code knows.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import service.commands.output
import service.commands.target
import service.database.address
import service.database.encryption
import service.database.errors
import service.settings
import service.transfer.importing
from service.errors import ServiceError, StartupError

ROOT = Path(__file__).parents[1]

PARTS = {"BadRecord", "ImportRefused", "UnfitDatabase", "TlsFailure", "Demand", "misunderstood", "Rule", "fail"}
"""Calls whose text stands in another sentence, behind a colon or "must be"; with the errors that only checks raise."""
WHOLE = {"refuse", "ValidationError", "UsageError", "say", "tell", "ask", "confirm", "Abort", "show_table"}
"""Calls whose text is a whole sentence, beside the errors."""
LINES = ("applied  ", "pending  ", "warning  ", "flow-pipelines: ", "curl ")
"""Beginnings of what is a line of a list, and no sentence."""


@dataclass(frozen=True)
class Sentence:
    place: str
    teller: str
    text: str


def errors_of(kind: type[Exception]) -> set[str]:
    return {kind.__name__}.union(*(errors_of(each) for each in kind.__subclasses__()))


def texts_of(node: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression may be, with {} in the place of values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from texts_of(node.body)
        yield from texts_of(node.orelse)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        for first in [*texts_of(node.left)] or ["{}"]:
            for second in [*texts_of(node.right)] or ["{}"]:
                yield first + second


def assigned(function: ast.AST) -> dict[str, list[ast.expr]]:
    """Return the values that the names of a function get: sentences often have one first."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def in_tree(path: Path) -> Iterator[Sentence]:
    """Yield the sentences of a file: of errors, of what commands say, of settings, of findings, and of the API."""
    told = WHOLE | PARTS | errors_of(ServiceError) | errors_of(StartupError) | {"Finding"}
    tree = ast.parse(path.read_text())
    outer = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))]
    seen = set[int]()
    for function in reversed(outer):  # the innermost first, whose names count
        names = assigned(function)
        for node in ast.walk(function):
            if not isinstance(node, ast.Call) or id(node) in seen:
                continue
            seen.add(id(node))
            called = ast.unparse(node.func).split(".")
            teller = called[-1] if called[-1] in told else called[-2] if len(called) > 1 else ""
            if called == ["cls"]:
                teller = "ServiceError"
            if teller not in told:
                continue
            yield from tellings(path, node, teller, names)


def tellings(path: Path, node: ast.Call, teller: str, names: dict[str, list[ast.expr]]) -> Iterator[Sentence]:
    """Yield the sentences of one call."""
    arguments = [*node.args, *(each.value for each in node.keywords if each.arg in {"message", "sentence"})]
    for place, argument in enumerate(arguments):
        values = names.get(argument.id, []) if isinstance(argument, ast.Name) else [argument]
        for text in (text for value in values for text in texts_of(value)):
            if teller == "Finding":
                if place >= 2:
                    kind = "remedy" if place == 3 else "found"
                    yield Sentence(f"{path.relative_to(ROOT)}:{node.lineno}", kind, text)
            elif " " in text.strip() and not text.startswith(LINES):
                yield Sentence(f"{path.relative_to(ROOT)}:{node.lineno}", teller, text)


def sentences() -> list[Sentence]:
    return [each for path in sorted((ROOT / "service").rglob("*.py")) for each in in_tree(path)]


FOUND = sentences()
IS_PART = PARTS | {"found"}


def test_sentences_are_found_everywhere() -> None:
    """In each package that tells somebody something; else what is below judges nothing."""
    packages = {each.place.split("/")[1].split(".")[0] for each in FOUND}

    assert len(FOUND) > 250
    assert packages >= {
        *("commands", "database", "doctor", "embedded", "errors", "http", "operations", "permissions", "process"),
        *("repositories", "schemas", "settings", "transfer", "authentication"),
    }


def test_sentences_that_stand_alone_are_whole() -> None:
    whole = [each for each in FOUND if each.teller not in IS_PART]

    assert [
        each
        for each in whole
        if not re.match(
            r"[A-Z{`*]|sslnegotiation|sslmode|sslrootcert|sslkey|sslcert|channel_binding|initdb|gssencmode", each.text
        )
    ] == []
    assert [each for each in whole if each.text[-1] not in ".?}:"] == []


def test_parts_of_sentences_do_not_begin_or_end_one() -> None:
    parts = [each for each in FOUND if each.teller in PARTS - {"fail"}]

    assert [each for each in parts if each.text[-1] == "."] == []
    assert [each for each in parts if each.teller != "ImportRefused" and re.match(r"[A-Z][a-z]", each.text)] == []


INSIDE = re.compile(
    r"\b((?<!If-)None|NULL|exception|traceback|errno|Exception|asyncpg|aiohttp|marshmallow|orjson|coroutine|asyncio)\b"
)
CLUMSY = re.compile(r"\bmay (more|less|no more) than\b|\ba token that may\b|[.,;][,;]|\w  \w")


@pytest.mark.parametrize("pattern", [INSIDE, CLUMSY])
def test_sentences_have_no_words_of_the_code(pattern: re.Pattern[str]) -> None:
    assert [each for each in FOUND if pattern.search(each.text)] == []


def test_refusals_say_what_is_needed() -> None:
    """Or name the limit that it would pass: each goes on behind "You may not …"."""
    refused = [each for each in FOUND if re.match(r"You may not ", each.text)]

    assert len(refused) > 10
    assert [each for each in refused if not re.search(r"[:.] ?\S", each.text.removesuffix("."))] == []


def test_temporary_failures_say_that_trying_again_helps() -> None:
    temporary = errors_of(service.errors.Unavailable) | {"Aborted", "DeadlineExceeded", "ResourceExhausted"}
    found = [each for each in FOUND if each.teller in temporary]

    assert len(found) > 8
    assert [each for each in found if not re.search(r"try again|came? in time|takes\.|\{\}", each.text)] == []


if __name__ == "__main__":
    for each in FOUND:
        sys.stdout.write(f"{each.place}\t{each.teller}\t{each.text}\n")
