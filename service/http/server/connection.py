"""What comes before any request: bytes that are no HTTP are answered, and logged, in the same form as everything else.

aiohttp's own answer is plain text, and its own log line quotes what was sent, in which there may be a token. It also
waits for ever for the rest of what comes drop by drop, or goes on with what it can't understand.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo
from aiohttp.web_request import BaseRequest

from service import errors
from service.http.admission import Door
from service.http.middleware import failure, identify, new_request_id
from service.telemetry.metrics import Requests

log = structlog.get_logger()

UNREAD_TIMEOUT: Final = 30.0
"""Seconds that a client may take none of an answer."""


def reject_unsupported(
    handler: Callable[[BaseRequest], Awaitable[web.StreamResponse]],
) -> Callable[[BaseRequest], Awaitable[web.StreamResponse]]:
    """The application's handler, for what is in a version of HTTP that is spoken here, and expects nothing special."""

    def handle(request: BaseRequest) -> Awaitable[web.StreamResponse]:
        """No coroutine, as each request would pay for it."""
        if request.version in SUPPORTED_VERSIONS and hdrs.EXPECT not in request.headers:
            return handler(request)
        return checked(request)

    async def checked(request: BaseRequest) -> web.StreamResponse:
        if request.version not in SUPPORTED_VERSIONS:
            return request.protocol.handle_error(request, 400)
        try:
            return await handler(request)
        except web.HTTPException as exception:  # of an Expect, which aiohttp looks at before any of our code
            return request.protocol.handle_error(request, exception.status)

    return handle


SUPPORTED_VERSIONS: Final = (HttpVersion11, HttpVersion10)


class Server(web.Server):
    """Makes a connection's protocol."""

    requests: Requests | None = None
    """Where they are counted, if they are."""
    door: Door | None = None
    """What may refuse them, if anything does."""
    head_timeout: float
    """Seconds that the head of a request may take from its first byte to its last."""

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return _Protocol(self, self.requests, self.door, self.head_timeout, loop=self._loop, **self._kwargs)

    def end_connections(self) -> None:
        """Let each connection end with its next answer, which says so."""
        make = self.request_factory

        def make_last(message: RawRequestMessage, *others: Any) -> BaseRequest:
            return make(message._replace(should_close=True), *others)

        self.request_factory = make_last
        for connection in self.connections:
            connection._request_factory = make_last


