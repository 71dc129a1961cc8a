"""Values as messages may repeat them: what looks like a secret in one is masked, and a long one is cut.

Whoever mistakes one setting for another writes the address of a database, or a token, where neither is expected.
"""

import re
from typing import Final

MASK: Final = "***"
"""In the place of a secret."""
LONGEST_QUOTED: Final = 200
"""Characters of a wrong value that a message repeats."""

_SECRETS: Final = (
    (re.compile(r"(:/+).*@", re.DOTALL), rf"\1{MASK}@"),
    (re.compile(r"(:/.*?[?#]).+", re.DOTALL), rf"\1{MASK}"),
    (re.compile(r"((?:password|passwd|secret|key)\s*=\s*).+", re.DOTALL | re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"((?:fp_|eyJ))[\w.-]{8,}", re.ASCII), rf"\1{MASK}"),
)
"""Patterns of secrets: user and password of an address, its query, passwords by their names, and tokens."""


def masked(text: str) -> str:
    """Return a text without what looks like a secret in it."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def quoted(value: str) -> str:
    """Return a wrong value as a message repeats it: in quotes, on one line, masked, and its beginning if it is long."""
    shown = masked(value)
    return repr(shown if len(shown) <= LONGEST_QUOTED else f"{shown[:LONGEST_QUOTED]}...")
