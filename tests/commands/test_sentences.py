"""The sentences of the command line, collected from its source."""

import ast
import re
from collections.abc import Iterator

from tests.process.running import ROOT

TOLD = {"say", "tell", "ask", "confirm", "fail", "show_table"}
RAISED = {"StartupError", "NotFound", "InvalidArgument", "OutputFailed", "TargetUnusable", "UsageError"}
LINES = ("applied  ", "pending  ", "warning  ")
"""Beginnings of what is a line of a list, and no sentence."""


def text_of(node: ast.expr) -> str | None:
    """Return a text in the source, with {} in the place of values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc] # texts
    return None


def sentences() -> Iterator[tuple[str, str, str]]:
    """Yield every sentence of the commands, with its place and what tells it."""
    for path in sorted((ROOT / "service/commands").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and name in TOLD | RAISED:
                for argument in node.args:
                    text = text_of(argument)
                    if text and not text.startswith(LINES):
                        yield f"{path.name}:{argument.lineno}", name, text


def test_sentences_are_whole() -> None:
    """With a beginning and an end; what a value is told to be wrong by stands behind a colon. None speaks of Python."""
    found = [*sentences()]
    begun = {name: re.compile(r"[a-z{]" if name == "fail" else r"[A-Z{]") for _, name, _ in found}

    assert len(found) > 40
    assert [each for each in found if not begun[each[1]].match(each[2]) or each[2][-1] not in ".?}"] == []
    assert [each for each in found if re.search(r"\b(None|NULL|exception|traceback|errno)\b", each[2])] == []
