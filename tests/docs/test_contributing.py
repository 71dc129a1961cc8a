"""The example change of CONTRIBUTING.md, held against the code that it changes."""

import re
from collections.abc import Iterator

from tests.docs.pages import CONTRIBUTING, ROOT, text_of


def hunks() -> Iterator[tuple[str, str, str]]:
    """Yield each part of the example: its file, the lines before the change, and the lines after it."""
    file, parts = "", re.compile(r"\bIn\s`(\S+\.py)`:$|```diff\n(.*?)```", re.DOTALL | re.MULTILINE)
    for named, diff in parts.findall(text_of(CONTRIBUTING)):
        file = named or file
        if diff:
            yield file, _without(diff, "+"), _without(diff, "-")


def _without(diff: str, mark: str) -> str:
    """Return the lines that have not this mark, without their marks; an empty line has none."""
    return "".join(line[1:] or line for line in diff.splitlines(keepends=True) if line[0] != mark)


def test_example_changes_lines_that_are_in_the_code() -> None:
    """Before the change; or after it, for those who are making it."""
    found = [*hunks()]

    assert len(found) == 6
    for file, before, after in found:
        code = (ROOT / file).read_text()
        assert code.count(before) == 1 or code.count(after) == 1, (file, before)
