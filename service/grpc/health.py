"""grpc.health.v1: readiness as /readyz has it, of the whole server and by service; a watch is told of each change."""

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Any, Final

import grpc
from grpc_health.v1.health_pb2 import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
)
from grpc_health.v1.health_pb2_grpc import HealthServicer

from service.grpc.untaken import UntakenAnswers
from service.health import Health

INTERVAL: Final = 1.0
"""Seconds between two looks at the readiness, while a client watches."""
MAX_WATCHES: Final = 100
"""Watches at once: each holds a call for as long as it lasts."""
LIVENESS: Final = "liveness"
"""The name of a service that serves as long as the process can answer, whatever the database does: for probes whose
failure starts the process anew, which would not mend that."""

Context = grpc.aio.ServicerContext[Any, Any]
Response: Any = HealthCheckResponse


class HealthService(HealthServicer):  # type: ignore[misc] # it has no types
    """The health of a process for gRPC's own probes and clients."""

    def __init__(self, health: Health, services: Collection[str], untaken: UntakenAnswers) -> None:
        """Tell of the services of these names, which are as ready as the process is, and of its liveness."""
        self._health = health
        self._untaken = untaken
        self._known = {"", LIVENESS, *services}
        self._changed = asyncio.Event()
        """Set when watches are to look at once."""
        self._ended = False
        self._watches = 0

    async def Check(self, request: HealthCheckRequest, context: Context) -> Any:  # noqa: N802 - the protocol's name
        """Return whether the process can serve now."""
        if request.service not in self._known:
            self._untaken.sent(context, 0)
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no service of this name here.")
        status = await self._status(request.service)
        self._untaken.sent(context, 0)
        return Response(status=status)

    async def List(self, request: HealthListRequest, context: Context) -> Any:  # noqa: N802 - the protocol's
        """Return the same of each service."""
        statuses = {name: Response(status=await self._status(name)) for name in ("", LIVENESS)}
        ready = statuses[""]
        self._untaken.sent(context, 0)
        return HealthListResponse(statuses={**dict.fromkeys(self._known, ready), **statuses})

    async def Watch(self, request: HealthCheckRequest, context: Context) -> AsyncIterator[Any]:  # noqa: N802 - as above
        """Yield whether the process can serve, now and after each change, until it ends."""
        if self._watches >= MAX_WATCHES:
            sentence = "More clients watch this process than it takes; ask by Check."
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, sentence)
        self._watches += 1
        try:
            told = None
            while not self._ended:
                known = request.service in self._known
                status = await self._status(request.service) if known else Response.SERVICE_UNKNOWN
                if status != told:
                    told = status
                    yield Response(status=status)
                await self._wait()
        finally:
            self._watches -= 1

    async def _status(self, service: str) -> int:
        ready = service == LIVENESS or not await self._health.reasons()
        return int(Response.SERVING if ready else Response.NOT_SERVING)

    async def _wait(self) -> None:
        """Wait for the next look."""
        changed = self._changed
        try:
            async with asyncio.timeout(INTERVAL):
                await changed.wait()
        except TimeoutError:
            pass

    def look(self) -> None:
        """Have all watches look at once."""
        self._changed.set()
        self._changed = asyncio.Event()

    def end(self) -> None:
        """End all watches, which would hold up the end of the server."""
        self._ended = True
        self.look()
