"""Failures as SCIM tells them (RFC 7644 §3.12), and what its libraries refuse as failures of the service."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web
from pydantic import ValidationError
from scim2_models import (
    Error,
    ForbiddenException,
    NotFoundException,
    NotImplementedException,
    PreconditionFailedException,
    SCIMException,
)
from scim2_server.service import scim_exception_of

from service.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied, PreconditionFailed, ServiceError
from service.http.responses import encode, failure_headers, status_of

MEDIA_TYPE: Final = "application/scim+json"
ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
MAX_DETAIL: Final = 300
"""Characters of what a library says is wrong: it may repeat what was sent."""

_TYPES: Final = frozenset(
    {"invalidFilter", "invalidPath", "invalidSyntax", "invalidValue", "mutability", "noTarget", "tooMany"}
)
_INTERNALS: Final = re.compile(r"\d+ validation errors? for \w+|\[type=[^\]]*\]|For further information visit \S+")
"""Words of pydantic's that tell a client nothing."""


class NotSupported(ServiceError):
    """A part of SCIM that the service announces not to have (501)."""

    code, reason = "UNIMPLEMENTED", "not_supported"


def scim_response(error: ServiceError, request_id: str) -> web.Response:
    """Make the response to a failure."""
    status = status_of(type(error))
    body = {"schemas": [ERROR], "status": str(status), "detail": error.message}
    if (kind := _type_of(error)) is not None:
        body["scimType"] = kind
    response = web.Response(body=encode(body), status=status, content_type=MEDIA_TYPE)
    response.headers.update(failure_headers(error))
    return response


def _type_of(error: ServiceError) -> str | None:
    if isinstance(error, AlreadyExists):
        return "uniqueness"
    if not isinstance(error, InvalidArgument) or status_of(type(error)) != 400:
        return None
    return error.reason if error.reason in _TYPES else "invalidSyntax"


@contextmanager
def told() -> Iterator[None]:
    """Tell what the libraries refuse as a failure of the service.

    Raises:
        InvalidArgument: a request is wrong.
        PreconditionFailed: the resource is not as the client has seen it.
        NotSupported: it asks for what there is not.
    """
    try:
        yield
    except ValidationError as error:
        refusal = _refusal(scim_exception_of(error))
    except SCIMException as error:
        refusal = _refusal(error)
    else:
        return
    raise refusal  # out here, as those errors hold what was sent


def _refusal(error: SCIMException) -> ServiceError:
    if isinstance(error, PreconditionFailedException):
        return PreconditionFailed("It is no longer as you have seen it: read it again.")
    told: Error = error.to_error()
    detail = " ".join(_INTERNALS.sub("", told.detail or "The request is not valid.").split())[:MAX_DETAIL]
    if isinstance(error, NotFoundException):
        return NotFound(detail)
    if isinstance(error, ForbiddenException):
        return PermissionDenied(detail)
    if isinstance(error, NotImplementedException):
        return NotSupported(detail)
    return InvalidArgument(detail, reason=told.scim_type if told.scim_type in _TYPES else "invalidSyntax")
