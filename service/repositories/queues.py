"""Statements on the queues of pipelines."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from service.database.pool import Connection
from service.repositories.jobs import searched
from service.repositories.ordering import Column, Order, Orders, Rows, Span, fetch_page
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
    return await fetch_page(
        connection,
        "queues.page",
        f"""
        SELECT a.job_id, j.name, u.username, {bounded("a.assigned_at")}
        FROM assignments a
        JOIN jobs j ON j.organization_id = a.organization_id AND j.id = a.job_id
        JOIN users u ON u.organization_id = j.organization_id AND u.id = j.owner_id
        WHERE a.organization_id = $1 AND a.pipeline_id = $2 {f"AND {searched(3)}" if text else ""}
        """,
        (organization_id, pipeline_id, *([text] if text else [])),
        span,
        lambda row: QueuedJob(*row),
    )
