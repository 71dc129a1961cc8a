"""The health of the process: whether it can serve, and why not."""

import asyncio
from collections.abc import Iterator

import structlog
from prometheus_client.metrics_core import Metric

from service.database.errors import NoConnection
from service.database.migrations import compare, list_applied, listed, load_migrations
from service.database.pool import Database
from service.errors import ServiceError, StartupError
from service.telemetry.metrics import gauge

log = structlog.get_logger()


class Health:
    """The readiness of this process: a check of the database for each probe, shared by probes at the same time."""

    def __init__(self, database: Database, timeout: float) -> None:
        """Take the timeout in seconds, after which a check has failed."""
        self.stopping = False
        """True from the signal to end on: a process that ends is not ready, whatever the database says."""
        self.ready = False
        """The result of the last check."""
        self.database_up = False
        """True if the database answered the last check."""
        self.migrations_pending: int | None = None
        """Migrations that the database lacked when it last answered; None if it never has."""
        self._database = database
        self._timeout = timeout
        self._migrations = load_migrations()
        self._check: asyncio.Task[list[str]] | None = None
        self._started = False
        self._told: list[str] = []
        """The reasons that were last logged."""

    async def reasons(self) -> list[str]:
        """Check, and return the reasons why this process can't serve; none if it can."""
        if self.stopping:
            self.ready = False
            return ["The process is about to end."]
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._ask())
        reasons = await asyncio.shield(self._check)
        self.ready = not reasons
        return reasons

    def collect(self) -> Iterator[Metric]:
        """Yield what the last check came to."""
        yield gauge("flow_pipelines_ready", "1 while the process can serve, as /readyz has it.", self.ready)
        yield gauge("flow_pipelines_database_up", "1 while the database answers.", self.database_up)
        if self.migrations_pending is not None:
            help_ = "Migrations that the database lacks, when last seen."
            yield gauge("flow_pipelines_migrations_pending", help_, self.migrations_pending)

    async def has_started(self) -> list[str]:
        """Return the reasons why this process could not serve yet; none from its first readiness on."""
        if self._started:
            return []
        reasons = await self.reasons()
        self._started = not reasons
        return reasons

    async def _ask(self) -> list[str]:
        reasons = await self._find_reasons()
        if reasons and reasons != self._told:
            log.warning("not_ready", reasons=reasons)
        elif self._told and not reasons:
            log.info("ready")
        self._told = reasons
        return reasons

    async def _find_reasons(self) -> list[str]:
        try:
            async with asyncio.timeout(self._timeout), self._database.connection() as connection:
                applied = await list_applied(connection)
            self.database_up, self.migrations_pending = True, max(0, len(self._migrations) - len(applied))
            missing = compare(applied, self._migrations)
        except TimeoutError:
            self.database_up = False
            return [f"The database did not answer within {self._timeout:g} s."]
        except NoConnection as error:
            self.database_up = False
            return [self._database.describe(error)]
        except ServiceError as error:
            self.database_up = False
            cause = f" ({type(error.__cause__).__name__}: {error.__cause__})" if str(error.__cause__ or "") else ""
            return [error.message + cause]
        except StartupError as error:
            return [str(error)]
        if missing:
            return [f"The database lacks {listed(missing)}: run `migrate`."]
        return []
