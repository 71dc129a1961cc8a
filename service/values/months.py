"""Months of UTC, by which the audit trail is kept."""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

_MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class Month(NamedTuple):
    """A month of UTC, written as 2026-01."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def begin(self) -> datetime:
        """The first moment of the month."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    def plus(self, months: int) -> "Month":
        """Return the month that is some later, or earlier."""
        year, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(year, month + 1)

    def minus(self, other: "Month") -> int:
        """Return by how many months this one is later."""
        return (self.year - other.year) * 12 + self.month - other.month

    @classmethod
    def of(cls, at: datetime) -> "Month":
        """Return the month that a time is in."""
        at = at.astimezone(UTC)
        return cls(at.year, at.month)


def parse_month(text: str) -> Month | None:
    """Parse a month from 1970 to 2199; return None if the text is none."""
    match = _MONTH.fullmatch(text)
    found = Month(int(match[1]), int(match[2])) if match else None
    return found if found and 1970 <= found.year < 2200 else None
