"""Probes: whether the process is alive, started and ready, on the operations port; /healthz for load balancers."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from service.health import Health
from service.http.middleware import as_service_error, begin
from service.http.responses import failure_response, identify, json_response

Probe = Callable[[web.Request], Awaitable[web.Response]]

HEALTHZ: Final = "/healthz"
"""The one probe on the public port."""


def probes_app(health: Health, metrics: Probe) -> web.Application:
    """Make the application that the cluster asks, on a port of its own that the public ingress never reaches."""
    app = web.Application(middlewares=[tell_failures])
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/livez", _alive)
    app.router.add_get("/readyz", _reasons(health.reasons))
    app.router.add_get("/startupz", _reasons(health.has_started))
    return app


@web.middleware
async def tell_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell what is not there, or not by that method, in the one shape that failures have."""
    try:
        return await handler(request)
    except web.HTTPException as exception:
        record = begin(request.headers)
        response = failure_response(as_service_error(exception, record), record.request_id)
        identify(response, record.request_id)
        return response


def healthz(health: Health) -> Probe:
    """Make the public probe: ready or not, without the reasons, which the public needn't know."""

    async def probe(_: web.Request) -> web.Response:
        if await health.reasons():
            response = json_response({"status": "ERROR"}, 503)
            response.headers["Retry-After"] = "1"
            return response
        return json_response({"status": "OK"})

    return probe


async def _alive(_: web.Request) -> web.Response:
    return json_response({"status": "OK"})


def _reasons(ask: Callable[[], Awaitable[list[str]]]) -> Probe:
    async def probe(_: web.Request) -> web.Response:
        reasons = await ask()
        return json_response(
            {"status": "ERROR", "reasons": reasons} if reasons else {"status": "OK"}, 503 if reasons else 200
        )

    return probe
