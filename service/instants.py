"""The rules of times that clients send, which schemas, imports and commands share, and the database's checks repeat.

The bounds keep out what PostgreSQL and asyncpg understand differently: infinity, and years that only one can write.
"""

import re
from datetime import UTC, datetime
from typing import Final

FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The first time that is taken."""
END: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""The first time that is too late."""

_RFC_3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])(?:\.([0-9]+))?"
    r"([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


def parse_instant(text: object) -> datetime:
    """Parse a time as RFC 3339 has it, with any number of fractional digits, which are cut to microseconds.

    Raises:
        ValueError: it is none, or out of bounds; the text is a sentence.
    """
    match = _RFC_3339.fullmatch(text) if isinstance(text, str) else None
    try:
        if match is None:
            raise ValueError
        date, time, fraction, offset = match.groups()
        micros = f".{fraction[:6]:0<6}" if fraction else ""
        instant = datetime.fromisoformat(f"{date}T{time}{micros}{offset.upper()}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("Must be a time as in 2030-01-31T12:00:00Z.") from error
    if not FIRST <= instant < END:
        raise ValueError(f"Must be a time from the year {FIRST.year} on, and before {END.year}.")
    return instant


def check_end(instant: datetime) -> datetime:
    """Return a time at which something is to end.

    Raises:
        ValueError: it has passed, or is too late; the text is a sentence.
    """
    if not datetime.now(UTC) < instant < END:
        raise ValueError(f"Must be a time after now, and before the year {END.year}.")
    return instant


def written(instant: datetime) -> str:
    """Write a time as answers do."""
    return instant.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
