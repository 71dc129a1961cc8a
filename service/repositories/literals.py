"""Arrays in PostgreSQL's text form, for statements that every request takes part in.

To tell a list from its elements, asyncpg's binary form asks abstract classes once or twice about each element, in
Python: for the nine fields of an update that takes more than all else that is done to send them.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NewType
from uuid import UUID

ArrayLiteral = NewType("ArrayLiteral", str)
"""An array in PostgreSQL's text form, such as {1,2}."""


def array_literal(values: Iterable[int | UUID]) -> ArrayLiteral:
    """Return values that need no quotes as an array literal."""
    return ArrayLiteral(f"{{{','.join(map(str, values))}}}")


def column_literal(kind: str, values: Iterable[Any]) -> ArrayLiteral:
    """Return values of one PostgreSQL type, or None, as an array literal.

    Args:
        kind: the type's name; of arrays in an array, which may be of different lengths in this form, `text`.
        values: as asyncpg would take them, arrays as literals.
    """
    written = _WRITTEN[kind]
    return ArrayLiteral("{" + ",".join(["NULL" if value is None else written(value) for value in values]) + "}")


def _text(value: str) -> str:
    if '"' in value or "\\" in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def _bytes(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


def _time(value: datetime) -> str:
    return f'"{value.isoformat()}"'


_WRITTEN: Final[Mapping[str, Callable[[Any], str]]] = {
    "boolean": str,
    "bytea": _bytes,
    "integer": str,
    "text": _text,
    "timestamptz": _time,
    "uuid": str,
}
"""The functions that write values of each type as elements of an array literal."""
