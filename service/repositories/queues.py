"""Statements on the queues of pipelines."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from service.database.pool import Connection
from service.repositories.examining import Source, fetch_examined
from service.repositories.jobs import searched
from service.repositories.ordering import Column, Order, Orders, Rows, Span
from service.repositories.times import bounded


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job in the queue of a pipeline."""

    id: str
    name: str
    owner: str
    assigned_at: datetime


ORDERS: Final = Orders(
    "assigned_at",
    {
        "assigned_at": Order(
            (Column("a.assigned_at", "timestamptz"), Column("a.job_id")), lambda job: (job.assigned_at, job.id)
        )
    },
)
"""The orders of a queue, by the index of assignments: any other would sort all of a queue of a million jobs."""


async def page(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, span: Span, text: str | None = None
) -> Rows[QueuedJob]:
    """Return a page of the jobs in a pipeline's queue; if a text is given, of those with it in their id or name."""
    fits = f"""
        (
            SELECT true FROM jobs j
            WHERE j.organization_id = $1 AND j.id = a.job_id {f"AND {searched(3)}" if text else ""}
        ) IS TRUE
    """
    return await fetch_examined(
        connection,
        "queues.page",
        Source("assignments", "a", "a.organization_id = $1 AND a.pipeline_id = $2", fits, _COLUMNS, _JOINED),
        (organization_id, pipeline_id, *([text] if text else [])),
        span,
        lambda row: QueuedJob(*row),
    )


_COLUMNS: Final = f"a.job_id, j.name, u.username, {bounded('a.assigned_at')}"
_JOINED: Final = """
        JOIN jobs j ON j.organization_id = a.organization_id AND j.id = a.job_id
        JOIN users u ON u.organization_id = j.organization_id AND u.id = j.owner_id
"""
