"""Lists in the audit trail of what a change takes with it: complete, in as many rows as it takes.

The database makes them, so that a queue of a million jobs never comes to the service; and no row of the trail, and so
no answer, grows beyond what a reader can take.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from service.database.pool import Connection
from service.identity import Caller
from service.permissions import MANAGER, PERMISSION_BITS
from service.repositories.audit import attribution

LARGEST: Final = 250
"""Items in one row, which then takes 60 kB at most: like that of the largest update of a job."""

_PERMISSIONS: Final = ", ".join(
    f"CASE WHEN g.access & {bit} > 0 THEN '{name}' END" for name, bit in PERMISSION_BITS.items()
)


def timestamp(column: str) -> str:
    """Return the SQL of a time as the trail shows it, whatever the session's time zone."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""


GRANT_FIELDS: Final = f"""
    'permissions', array_remove(ARRAY[{_PERMISSIONS}], NULL),
    'is_manager', g.access & {MANAGER} > 0,
    'expires_at', {timestamp("g.expires_at")}
"""
"""Keys and values of the row g of a table of grants, in the form of `grants.state`."""
GRANT: Final = f"jsonb_build_object({GRANT_FIELDS})"
"""The same, as an object."""


TO: Final = """
    jsonb_build_object(
        'to', coalesce('user:' || u.username, 'group:' || r.name), 'to_id', coalesce(g.user_id, g.group_id)
    )
"""
"""Whom the row g of all grants is to: by the name that it has now, and by the id that it keeps."""


class AuditList(NamedTuple):
    """A list: its name in the row's state, and the statement of its items, each with its place, counted from 1.

    The statement's parameters are the organization, and the id of what is changed.
    """

    name: str
    items: str


MEMBERS_OF_GROUP: Final = AuditList(
    "members",
    """
    SELECT to_jsonb(u.username) AS item, row_number() OVER (ORDER BY lower(u.username)) AS place
    FROM memberships m
    JOIN users u ON u.organization_id = m.organization_id AND u.id = m.user_id
    WHERE m.organization_id = $1 AND m.group_id = $2
    """,
)
GRANTS_OF_GROUP: Final = AuditList(
    "grants",
    f"""
    SELECT jsonb_build_object('pipeline', jsonb_build_object('id', p.id, 'name', p.name)) || {GRANT} AS item,
           row_number() OVER (ORDER BY p.name, p.id) AS place
    FROM group_grants g
    JOIN pipelines p ON p.organization_id = g.organization_id AND p.id = g.pipeline_id
    WHERE g.organization_id = $1 AND g.group_id = $2
    """,
)
GRANTS_ON_PIPELINE: Final = AuditList(
    "grants",
    f"""
    SELECT {TO} || {GRANT} AS item,
           row_number() OVER (ORDER BY g.user_id IS NOT NULL, lower(coalesce(u.username, r.name))) AS place
    FROM grants g
    LEFT JOIN users u ON u.organization_id = g.organization_id AND u.id = g.user_id
    LEFT JOIN groups r ON r.organization_id = g.organization_id AND r.id = g.group_id
    WHERE g.organization_id = $1 AND g.pipeline_id = $2
    """,
)
JOBS_IN_PIPELINE: Final = AuditList(
    "job_ids",
    """
    SELECT to_jsonb(a.job_id) AS item, row_number() OVER (ORDER BY a.assigned_at, a.job_id) AS place
    FROM assignments a
    WHERE a.organization_id = $1 AND a.pipeline_id = $2
    """,
)


async def read_first(
    connection: Connection, lists: Sequence[AuditList], organization_id: UUID, key: UUID
) -> dict[str, list[Any]]:
    """Return the items of each list that the first row has room for."""
    columns = [
        f"(SELECT jsonb_agg(item ORDER BY place) FROM ({each.items}) listed WHERE place <= {LARGEST}) AS {each.name}"
        for each in lists
    ]
    row = await connection.fetch_one("audit.read_first", f"SELECT {', '.join(columns)}", organization_id, key)
    return {name: orjson.loads(items) if items else [] for name, items in row.items()}


async def insert_rest(
    connection: Connection,
    listed: AuditList,
    caller: Caller,
    key: UUID,
    action: str,
    target: str,
    request_id: str | None,
) -> None:
    """Insert rows of the others, each with that list alone, in the change's own transaction."""
    await connection.execute(
        "audit.insert_rest",
        f"""
        INSERT INTO audit (organization_id, actor_id, actor, token_id, action, target, before, request_id)
        SELECT $1, $3, $4, $5, $6, $7, jsonb_build_object('{listed.name}', jsonb_agg(item ORDER BY place)), $8
        FROM ({listed.items}) listed
        WHERE place > {LARGEST}
        GROUP BY (place - 1) / {LARGEST}
        ORDER BY (place - 1) / {LARGEST}
        """,
        caller.organization_id,
        key,
        *attribution(caller)[1:],
        action,
        target,
        request_id,
    )
