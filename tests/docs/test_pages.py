"""What the documents name exists."""

import pytest

from tests.docs.pages import (
    ARCHITECTURE,
    PAGES,
    missing_links,
    missing_paths,
    named_paths,
    text_of,
    unknown_make_targets,
)

every_page = pytest.mark.parametrize("page", PAGES)


@every_page
def test_paths_in_a_page_exist(page: str) -> None:
    text = text_of(page)

    assert named_paths(text)
    assert missing_paths(page, text) == set()


@every_page
def test_links_in_a_page_lead_somewhere(page: str) -> None:
    assert missing_links(page, text_of(page)) == set()


@every_page
def test_make_targets_in_a_page_exist(page: str) -> None:
    assert unknown_make_targets(text_of(page)) == set()


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
