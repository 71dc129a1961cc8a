"""A control: a service that follows the trail by ids, as if these came in the order in which transactions commit."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from service.__main__ import main
from service.database.pool import Connection
from service.repositories import audit_epochs, audit_feed
from service.repositories.audit import read_entry
from service.repositories.audit_epochs import Epoch, Mark
from service.repositories.audit_feed import Between, FeedState, Read

MODULE: Final = __name__
"""The module to run in the place of `service`."""

read_state = audit_feed.read_state


async def state_by_id(connection: Connection, organization_id: UUID, _: Epoch | None = None) -> FeedState:
    state = await read_state(connection, organization_id)
    row = await connection.fetch_one("last", "SELECT coalesce(max(id), 1) FROM audit")
    return state._replace(snapshot=f"{row[0]}:{row[0]}:")


async def read_by_id(
    connection: Connection, organization_ids: Sequence[UUID], *, seen: str, after: int, limit: int = 100, **_: Any
) -> Between:
    last = max(int(seen.split(":", maxsplit=1)[0]), after)
    rows = await connection.fetch(
        "by_id",
        """
        SELECT a.organization_id, a.id, a.at, a.actor, a.token_id, a.action, a.target, a.before::text, a.after::text,
               a.request_id
        FROM audit a WHERE a.organization_id = ANY ($1) AND a.id > $2 ORDER BY a.id LIMIT $3
        """,
        organization_ids,
        last,
        limit,
    )
    mark = Mark(*await connection.fetch_one("mark", f"SELECT {audit_epochs.MARK}"))
    newest = rows[-1]["id"] if rows else last
    entries = [Read(row["organization_id"], read_entry(row), 0) for row in rows]
    return Between(f"{newest}:{newest}:", mark, True, entries, len(rows) == limit)


if __name__ == "__main__":
    setattr(audit_feed, "read_state", state_by_id)  # noqa: B010 - mypy takes it for a mistake otherwise
    setattr(audit_feed, "read_between", read_by_id)  # noqa: B010 - as above
    main()
