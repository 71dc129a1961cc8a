"""Values as messages may repeat them: what looks like a secret in one is masked, and a long one is cut.

Whoever mistakes one setting for another writes the address of a database, or a token, where neither is expected.
"""

import re
from typing import Final

MASK: Final = "***"
"""In the place of a secret."""
LONGEST_QUOTED: Final = 200
"""Characters of a wrong value that a message repeats."""

_TOKEN: Final = re.compile(r"((?:f|%(?:25)*66)(?:p|%(?:25)*70)(?:_|%(?:25)*5[fF])|eyJ)[\w.%-]{8,}", re.ASCII)
"""The look of a token of ours, or of an identity provider, with percent signs where it was encoded for an address."""
_SECRETS: Final = (
    (re.compile(r"(:/+).*@", re.DOTALL), rf"\1{MASK}@"),
    (re.compile(r"(:/.*?[?#]).+", re.DOTALL), rf"\1{MASK}"),
    (re.compile(r"((?:password|passwd|secret|key)\s*=\s*).+", re.DOTALL | re.IGNORECASE), rf"\1{MASK}"),
)
"""Patterns of secrets: user and password of an address, its query, and passwords by their names."""


def masked(text: str) -> str:
    """Return a text without what looks like a secret in it."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return without_tokens(text)


def without_tokens(text: str) -> str:
    """Return a text in which what looks like a token ends behind its beginning, as in fp_***."""
    return _TOKEN.sub(rf"\1{MASK}", text)


def quoted(value: str) -> str:
    """Return a wrong value as a message repeats it: in quotes, on one line, masked, and its beginning if it is long."""
    shown = masked(value)
    return repr(shown if len(shown) <= LONGEST_QUOTED else f"{shown[:LONGEST_QUOTED]}...")
