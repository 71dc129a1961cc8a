"""Statements on the audit trail, which is append-only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from service.database.pool import Connection
from service.identity import Caller
from service.repositories.examining import MAX_EXAMINED
from service.repositories.ordering import MAX_COUNTED, Column, Order, Orders, Rows, Span, Total, count
from service.repositories.texts import folded
from service.repositories.times import bounded


def attribution(caller: Caller) -> tuple[UUID, UUID | None, str, UUID | None]:
    """Return the columns organization_id, actor_id, actor and token_id of a caller's row."""
    if caller.is_operator:
        return caller.organization_id, None, caller.username, None
    return caller.organization_id, caller.user_id, caller.username, caller.token_id


async def insert(
    connection: Connection,
    caller: Caller,
    action: str,
    target: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    request_id: str | None = None,
) -> None:
    """Insert the row of one change, in the change's own transaction.

    Args:
        caller: by whom; an operator has no user and no token.
        action: the kind of change, such as "job.update_pipelines".
        target: the thing that was changed, as kind:key.
        before: the state that the change replaced, None if it created.
        after: the state that it left, None if it deleted.
    """
    await connection.execute(
        "audit.insert",
        """
        INSERT INTO audit (organization_id, actor_id, actor, token_id, action, target, before, after, request_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9)
        """,
        *attribution(caller),
        action,
        target,
        _json(before),
        _json(after),
        request_id,
    )


async def insert_each(
    connection: Connection,
    caller: Caller,
    action: str,
    changes: Sequence[tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]],
    request_id: str | None = None,
) -> None:
    """Insert a row for each of the things that one call has changed alike: target, before and after, as in `insert`."""
    if not changes:
        return
    targets, before, after = zip(*changes, strict=True)
    await connection.execute(
        "audit.insert_each",
        """
        INSERT INTO audit (organization_id, actor_id, actor, token_id, action, target, before, after, request_id)
        SELECT $1, $2, $3, $4, $5, each.target, each.before::jsonb, each.after::jsonb, $9
        FROM unnest($6::text[], $7::text[], $8::text[]) WITH ORDINALITY AS each (target, before, after, number)
        ORDER BY each.number
        """,
        *attribution(caller),
        action,
        targets,
        [_json(state) for state in before],
        [_json(state) for state in after],
        request_id,
    )


def _json(state: Mapping[str, Any] | None) -> str | None:
    return None if state is None else orjson.dumps(state, default=str).decode()


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the audit trail."""

    id: int
    at: datetime
    actor: str
    token_id: UUID | None
    action: str
    target: str
    before: Any
    after: Any
    request_id: str | None


MAX_PAGE_BYTES: Final = 2**20
"""Bytes of states beyond which a page ends: an update's may be two lists of 1,000 ids, of 80 kB."""


ORDERS: Final = Orders(
    "-at",
    {
        "at": Order(
            (Column("a.at", "timestamptz"), Column("a.id", "bigint")),
            lambda entry: (entry.at.isoformat(), entry.id),
        )
    },
)
"""The orders of the trail, which is kept by time: a page reads the months that it shows, and no other."""


async def page(
    connection: Connection,
    organization_id: UUID,
    *,
    actor: str | None,
    action: str | None,
    target: str | None,
    since: datetime | None,
    until: datetime | None,
    span: Span,
) -> Rows[Entry]:
    """Return a page of the trail.

    Returns:
        The entries: as many as MAX_PAGE_BYTES hold, and at least one if there is one. For an actor or an action, which
        have no index, they are those among MAX_EXAMINED.
    """
    order = span.order
    examined = (organization_id, target, since, until, MAX_EXAMINED)
    wanted = (actor, action)
    after = [] if span.after is None else [*map(str, span.after)]
    rows = await connection.fetch(
        "audit.page",
        _page(order, len(after)),
        *examined,
        *wanted,
        span.size + 1,
        MAX_PAGE_BYTES,
        *after,
    )
    # A row without an entry has how far was examined where there is none.
    found = [row for row in rows if row["id"] is not None]
    entries = [read_entry(row) for row in found]
    examined_to: Sequence[Any] | None = None
    if found and len(found) < found[0]["count"]:
        examined_to = order.key(entries[-1])
    elif (last := rows[0]["examined_to"]) is not None:
        examined_to = last[0].isoformat(), last[1]
    total = await _total(connection, examined, wanted) if span.total else None
    return Rows(entries, total, examined_to)


