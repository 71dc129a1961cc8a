"""The rules of times that come in, which schemas, imports and commands share, and the database's checks repeat.

The bounds keep out what PostgreSQL and asyncpg understand differently: infinity, and years that only one can write.
`datetime.fromisoformat` is given only what RFC 3339 allows: by itself it takes weeks, commas and dates without a time.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The first time that is taken."""
END: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""The first time that is too late."""

_RFC_3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]+))?"
    r"([Zz]|[+-](?:0[0-9]|1[0-5]):[0-5][0-9])"
)
"""Offsets up to 15:59, as PostgreSQL has them; no place on Earth has more than 14:00."""

_PLUS_LOST: Final = re.compile(r":[0-9.]+ [0-9]{2}:[0-9]{2}\Z")
"""An offset whose plus was read as a space, as it is in the query of an address."""


def parse_instant(text: object) -> datetime:
    """Parse a time as RFC 3339 has it, with any number of fractional digits, which are cut to microseconds.

    A leap second, at the end of a month of UTC, is the second after it, as PostgreSQL and the clocks of Unix have it.

    Raises:
        ValueError: it is none, or out of bounds; the text is a sentence.
    """
    match = _RFC_3339.fullmatch(text) if isinstance(text, str) else None
    try:
        if match is None:
            raise ValueError
        date, time, second, fraction, offset = match.groups()
        micros = f".{fraction[:6]:0<6}" if fraction else ""
        leap = second == "60"
        written_out = f"{date}T{time}:{'59' if leap else second}{micros}{offset.upper()}"
        instant = datetime.fromisoformat(written_out).astimezone(UTC) + timedelta(seconds=leap)
        if leap and (instant.day, instant.hour, instant.minute) != (1, 0, 0):
            raise ValueError
    except (ValueError, OverflowError) as error:
        lost = isinstance(text, str) and _PLUS_LOST.search(text) is not None
        hint = "; in an address + is written %2B" if lost else ""
        raise ValueError(f"Must be a time as in 2030-01-31T12:00:00Z{hint}.") from error
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
