"""A connection: bytes in, requests out; bytes that are no HTTP are answered and logged like every other failure.

aiohttp's own answer is plain text, and its own log line quotes what was sent, in which there may be a token. It also
waits for ever for the rest of what comes drop by drop, or goes on with what it can't understand.
"""

import asyncio
import socket
import struct
from fcntl import ioctl
from termios import FIONREAD
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo
from aiohttp.web_request import BaseRequest

from service.http.admission import AdmissionController
from service.http.public_address import PublicAddresses, peer_of
from service.http.request_id import new_request_id
from service.http.responses import Failures, RequestTimeout, identify, status_of
from service.http.server.heads import Heads, is_head
from service.http.server.malformed import error_of, too_long
from service.http.server.unsupported import RequestHandlerFunction
from service.http.unsent import UnsentBudget
from service.telemetry.metrics import RequestMetrics

log = structlog.get_logger()

UNREAD_TIMEOUT: Final = 30.0
"""Seconds that a client may take none of an answer."""
KERNEL_BYTES: Final = 131_072
"""Bytes of an answer that the system takes before the client does; it would take megabytes, which no budget counts."""
FIRST_REQUEST_SECONDS: Final = 0.5
"""Seconds that a connection made just before the end has for its first request."""
_ASKED: Final = 100
"""Bytes of a head that tell the method, and how the address begins."""
MAX_CLOSING_TURNS: Final = 500
"""Turns of the event loop in which idle connections are closed at the end: a second or less of a busy process."""


