"""The only place where the parts meet."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from aiohttp import web

from service.admin.serving import add_admin_page
from service.authentication.last_use import TokenUse
from service.database.pool import Database
from service.health import HEALTH, HEALTHZ, Health, healthz
from service.http.admission import DOOR, Door, LimitedDoor
from service.http.endpoint import Endpoints
from service.http.middleware import REQUESTS, observe_requests
from service.http.openapi.page import add_documentation
from service.http.routes import ROUTES
from service.settings import Settings
from service.telemetry.metrics import Requests

DATABASE = web.AppKey("database", Database)
ENDPOINTS = web.AppKey("endpoints", Endpoints)
TOKEN_USE = web.AppKey("token_use", TokenUse)

RESERVED: Final = {"job_id": "pipelines", "username": "me"}
"""What stands in the place of a parameter, but is an address of its own, by the parameter."""


def create_app(settings: Settings, database: Database, health: Health) -> web.Application:
    """The public application."""
    requests = Requests()
    door = LimitedDoor(settings, requests) if settings.rate_limit else Door(settings, requests)
    middlewares = [door.admit, observe_requests(settings, requests)]
    app = web.Application(middlewares=middlewares, client_max_size=settings.max_body_bytes)
    app[REQUESTS] = requests
    app[DOOR] = door
    app[DATABASE] = database
    app[HEALTH] = health
    app[TOKEN_USE] = TokenUse(database)
    endpoints = app[ENDPOINTS] = Endpoints(database, app[TOKEN_USE], settings)
    app.cleanup_ctx.append(_note_token_use)
    app.router.add_get(HEALTHZ, healthz)
    add_documentation(app)
    add_admin_page(app)
    for route in ROUTES:
        path = re.sub(r"\{(\w+)\}", _pattern, route.path)
        if route.method == "GET":
            app.router.add_get(path, endpoints.of(route))  # and HEAD with it
        else:
            app.router.add_route(route.method, path, endpoints.of(route))
    return app


def _pattern(parameter: re.Match[str]) -> str:
    name = parameter[1]
    return f"{{{name}:(?!{RESERVED[name]}$)[^/]+}}" if name in RESERVED else f"{{{name}}}"


async def _note_token_use(app: web.Application) -> AsyncIterator[None]:
    writing = asyncio.create_task(app[TOKEN_USE].write_forever())
    yield
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    await app[TOKEN_USE].write()
