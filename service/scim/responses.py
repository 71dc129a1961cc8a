"""Responses of SCIM: an object, one resource, or nothing."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import hdrs, web

from service.http.responses import encode
from service.scim.failures import MEDIA_TYPE
from service.scim.incoming import Incoming


def respond(body: Mapping[str, Any] | None, status: int = 200, **headers: str | None) -> web.Response:
    """Make a response of a JSON object, or of none; an underscore in a header's name stands for its hyphen."""
    given = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    if body is None:
        return web.Response(status=status, headers=given)
    return web.Response(body=encode(dict(body)), status=status, headers=given, content_type=MEDIA_TYPE)


def respond_resource(
    incoming: Incoming, render: Callable[[], dict[str, Any]], location: str, version: str | None
) -> web.Response:
    """Make the response of one resource, or say that the client has it already (304)."""
    method = incoming.request.method
    if method == hdrs.METH_GET and not incoming.check(version, method):
        return respond(None, 304, ETag=version)
    created = method == hdrs.METH_POST
    return respond(
        render(),
        201 if created else 200,
        ETag=version,
        Location=location if created else None,
        Content_Location=location,
    )


def respond_nothing(_: Incoming, __: object) -> web.Response:
    """Make the response to a deletion."""
    return respond(None, 204)
