"""The operations port of several workers: one answer for all of them."""

from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from service.http.probes import tell_failures
from service.http.responses import json_response
from service.prometheus import MetricsTexts
from service.workers.member import Member
from service.workers.metrics import snapshot_of
from service.workers.supervisor import Supervisor


def probes_of(supervisor: Supervisor) -> web.Application:
    """Make the application at the operations port."""
    probes = Probes(supervisor)
    app = web.Application(middlewares=[tell_failures])
    app.router.add_get("/metrics", MetricsTexts(probes.metrics).answer)
    app.router.add_get("/livez", probes.alive)
    app.router.add_get("/livez/{worker:[0-9]{1,3}}", probes.worker_alive)
    app.router.add_get("/readyz", probes.ready)
    app.router.add_get("/startupz", probes.started)
    return app


class Probes:
    """The probes of the service as a whole, and of each worker's life."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._has_started = False
        self._own = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._own)

    async def alive(self, _: web.Request) -> web.Response:
        """Answer whether any worker is alive, and name each."""
        workers = [_state(member) for member in self._supervisor.present.values()]
        alive = any(each["status"] == OK for each in workers)
        return json_response({"status": OK if alive else ERROR, "workers": workers}, 200 if alive else 503)

    async def worker_alive(self, request: web.Request) -> web.Response:
        """Answer whether one worker is alive."""
        member = self._supervisor.present.get(int(request.match_info["worker"]))
        if member is None:
            return json_response({"status": ERROR, "reasons": ["There is no worker of that number."]}, 404)
        state = _state(member)
        return json_response(state, 200 if state["status"] == OK else 503)

    async def ready(self, _: web.Request) -> web.Response:
        """Answer whether the service can serve: a worker accepts requests, and none that does is not ready."""
        return _answer(await self._supervisor.reasons())

    async def started(self, _: web.Request) -> web.Response:
        """Answer whether the service was ready once."""
        reasons = [] if self._has_started else await self._supervisor.reasons("started")
        self._has_started = not reasons
        return _answer(reasons)

    async def metrics(self) -> CollectorRegistry:
        """Return the metrics of all workers, of those that have ended, and of this process."""
        totals = await self._supervisor.totals()
        totals.add(snapshot_of(self._own.collect()))
        totals.add(snapshot_of(self._supervisor.metrics.collect()))
        registry = CollectorRegistry()
        registry.register(totals)
        return registry


def _state(member: Member) -> dict[str, object]:
    return {"worker": member.number, "process": member.process.pid, "status": OK if member.alive else ERROR}


def _answer(reasons: list[str]) -> web.Response:
    return json_response({"status": ERROR, "reasons": reasons} if reasons else {"status": OK}, 503 if reasons else 200)


OK: Final = "OK"
ERROR: Final = "ERROR"
