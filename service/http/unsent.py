"""Answers that clients do not take: their bytes are counted, and beyond a budget the slowest connections are closed.

An answer that is sent whole lies in the transport's buffer until its client takes it, long after its request has ended.
A long one is written in pieces, so that what is cached is not copied for each client, and a piece lies there at most.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol

from aiohttp import hdrs, web
from aiohttp.typedefs import LooseHeaders
from prometheus_client.metrics_core import Metric

from service.database.fair_queue import FairQueue, Presence
from service.telemetry.metrics import RequestMetrics, gauge
from service.telemetry.request_record import current_asking

PIECE: Final = 65_536
"""Bytes of an answer that are written at once: as many as a transport buffers before it asks to wait."""
PIECES_PER_TURN: Final = 8
"""Pieces that are written in one turn of the event loop, in 0.3 ms."""
PIECES_SHARE: Final = 0.25
"""The part of them that are one organization's or token's while others are there, whose requests take a dozen turns."""


class Transport(Protocol):
    """A transport, as far as answers that wait concern it."""

    def get_write_buffer_size(self) -> int:
        """Return the bytes that the client has not taken."""

    def abort(self) -> None:
        """Close it at once."""


class Connection(Protocol):
    """A connection by any transport."""

    @property
    def transport(self) -> Transport | None:
        """The transport; None once it is gone."""


@dataclass(slots=True)
class _Waiting:
    """An answer that waits for its client."""

    bytes: int
    """Not taken when it was looked at last."""
    since: float
    """The moment at which the client last took some, by the monotonic clock."""


class UnsentBudget:
    """The answers of one process that wait for their clients."""

    def __init__(self, max_bytes: int, metrics: RequestMetrics, presence: Presence | None = None) -> None:
        """Count from nothing.

        Args:
            max_bytes: of all answers that wait; one that is alone may be larger.
            metrics: counts the connections that are closed.
            presence: says whether others are there; None: nobody ever is.
        """
        self.max_bytes: Final = max_bytes
        self._metrics = metrics
        self._waiting: dict[Connection, _Waiting] = {}
        self._unwritten: dict[Connection, int] = {}
        """Bytes of an answer behind the piece that is being written, by connection."""
        self.turns: Final = FairQueue(PIECES_PER_TURN, presence or Presence(), PIECES_SHARE, PIECES_SHARE)
        """Turns of the event loop in which pieces are written, few in each, and each caller's in turn."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def bytes(self) -> int:
        """The bytes that wait, or did when they were looked at last."""
        return sum(each.bytes for each in self._waiting.values())

    def writing(self, connection: Connection, unwritten: int) -> None:
        """Note how much of an answer is still to be written."""
        if unwritten:
            self._unwritten[connection] = unwritten
        else:
            self._unwritten.pop(connection, None)

    def paused(self, connection: Connection) -> None:
        """Count a connection whose client has to take something before more is written."""
        self._waiting[connection] = _Waiting(self._unsent(connection), monotonic())
        if self.bytes > self.max_bytes:
            self.close_beyond(self.max_bytes)

    def noted(self, connection: Connection) -> None:
        """Count what the client of a connection has not taken, which is more or less than before, and close nothing."""
        unsent, former = self._unsent(connection), self._waiting.get(connection)
        since = monotonic() if former is None or unsent < former.bytes else former.since
        self._waiting[connection] = _Waiting(unsent, since)

    def resumed(self, connection: Connection) -> None:
        """Count a connection no more: its client has taken what was written, or is gone."""
        self._waiting.pop(connection, None)

    def disconnected(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self.resumed(connection)
        self._unwritten.pop(connection, None)

    def _unsent(self, connection: Connection) -> int:
        buffered = 0 if connection.transport is None else connection.transport.get_write_buffer_size()
        return buffered + self._unwritten.get(connection, 0)

    def close_beyond(self, max_bytes: int) -> None:
        """Close connections until no more bytes wait: first those with the most times the time without progress."""
        if self.bytes <= max_bytes:
            return
        now = monotonic()
        for connection, each in self._waiting.items():
            unsent = self._unsent(connection)
            each.bytes, each.since = unsent, each.since if unsent == each.bytes else now
        slowest = sorted(self._waiting, key=lambda waiting: self._badness(waiting, now))
        while len(slowest) > 1 and self.bytes > max_bytes:
            self.close(slowest.pop())

    def close(self, connection: Connection) -> None:
        """Close a connection whose client takes too little."""
        self.disconnected(connection)
        self._metrics.failures["unsent"] += 1
        if connection.transport is not None:
            connection.transport.abort()

    def _badness(self, connection: Connection, now: float) -> tuple[float, int]:
        each = self._waiting[connection]
        return each.bytes * (now - each.since), each.bytes

    def collect(self) -> Iterator[Metric]:
        """Yield the connections and bytes that wait, and the limit."""
        yield gauge("flow_pipelines_unsent_connections", "Connections with unread answers.", len(self))
        yield gauge("flow_pipelines_unsent_bytes", "Bytes of answers that clients have not read.", self.bytes)
        yield gauge("flow_pipelines_unsent_limit_bytes", "Limit of the bytes of unread answers.", self.max_bytes)


class LongResponse(web.Response):
    """A response that is written piece by piece, as its client takes it."""

    def __init__(self, request: web.Request, unsent: UnsentBudget, body: bytes, headers: LooseHeaders) -> None:
        super().__init__(body=body, headers=headers)
        self._connection = request.protocol
        self._pieces = memoryview(body if request.method != hdrs.METH_HEAD else b"")
        self._unsent = unsent
        self._asking = current_asking()

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the body, and end the response."""
        pieces = self._pieces
        try:
            for start in range(0, len(pieces), PIECE):
                self._unsent.writing(self._connection, max(0, len(pieces) - start - PIECE))
                await self._unsent.turns.turn(self._asking)
                await self.write(pieces[start : start + PIECE])
        finally:
            self._unsent.writing(self._connection, 0)
            self.body = None  # an idle connection keeps its last response
            self._pieces = pieces = memoryview(b"")
        await super(web.Response, self).write_eof(data)
