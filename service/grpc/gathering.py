"""Gathering of calls that come one after the other, so that they share batches as requests by HTTP do.

grpcio takes on one call in a turn of the event loop, and threads of its own come between: a call's authentication would
find hardly another one to share a statement with, and a statement alone costs half as much processor time as the call.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from service.http.admission import AdmissionController
from service.telemetry.metrics import RequestMetrics

FEW: Final = 4
"""Calls under way up to which a call begins at once."""
SECONDS: Final = 0.005
"""Seconds that the first of those gathered waits for others: about a dozen come in it when the processor is busy."""
DECAY: Final = 0.95
"""The part of the calls under way that still counts at the next call: those gathered are answered together, and those
that come after them are the first of the next ones."""


class Gathering:
    """Begins calls in their callers' turns: at once while there are few, else those of a few milliseconds together."""

    def __init__(self, admission: AdmissionController, metrics: RequestMetrics) -> None:
        self._admission = admission
        self._metrics = metrics
        self._gathered: list[tuple[asyncio.Future[None], Mapping[str, str]]] = []
        self._under_way = 0.0

    def begin(self, headers: Mapping[str, str]) -> "asyncio.Future[None]":
        """Return what is done when a call with these headers, which is counted as under way, may go on."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._under_way = max(self._metrics.active_rpcs, self._under_way * DECAY)
        if self._under_way <= FEW:
            self._admission.begin(turn, headers)
            return turn
        if not self._gathered:
            loop.call_later(SECONDS, self._begin_all)
        self._gathered.append((turn, headers))
        return turn

    def _begin_all(self) -> None:
        gathered, self._gathered = self._gathered, []
        for turn, headers in gathered:
            if not turn.done():  # else its client has left
                self._admission.begin(turn, headers)
