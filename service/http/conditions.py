"""Conditional requests (RFC 9110 §13): a tag of what was read, and writes that go on only if it is still so."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from aiohttp import hdrs, web

from service.errors import PreconditionFailed
from service.http.responses import encode
from service.operations.call import Precondition, no_precondition

_HASHED_AT_ONCE: Final = 2**20
"""Bytes, for a millisecond or two."""

_TAG: Final = re.compile(r'(?:W/)?"[^"]*"')


def entity_tag(body: bytes) -> str:
    """Return a strong tag: equal for equal bytes."""
    return _tag(hashlib.sha256(body))


async def entity_tag_in_slices(body: bytes) -> str:
    """Return the same tag of many bytes, and let others go on meanwhile."""
    digest, view = hashlib.sha256(), memoryview(body)
    for start in range(0, len(body), _HASHED_AT_ONCE):
        digest.update(view[start : start + _HASHED_AT_ONCE])
        await asyncio.sleep(0)
    return _tag(digest)


def _tag(digest: "hashlib._Hash") -> str:
    return f'"{digest.hexdigest()[:24]}"'


def not_modified(request: web.Request, tag: str) -> bool:
    """Return whether the client has these bytes already."""
    header = request.headers.get(hdrs.IF_NONE_MATCH)
    return header is not None and _matches(header, tag)


def precondition_of(request: web.Request, dump: Callable[[Any], dict[str, Any]] | None) -> Precondition:
    """Return the precondition in a write's headers.

    Args:
        request: with If-Match or If-None-Match, or neither.
        dump: gives the answer that a client has read, and whose tag it names; None if there is no such answer.

    Raises:
        PreconditionFailed: the request has a condition, and nothing to compare it with.
    """
    wanted, unwanted = request.headers.get(hdrs.IF_MATCH), request.headers.get(hdrs.IF_NONE_MATCH)
    if wanted is None and unwanted is None:
        return no_precondition
    if dump is None:
        raise PreconditionFailed("This call has nothing to compare If-Match or If-None-Match with.")

    def check(current: Any) -> None:
        tag = None if current is None else entity_tag(encode(dump(current)))
        if wanted is not None and (tag is None or not _matches(wanted, tag)):
            raise PreconditionFailed("It is no longer as you have seen it: read it again.")
        if unwanted is not None and tag is not None and _matches(unwanted, tag):
            raise PreconditionFailed("It is there already.")

    return check


def _matches(header: str, tag: str) -> bool:
    """Return whether a list of tags has one in it.

    A proxy may have made a strong tag weak, which changes nothing here.
    """
    return header.strip() == "*" or tag in (found.removeprefix("W/") for found in _TAG.findall(header))
