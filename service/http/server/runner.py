"""Running an application behind the service's own connections, and ending it without losing a request."""

from typing import Any

from aiohttp import web

from service.http.admission import AdmissionController
from service.http.public_address import PublicAddresses
from service.http.server.connection import Server
from service.http.server.unsupported import reject_unsupported
from service.http.unsent import UnsentBudget
from service.telemetry.metrics import RequestMetrics


class Runner(web.AppRunner):
    """Runs an application."""

    def __init__(
        self,
        app: web.Application,
        head_timeout: float,
        metrics: RequestMetrics | None = None,
        admission: AdmissionController | None = None,
        unsent: UnsentBudget | None = None,
        addresses: PublicAddresses | None = None,
        **options: Any,
    ) -> None:
        """Prepare to run an application.

        Args:
            app: the application.
            head_timeout: seconds that the head of a request may take from its first byte to its last.
            metrics: counts what never becomes a request; None: it is not counted.
            admission: may refuse requests; None: none is refused.
            unsent: counts answers that clients do not take; None: they are not counted.
            addresses: may know a path that proxies leave before the application's own; None: there is none.
            options: more of what `web.AppRunner` takes.
        """
        super().__init__(app, **options)
        self._head_timeout = head_timeout
        self._metrics = metrics
        self._admission = admission
        self._unsent = unsent
        self._addresses = addresses

    async def _make_server(self) -> Server:
        """Make the application's server of the service's own type: aiohttp has no public way."""
        made = await super()._make_server()
        return Server(
            reject_unsupported(made.request_handler),
            self._head_timeout,
            self._metrics,
            self._admission,
            self._unsent,
            self._addresses,
            request_factory=made.request_factory,
            **made._kwargs,  # noqa: SLF001 - the options that aiohttp has made of its own
        )

    async def cleanup(self) -> None:
        """End: first the connections that wait, as far as no request has come for them; then as aiohttp does it."""
        if isinstance(self.server, Server):
            await self.server.close_idle()
        await super().cleanup()

    async def stop_listening(self) -> None:
        """Accept no more connections, and let those that were accepted go on."""
        for site in self.sites:
            await site.stop()

    def end_connections(self) -> None:
        """Let each connection end with its next answer, which says so.

        A proxy that keeps connections then has none left that could be closed while it sends a request on it.
        """
        if isinstance(self.server, Server):
            self.server.end_connections()
