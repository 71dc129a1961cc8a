"""The months of the audit trail, which are made ahead by the processes that serve."""

import asyncio
from collections.abc import Iterator
from typing import Final

import structlog
from prometheus_client.metrics_core import Metric

from service.database.pool import Database
from service.errors import ServiceError
from service.repositories import audit_months
from service.telemetry.metrics import gauge

log = structlog.get_logger()

INTERVAL: Final = 3600.0
"""Seconds from one look at the months to the next."""
FIRST: Final = 10.0
"""Seconds until the first one: mostly, `migrate` has just made them, and a start has other things to do."""
RETRY: Final = 60.0
"""Seconds until the next one where the trail was in use for too long, or the database away."""


class AuditMonths:
    """Makes the months that are missing, and knows how many there are ahead."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.ahead: int | None = None
        """Months that exist behind the present one; None: they have not been counted yet."""

    async def make_forever(self) -> None:
        """Make what is missing, soon and every hour, until cancelled; a failure is logged, and tried again soon."""
        pause = FIRST
        while True:
            await asyncio.sleep(pause)
            pause = RETRY
            try:
                await self.make()
                pause = INTERVAL
            except ServiceError as error:
                log.warning("audit_month_not_made", error=error.with_cause)
            except Exception:
                log.exception("audit_month_not_made")

    async def make(self) -> int:
        """Make the months that are missing, and return how many there were: most often none."""
        async with self._database.connection() as connection:
            made = await audit_months.make_missing(connection)
            self.ahead = await audit_months.count_ahead(connection)
        if made:
            log.info("audit_months_made", months=made)
        return made

    def collect(self) -> Iterator[Metric]:
        """Yield how many months there are ahead."""
        help_ = "Months of the audit trail that exist behind the present one, of which there are always two."
        ahead = audit_months.MONTHS_AHEAD if self.ahead is None else self.ahead
        yield gauge("flow_pipelines_audit_months_ahead", help_, ahead)
