"""The rules of names, by kind, and in every way in."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.routes import ROUTES, words_beside
from service.values.names import EMAIL, RESERVED, RULES, Rule, has_unfit, is_visible, name_key

LABELS = [rule for rule in RULES.values() if rule.pattern is None and not rule.multiline and not rule.mail]
INVISIBLE = [
    "\u200b",
    "\u00ad",
    "\ufeff",
    "\u3164",
    "\u2800",
    "\u115f",
    "\u180e",
    "\U000e0041",
    "\u2060\u200d",
    " \u00a0\u3000",
]
UNFIT = ["\0", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u2029"]
UNFIT += ["\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069", "\ud800", "\udfff", "\uffff", "\ufdd0"]
SHOWN = ["Łódź", "日本", "👨‍👩‍👧", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "नमस्ते", "می‌خواهم", "\u0661", "-", "\U0001fae8", "e\u0301", "\ue000"]


def literals_beside_parameters() -> set[str]:
    """Return the words of addresses that stand where another address has a name or an id."""
    return {
        word
        for route in ROUTES
        for place, step in enumerate(route.path.split("/"))
        if step.startswith("{")
        for word in words_beside(route.path, place)
    }


def test_reserved_words_are_the_addresses_and_steps_of_paths() -> None:
    assert literals_beside_parameters() == {"me", "pipelines"}
    assert literals_beside_parameters() | {".", ".."} == {*RESERVED}


def test_everything_in_an_address_has_a_rule_that_reserves() -> None:
    """Or is a UUID or a number, which can't be a word."""
    parameters = {name for route in ROUTES for name in re.findall(r"\{(\w+)\}", route.path)}

    assert parameters == {"pipeline_id", "token_id", "id", "job_id", "username", "name"}
    assert {kind for kind, rule in RULES.items() if rule.in_address} == {"username", "group name", "job id"}


@pytest.mark.parametrize("kind", [kind for kind, rule in RULES.items() if rule.in_address])
def test_names_in_addresses_are_no_addresses(kind: str) -> None:
    rule = RULES[kind]
    for word in RESERVED:
        with pytest.raises(ValueError, match=r"which are addresses|but not"):
            rule.check(word)
        if word != "pipelines" or not rule.exact:
            assert rule.check_reference(word) == word, "what was called so before can still be named"
    if not rule.exact:
        for word in ("ME", "Me", "Pipelines"):
            with pytest.raises(ValueError, match="which are addresses"):
                rule.check(word)
    assert rule.check("meme.") == "meme."


@pytest.mark.parametrize("rule", LABELS, ids=[kind for kind, rule in RULES.items() if rule in LABELS])
def test_labels_are_never_empty_to_the_eye(rule: Rule) -> None:
    for name in INVISIBLE:
        assert not is_visible(name)
        with pytest.raises(ValueError, match="characters"):
            rule.check(name)
    for name in UNFIT:
        assert has_unfit(name)
        with pytest.raises(ValueError, match="characters"):
            rule.check(f"a{name}b")
    for name in SHOWN:
        assert rule.check(name) == name
    assert rule.check("x" * 255)
    with pytest.raises(ValueError, match="255"):
        rule.check("x" * 256)


@pytest.mark.parametrize(
    "address", ["ada@acme.example", "a@b", "jörg+x@bücher.example", "日本@例え.jp", f"{'a' * 318}@b"]
)
def test_email_of_two_shown_parts_is_taken(address: str) -> None:
    assert EMAIL.check(address) == address


@pytest.mark.parametrize("address", ["", "a", "a@", "@b", "a@b@c", "a b@c", "a@b ", "\u00a0@b", "a" * 319 + "@b"])
def test_email_without_two_parts_or_with_spaces_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="320 characters with one @"):
        EMAIL.check(address)


@pytest.mark.parametrize("unfit", [*UNFIT, *INVISIBLE], ids=ascii)
def test_email_with_unfit_or_only_invisible_parts_is_refused(unfit: str) -> None:
    for address in (f"{unfit}@b", f"a@{unfit}", *([f"a{unfit}b@c"] if unfit in UNFIT else ())):
        with pytest.raises(ValueError, match="320 characters with one @"):
            EMAIL.check(address)


@pytest.mark.parametrize("kind", RULES)
@given(value=st.none() | st.integers() | st.text() | st.text(st.sampled_from("me.\u200b\u202ep \n"), max_size=5))
def test_rules_store_what_can_be_written_again_or_refuse(kind: str, value: object) -> None:
    rule = RULES[kind]
    try:
        stored = rule.check(value)
    except ValueError:
        return
    assert rule.check(stored) == stored
    assert rule.check_reference(stored) == stored
    assert len(stored) <= rule.max_length
    stored.encode()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Invoices", "INVOICES"),
        ("Invoices", "In\u200bvoices"),
        ("Invoices", "\u200b Invoices"),
        ("Invoices", "Invoices\u00ad"),
        ("Straße", "STRASSE"),
        ("Heart ❤", "heart ❤\ufe0f"),
        ("\uff21\uff22\uff23", "abc"),
        ("ﬁle", "FILE"),
        ("e\u0301", "É"),
        ("Ω", "\u2126"),
        ("a\u00a0b", "a b"),
        ("ΣΑΣ", "σας"),
    ],
)
def test_names_that_look_alike_have_one_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("Łódź", "Lodz"), ("a b", "ab"), ("1", "l"), ("a", "\u0430")])
def test_names_that_differ_have_two_keys(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@given(st.text(min_size=1, max_size=8))
def test_name_key_of_a_visible_name_is_not_empty(name: str) -> None:
    assert name_key(name) or not is_visible(name)
    assert name_key(name_key(name)) == name_key(name)
