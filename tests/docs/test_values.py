"""docs/reference/values.md, held against the rules."""

import re

from service.values.names import RESERVED, RULES, Rule
from tests.docs.pages import VALUES, text_of


def row(kind: str, rule: Rule) -> tuple[str, ...]:
    least = 0 if rule.may_be_empty else 3 if rule.mail else 1
    characters = f"{least}–{rule.max_length:,}{', trimmed' if rule.trimmed else ''}"  # noqa: RUF001 - as the page writes it
    which = "any but NUL" if rule.multiline else "shown" if rule.pattern is None else rule.sentence.split(" of ")[1]
    which += ", one @, no spaces" if rule.mail else ""
    return (
        kind,
        characters,
        which.split(" (")[0],
        "as it is" if rule.exact else "by key",
        "yes" if rule.in_address else "no",
    )


def test_table_has_the_rules() -> None:
    section = text_of(VALUES).split("\n## Names, ids and texts\n")[1].split("\n## ")[0]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in section.splitlines() if "|" in line]

    assert [tuple(re.sub(", unique", "", cell) for cell in cells) for cells in rows[2:]] == [
        row(kind, rule) for kind, rule in RULES.items()
    ]


def test_page_names_the_reserved_words() -> None:
    assert ", ".join(f"`{word}`" for word in RESERVED) in text_of(VALUES)
