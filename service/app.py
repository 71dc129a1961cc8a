"""The only place where the parts meet."""

from aiohttp import web

from service.database import Database
from service.endpoint import DATABASE, endpoint
from service.health import HEALTH, Health, healthz
from service.middleware import observe_requests
from service.routes import ROUTES
from service.settings import Settings


def create_app(settings: Settings, database: Database, health: Health) -> web.Application:
    """The public application."""
    app = web.Application(middlewares=[observe_requests(settings)], client_max_size=settings.max_body_bytes)
    app[DATABASE] = database
    app[HEALTH] = health
    app.router.add_get("/healthz", healthz)
    for route in ROUTES:
        if route.method == "GET":
            app.router.add_get(route.path, endpoint(route))  # and HEAD with it
        else:
            app.router.add_route(route.method, route.path, endpoint(route))
    return app
