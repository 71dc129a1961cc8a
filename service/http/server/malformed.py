"""Errors for bytes that never became a request: they say what is wrong with them, and never repeat them."""

import re
from typing import Any, Final

from aiohttp.http_exceptions import BadHttpMessage, ContentEncodingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import _ErrInfo

from service.errors import Internal, InvalidArgument, ServiceError
from service.http.responses import (
    ExpectationFailed,
    HeadersTooLarge,
    RequestTimeout,
    TargetTooLong,
    UnsupportedCoding,
    status_of,
)
from service.http.server.heads import HeadTooLong

MAX_HEADERS: Final = 128
"""Header lines of a request."""

_DUPLICATE: Final = re.compile(r"Duplicate '([\w-]+)' header found\.")
"""aiohttp's words; the name is one of a few that it knows, never the client's own."""


def head_limits(max_url_bytes: int, max_header_bytes: int) -> dict[str, Any]:
    """Return the limits of aiohttp's parser.

    It tells only by its limit what was too long, so the two are never the same.
    """
    return {
        "max_line_size": max_url_bytes,
        "max_field_size": max_header_bytes + (max_header_bytes == max_url_bytes),
        "max_headers": MAX_HEADERS,
    }


def too_long(limit: int) -> tuple[_ErrInfo, StreamReader]:
    """Return what takes the place of a request whose head is too long: it is answered, and ends the connection."""
    return _ErrInfo(status_of(HeadersTooLarge), HeadTooLong(limit), ""), EMPTY_PAYLOAD


def error_of(status: int, exception: BaseException | None, max_url_bytes: int | None) -> ServiceError:
    """Return the error that a client is told of what never became a request, and aiohttp answers with a status."""
    if status == status_of(RequestTimeout):
        return RequestTimeout("The request did not come in time.")
    if status == status_of(ExpectationFailed):
        return ExpectationFailed("All that a request may expect is 100-continue.")
    return Internal.unexpected() if status >= 500 else _unparsed(exception, max_url_bytes)


def _unparsed(exception: BaseException | None, max_url_bytes: int | None) -> ServiceError:
    """Return the error that a client is told of what aiohttp could not parse."""
    message = exception.message if isinstance(exception, BadHttpMessage) else ""
    if isinstance(exception, HeadTooLong):
        limit = exception.args[0]
        return HeadersTooLarge(f"The header lines are longer than {limit:,} bytes together, the most that is taken.")
    if isinstance(exception, LineTooLong):
        limit = int(exception.args[1])
        if limit == max_url_bytes:
            return TargetTooLong(f"The address is longer than {limit:,} bytes, the most that this service takes.")
        limit -= limit - 1 == max_url_bytes  # see head_limits
        return HeadersTooLarge(f"A header line is longer than {limit:,} bytes, the most that this service takes.")
    if message == "Too many headers received":
        return HeadersTooLarge(f"There are more than {MAX_HEADERS} header lines, the most that this service takes.")
    if isinstance(exception, ContentEncodingError):
        return UnsupportedCoding()
    if duplicate := _DUPLICATE.fullmatch(message):
        return InvalidArgument(f"The header {duplicate[1]} is given more than once.", reason="malformed")
    if message.startswith("Missing 'Host' header"):
        return InvalidArgument("The header Host is missing.", reason="malformed")
    return InvalidArgument("This is not HTTP that this service understands.", reason="malformed")
