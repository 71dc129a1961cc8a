"""The house style of names and docstrings, as far as a program can judge it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

VAGUE_NAME = re.compile(
    r"test_(it|one|they|what|how|that)_|test_(.+_)?(who|whom|whoever|nobodys?|somebody|everybody)(_|$)"
)
"""The name of a test that begins with a pronoun, or speaks of persons without saying which."""

VAGUE_DOCSTRING = re.compile(r"\s*(Who|What|Whether|Whoever|Nobody|Those|How|When)\b")
"""A docstring that begins with a clause, where a verb or a noun belongs."""


def nodes(directory: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield each node of the Python files below a directory, with the path of its file."""
    for path in sorted((ROOT / directory).rglob("*.py")):
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text())):
            yield name, node


def docstring(node: ast.AST) -> str | None:
    """Return the text of a string that stands alone: a docstring, also one of an attribute or a constant."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return None


def test_names_of_tests_have_a_subject() -> None:
    vague = [
        f"{path}:{node.lineno} {node.name}"
        for path, node in nodes("tests")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and VAGUE_NAME.match(node.name)
    ]

    assert not vague, "\n".join(vague)


def test_docstrings_of_the_service_begin_with_a_verb_or_a_noun() -> None:
    vague = [
        f"{path}:{getattr(node, 'lineno', 0)} {text.strip().splitlines()[0]}"
        for path, node in nodes("service")
        if (text := docstring(node)) and VAGUE_DOCSTRING.match(text)
    ]

    assert not vague, "\n".join(vague)


@pytest.mark.parametrize(
    ("name", "vague"),
    [
        ("test_it_has_a_deadline", True),
        ("test_one_in_the_place_of_another_counts_once", True),
        ("test_who_can", True),
        ("test_a_database_that_answers_nobody", True),
        ("test_a_collector_is_in_nobodys_way", True),
        ("test_revision_cache_put_counts_a_replaced_value_once", False),
        ("test_whole_answer_shows_what_is_missing", False),
    ],
)
def test_vague_name_matches_only_vague_names(name: str, *, vague: bool) -> None:
    assert bool(VAGUE_NAME.match(name)) is vague


def test_vague_docstring_matches_only_a_whole_first_word() -> None:
    assert VAGUE_DOCSTRING.match("\n    Whether the answer may be cached.")
    assert not VAGUE_DOCSTRING.match("Whole answers, whether cached or not.")
