"""What comes before any request: bytes that are no HTTP are answered, and logged, in the same form as everything else.

aiohttp's own answer is plain text, and its own log line quotes what was sent, in which there may be a token. It also
waits for ever for the rest of what comes drop by drop, or goes on with what it can't understand.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo
from aiohttp.web_request import BaseRequest

from service import errors
from service.metrics import Requests
from service.middleware import SERVER, failure, new_request_id

log = structlog.get_logger()

UNREAD_TIMEOUT: Final = 30.0
"""Seconds that a client may take none of an answer."""


def understood(
    handler: Callable[[BaseRequest], Awaitable[web.StreamResponse]],
) -> Callable[[BaseRequest], Awaitable[web.StreamResponse]]:
    """The application's handler, for what is in a version of HTTP that is spoken here, and expects nothing special."""

    async def handle(request: BaseRequest) -> web.StreamResponse:
        if request.version not in _SPOKEN:
            return request.protocol.handle_error(request, 400)
        try:
            return await handler(request)
        except web.HTTPException as exception:  # of an Expect, which aiohttp looks at before any of our code
            return request.protocol.handle_error(request, exception.status)

    return handle


_SPOKEN: Final = (HttpVersion11, HttpVersion10)


class Server(web.Server):
    """Makes a connection's protocol."""

    requests: Requests | None = None
    """Where they are counted, if they are."""
    head_timeout: float
    """Seconds that the head of a request may take from its first byte to its last."""

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return _Protocol(self, self.requests, self.head_timeout, loop=self._loop, **self._kwargs)

    def end_connections(self) -> None:
        """Let each connection end with its next answer, which says so."""
        make = self.request_factory

        def make_last(message: RawRequestMessage, *others: Any) -> BaseRequest:
            return make(message._replace(should_close=True), *others)

        self.request_factory = make_last
        for connection in self.connections:
            connection._request_factory = make_last  # noqa: SLF001 - of a subclass of ours


class _Protocol(RequestHandler):
    __slots__ = ("_head_overdue", "_head_timeout", "_requests")

    def __init__(self, manager: Server, requests: Requests | None, head_timeout: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._requests = requests
        self._head_timeout = head_timeout
        self._head_overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have the system end the connection when what was written is not taken."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_TIMEOUT * 1000))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what was to be done in time."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Watch over a head that has begun; and end a body of which the rest is no HTTP, instead of waiting for it."""
        awaits_head = self._awaits_head()
        super().data_received(data)
        if not self._messages:
            if awaits_head and self._head_overdue is None:
                self._head_overdue = self._loop.call_later(self._head_timeout, self._refuse_head)
            return
        self._end_head()
        message, body = self._messages[-1]
        if isinstance(message, _ErrInfo):
            self._end_body()
        elif message.upgrade and not self._upgraded and not _is_head(data, message):
            # aiohttp has lost what came after it, so no request may follow it.
            self._messages[-1] = (message._replace(should_close=True), body)

    def _end_body(self) -> None:
        request = self._current_request
        if request is not None and not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("no HTTP"))

    def _awaits_head(self) -> bool:
        if self._waiter is None:
            return self._request_count == 0
        return not self._waiter.done()

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
        answer.headers.update({"X-Request-Id": fields["request_id"], "Server": SERVER})
        answer.force_close()
        return answer


def _is_head(data: bytes, message: RawRequestMessage) -> bool:
    """Whether some bytes are the head of that request and nothing else."""
    return data.startswith(message.method.encode()) and data.find(b"\r\n\r\n") == len(data) - 4
