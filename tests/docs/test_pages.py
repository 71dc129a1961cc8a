"""What the documents name exists."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.docs.pages import (
    ALL_PAGES,
    ARCHITECTURE,
    DECISIONS,
    PAGES,
    ROOT,
    missing_links,
    missing_paths,
    named_paths,
    text_of,
    unknown_make_targets,
)

every_page = pytest.mark.parametrize("page", ALL_PAGES)


@every_page
def test_paths_in_a_page_exist(page: str) -> None:
    text = text_of(page)

    assert named_paths(text) or page not in PAGES
    assert missing_paths(page, text) == set()


@every_page
def test_links_in_a_page_lead_somewhere(page: str) -> None:
    assert missing_links(page, text_of(page)) == set()


@every_page
def test_make_targets_in_a_page_exist(page: str) -> None:
    assert unknown_make_targets(text_of(page)) == set()


def test_every_page_has_a_place_in_the_navigation() -> None:
    """Decisions have theirs in the list of them."""
    navigation = {page for section in _configuration()["nav"] for page in _pages_of(section)}
    listed = {f"docs/decisions/{file}" for file in re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", text_of(DECISIONS))}

    assert {*ALL_PAGES} == navigation | listed
    assert sorted(listed) == sorted(page for page in ALL_PAGES if re.match(r"docs/decisions/\d", page))


def _configuration() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    return loaded


def _pages_of(section: Any) -> Iterator[str]:
    """Yield the pages of a part of the navigation: a page, a list, or either by a name."""
    if isinstance(section, str):
        yield section
    else:
        for each in section.values() if isinstance(section, dict) else section:
            yield from _pages_of(each)


@pytest.mark.parametrize("page", [page for page in ALL_PAGES if re.match(r"docs/decisions/\d", page)])
def test_decision_says_what_was_rejected(page: str) -> None:
    headings = re.findall(r"^## (.+)$", text_of(page), re.MULTILINE)

    assert [each for each in headings if each != "Measured"] == ["Context", "Decision", "Rejected", "Where"]
    assert text_of(page).startswith(f"# {page.rsplit('/', maxsplit=1)[-1][:4]}: ")


def test_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) <= 150


def test_paths_that_are_not_there_are_found() -> None:
    """The control."""
    text = """`app.py`, `http/`, `gone.py`, `/metrics`, `SELECT`, `.data/`, `tests/gone/`
```sh
pytest tests/api tests/gone/test_x.py
```
    participant E as http/gone.py
"""

    assert missing_paths(ARCHITECTURE, text) == {
        "gone.py",
        "tests/gone/",
        "tests/gone",
        "tests/gone/test_x.py",
        "http/gone.py",
    }
    assert missing_paths("README.md", "`endpoint.py`, `point.py`, `http/endpoint.py`, `server/endpoint.py`") == {
        "point.py",
        "server/endpoint.py",
    }


def test_links_and_targets_that_are_not_there_are_found() -> None:
    """The control."""
    assert missing_links("docs/x.md", "[a](../README.md#x), [b](gone.md), [c](https://example.org)") == {"gone.md"}
    assert unknown_make_targets("`make lint FIX=1`, `make gone`\n```sh\nmake format nothing types   # words\n```") == {
        "gone",
        "nothing",
    }
