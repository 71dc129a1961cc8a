"""The operations endpoints: alive, ready, started; and /healthz, the one that load balancers see."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web

from service.database.migrations import compare, load_migrations
from service.database.pool import Database
from service.errors import ServiceError, StartupError
from service.http.endpoint import json_response
from service.repositories import migrations

log = structlog.get_logger()

HEALTHZ: Final = "/healthz"
"""On the public port."""


class Health:
    """Whether this process can serve, asked of the database each time, but only once at any one time."""

    def __init__(self, database: Database, timeout: float) -> None:
        """A check that takes longer than the timeout, in seconds, has failed."""
        self.stopping = False
        """From the signal to end on: a process that ends is not ready, whatever the database says."""
        self.ready = False
        """What the last check came to."""
        self.database_up = False
        """Whether the database answered it."""
        self.migrations_pending: int | None = None
        """How many migrations the database lacked when it last said; None if it never has."""
        self._database = database
        self._timeout = timeout
        self._migrations = load_migrations()
        self._check: asyncio.Task[list[str]] | None = None
        self._started = False
        self._told: list[str] = []
        """The reasons that the log was last told."""

    async def reasons(self) -> list[str]:
        """Why this process can't serve; none if it can."""
        if self.stopping:
            self.ready = False
            return ["The process is about to end."]
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._ask())
        reasons = await asyncio.shield(self._check)
        self.ready = not reasons
        return reasons

    async def has_started(self) -> list[str]:
        """Why this process could not serve yet; none from the first time on that it could."""
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
                applied = await migrations.list_applied(connection)
            self.database_up, self.migrations_pending = True, max(0, len(self._migrations) - len(applied))
            missing = compare(applied, self._migrations)
        except TimeoutError:
            self.database_up = False
            return [f"The database did not answer within {self._timeout:g} s."]
        except ServiceError as error:
            self.database_up = False
            cause = f" ({type(error.__cause__).__name__}: {error.__cause__})" if str(error.__cause__ or "") else ""
            return [error.message + cause]
        except StartupError as error:
            return [str(error)]
        if missing:
            return [f"The database lacks {len(missing)} migrations, from {missing[0].name} on: run `migrate`."]
        return []


Handler = Callable[[web.Request], Awaitable[web.Response]]

HEALTH = web.AppKey("health", Health)


def probes_app(health: Health, metrics: Handler) -> web.Application:
    """What the cluster asks, on a port of its own that the public ingress never reaches."""
    app = web.Application()
    app[HEALTH] = health
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/livez", _alive)
    app.router.add_get("/readyz", _told(health.reasons))
    app.router.add_get("/startupz", _told(health.has_started))
    return app


async def healthz(request: web.Request) -> web.Response:
    """Ready or not, without the reasons: the public needn't know them."""
    if await request.app[HEALTH].reasons():
        response = json_response({"status": "ERROR"}, 503)
        response.headers["Retry-After"] = "1"
        return response
    return json_response({"status": "OK"})


async def _alive(_: web.Request) -> web.Response:
    return json_response({"status": "OK"})


def _told(ask: Callable[[], Awaitable[list[str]]]) -> Handler:
    async def tell(_: web.Request) -> web.Response:
        reasons = await ask()
        return json_response(
            {"status": "ERROR", "reasons": reasons} if reasons else {"status": "OK"}, 503 if reasons else 200
        )

    return tell
