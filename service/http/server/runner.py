"""Running an application behind the service's own connections, and ending it without losing a request."""

import asyncio
from typing import Any, Final

from aiohttp import web

from service.http.admission import AdmissionController
from service.http.server.connection import Server, reject_unsupported
from service.telemetry.metrics import RequestMetrics

FIRST_REQUEST_SECONDS: Final = 0.5
"""Seconds that the end waits for the first request of connections that were made just before it."""


class Runner(web.AppRunner):
    """Runs an application."""

    def __init__(
        self,
        app: web.Application,
        head_timeout: float,
        metrics: RequestMetrics | None = None,
        admission: AdmissionController | None = None,
        **options: Any,
    ) -> None:
        """Prepare to run an application.

        Args:
            app: the application.
            head_timeout: seconds that the head of a request may take from its first byte to its last.
            metrics: counts what never becomes a request; None: it is not counted.
            admission: may refuse requests; None: none is refused.
            options: more of what `web.AppRunner` takes.
        """
        super().__init__(app, **options)
        self._head_timeout = head_timeout
        self._metrics = metrics
        self._admission = admission

    async def _make_server(self) -> Server:
        """Make the application's server of the service's own type: aiohttp has no public way."""
        made = await super()._make_server()
        return Server(
            reject_unsupported(made.request_handler),
            self._head_timeout,
            self._metrics,
            self._admission,
            request_factory=made.request_factory,
            **made._kwargs,  # noqa: SLF001 - the options that aiohttp has made of its own
        )

    def end_connections(self) -> None:
        """Let each connection end with its next answer, which says so.

        A proxy that keeps connections then has none left that could be closed while it sends a request on it.
        """
        if isinstance(self.server, Server):
            self.server.end_connections()

    async def cleanup(self) -> None:
        """Stop listening, answer the requests of connections made before, and end."""
        if self.server:
            for site in [*self.sites]:
                await site.stop()
            await self._wait_for_first_requests(self.server)
        await super().cleanup()

    async def _wait_for_first_requests(self, server: web.Server) -> None:
        """Wait for the first request of each connection, within the time that requests may take to end."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        until = begun + min(FIRST_REQUEST_SECONDS, self._shutdown_timeout)
        while loop.time() < until and any(not connection._request_count for connection in server.connections):  # noqa: ASYNC110, SLF001 - aiohttp has no public way
            await asyncio.sleep(0.01)
        self._shutdown_timeout -= loop.time() - begun
