"""The orders that a list can be read in, its pages in each of them, and its total.

A page begins behind the sort key of the last row of the one before (keyset), whatever the order: so each order has the
SQL of its key, which ends with something that no two rows have in common, and the same key of a row that was read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

import asyncpg

from service.database.pool import Connection
from service.repositories.granted import MappedReader
from service.repositories.times import NEVER
from service.values.instants import END, FIRST

Item = TypeVar("Item")

MAX_COUNTED: Final = 10_000
"""Rows up to which a total is counted: no more are read for it, however many there are."""

ColumnType = Literal["text", "timestamptz", "uuid", "bigint"]


class Column(NamedTuple):
    """A part of a sort key: its SQL, which is never NULL, and its type."""

    sql: str
    type: ColumnType = "text"


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a list: the columns of its sort key, all of them ascending or all descending."""

    columns: tuple[Column, ...]
    key: Callable[[Any], Sequence[Any]]
    """The sort key of an item that was read, equal to that of the columns."""
    descending: bool = False

    @property
    def order_by(self) -> str:
        """The SQL behind ORDER BY."""
        return ", ".join(f"{column.sql} DESC" if self.descending else column.sql for column in self.columns)

    def behind(self, first: int) -> str:
        """Return the condition of rows that come behind a key, whose parts are texts from parameter `first` on."""
        columns = ", ".join(column.sql for column in self.columns)
        values = ", ".join(f"${first + place}::text::{column.type}" for place, column in enumerate(self.columns))
        return f"({columns}) {'<' if self.descending else '>'} ({values})"


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders of one list by the fields that they are named by, and the one that it has by itself."""

    default: str
    by_name: Mapping[str, Order]

    @property
    def names(self) -> list[str]:
        """The words that a request may say: each field, and behind "-" descending."""
        return [word for name in self.by_name for word in (name, f"-{name}")]

    def find(self, order_by: str | None) -> Order:
        """Return the order of a name; the list's own if None."""
        name = order_by or self.default
        return replace(self.by_name[name.removeprefix("-")], descending=name.startswith("-"))


class Span(NamedTuple):
    """A page to be read: in which order, behind which key, how many rows, and whether with the total."""

    order: Order
    after: Sequence[Any] | None
    size: int
    total: bool = False


class Total(NamedTuple):
    """The number of the rows of all pages, as far as they are counted."""

    number: int
    at_least: bool = False
    """True if there may be more."""


class Rows(NamedTuple, Generic[Item]):
    """The rows of a page, one more than it has if others follow; and the total, if it was asked for."""

    items: list[Item]
    total: Total | None = None
    examined_to: Sequence[Any] | None = None
    """The key behind which the next page begins, where this one ends without being full; see examining.py."""


async def fetch_page(
    connection: Connection | MappedReader,
    name: str,
    select: str,
    arguments: Sequence[object],
    span: Span,
    make: Callable[[asyncpg.Record], Item],
) -> Rows[Item]:
    """Fetch a page of a list.

    Args:
        name: of the statement; that of the total has "_total" behind it.
        select: the statement up to its WHERE, the list's filters included.
        arguments: of that.
        span: the page.
        make: an item from a row.
    """
    order, after = span.order, [] if span.after is None else [*map(str, span.after)]
    first = len(arguments) + 1
    rows = await connection.fetch(
        name,
        f"""
        {select} {f"AND {order.behind(first)}" if after else ""}
        ORDER BY {order.order_by}
        LIMIT ${first + len(after)}
        """,
        *arguments,
        *after,
        span.size + 1,
    )
    total = await count(connection, f"{name}_total", select, arguments) if span.total else None
    return Rows([make(row) for row in rows], total)


async def count(connection: Connection | MappedReader, name: str, select: str, arguments: Sequence[object]) -> Total:
    """Count the rows of a statement, but no further than to know that they are more than MAX_COUNTED."""
    row = await connection.fetch_one(
        name, f"SELECT count(*) FROM ({select} LIMIT {MAX_COUNTED + 1}) counted", *arguments
    )
    return Total(min(row[0], MAX_COUNTED), row[0] > MAX_COUNTED)


def never(column: str) -> Column:
    """Return the column of a time at which something ends: what never does comes last."""
    return Column(f"coalesce({column}, {NEVER})", "timestamptz")


def not_yet(column: str) -> Column:
    """Return the column of a time at which something was done: what was not comes first."""
    return Column(f"coalesce({column}, '{FIRST.isoformat()}'::timestamptz)", "timestamptz")


LAST: Final = END - timedelta(microseconds=1)
"""The time of what never ends, in sort keys."""
