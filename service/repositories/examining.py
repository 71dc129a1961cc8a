"""Pages of lists that are filtered by what no index serves: each ends once so many rows have been examined.

Such a page may have fewer items than were asked for, or none, while others follow: it says up to which row it went.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from service.database.pool import Connection
from service.repositories.ordering import MAX_COUNTED, Order, Rows, Span, Total
from service.repositories.times import bounded

Item = TypeVar("Item")

MAX_EXAMINED: Final = 20_000
"""Rows that are examined for one page, whether or not they fit the filters: there may be millions."""
MAX_FEW: Final = 2000
"""Rows up to which reading and sorting all that can fit is cheaper than walking along all of a list."""


class Source(NamedTuple):
    """The rows of a list, as parts of a statement."""

    table: str
    row: str
    """The name of its rows in all that follows, and in the columns of the order."""
    given: str
    """The condition that an index serves, which is not examined."""
    fits: str
    """The condition of the rows that are listed."""
    columns: str
    """The columns of an item."""
    joined: str
    """Tables that these are of beside the row, from JOIN on: joined to the rows that are listed."""
    beside: str = ""
    """A row `found` beside each row that is examined, from CROSS JOIN LATERAL on."""


def examined(source: Source, order: Order, limit: int, behind: str = "") -> str:
    """Return the statement of the first rows of a list that fit, and of the last one that is examined.

    Behind the columns of an item each has those of the sort key, whether it fits, and its place.

    Args:
        source: the rows.
        order: of the list.
        limit: how many rows are examined.
        behind: the condition of rows behind a key, beginning with AND.
    """
    row = source.row
    # The rows alone in the innermost, so that they come from an index, one by one, until the last one that is wanted:
    # joins in it would be planned for as many rows as the limit says. Each level says the order, or the next one sorts.
    return f"""
        SELECT {source.columns}, {_keys(order)}, {row}.fits, {row}.place
        FROM (
            SELECT {row}.*{_found(source)}, ({source.fits}) AS fits,
                   row_number() OVER (ORDER BY {order.order_by}) AS place
            FROM (
                SELECT {row}.* FROM {source.table} {row}
                WHERE {source.given} {behind}
                ORDER BY {order.order_by}
                LIMIT {limit}
            ) {row}
            {source.beside}
            ORDER BY {order.order_by}
        ) {row}
        {source.joined}
        WHERE {row}.fits OR {row}.place = {limit}
        ORDER BY {order.order_by}
    """


def few_or_examined(
    source: Source, order: Order, limit: int, behind: str, *, few: str, everything: str, wanted: str
) -> str:
    """Return a statement of the same rows that finds them by another way where they are few.

    Only one of the two ways is run: the number of the few is known before the first row.

    Args:
        source: the rows.
        order: of the list.
        limit: how many rows are examined, where they are many.
        behind: the condition of rows behind a key, beginning with AND.
        few: the statement of the ids of all rows that can fit; some may come twice.
        everything: the condition that there is no need to look for few.
        wanted: the SQL of how many rows are wanted.
    """
    row = source.row
    walked = source._replace(given=f"{source.given} AND ({everything} OR (SELECT count(*) FROM few) > {MAX_FEW})")
    return f"""
    -- No more than it takes to know that there are more than a few.
    WITH few AS MATERIALIZED (SELECT v.id FROM ({few}) v (id) WHERE NOT {everything} LIMIT {MAX_FEW} + 1)
    -- Few: read them all by their ids, and sort.
    (
        SELECT {source.columns}, {_keys(order)}, true AS fits, 0 AS place
        FROM (
            SELECT {row}.*{_found(source)}
            FROM {source.table} {row}
            {source.beside}
            WHERE {source.given} {behind} AND ({source.fits})
              AND {row}.id IN (SELECT f.id FROM few f)
              AND NOT {everything} AND (SELECT count(*) FROM few) <= {MAX_FEW}
        ) {row}
        {source.joined}
        ORDER BY {order.order_by}
        LIMIT {wanted}
    ) UNION ALL (
        -- Many, or all: walk along the index of the order until the page is full, or enough is examined.
        {examined(walked, order, limit, behind)}
        LIMIT {wanted}
    )
    ORDER BY {", ".join(f"key_{place}{' DESC' if order.descending else ''}" for place in range(len(order.columns)))}
    """


def _found(source: Source) -> str:
    return ", found.*" if source.beside else ""


def _keys(order: Order) -> str:
    sqls = (bounded(column.sql) if column.type == "timestamptz" else column.sql for column in order.columns)
    return ", ".join(f"{sql} AS key_{place}" for place, sql in enumerate(sqls))


def rows_of(
    found: Sequence[tuple[Any, ...]], span: Span, make: Callable[[Sequence[Any]], Item], total: Total | None
) -> Rows[Item]:
    """Return what `examined` found, with MAX_EXAMINED as its limit, as the rows of a page.

    Args:
        found: one row more than the page has at most.
        span: the page.
        make: an item from the columns of one.
        total: of the list, if it was asked for.
    """
    width = len(span.order.columns) + 2
    items = [make(row[:-width]) for row in found if row[-2]]
    ended = len(items) <= span.size and bool(found) and found[-1][-1] == MAX_EXAMINED
    return Rows(items, total, span.order.key(make(found[-1][:-width])) if ended else None)


async def fetch_examined(
    connection: Connection,
    name: str,
    source: Source,
    arguments: Sequence[object],
    span: Span,
    make: Callable[[Sequence[Any]], Item],
) -> Rows[Item]:
    """Fetch a page of a list that no index filters; the arguments are as in `ordering.fetch_page`."""
    order, after = span.order, [] if span.after is None else [*map(str, span.after)]
    first = len(arguments) + 1
    behind = f"AND {order.behind(first)}" if after else ""
    rows = await connection.fetch(
        name,
        f"{examined(source, order, MAX_EXAMINED, behind)} LIMIT ${first + len(after)}",
        *arguments,
        *after,
        span.size + 1,
    )
    total = None
    if span.total:
        whole = examined(source, order, MAX_EXAMINED + 1)
        total = await count_examined(connection, f"{name}_total", whole, arguments)
    return rows_of([tuple(row) for row in rows], span, make, total)


async def count_examined(connection: Connection, name: str, statement: str, arguments: Sequence[object]) -> Total:
    """Count the rows that fit of the first MAX_EXAMINED, by a statement of `examined` for one more; to MAX_COUNTED."""
    row = await connection.fetch_one(
        name,
        f"""
        SELECT count(*) FILTER (WHERE fits AND place <= {MAX_EXAMINED}), count(*) FILTER (WHERE place > {MAX_EXAMINED})
        FROM ({statement} LIMIT {MAX_COUNTED + 1}) counted
        """,
        *arguments,
    )
    return Total(min(row[0], MAX_COUNTED), row[0] > MAX_COUNTED or row[1] > 0)
