"""Failures as google.rpc.Status tells them: the canonical code, the same sentence, and details for programs."""

import base64
from collections.abc import Iterator
from typing import Final

from aiohttp import web
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from service.errors import ServiceError
from service.http.responses import failure_headers, json_response, status_of_code

DOMAIN: Final = "flow-pipelines"
"""The domain of the reasons in ErrorInfo."""


class UnknownCall(ServiceError):
    """A call by gRPC that is none of the service's."""

    code = "UNIMPLEMENTED"

    def __init__(self) -> None:
        super().__init__(
            "There is no such call: the .proto file, or reflection, has the names of those that are there."
        )


def status_of(error: ServiceError, request_id: str, retry_after: int | None = None) -> Status:
    """Return the status of a failure, with all of its details."""
    status = Status(code=Code.Value(error.code), message=error.message)
    for detail in details_of(error, request_id, retry_after):
        status.details.add().Pack(detail)
    return status


def connect_response(error: ServiceError, request_id: str) -> web.Response:
    """Make the response to a failed call by Connect, which has the same in a shape of its own."""
    details = [
        {"type": each.DESCRIPTOR.full_name, "value": base64.b64encode(each.SerializeToString()).decode().rstrip("=")}
        for each in details_of(error, request_id)
    ]
    body = {"code": error.code.lower(), "message": error.message, "details": details}
    response = json_response(body, status_of_code(error.code))
    response.headers.update(failure_headers(error))
    return response


def details_of(error: ServiceError, request_id: str, retry_after: int | None = None) -> Iterator[Message]:
    """Yield the details of a failure: why, which fields, when to try again, and the request to ask about.

    Args:
        error: the failure.
        request_id: of the call.
        retry_after: seconds, where more is known than the failure itself tells.
    """
    yield ErrorInfo(
        reason=error.label.upper(), domain=DOMAIN, metadata={"scope": error.scope} if error.scope is not None else {}
    )
    if error.details:
        yield BadRequest(
            field_violations=[
                BadRequest.FieldViolation(field=name, description=reason)
                for name, reasons in error.details.items()
                for reason in reasons
            ]
        )
    wait = error.retry_after if retry_after is None else retry_after
    if wait is not None:
        yield RetryInfo(retry_delay={"seconds": wait})
    yield RequestInfo(request_id=request_id)
