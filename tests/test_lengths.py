"""The lengths that CONTRIBUTING.md gives for functions and modules."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import pytest

from tests.docs.pages import CONTRIBUTING, ROOT, text_of

GENERATED = re.compile(r"_pb2\.py$|flow_pipelines_client/(async_)?operations\.py$|flow_pipelines_client/models\.py$")
TABLES = {"tests/admin/test_audit_sentences.py: told"}
"""Functions that are one list, a line or two for each of its rows."""


def modules(directory: str) -> Iterator[Path]:
    """Yield the modules below a directory that are written by hand."""
    for path in sorted((ROOT / directory).rglob("*.py")):
        if not GENERATED.search(str(path)) and "node_modules" not in path.parts:
            yield path


@cache
def functions(directory: str) -> list[tuple[str, int]]:
    """Return each function, by its module and name, with its lines."""
    return [
        (f"{path.relative_to(ROOT)}: {node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for path in modules(directory)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def told(pattern: str) -> int:
    """Return a number of CONTRIBUTING.md."""
    (number,) = re.findall(pattern, re.sub(r"\s+", " ", text_of(CONTRIBUTING)))
    return int(number)


@pytest.mark.parametrize("directory", ["service", "clients/python", "tests"])
def test_functions_are_no_longer_than_is_said(directory: str) -> None:
    limit, found = told(r"the median has \d+ lines, none has more than (\d+)"), functions(directory)

    assert len(found) > 50
    assert {name for name, lines in found if lines > limit} - TABLES == set()


def test_functions_of_the_service_have_the_median_that_is_said() -> None:
    assert median(lines for _, lines in functions("service")) <= told(r"the median has (\d+) lines")


@pytest.mark.parametrize("directory", ["service", "clients/python"])
def test_modules_are_no_longer_than_is_said(directory: str) -> None:
    limit = told(r"No module of the service or its client has more than (\d+) lines")
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules(directory)}

    assert len(lengths) > 10
    assert {name: lines for name, lines in lengths.items() if lines > limit} == {}
