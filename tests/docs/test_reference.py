"""The tables of docs/reference/, held against the code that they are made of."""

import ast
import re
import sys
from pathlib import Path

import pytest

from service.settings import Settings
from tests.reference import settings
from tests.reference.commands import every_command
from tests.reference.errors import kinds, raised_reasons, unanswered_reasons
from tests.reference.pages import DIRECTORY, TABLES, pages, renewed, tables_in
from tests.reference.sources import SERVICE, described

STALE = "stale: run `make reference`"


def text_of(page: str) -> str:
    return (DIRECTORY / page).read_text()


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_tables_are_as_the_code_says(page: Path) -> None:
    if page.stem == "metrics" and sys.platform != "linux":
        pytest.skip("prometheus-client has the metrics of a process on Linux only")
    text = page.read_text()

    assert text == renewed(text), STALE


def test_each_table_is_in_one_page() -> None:
    assert sorted(name for page in pages() for name in tables_in(page.read_text())) == sorted(TABLES)


def test_stale_table_is_found() -> None:
    """The control."""
    text = text_of("settings.md")

    assert renewed(text.replace("| `HTTP_PORT` | `8080` |", "| `HTTP_PORT` | `80` |")) == text
    assert renewed(re.sub(r"\| `OPS_PORT` .*\n", "", text)) == text


def test_every_setting_is_in_the_table() -> None:
    text = text_of("settings.md")

    assert [
        name
        for name in Settings.__slots__
        if name not in ("tracing", "providers") and f"| `{name.upper()}` |" not in text
    ] == []
    assert [name for name in settings.recorded()[1] if f"| `{name}` |" not in text] == []


def test_setting_without_a_docstring_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "docstrings", lambda: {"http_port": None})

    with pytest.raises(KeyError, match=r"http_port of service/settings/declared\.py has no docstring"):
        settings.table()


def test_every_command_has_a_section() -> None:
    text = text_of("commands.md")
    commands = [" ".join(command) for command in every_command()]

    assert len(commands) > 30
    assert [command for command in commands if f"# `{command}`\n" not in text] == []


def test_every_metric_in_the_code_is_in_the_table() -> None:
    """Names are looked for in the code, so that a part that no application of the test has is not forgotten."""
    text = text_of("metrics.md")
    named = {
        name
        for path in SERVICE.rglob("*.py")
        for name in re.findall(r'"((?:flow_pipelines|http_server|rpc_server|db_client)_\w+[a-z])"', path.read_text())
    }

    assert len(named) > 10
    assert [
        name for name in named - {"db_client_connection_state", "flow_pipelines_sign_in"} if f"| `{name}" not in text
    ] == []


def test_every_kind_of_failure_is_in_the_table() -> None:
    text = text_of("errors.md")

    assert [kind.code for kind in kinds().values() if f"| `{kind.code}` |" not in text] == []
    assert [name for name in unanswered_reasons() if f"| `{name}` |" not in text] == []
    assert [each.name for each in raised_reasons() if f"| `{each.name}` |" not in text] == []


def test_docstring_describes_all_names_right_above_it() -> None:
    source = 'a: int = 1\n\nb: int = 2\nc: int = 3\n"""Said."""\nd: int = 4\n'
    found = {each.name: each.docstring for each in described(ast.parse(source).body, Path("x.py"))}

    assert found == {"a": None, "b": "Said.", "c": "Said.", "d": None}
