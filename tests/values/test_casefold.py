"""NFKC_Casefold, held against Unicode's own table of it."""

import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from service.values.casefold import IGNORABLE, casefold

TABLE = Path(__file__).with_name("nfkc_casefold.txt")


def mappings() -> dict[str, str]:
    """Return the mappings of DerivedNormalizationProps that the table has, by character."""
    found = {}
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith("#"):
            code, _, mapped = line.partition(";")
            found[chr(int(code, 16))] = "".join(chr(int(each, 16)) for each in mapped.split())
    return found


MAPPINGS = mappings()


def test_casefold_maps_characters_as_unicode_does() -> None:
    assert len(MAPPINGS) > 700
    assert {each: casefold(each) for each in MAPPINGS} == MAPPINGS


def test_casefold_leaves_every_other_ascii_character() -> None:
    assert all(casefold(each) == MAPPINGS.get(each, each) for each in map(chr, range(128)))


def test_casefold_drops_what_is_ignorable_and_nothing_else() -> None:
    dropped = {each for each, mapped in MAPPINGS.items() if not mapped}

    assert dropped <= IGNORABLE
    assert {each for each in map(chr, range(0x110000)) if not casefold(each)} == IGNORABLE


@given(st.text(st.sampled_from(sorted(MAPPINGS)) | st.characters(exclude_categories=["Cs"]), max_size=6))
def test_casefold_of_a_text_is_that_of_its_characters(text: str) -> None:
    by_character = "".join(MAPPINGS.get(each, casefold(each)) for each in unicodedata.normalize("NFD", text))

    assert casefold(text) == unicodedata.normalize("NFC", by_character)


@given(st.text(max_size=8))
def test_casefold_of_a_folded_text_is_itself(text: str) -> None:
    assert casefold(casefold(text)) == casefold(text)
    assert casefold(text.upper().lower()) == casefold(casefold(text.upper()).lower())


@given(st.text(max_size=8))
def test_casefold_of_equivalent_texts_is_one(text: str) -> None:
    forms = {casefold(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}

    assert forms == {casefold(text)}
