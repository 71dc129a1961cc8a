"""Failures, by the codes of google.rpc.Code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from flow_pipelines_client.models import Code


class ApiError(Exception):
    """A call that failed. What the service refused has a class of its own below, by its code.

    Attributes:
        code: the name of the google.rpc.Code. A newer service may have others.
        message: what is wrong, for a person.
        details: the reasons by field, where the request is malformed.
        request_id: leads the service's operators to its log line; also where no answer came.
        status: of HTTP; None if no answer came.
        retry_after: seconds until the same call may succeed, if the service says so.
        headers: of the answer; empty if none came.
        from_service: True if the service itself has answered; else the network failed, or something in between.
        may_be_done: True if the call may have changed something nevertheless: nobody knows.
    """

    default_code: ClassVar[str] = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: Mapping[str, Sequence[str]] | None = None,
        request_id: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        may_be_done: bool = False,
        headers: Mapping[str, str] | None = None,
        from_service: bool = False,
    ) -> None:
        """Take what is known of the failure; the code is the class's own unless another is given."""
        super().__init__(message)
        self.code: Final = Code(code or self.default_code)
        self.message: Final = message
        self.details: Final = dict(details or {})
        self.request_id: Final = request_id
        self.status: Final = status
        self.retry_after: Final = retry_after
        self.may_be_done: Final = may_be_done
        self.headers: Final[Mapping[str, str]] = {} if headers is None else headers
        self.from_service: Final = from_service

    def __str__(self) -> str:
        """Return all that helps: code, sentence and request id."""
        return f"{self.code}: {self.message} (request {self.request_id})"


class InvalidArgument(ApiError):
    """A request that is wrong in itself; `details` says what, by field."""

    default_code = "INVALID_ARGUMENT"


class FailedPrecondition(ApiError):
    """A request that the state does not allow."""

    default_code = "FAILED_PRECONDITION"


class PreconditionFailed(FailedPrecondition):
    """A condition of the caller's own that does not hold: `if_match` or `if_none_match`."""


class Gone(FailedPrecondition):
    """A place in the feed of changes that can't be gone on from: what came behind it is no longer kept."""


class Unauthenticated(ApiError):
    """A token that is missing or not good."""

    default_code = "UNAUTHENTICATED"


class PermissionDenied(ApiError):
    """A thing that the caller may see, but not do this with."""

    default_code = "PERMISSION_DENIED"


class NotFound(ApiError):
    """A thing that does not exist, or that the caller may not see."""

    default_code = "NOT_FOUND"


class AlreadyExists(ApiError):
    """A name or id that is taken."""

    default_code = "ALREADY_EXISTS"


class Aborted(ApiError):
    """A conflict with other changes that outlasted all retries; nothing was changed."""

    default_code = "ABORTED"


class ResourceExhausted(ApiError):
    """A limit that the caller has reached."""

    default_code = "RESOURCE_EXHAUSTED"


class Unimplemented(ApiError):
    """A call that the service does not know: it is older than this client."""

    default_code = "UNIMPLEMENTED"


class Internal(ApiError):
    """A fault of the service's own, whose log has the cause by the request id."""

    default_code = "INTERNAL"


class Unavailable(ApiError):
    """A service that can't be reached, or can't answer right now."""

    default_code = "UNAVAILABLE"


class DeadlineExceeded(ApiError):
    """An answer that did not come in time."""

    default_code = "DEADLINE_EXCEEDED"


class UnexpectedAnswer(ApiError):
    """An answer that is not one of the service: of something in between, or at a wrong address."""


BY_CODE: Final[Mapping[str, type[ApiError]]] = {
    kind.default_code: kind
    for kind in (
        InvalidArgument,
        FailedPrecondition,
        Unauthenticated,
        PermissionDenied,
        NotFound,
        AlreadyExists,
        Aborted,
        ResourceExhausted,
        Unimplemented,
        Internal,
        Unavailable,
        DeadlineExceeded,
    )
}
"""The classes by their codes; ApiError itself for a code that is none of these."""

BY_STATUS: Final[Mapping[int, type[ApiError]]] = {410: Gone, 412: PreconditionFailed}
"""The classes of failures that HTTP tells apart, and codes do not."""
