"""Conditional requests, RFC 9110 §13: a tag for what was read, and writes that go on only if it is still so."""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from aiohttp import hdrs, web

from service.errors import PreconditionFailed
from service.http.routes import Route
from service.operations.call import no_precondition

_TAG: Final = re.compile(r'(?:W/)?"[^"]*"')


def entity_tag(body: bytes) -> str:
    """A strong tag: equal for equal bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


def not_modified(request: web.Request, tag: str) -> bool:
    """Whether the client has these bytes already."""
    header = request.headers.get(hdrs.IF_NONE_MATCH)
    return header is not None and _names(header, tag)


def expectation(request: web.Request, route: Route, encode: Callable[[dict[str, Any]], bytes]) -> Callable[[Any], None]:
    """What a write does with what is there now (None: nothing), before it changes it.

    Raises:
        PreconditionFailed: the caller expects something of a call that has nothing to compare it with.
    """
    wanted, unwanted = request.headers.get(hdrs.IF_MATCH), request.headers.get(hdrs.IF_NONE_MATCH)
    if (wanted is None and unwanted is None) or route.only_reads:
        return no_precondition
    if route.etag_of is None:
        raise PreconditionFailed("This call has nothing to compare If-Match or If-None-Match with.")
    dump = route.etag_of

    def expect(current: Any) -> None:
        tag = None if current is None else entity_tag(encode(dump(current)))
        if wanted is not None and (tag is None or not _names(wanted, tag)):
            raise PreconditionFailed("It is no longer as you have seen it: read it again.")
        if unwanted is not None and tag is not None and _names(unwanted, tag):
            raise PreconditionFailed("It is there already.")

    return expect


def _names(header: str, tag: str) -> bool:
    """Whether a list of tags has one in it; a proxy may have made a strong tag weak, which changes nothing here."""
    return header.strip() == "*" or tag in (found.removeprefix("W/") for found in _TAG.findall(header))
