"""The rule of lengths of time that come in: whole days or hours, as in "90d" and "12h"."""

import re
from datetime import timedelta
from typing import Final

LONGEST: Final = timedelta(days=3650)
"""The longest that is taken."""

_DURATION: Final = re.compile(r"([0-9]{1,6})([dh])")


def parse_duration(text: object) -> timedelta:
    """Parse a length of time.

    Raises:
        ValueError: it is none, or out of bounds; the text is a sentence.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError('Must be whole days or hours, such as "90d" or "12h".')
    number = int(match[1])
    duration = timedelta(days=number) if match[2] == "d" else timedelta(hours=number)
    if not timedelta() < duration <= LONGEST:
        raise ValueError(f"Must be from 1h to {LONGEST.days}d.")
    return duration
