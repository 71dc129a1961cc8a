"""Requests that the server does not support, rejected before the application's handler."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.web_request import BaseRequest

from service.http.header_lists import OWS

SUPPORTED_VERSIONS: Final = (HttpVersion11, HttpVersion10)

RequestHandlerFunction = Callable[[BaseRequest], Awaitable[web.StreamResponse]]


def _ends_where_all_say(request: BaseRequest) -> bool:
    """Return whether a request's transfer coding, if it has one, is one that its version and this service know.

    Whoever has handed it on may else have put its end at another place (RFC 9112 §6.1).
    """
    codings = request.headers.getall(hdrs.TRANSFER_ENCODING, ())
    return not codings or (request.version == HttpVersion11 and ",".join(codings).strip(OWS).lower() == "chunked")


def reject_unsupported(handler: RequestHandlerFunction) -> RequestHandlerFunction:
    """Reject unsupported HTTP versions, transfer codings and Expect headers before the application's handler.

    And end a coded body that the handler has not read to its end: to read the rest would be to decode it all at once.
    """

    def handle(request: BaseRequest) -> Awaitable[web.StreamResponse]:
        """Handle what needs no check; no coroutine, as every request would pay for it."""
        headers = request.headers
        if (
            request.version in SUPPORTED_VERSIONS
            and hdrs.EXPECT not in headers
            and hdrs.CONTENT_ENCODING not in headers
            and hdrs.TRANSFER_ENCODING not in headers
        ):
            return handler(request)
        return checked(request)

    async def checked(request: BaseRequest) -> web.StreamResponse:
        if request.version not in SUPPORTED_VERSIONS or not _ends_where_all_say(request):
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
