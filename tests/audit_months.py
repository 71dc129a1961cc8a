"""Months of the audit trail in the past, which a new installation has not."""

from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg

from service.values.months import Month

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

FILL = """
    INSERT INTO audit (organization_id, at, actor, action, target, after)
    SELECT $1, $2::timestamptz + n * interval '1 minute', 'ada', 'job.create', 'job:' || n % 10,
           '{"owner": "ada", "n": 1.0}'
    FROM generate_series(1, $3::int) n
"""


def present() -> Month:
    return Month.of(datetime.now(UTC))


async def make_past_months(raw: Raw, count: int) -> list[Month]:
    """Make partitions of as many months before the present one as an installation has that is so old."""
    months = [present().plus(-back) for back in range(count, 0, -1)]
    await raw.execute("ALTER TABLE audit DETACH PARTITION audit_earlier")
    for month in months:
        name = f"audit_{month.year:04}_{month.month:02}"
        await raw.execute(f"CREATE TABLE {name} (LIKE audit, CONSTRAINT {name}_pkey PRIMARY KEY (organization_id, id))")
        await raw.execute(
            f"ALTER TABLE audit ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{month.begin.isoformat()}') TO ('{month.plus(1).begin.isoformat()}')"
        )
    await raw.execute(
        "ALTER TABLE audit ATTACH PARTITION audit_earlier"
        f" FOR VALUES FROM (MINVALUE) TO ('{months[0].begin.isoformat()}')"
    )
    return months


async def fill_month(raw: Raw, organization_id: UUID, month: Month, entries: int) -> None:
    """Write entries of a month, a minute apart."""
    await raw.execute(FILL, organization_id, month.begin, entries)