class _Protocol(RequestHandler):
    """Watches over how requests come, and refuses them as soon as they have, while no more are taken on.

    aiohttp's own way from there to a handler, and from its answer back, takes twice as long as all else that a refusal
    does. Whatever is not as simple as one whole request goes that way nevertheless, and is refused by its handler.
    """

    __slots__ = ("_door", "_head_overdue", "_head_timeout", "_last_body", "_put_off", "_requests")

    def __init__(
        self, manager: Server, requests: Requests | None, door: Door | None, head_timeout: float, **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._requests = requests
        self._door = door
        self._last_body: StreamReader = EMPTY_PAYLOAD
        """Of the last request that came."""
        self._put_off: list[bytes] = []
        """What has come and not been looked at yet."""
        self._head_timeout = head_timeout
        self._head_overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have the system end the connection when what was written is not taken."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_TIMEOUT * 1000))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what was to be done."""
        self._end_head()
        if self._door is not None:
            self._door.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what comes, unless it begins a request while there are too many: then it is looked at a little later."""
        if self._put_off:
            self._put_off.append(data)
        elif self._door is not None and self._door.full and self._idle:
            self._put_off.append(data)
            self._door.put_off(self._go_on)
        else:
            self._read(data)

    def _go_on(self) -> None:
        """Look at what was put off, unless the connection is gone."""
        data = b"".join(self._put_off)
        self._put_off.clear()
        if self.transport is not None:
            self._read(data)

    def _read(self, data: bytes) -> None:
        waiter, idle, queued = self._waiter, self._idle, len(self._messages)
        self._waiter = None  # so that nobody is woken yet
        if self._close and (self._request_count == 0 or not self._last_body.is_eof()):
            # While aiohttp reads: once the server ends, it would drop even what it is waiting for, and what those say
            # who have just been accepted.
            forced, self._close, self._force_close = self._force_close, False, False
            super().data_received(data)
            self._close, self._force_close = True, forced
        else:
            super().data_received(data)
        self._waiter = waiter
        if len(self._messages) == queued:
            if idle and not queued and self._head_overdue is None:
                self._head_overdue = self._loop.call_later(self._head_timeout, self._refuse_head)
            return
        if self._head_overdue is not None:
            self._end_head()
        self._check_last(data)
        if self._door is not None:
            if idle and (self._door.full or self._door.looks_at_all) and self._refused(self._door):
                return
            self._door.comes(self)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _check_last(self, data: bytes) -> None:
        """End a body of which the rest is no HTTP, instead of waiting for it; and let nothing follow a lost upgrade."""
        message, body = self._messages[-1]
        self._last_body = body
        if isinstance(message, _ErrInfo):
            self._end_body()
        elif message.upgrade and not self._upgraded and not _is_head(data, message):
            # aiohttp has lost what came after it, so no request may follow it.
            self._messages[-1] = (message._replace(should_close=True), body)

    @property
    def _idle(self) -> bool:
        """Whether no request of this connection is being handled, so that what comes begins the next one."""
        return self._request_count == 0 if self._waiter is None else not self._waiter.done()

    def _refused(self, door: Door) -> bool:
        """Answer the one request that has come whole; False if that is not what has come, or if it is to be handled."""
        message, payload = self._messages[0]
        if len(self._messages) > 1 or not isinstance(message, RawRequestMessage) or message.upgrade:
            return False
        if not payload.is_eof() or self._reading_paused or self.transport is None or self._parser is None:
            return False
        answer = door.refusal(self, message)
        if answer is None:
            return False
        self._messages.clear()
        self._parser.message_consumed()
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self.transport.write(answer)
        if message.should_close:
            self.close()
            self.transport.close()
        return True

    def _end_body(self) -> None:
        request = self._current_request
        if request is not None and not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("no HTTP"))

    def _end_head(self) -> None:
        if self._head_overdue is not None:
            self._head_overdue.cancel()
            self._head_overdue = None

    def _refuse_head(self) -> None:
        self._head_overdue = None
        if self._waiter is not None and not self._waiter.done():
            late = _ErrInfo(errors.RequestTimeout.status, TimeoutError(), "")
            self._messages.append((late, EMPTY_PAYLOAD))
            self._waiter.set_result(None)

    def log_exception(self, *arguments: Any, **options: Any) -> None:
        """Log what is a fault of ours, and no body that its client coded wrong."""
        if not isinstance(options.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*arguments, **options)

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what never became a request, and close: nobody knows where the next one would begin."""
        error: errors.ServiceError = errors.Internal.unexpected()
        if status == errors.RequestTimeout.status:
            error = errors.RequestTimeout("The request did not come in time.")
        elif status < 500:
            error = errors.InvalidArgument("This is not HTTP that this service understands.")
        if self._requests:
            self._requests.failures[error.reason or "malformed"] += 1
        fields: dict[str, Any] = {"status": error.status, "code": error.code, "request_id": new_request_id()}
        if status < 500:
            log.info("request", method="-", route="malformed", **fields)
        else:
            log.error("request", method="-", route="malformed", **fields, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("Part of an answer has been sent, so no other can be.")
        answer = failure(error, fields["request_id"])
        identify(answer, fields["request_id"])
        answer.force_close()
        return answer


def _is_head(data: bytes, message: RawRequestMessage) -> bool:
    """Whether some bytes are the head of that request and nothing else."""
    return data.startswith(message.method.encode()) and data.find(b"\r\n\r\n") == len(data) - 4
