"""Failures as google.rpc.Status tells them: the canonical code, the same sentence, and details for programs."""

import base64
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from aiohttp import web
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from service.errors import Details, ServiceError, UnknownCall
from service.http.responses import (
    MethodNotAllowed,
    NothingThere,
    UnimplementedCoding,
    UnsupportedCoding,
    failure_headers,
    json_response,
    status_of,
    status_of_code,
)

DOMAIN: Final = "flow-pipelines"
"""The domain of the reasons in ErrorInfo."""


MAX_TOLD_BYTES: Final = 3000
"""Bytes of the reasons by field in a status, which is metadata: clients take 8 KiB of that, and fail beyond."""

VIOLATION_BYTES: Final = 8
"""Bytes of a reason beside its texts."""

NO_SUCH_CALL: Final = "There is no such call: the .proto file, or reflection, has the names of those that are there."


def grpc_status_of(error: ServiceError, request_id: str, retry_after: int | None = None) -> Status:
    """Return the status of a failure, with all of its details."""
    status = Status(code=Code.Value(error.code), message=error.message)
    for detail in details_of(error, request_id, retry_after, MAX_TOLD_BYTES):
        status.details.add().Pack(detail)
    return status


def connect_response(error: ServiceError, request_id: str) -> web.Response:
    """Make the response to a failed call by Connect, which has the same in a shape of its own."""
    if isinstance(error, NothingThere):
        error = UnknownCall(NO_SUCH_CALL)
    elif isinstance(error, UnsupportedCoding):
        error = UnimplementedCoding()
    details = [
        {"type": each.DESCRIPTOR.full_name, "value": base64.b64encode(each.SerializeToString()).decode().rstrip("=")}
        for each in details_of(error, request_id)
    ]
    body = {"code": error.code.lower(), "message": error.message, "details": details}
    # Clients know by these statuses what is no call, whatever answers. Connect has a status for each code for others.
    of_address = isinstance(error, (UnknownCall, MethodNotAllowed))
    response = json_response(body, status_of(type(error)) if of_address else status_of_code(error.code))
    response.headers.update(failure_headers(error))
    return response


def details_of(
    error: ServiceError, request_id: str, retry_after: int | None = None, max_told_bytes: int | None = None
) -> Iterator[Message]:
    """Yield the details of a failure: why, which fields, when to try again, and the request to ask about.

    Args:
        error: the failure.
        request_id: of the call.
        retry_after: seconds, where more is known than the failure itself tells.
        max_told_bytes: of the reasons by field, of which those beyond are counted; None: all are told.
    """
    metadata = {"scope": " ".join(error.lacking_scopes)} if error.lacking_scopes else {}
    yield ErrorInfo(reason=error.label.upper(), domain=DOMAIN, metadata=metadata)
    if error.details:
        yield _bad_request(error.details, max_told_bytes)
    wait = error.retry_after if retry_after is None else retry_after
    if wait is not None:
        yield RetryInfo(retry_delay={"seconds": wait})
    yield RequestInfo(request_id=request_id)


def _bad_request(details: Details, max_bytes: int | None) -> BadRequest:
    """Return the reasons by field: the first of them, as many as have room, and how many more there are."""
    reasons = [(field, reason) for field, given in details.items() for reason in given]
    sizes = accumulate(len(field.encode()) + len(reason.encode()) + VIOLATION_BYTES for field, reason in reasons)
    told = len(reasons) if max_bytes is None else sum(size <= max_bytes for size in sizes)
    more = [("...", f"and {len(reasons) - told:,} more")] if told < len(reasons) else []
    violations = [BadRequest.FieldViolation(field=field, description=reason) for field, reason in reasons[:told] + more]
    return BadRequest(field_violations=violations)
