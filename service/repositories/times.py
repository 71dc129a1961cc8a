"""The SQL of times, so that every one that is stored can be read."""

from datetime import timedelta
from typing import Final

from service.values.instants import END, FIRST

_FIRST: Final = f"'{FIRST.isoformat()}'::timestamptz"
_LAST: Final = f"'{(END - timedelta(microseconds=1)).isoformat()}'::timestamptz"
NEVER: Final = _LAST
"""The SQL of the last time that there is, in the place of none in sort keys."""


def bounded(column: str) -> str:
    """Return the SQL of a time within the bounds of values/instants.py: the nearest that is, of one that is not.

    The database's constraints keep others out. Where somebody has dropped these, or written by another way, a row with
    infinity, or a year that Python can't hold, would fail the statement for all who share it, and could not even be
    deleted.
    """
    return f"CASE WHEN {column} < {_FIRST} THEN {_FIRST} WHEN {column} > {_LAST} THEN {_LAST} ELSE {column} END"
