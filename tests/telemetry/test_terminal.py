"""Text as a terminal shows it."""

import ast
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.telemetry.terminal import escape, escape_cell, escape_json, width

ANY = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Zs", "Mn", "Me", "Co"]),
        st.sampled_from("\\\x1b\x9b\r\n\u202e\u200b\u2028 a\u3164\u0301\ufe0f"),
    )
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Łódź 日本", "Łódź 日本"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("a\u200bb\ufeffc\u3164d\u2800e", r"a\u200bb\ufeffc\u3164d\u2800e"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("a\\x1b", r"a\\x1b"),
        ("e\u0301", "e\u0301"),
        ("\u0301e", r"\u0301e"),
        ("no\xa0break", r"no\xa0break"),
    ],
)
def test_escape(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(ANY)
def test_escape_shows_nothing_that_is_invisible_and_is_unambiguous(text: str) -> None:
    shown = escape(text)

    assert all(unicodedata.category(character)[0] not in "CZ" or character == " " for character in shown)
    quoted = shown.replace('"', '\\"')
    assert ast.literal_eval(f'"{quoted}"') == text


@given(ANY, st.sampled_from(["ascii", "latin-1", "utf-8", "shift_jis"]))
def test_escape_for_an_encoding_that_lacks_characters(text: str, encoding: str) -> None:
    escape(text, encoding).encode(encoding)


@given(ANY)
def test_escape_json_means_the_same(text: str) -> None:
    encoded = json.dumps(text, ensure_ascii=False)

    for only_ascii in (False, True):
        shown = escape_json(encoded, only_ascii=only_ascii)
        assert json.loads(shown) == json.loads(encoded)
        assert all(unicodedata.category(character)[0] not in "CZ" or character == " " for character in shown)
    assert shown.isascii()


def test_escape_cell_leaves_no_gap_that_looks_like_another_column() -> None:
    assert escape_cell("a  b") == r"a \x20b"
    assert escape_cell(" a ") == r"\x20a\x20"
    assert escape_cell("a b") == "a b"


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("日本", 4), ("\uff21\uff22", 4), ("e\u0301", 1), ("ﾊﾟ", 2), ("각", 2)]
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns
