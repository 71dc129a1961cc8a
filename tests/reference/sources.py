"""What the code says of itself in docstrings, read without running it."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SERVICE: Final = Path(__file__).parents[2] / "service"


@dataclass(frozen=True)
class Described:
    """A name that is assigned or annotated, and the docstring after it."""

    name: str
    docstring: str | None
    path: Path


def files() -> list[Path]:
    """Return the files of the service."""
    return sorted(SERVICE.rglob("*.py"))


def summary(docstring: str) -> str:
    """Return the first paragraph of a docstring in one line."""
    return " ".join(docstring.split("\n\n", maxsplit=1)[0].split())


def described(body: Sequence[ast.stmt], path: Path) -> Iterator[Described]:
    """Yield the names that a module or a class declares.

    One docstring describes all the names on the lines right above it.
    """
    waiting: list[ast.AnnAssign] = []
    for statement in body:
        if waiting and statement.lineno > (waiting[-1].end_lineno or 0) + 1:
            yield from (Described(_name_of(each), None, path) for each in waiting)
            waiting = []
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            waiting.append(statement)
        elif waiting:
            docstring = _text_of(statement)
            yield from (Described(_name_of(each), docstring, path) for each in waiting)
            waiting = []
    yield from (Described(_name_of(each), None, path) for each in waiting)


def _name_of(statement: ast.AnnAssign) -> str:
    return statement.target.id if isinstance(statement.target, ast.Name) else ""


def _text_of(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return str(statement.value.value)
    return None


def cell(text: object) -> str:
    """Return a text as it stands in a cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def rows(heads: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown, whose cells are Markdown already."""
    table = [" | ".join(heads), " | ".join("---" for _ in heads), *(" | ".join(map(str, line)) for line in lines)]
    return "\n".join(f"| {line} |" for line in table)
