"""How an application is run behind our own protocol, and ended without a request lost."""

import asyncio
from typing import Any, Final

from aiohttp import web

from service.http.admission import DOOR
from service.http.middleware import REQUESTS
from service.http.server.connection import Server, reject_unsupported

FIRST_REQUEST: Final = 0.5
"""Seconds that the end waits for the first request of connections that were made just before it."""


class Runner(web.AppRunner):
    """Runs an application."""

    def __init__(self, app: web.Application, head_timeout: float, **options: Any) -> None:
        """The head of a request may take so many seconds from its first byte to its last."""
        super().__init__(app, **options)
        self._head_timeout = head_timeout

    async def _make_server(self) -> Server:
        made = await super()._make_server()
        server = Server(reject_unsupported(made.request_handler), request_factory=made.request_factory, **made._kwargs)
        server.requests, server.door = self.app.get(REQUESTS), self.app.get(DOOR)
        server.head_timeout = self._head_timeout
        return server

    def end_connections(self) -> None:
        """Let each connection end with its next answer, which says so.

        Who keeps connections, as proxies do, then has none left that could be closed while they send a request on it.
        """
        if isinstance(self.server, Server):
            self.server.end_connections()

    async def cleanup(self) -> None:
        """Stop listening, answer who had connected before, and end."""
        if self.server:
            for site in [*self.sites]:
                await site.stop()
            await self._wait_for_first_requests(self.server)
        await super().cleanup()

    async def _wait_for_first_requests(self, server: web.Server) -> None:
        """Within the time that requests may take to end."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        until = begun + min(FIRST_REQUEST, self._shutdown_timeout)
        while loop.time() < until and any(not connection._request_count for connection in server.connections):  # noqa: ASYNC110 - aiohttp has no public way
            await asyncio.sleep(0.01)
        self._shutdown_timeout -= loop.time() - begun
