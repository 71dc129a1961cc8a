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
from service.repositories.ordering import Column, Order, Orders, Rows, Span, count
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
        The entries, at least one if there is one, and else as many as MAX_PAGE_BYTES hold.
    """
    order = span.order
    filters = (organization_id, actor, action, target, since, until)
    after = [] if span.after is None else [*map(str, span.after)]
    # By the time alone, as months are left out by that.
    behind = (
        f"AND a.at {'<=' if order.descending else '>='} $9::text::timestamptz AND {order.behind(9)}" if after else ""
    )
    rows = await connection.fetch(
        "audit.page",
        f"""
        SELECT p.count, p.id, {bounded("p.at")} AS at, p.actor, p.token_id, p.action, p.target, p.before, p.after,
               p.request_id
        FROM (
            SELECT found.*, count(*) OVER () AS count, row_number() OVER listing AS number,
                   sum(coalesce(octet_length(found.before), 0) + coalesce(octet_length(found.after), 0)) OVER listing
                   AS bytes
            FROM (
                SELECT a.id, a.at, a.actor, a.token_id, a.action, a.target, a.before::text, a.after::text, a.request_id
                {_FILTERED} {behind}
                ORDER BY {order.order_by}
                LIMIT $7
            ) found
            WINDOW listing AS (ORDER BY {order.order_by.replace("a.", "found.")} ROWS UNBOUNDED PRECEDING)
        ) p
        WHERE p.number = 1 OR p.bytes <= $8
        ORDER BY {order.order_by.replace("a.", "p.")}
        """,
        *filters,
        span.size + 1,
        MAX_PAGE_BYTES,
        *after,
    )
    total = await count(connection, "audit.page_total", f"SELECT {_FILTERED}", filters) if span.total else None
    entries = [read_entry(row) for row in rows]
    return Rows(entries, total, order.key(entries[-1]) if entries and len(rows) < rows[0]["count"] else None)


_FILTERED: Final = f"""
    FROM audit a
    WHERE a.organization_id = $1
      AND ($2::text IS NULL OR lower(a.actor) = {folded(2)})
      AND ($3::text IS NULL OR a.action = $3)
      AND ($4::text IS NULL OR a.target = $4)
      AND ($5::timestamptz IS NULL OR a.at >= $5)
      AND ($6::timestamptz IS NULL OR a.at < $6)
"""
"""The trail of organization $1, by filters of which each may be NULL."""


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
