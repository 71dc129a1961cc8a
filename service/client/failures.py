"""Failures of calls to a server, as commands have them: what it refused, or why it did not answer."""

from collections.abc import Mapping
from typing import Final

from flow_pipelines_client import ApiError, DeadlineExceeded
from service import errors
from service.client.address import Address
from service.client.network import unreachable
from service.errors import Internal, PermissionDenied, ServiceError, Unauthenticated, Unavailable

_KINDS: Final[Mapping[str, type[ServiceError]]] = {
    kind.code: kind
    for kind in (
        errors.InvalidArgument,
        errors.FailedPrecondition,
        errors.Unauthenticated,
        errors.PermissionDenied,
        errors.NotFound,
        errors.AlreadyExists,
        errors.Aborted,
        errors.ResourceExhausted,
        errors.Internal,
        errors.Unavailable,
        errors.DeadlineExceeded,
    )
}
"""The errors by the codes that answers tell them by."""

_LONGEST: Final = 10_000
"""Characters of a sentence that is shown."""


def failure_of(address: Address, error: ApiError) -> ServiceError:
    """Return the error for a call that failed."""
    if not error.from_service:
        late = isinstance(error, DeadlineExceeded)
        return unreachable(address, TimeoutError()) if late else Unavailable(error.message)
    message = error.message[:_LONGEST]
    if error.status in {404, 405} and error.code in {"UNIMPLEMENTED", "NOT_FOUND"} and _is_of_addresses(message):
        return Unavailable(
            f"The server {address.url} does not know this call: it is of another version than this program."
        )
    if error.status == 412:
        return errors.PreconditionFailed(message)
    found = _KINDS.get(error.code, Internal)(message, details=error.details or None)
    if isinstance(found, Unauthenticated):
        found.message = f"{message} `flow-pipelines login {address.url}` keeps another token."
    elif isinstance(found, PermissionDenied) and "insufficient_scope" in error.headers.get("WWW-Authenticate", ""):
        found.message = f"{message} (It is the token that lacks a scope.)" if "scope" not in message else message
    elif found.service_fault:
        found.message = f"{message} Its request id is {error.request_id[:200]}."
    return found


def _is_of_addresses(message: str) -> bool:
    return message.startswith(("There is nothing at this address", "This address"))
