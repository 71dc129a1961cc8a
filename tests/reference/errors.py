"""The tables of failures: the classes of service/errors.py and of HTTP, and the reasons that they are raised for."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import signature
from typing import Final

import service.scim.failures  # noqa: F401 - its kinds of failures are in the table, too
from service.database.errors import ConnectionLost
from service.errors import ServiceError
from service.http.responses import failure_headers, status_of
from tests.reference.sources import cell, files, rows, summary

UNANSWERED: Final = {
    "client_left": "The client left before its answer; logs and metrics have status 499.",
    "too_many_connections": "A connection was closed at once, as it would have left no open file for anything else.",
    "unsent": "A connection was closed, as its client did not take what it was answered.",
}
"""What the reasons mean that no answer is made of."""


@dataclass(frozen=True)
class Reason:
    """A reason, the class that it is raised by, and what it means: the sentence that callers are told, or a noun."""

    name: str
    kind: type[ServiceError]
    meaning: str


def kinds() -> dict[str, type[ServiceError]]:
    """Return the classes of failures by name, in the order of their statuses."""
    found, waiting = [], [ServiceError]
    while waiting:
        below = [kind for kind in waiting.pop().__subclasses__() if kind.__module__.startswith("service.")]
        found += below
        waiting += below
    return {kind.__name__: kind for kind in sorted(found, key=lambda kind: (status_of(kind), kind.code, kind.__name__))}


def codes() -> str:
    """Return the table of codes and statuses, by status."""
    lines = []
    for kind in kinds().values():
        if kind is not ConnectionLost:  # to callers, it is what it derives from
            headers = ", ".join(f"`{name}`" for name in failure_headers(_example(kind))) or "-"
            lines.append((status_of(kind), f"`{kind.code}`", _noun(kind.__doc__), headers))
    return rows(("Status", "Code", "What it says", "Header"), lines)


def _example(kind: type[ServiceError]) -> ServiceError:
    """Return a failure of a kind, with some text for whatever it must be told."""
    needed = [each for each in signature(kind).parameters.values() if each.default is each.empty]
    return kind(*("..." for _ in needed))


def reasons() -> str:
    """Return the table of reasons, by name."""
    by_name: dict[str, list[Reason]] = {}
    for each in sorted(raised_reasons(), key=lambda each: each.name):
        by_name.setdefault(each.name, []).append(each)
    lines = []
    for name, several in by_name.items():
        codes = " ".join(f"`{code}`" for code in dict.fromkeys(each.kind.code for each in several))
        lines.append((f"`{name}`", codes, " ".join(dict.fromkeys(each.meaning for each in several))))
    lines += [(f"`{name}`", code, UNANSWERED[name]) for name, code in sorted(unanswered_reasons().items())]
    return rows(("Reason", "Code", "The sentence that the caller is told, or what it is"), lines)


def unanswered_reasons() -> dict[str, str]:
    """Return the reasons that are counted without an answer, each with its code, if it has one."""
    found = {"client_left": "`CANCELLED`"}
    for path in files():
        found |= dict.fromkeys(re.findall(r'\.failures\["(\w+)"\]', path.read_text()), "-")
    return found


def raised_reasons() -> Iterator[Reason]:
    """Yield each reason for which a failure is made anywhere in the service."""
    for path in files():
        tree = ast.parse(path.read_text())
        yield from _given(tree, None, None)


def _given(node: ast.AST, owner: type[ServiceError] | None, docstring: str | None) -> Iterator[Reason]:
    """Yield the reasons below a node, which stands in a class of failures and a function, or in none of either."""
    for child in ast.iter_child_nodes(node):
        inner, words = owner, docstring
        if isinstance(child, ast.ClassDef):
            inner = kinds().get(child.name)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            words = ast.get_docstring(child)
        elif isinstance(child, ast.Call) and isinstance(child.func, ast.Name):
            kind = owner if child.func.id == "cls" else kinds().get(child.func.id)
            if kind is not None:
                yield _reason(child, kind, docstring if child.func.id == "cls" else None)
        yield from _given(child, inner, words)


def _reason(call: ast.Call, kind: type[ServiceError], docstring: str | None) -> Reason:
    """Return the reason of a failure that is made.

    Args:
        call: of the class.
        kind: the class.
        docstring: of the method that makes it, if that is one of the class's own.
    """
    given = {keyword.arg: keyword.value for keyword in call.keywords}.get("reason")
    name = str(given.value) if isinstance(given, ast.Constant) else kind.reason
    if name is None:
        return Reason(kind.code.lower(), kind, _noun(kind.__doc__))
    if sentence := _sentence(call.args[0] if call.args else None):
        return Reason(name, kind, f"“{cell(sentence)}”")
    return Reason(name, kind, _noun(docstring if given else kind.__doc__))


def _noun(docstring: str | None) -> str:
    """Return what a docstring says that a failure is."""
    text = re.sub(r"^Make the (?:one )?error for |\s\(\d{3}\)", "", summary(docstring or ""))
    return cell(text[:1].upper() + text[1:])


def _sentence(node: ast.expr | None) -> str:
    """Return a sentence that is written where it is raised, with … for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""
