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
from service.metrics import Requests
from service.middleware import SERVER, failure, new_request_id

log = structlog.get_logger()


class Server(web.Server):
    """Makes a connection's protocol."""

    requests: Requests | None = None
    """Where they are counted, if they are."""

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return _Protocol(self, self.requests, loop=self._loop, **self._kwargs)

    def end_connections(self) -> None:
        """Let each connection end with its next answer, which says so."""
        make = self.request_factory

        def make_last(message: RawRequestMessage, *others: Any) -> BaseRequest:
            return make(message._replace(should_close=True), *others)

        self.request_factory = make_last
        for connection in self.connections:
            connection._request_factory = make_last  # noqa: SLF001 - of a subclass of ours


class _Protocol(RequestHandler):
    __slots__ = ("_requests",)

    def __init__(self, manager: Server, requests: Requests | None, **options: Any) -> None:
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
