"""Failures as google.rpc.Status tells them: the canonical code, the same sentence, and details for programs."""

from collections.abc import Iterator
from typing import Final

from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from service.errors import ServiceError

DOMAIN: Final = "flow-pipelines"
"""The domain of the reasons in ErrorInfo."""


def status_of(error: ServiceError, request_id: str, retry_after: int | None = None) -> Status:
    """Return the status of a failure, with all of its details."""
    status = Status(code=Code.Value(error.code), message=error.message)
    for detail in details_of(error, request_id, retry_after):
        status.details.add().Pack(detail)
    return status


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
