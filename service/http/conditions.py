"""Conditional requests (RFC 9110 §13): a tag of what was read, and writes that go on only if it is still so."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from aiohttp import hdrs, web
from multidict import CIMultiDictProxy

from service.errors import InvalidArgument, PreconditionFailed
from service.http.header_lists import OWS, joined
from service.http.responses import encode
from service.operations.call import Precondition, no_precondition, nothing_to_compare

_HASHED_AT_ONCE: Final = 2**20
"""Bytes, for a millisecond or two."""

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')
_CODED: Final = re.compile(r"[-;]{1,2}(?:gzip|br|zstd|deflate)\Z")
"""The coding that proxies which compress put behind a tag: Apache -gzip, -br and -zstd, Jetty --gzip."""


def entity_tag(body: bytes, state: bytes | None = None) -> str:
    """Return a strong tag: equal for equal bytes.

    Args:
        body: of the answer.
        state: what conditions of writes are about, where the answer also shows what use alone changes. The tag then
            names it first, and the body behind a dot.
    """
    tag = _tag(hashlib.sha256(body))
    return tag if state is None else f"{_tag(hashlib.sha256(state))[:-1]}.{tag[1:]}"


def state_of(shown: dict[str, Any], passing: str) -> dict[str, Any]:
    """Return what is shown of a thing without the key that use alone changes."""
    return {
        key: {each: value[each] for each in value if each != passing} if isinstance(value, dict) else value
        for key, value in shown.items()
    }


async def entity_tag_in_slices(body: bytes) -> str:
    """Return the tag that `entity_tag` gives, of many bytes, and let other requests go on meanwhile."""
    digest, view = hashlib.sha256(), memoryview(body)
    for start in range(0, len(body), _HASHED_AT_ONCE):
        digest.update(view[start : start + _HASHED_AT_ONCE])
        await asyncio.sleep(0)
    return _tag(digest)


def _tag(digest: "hashlib._Hash") -> str:
    return f'"{digest.hexdigest()[:24]}"'


def not_modified(request: web.Request, tag: str) -> bool:
    """Return whether the client has these bytes already."""
    if hdrs.IF_NONE_MATCH not in request.headers:
        return False
    condition = joined(request.headers, hdrs.IF_NONE_MATCH)
    return condition is not None and _matches(condition, tag)


def precondition_of(
    request: web.Request, dump: Callable[[Any], dict[str, Any]] | None, passing: str | None = None
) -> Precondition:
    """Return the precondition in a write's headers.

    Args:
        request: with If-Match or If-None-Match, or neither.
        dump: gives the answer that a client has read, and whose tag it names; None if there is no such answer.
        passing: a key of that answer that use alone changes, so that it is no matter of the condition.

    Raises:
        InvalidArgument: the condition is none, so that it can't be said whether it holds.
    """
    headers = request.headers
    if hdrs.IF_MATCH not in headers and hdrs.IF_NONE_MATCH not in headers:
        return no_precondition
    wanted, unwanted = _condition(headers, hdrs.IF_MATCH), _condition(headers, hdrs.IF_NONE_MATCH)
    if dump is None:
        return nothing_to_compare

    def check(current: Any) -> None:
        shown = None if current is None else dump(current)
        tag = None if shown is None else entity_tag(encode(shown if passing is None else state_of(shown, passing)))
        if wanted is not None and (tag is None or not _matches(wanted, tag, passing is not None)):
            raise PreconditionFailed("It is no longer as you have seen it: read it again.")
        if unwanted is not None and tag is not None and _matches(unwanted, tag, passing is not None):
            raise PreconditionFailed("It is there already.")

    return check


def _condition(headers: CIMultiDictProxy[str], name: str) -> str | None:
    """Return a condition as one value; None if the request has none of this name.

    Raises:
        InvalidArgument: it is neither * nor a list of tags.
    """
    condition = joined(headers, name)
    if condition is not None and condition.strip(OWS) != "*" and not _is_list_of_tags(condition):
        raise InvalidArgument(f'{name} must be *, or entity tags in quotes with commas between, such as "abc", "def".')
    return condition


def _is_list_of_tags(condition: str) -> bool:
    """Return whether a value is a list of tags; elements may be empty, and a header has no NUL to mistake for one."""
    return all(each.strip(OWS) in ("", "\0") for each in _TAG.sub("\0", condition).split(","))


def _matches(condition: str, tag: str, of_state: bool = False) -> bool:
    """Return whether a list of tags has one in it, or one of the same state.

    A proxy that compresses makes a strong tag weak (nginx), or puts the coding behind it (Apache): the service's own
    tags have neither, so that what was read through one is recognized for reads and writes alike.
    """
    own = tag.strip('"')
    named = (_CODED.sub("", found) for found in _TAG.findall(condition))
    return condition.strip(OWS) == "*" or own in (each.partition(".")[0] if of_state else each for each in named)
