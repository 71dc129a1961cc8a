"""Requests that the server does not support, rejected before the application's handler."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.web_request import BaseRequest

SUPPORTED_VERSIONS: Final = (HttpVersion11, HttpVersion10)

RequestHandlerFunction = Callable[[BaseRequest], Awaitable[web.StreamResponse]]


def reject_unsupported(handler: RequestHandlerFunction) -> RequestHandlerFunction:
    """Reject unsupported HTTP versions and Expect headers before the application's handler.

    And end a coded body that the handler has not read to its end: to read the rest would be to decode it all at once.
    """

    def handle(request: BaseRequest) -> Awaitable[web.StreamResponse]:
        """Handle what needs no check; no coroutine, as every request would pay for it."""
        headers = request.headers
        if (
            request.version in SUPPORTED_VERSIONS
            and hdrs.EXPECT not in headers
            and hdrs.CONTENT_ENCODING not in headers
        ):
            return handler(request)
        return checked(request)

    async def checked(request: BaseRequest) -> web.StreamResponse:
        if request.version not in SUPPORTED_VERSIONS:
            return request.protocol.handle_error(request, 400)
        try:
            response = await handler(request)
        except web.HTTPException as exception:  # of an Expect, which aiohttp looks at before any of our code
            return request.protocol.handle_error(request, exception.status)
        if hdrs.CONTENT_ENCODING in request.headers and not request.content.is_eof():
            response.force_close()
            request.content.set_exception(web.RequestPayloadError("It is not read to its end."))
        return response

    return handle
