"""What comes before any request: bytes that are no HTTP are answered, and logged, in the same form as everything else.

aiohttp's own answer is plain text, and its own log line quotes what was sent, in which there may be a token.
"""

from typing import Any

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from service import errors
from service.admission import DOOR, Door
from service.metrics import Requests
from service.middleware import REQUESTS, SERVER, failure, new_request_id

log = structlog.get_logger()


class Runner(web.AppRunner):
    """Runs an application behind our own protocol."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _Server(made.request_handler, request_factory=made.request_factory, **made._kwargs)  # noqa: SLF001 - aiohttp has no public way
        server.requests, server.door = self.app.get(REQUESTS), self.app.get(DOOR)
        return server


class _Server(web.Server):
    requests: Requests | None = None
    """Where they are counted, if they are."""
    door: Door | None = None
    """What may refuse them, if anything does."""

    def __call__(self) -> RequestHandler:
        if self.door is not None:
            return _GuardedProtocol(self, self.requests, self.door, loop=self._loop, **self._kwargs)
        return _Protocol(self, self.requests, loop=self._loop, **self._kwargs)


class _Protocol(RequestHandler):
    __slots__ = ("_requests",)

    def __init__(self, manager: _Server, requests: Requests | None, **options: Any) -> None:
        super().__init__(manager, **options)
        self._requests = requests

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what never became a request, and close: nobody knows where the next one would begin."""
        error: errors.ServiceError = errors.Internal.unexpected()
        if status < 500:
            error = errors.InvalidArgument("This is not HTTP that this service understands.")
        if self._requests:
            self._requests.failures["malformed"] += 1
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


class _GuardedProtocol(_Protocol):
    """Refuses a request as soon as it is read, while no more are taken on.

    aiohttp's own way from there to a handler, and from its answer back, takes twice as long as all else that a refusal
    does. Whatever is not as simple as one whole request goes that way nevertheless, and is refused by its handler.
    """

    __slots__ = ("_door", "_put_off")

    def __init__(self, manager: _Server, requests: Requests | None, door: Door, **options: Any) -> None:
        super().__init__(manager, requests, **options)
        self._door = door
        self._put_off: list[bytes] = []
        """What has come and not been looked at yet."""

    def data_received(self, data: bytes) -> None:
        if self._put_off:
            self._put_off.append(data)
        elif self._door.full and self._idle:
            self._put_off.append(data)
            self._door.put_off(self.go_on)
        else:
            self._read(data)

    def go_on(self) -> None:
        """Look at what was put off."""
        data = b"".join(self._put_off)
        self._put_off.clear()
        self._read(data)

    @property
    def _idle(self) -> bool:
        """Whether no request of this connection is being handled, so that what comes begins the next one."""
        return self._request_count == 0 if self._waiter is None else not self._waiter.done()

    def _read(self, data: bytes) -> None:
        waiter, idle, queued = self._waiter, self._idle, len(self._messages)
        self._waiter = None  # so that nobody is woken yet
        super().data_received(data)
        self._waiter = waiter
        if len(self._messages) == queued:
            return
        if idle and (self._door.full or self._door.looks_at_all) and self._refused():
            return
        self._door.comes(self)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _refused(self) -> bool:
        """Answer the one request that has come whole; False if that is not what has come, or if it is to be handled."""
        message, payload = self._messages[0]
        if len(self._messages) > 1 or not isinstance(message, RawRequestMessage) or message.upgrade:
            return False
        if not payload.is_eof() or self._reading_paused or self.transport is None or self._parser is None:
            return False
        answer = self._door.refusal(self, message)
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

    def connection_lost(self, exc: BaseException | None) -> None:
        self._door.left(self)
        super().connection_lost(exc)