def _page(order: Order, keys: int) -> str:
    """Return the statement of a page.

    Args:
        order: of the page.
        keys: the parts of the key that it begins behind; 0 for the first one.
    """
    # By the time alone, as months are left out by that.
    later = f"AND a.at {'<=' if order.descending else '>='} $10::text::timestamptz AND {order.behind(10)}"
    examined = f"{_EXAMINED} {later if keys else ''} ORDER BY {order.order_by}"
    found = f"""
        SELECT a.*
        FROM (SELECT a.* {examined} LIMIT $5) a
        WHERE {_FITS}
        ORDER BY {order.order_by}
        LIMIT $8
    """
    # How far it has examined is told by the same snapshot, or entries that come meanwhile would show others twice.
    return f"""
        SELECT p.count, p.id, p.at, p.actor, p.token_id, p.action, p.target, p.before, p.after,
               p.request_id,
               CASE WHEN coalesce(p.count, 0) < $8 AND ($6::text IS NOT NULL OR $7::text IS NOT NULL) THEN
                   (SELECT ROW({bounded("l.at")}, l.id) FROM (SELECT a.at, a.id {examined} OFFSET $5 - 1 LIMIT 1) l)
               END AS examined_to
        FROM (VALUES (1)) page
        LEFT JOIN (
            {within_bytes(found, order.order_by, "$9")}
        ) p ON true
        ORDER BY p.number
    """


def within_bytes(rows: str, order_by: str, most: str) -> str:
    """Return the SQL of the first of some rows of the trail, as many as have room, and one at least.

    With their number, how many there are in all, and the bytes of each one's states, which are text. To make text of
    states takes longer than all else: it is made of those alone that would have room as they are stored, which may be
    compressed.

    Args:
        rows: the SQL of rows a of the table `audit`.
        order_by: of them.
        most: the SQL of how many bytes have room.
    """
    listing = f"WINDOW listing AS (ORDER BY {order_by} ROWS UNBOUNDED PRECEDING)"
    stored, bytes_ = (
        f"coalesce({function}(a.before), 0) + coalesce({function}(a.after), 0)"
        for function in ("pg_column_size", "octet_length")
    )
    return f"""
        SELECT a.*
        FROM (
            SELECT a.*, {bytes_} AS bytes, sum({bytes_}) OVER listing AS sum
            FROM (
                SELECT a.organization_id, a.id, a.at, a.actor, a.token_id, a.action, a.target,
                       a.before::text, a.after::text, a.request_id, a.count, a.number
                FROM (
                    SELECT a.organization_id, a.id, {bounded("a.at")} AS at, a.actor, a.token_id, a.action, a.target,
                           a.before, a.after, a.request_id,
                           count(*) OVER () AS count, row_number() OVER listing AS number,
                           sum({stored}) OVER listing AS stored
                    FROM ({rows}) a
                    {listing}
                ) a
                WHERE a.number = 1 OR a.stored <= {most}
            ) a
            {listing}
        ) a
        WHERE a.number = 1 OR a.sum <= {most}
    """


async def _total(connection: Connection, examined: tuple[object, ...], wanted: tuple[str | None, str | None]) -> Total:
    """Count the entries that fit; for an actor or an action, of the first MAX_EXAMINED."""
    if wanted == (None, None):
        statement = f"SELECT {_EXAMINED} AND $5::integer > 0"
        return await count(connection, "audit.page_total", statement, examined)
    row = await connection.fetch_one(
        "audit.page_total",
        f"""
        SELECT count(*) AS examined, count(*) FILTER (WHERE {_FITS}) AS total
        FROM (SELECT a.actor, a.action {_EXAMINED} ORDER BY a.at DESC, a.id DESC LIMIT $5) a
        """,
        *examined,
        *wanted,
    )
    more = row["total"] > MAX_COUNTED or row["examined"] == MAX_EXAMINED
    return Total(min(row["total"], MAX_COUNTED), more)


_EXAMINED: Final = """
    FROM audit a
    WHERE a.organization_id = $1
      AND ($2::text IS NULL OR a.target = $2)
      AND ($3::timestamptz IS NULL OR a.at >= $3)
      AND ($4::timestamptz IS NULL OR a.at < $4)
"""
"""The trail of organization $1, by filters of which there are indexes; each may be NULL."""

_FITS: Final = f"($6::text IS NULL OR lower(a.actor) = {folded(6)}) AND ($7::text IS NULL OR a.action = $7)"
"""The condition of the others, by an actor and an action; each may be NULL."""


def _state(text: str | None) -> Any:
    """Return a state; as it is written if it is none, or has numbers that JSON here can't hold."""
    if text is None:
        return None
    try:
        state = orjson.loads(text)
    except orjson.JSONDecodeError:
        state = None
    return state if isinstance(state, dict) else {"unreadable": text}


def read_entry(row: asyncpg.Record | Mapping[str, Any]) -> Entry:
    """Read a row with the columns of an entry, its states as text."""
    before, after = (_state(row[name]) for name in ("before", "after"))
    named = (row[name] for name in ("id", "at", "actor", "token_id", "action", "target"))
    values = [*named, before, after, row["request_id"]]
    return Entry(*values)