class Server(web.Server):
    """Makes a connection's protocol."""

    def __init__(
        self,
        handler: RequestHandlerFunction,
        head_timeout: float,
        metrics: RequestMetrics | None,
        admission: AdmissionController | None,
        unsent: UnsentBudget | None,
        addresses: PublicAddresses | None = None,
        **options: Any,
    ) -> None:
        """Serve by a handler; the other arguments are those of `Runner`."""
        super().__init__(handler, **options)
        self.head_timeout = head_timeout
        self.metrics = metrics
        self.admission = admission
        self.unsent = unsent
        self.addresses = addresses if addresses is not None and addresses.strips else None
        self.heads: Final = Heads(options.get("max_field_size", 8190), options.get("max_line_size"))

    def __call__(self) -> RequestHandler:
        """Make the protocol of a new connection."""
        return HttpConnection(self, loop=self._loop, **self._kwargs)

    def end_connections(self) -> None:
        """Let each connection end with its next answer, which says so."""
        make = self.request_factory

        def make_last(message: RawRequestMessage, *others: Any) -> BaseRequest:
            return make(message._replace(should_close=True), *others)

        self.request_factory = make_last
        for connection in self.connections:
            connection._request_factory = make_last  # noqa: SLF001 - of a subclass of ours

    async def close_idle(self) -> None:
        """Close the connections that wait for their next request, except those for which one has come, unread.

        A turn of the loop after each few: aiohttp closes all in one, and what clients send meanwhile would be lost.
        """
        connections = [*self.connections]
        for number, connection in enumerate(connections, 1):
            if isinstance(connection, HttpConnection):
                connection.close_if_idle()
            if number % (1 + len(connections) // MAX_CLOSING_TURNS) == 0:
                await asyncio.sleep(0)


class HttpConnection(RequestHandler):
    """A connection that bounds the time of a request's head, and refuses requests as soon as they have been read.

    aiohttp's own way from there to a handler, and from its answer back, takes twice as long as all else that a refusal
    does. Whatever is not as simple as one whole request goes that way nevertheless, and is refused by its handler.
    Offered five times what it can sustain, the service answered 948 requests a second; 188 where the handler refused,
    119 where requests were read as they came (`python -m tests.bench.refusals`, 2026-11-26, two processors).
    """

    __slots__ = (
        "_addresses",
        "_admission",
        "_asked",
        "_closing",
        "_deferred",
        "_first_refused",
        "_head_deadline",
        "_head_timeout",
        "_heads",
        "_held_paused",
        "_last_body",
        "_metrics",
        "_peer",
        "_unsent",
    )

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._metrics = server.metrics
        self._admission = server.admission
        self._unsent = server.unsent
        self._addresses = server.addresses
        self._peer = ""
        self._last_body: StreamReader = EMPTY_PAYLOAD
        """The body of the last request that came."""
        self._asked = b""
        """The beginning of a head that is malformed, or still comes in pieces: its answer's shape depends on it."""
        self._deferred: list[bytes] = []
        """Bytes that have come and not been read yet, as the request is held."""
        self._held_paused = False
        """True while no more is read, as more has come than the first piece of a request that is held."""
        self._first_refused: bool | None = None
        """True or False if the first request was held before the connection was made, and is refused or begun."""
        self._heads = server.heads
        self._head_timeout = server.head_timeout
        self._head_deadline: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have the system end the connection when what was written is not taken, and keep little of it meanwhile."""
        super().connection_made(transport)
        self._peer = peer_of(transport.get_extra_info("peername"))
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_UNIX:
            return
        if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_TIMEOUT * 1000))
        if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, KERNEL_BYTES)

    def pause_writing(self) -> None:
        """Count what the client does not take."""
        super().pause_writing()
        if self._unsent is not None:
            self._unsent.paused(self)

    def resume_writing(self) -> None:
        """Count it no more."""
        super().resume_writing()
        if self._unsent is not None:
            self._unsent.resumed(self)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on, where reading was paused; aiohttp asks for it with each body, and parses nothing once more."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what was to be done."""
        self._cancel_head_deadline()
        self._heads.forget(self)
        if self._closing is not None:
            self._closing.cancel()
        if self._admission is not None:
            self._admission.disconnected(self)
        if self._unsent is not None:
            self._unsent.disconnected(self)
        super().connection_lost(exc)

    def close(self) -> None:
        """End the connection behind what it has under way, or its first request if that is still to come.

        A client that was accepted just before the end has sent its request, or does so now. A request that waits for
        its turn is handled now, as aiohttp would drop it; so is one that is held.
        """
        self.begin_held()
        if self._messages and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self._request_count or self._closing is not None:
            super().close()
        else:
            self._close = True
            self._closing = self._loop.call_later(FIRST_REQUEST_SECONDS, super().close)

    def close_if_idle(self) -> None:
        """Close a connection that had requests, has none, and for which none has come."""
        busy = not self._request_count or not self._idle or self._messages or self._deferred
        if busy or self._head_deadline is not None or self.transport is None or _holds_unread(self.transport):
            return
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Read what comes, or hold it where it begins a request while the process has enough to do."""
        if self._deferred:
            self._deferred.append(data)
            if self.transport is not None:
                self._held_paused = True
                self.transport.pause_reading()
        elif self._first_refused is not None:
            self._read_first(data)
        elif self._admission is not None and self._admission.holds and self._hold(self._admission, data):
            self._deferred.append(data)
        else:
            self._read(data)

    def _hold(self, admission: AdmissionController, data: bytes) -> bool:
        """Hold what begins a request, if it has to be; also where the handler has not come back from the last one."""
        between = not (self._request_in_progress or self._messages) and self._last_body.is_eof()
        return (self._idle or between) and self._head_deadline is None and admission.hold(self, data)

    @property
    def left(self) -> bool:
        """True if the client has left, or what was held has been read."""
        return self.transport is None or self.transport.is_closing() or not self._deferred

    def begin_held(self) -> None:
        """Read the request that is held."""
        data = b"".join(self._deferred)
        self._deferred.clear()
        if self.transport is None or self.transport.is_closing() or not data:
            return
        if self._held_paused:
            self._held_paused = False
            self.transport.resume_reading()
        self._read(data)

    def refuse_held(self) -> float:
        """Refuse the request that is held."""
        if self._admission is not None:
            with self._admission.refusing():
                self.begin_held()
        return 0.0

    def reset_held(self) -> bool:
        """Leave it as it is: a client that comes again costs more than one that waits."""
        return False

    def hold_first(self, *, refused: bool) -> None:
        """Note that the first request was held before this connection was made; until it comes, it counts as begun."""
        self._first_refused = refused
        if self._admission is not None:
            self._admission.admitted(self)

    def _read_first(self, data: bytes) -> None:
        refused, self._first_refused = self._first_refused, None
        if self._admission is not None:
            self._admission.disconnected(self)
        self._deferred.append(data)
        if refused:
            self.refuse_held()
        else:
            self.begin_held()

    def _read(self, data: bytes) -> None:
        """Have aiohttp parse some bytes; refuse the request they complete, or wake its handler."""
        waiter, idle, queued = self._waiter, self._idle, len(self._messages)
        in_head = self._last_body.is_eof()
        self._waiter = None  # so that the handler is not woken yet
        self._parse(data)
        self._waiter = waiter
        if len(self._messages) == queued:
            if idle and not queued and self._head_deadline is None:
                self._head_deadline = self._loop.call_later(self._head_timeout, self._time_out_head)
                self._asked = data[:_ASKED]
            self._bound_head(len(data) if in_head else 0)
            return
        if queued or self._heads.partial or len(data) > self._heads.max_bytes:
            self._bound_heads()
        in_pieces = self._head_deadline is not None
        if in_pieces:
            self._cancel_head_deadline()
        self._check_last(data, in_pieces)
        if self._addresses is not None:
            self._strip_prefixes(self._addresses, queued)
        if self._admission is not None:
            if idle and self._admission.checks_next and self._refused(self._admission):
                return
            self._admission.admitted(self)
        if waiter is None or waiter.done():
            return
        message = self._messages[0][0]
        if self._admission is not None and isinstance(message, RawRequestMessage):
            self._admission.begin(waiter, message.headers)
        else:
            waiter.set_result(None)

    def _parse(self, data: bytes) -> None:
        """Have aiohttp parse some bytes, also while the server ends.

        It would drop even the rest of a request that it is waiting for then, and the first request of a connection
        that has just been accepted.
        """
        if self._close and (self._request_count == 0 or not self._last_body.is_eof()):
            forced, self._close, self._force_close = self._force_close, False, False
            super().data_received(data)
            self._close, self._force_close = True, forced
        else:
            super().data_received(data)

    def _check_last(self, data: bytes, in_pieces: bool) -> None:
        """End a body of which the rest is no HTTP, instead of waiting for it; and let nothing follow a lost upgrade."""
        message, body = self._messages[-1]
        self._last_body = body
        if isinstance(message, _ErrInfo):
            if not in_pieces:
                self._asked = data[:_ASKED]
            self._end_body()
        elif message.upgrade and not self._upgraded and not is_head(data, message):
            # aiohttp has lost what came after it, so no request may follow it.
            self._messages[-1] = (message._replace(should_close=True), body)

    def _strip_prefixes(self, addresses: PublicAddresses, queued: int) -> None:
        """Take what a proxy has left before the service's own paths from the requests behind those queued already."""
        for index in range(queued, len(self._messages)):
            message, body = self._messages[index]
            if isinstance(message, RawRequestMessage):
                self._messages[index] = (addresses.without_prefix(message, self._peer), body)

    @property
    def _idle(self) -> bool:
        """True if no request of this connection is being handled, so that what comes begins the next one."""
        return self._request_count == 0 if self._waiter is None else not self._waiter.done()

    def _refused(self, admission: AdmissionController) -> bool:
        """Answer the one request that has come whole; False if that is not what has come, or if it is to be handled."""
        message, payload = self._messages[0]
        if len(self._messages) > 1 or not isinstance(message, RawRequestMessage) or message.upgrade:
            return False
        if not payload.is_eof() or self._reading_paused or self.transport is None or self._parser is None:
            return False
        if self.writing_paused:  # more would only be kept: a handler's answer waits until the client has taken some
            return False
        response = admission.refusal(self, message)
        if response is None:
            return False
        self._messages.clear()
        self._parser.message_consumed()
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self.transport.write(response)
        if message.should_close:
            self.close()
            self.transport.close()
        return True

    def _end_body(self) -> None:
        request = self._current_request
        if request is not None and not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("no HTTP"))

    def _cancel_head_deadline(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _time_out_head(self) -> None:
        self._head_deadline = None
        if self._waiter is not None and not self._waiter.done():
            late = _ErrInfo(status_of(RequestTimeout), TimeoutError(), "")
            self._messages.append((late, EMPTY_PAYLOAD))
            self._waiter.set_result(None)

    def _bound_head(self, size: int) -> None:
        """Count more of a head; if it is too long, end the connection behind what it has under way."""
        if not size or self._heads.fits(self, size):
            return
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()
        self._messages.append(too_long(self._heads.max_bytes))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _bound_heads(self) -> None:
        """Let an error take the place of the last request that has come, if heads are too long that wait here."""
        self._heads.forget(self)
        if not self._heads.fit(self._messages):
            self._messages[-1] = too_long(self._heads.max_bytes)

    def log_exception(self, *arguments: Any, **options: Any) -> None:
        """Log a fault of the service's own, and no body that its client coded wrong."""
        if not isinstance(options.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*arguments, **options)

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what never became a request, and close: where the next one would begin can't be known."""
        error = error_of(status, exc, self._heads.max_url_bytes)
        if self._metrics:
            self._metrics.failures[error.reason or "malformed"] += 1
        request_id = new_request_id()
        fields: dict[str, Any] = {
            "status": status_of(type(error)),
            "code": error.code,
            "client": self._peer or None,
            "request_id": request_id,
        }
        if status < 500:
            log.info("request", method="-", route="malformed", **fields)
        else:
            log.error("request", method="-", route="malformed", **fields, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("Part of an answer has been sent, so no other can be.")
        method, path = request.method, request.raw_path
        if method == "UNKNOWN":  # aiohttp's request in the place of one that it could not parse
            method, _, path = self._asked.decode("latin-1").partition(" ")
        shapes = self._admission.failures if self._admission else Failures(())
        as_200 = (method, path.partition("?")[0].split(" ")[0]) in shapes.as_200
        response = shapes.response_at(path, error, request_id, as_200=as_200)
        if method == "HEAD":
            response.body = None
        identify(response, request_id)
        response.force_close()
        return response


def _holds_unread(transport: asyncio.BaseTransport) -> bool:
    """Return whether the system has bytes of a connection that were not read yet; False where it can't be asked."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return False
    try:
        (unread,) = struct.unpack("i", ioctl(connection.fileno(), FIONREAD, bytes(struct.calcsize("i"))))
    except OSError:
        return False
    return bool(unread)
