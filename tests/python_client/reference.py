"""The reference of the Python client: a page made of the same table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from service.http.openapi.document import tag_of
from service.http.routes import ROUTES, Route
from tests.python_client.models import Models
from tests.python_client.operations import SYNC, conditions, describe, parameters, returned

PAGE: Final = Path(__file__).parents[2] / "docs/reference/python-client.md"

HEADER: Final = """\
# Python client

`Client` and `AsyncClient` have a method for each call of the API. Those of `AsyncClient` are awaited, and its lists are
read by `async for`. [Use the Python client](../how-to/use-the-python-client.md) has examples. `make client` writes this
page and the methods from the method table.

- Required parameters come first, by position or name; optional ones are given by name.
- Each method takes `timeout`: the seconds for the call with all its attempts.
- Ids are `UUID` or text, times `datetime` with their offset, words such as `Permission.READ` or the same as text.
- A list is `Pages`: iterate it for the items of all pages; `.by_page()` yields whole pages, `.first()` returns the
  first, `.all()` a list of all items.
"""


def page(models: Models) -> str:
    """Return the page."""
    parts = [HEADER]
    for tag in dict.fromkeys(tag_of(route) for route in ROUTES):
        own = [_row(route) for route in ROUTES if tag_of(route) == tag]
        parts += [f"## {tag.capitalize()}\n", _table(("Method", "Answer", "What it does"), own)]
    parts += ["## Answers\n", ANSWERS, _classes(models, models.answers), "## Parts of requests\n"]
    parts += [_classes(models, models.inputs), "## Words\n", WORDS]
    parts.append(_table(("Class", "Words"), [_words(models, name) for name in sorted(models.words)]))
    return "\n".join(parts)


ANSWERS: Final = """\
Each has `request_id`, `created` (True if the call has made something new) and `etag` (behind a read), and these. What a
newer service answers beside them is passed over.
"""

WORDS: Final = """\
They are texts, too: `Permission.READ == "flow_pipeline:read"`, each by its last part in capitals. A word that
this version does not know stays what it is.
"""


def _row(route: Route) -> Sequence[str]:
    required = [each.name for each in parameters(route) if not each.default]
    optional = [f"{each.name}=" for each in parameters(route) if each.default] + [
        f"{each}=" for each in conditions(route)
    ]
    answer = returned(route, SYNC).replace("models.", "")
    summary, _ = describe(route)
    return f"`{route.operation.__name__}({', '.join([*required, *optional])})`", f"`{answer}`", summary


def _classes(models: Models, names: object) -> str:
    assert isinstance(names, dict)
    lines = [
        (f"`{name}`", "<br>".join(f"`{each}: {kind}`" for each, kind, _ in models.fields.get(name, [])))
        for name in names
    ]
    return _table(("Class", "Fields"), lines)


def _words(models: Models, name: str) -> Sequence[str]:
    words = models.words[name].words
    return f"`{name}`", ", ".join(f"`{word}`" for word in words)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [[each.replace("|", r"\|") for each in line] for line in lines]
    shown = [head, ["---"] * len(head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in shown) + "\n"
