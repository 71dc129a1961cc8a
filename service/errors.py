"""The one place where a failure becomes a code, an HTTP status and a body.

Codes are those of google.rpc.Code, and their HTTP statuses those of the canonical gRPC-to-HTTP map, as gRPC gateways
use it. An operation raises one of the classes below and knows nothing of HTTP; whatever else it raises is INTERNAL,
answered with a fixed sentence, its cause only in the log.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

Details = Mapping[str, Sequence[str]]


class StartupError(Exception):
    """The process can't start or go on: one sentence for the person at the terminal, with the way out."""


class ServiceError(Exception):
    """A failure that the caller is told of.

    Attributes:
        code: the name of the google.rpc.Code.
        status: the HTTP status of the answer.
        message: what went wrong, for a person.
        details: for invalid fields, the reasons by field name.
        headers: what the answer carries beside the body.
        reason: for operators, where one code has several causes: a label of metrics, so one of a few constants.
    """

    code: ClassVar[str] = "INTERNAL"
    status: ClassVar[int] = 500
    reason: str | None = None

    def __init__(
        self,
        message: str,
        *,
        details: Details | None = None,
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.headers = dict(headers or {})
        self.reason = reason or self.reason

    def body(self, request_id: str) -> dict[str, Any]:
        """The answer's body, of the same shape for every failure."""
        body = {"status": "ERROR", "msg": self.message, "code": self.code, "request_id": request_id}
        return body | {"details": self.details} if self.details else body


class InvalidArgument(ServiceError):
    """The request itself is wrong, whatever the state."""

    code, status = "INVALID_ARGUMENT", 400


class FailedPrecondition(ServiceError):
    """The request is right, but the state does not allow it."""

    code, status = "FAILED_PRECONDITION", 400


class Unauthenticated(ServiceError):
    """Nobody knows who is calling. The challenge is RFC 6750 §3's."""

    code, status = "UNAUTHENTICATED", 401

    @classmethod
    def no_credentials(cls) -> "Unauthenticated":
        """No bearer token came: the challenge carries no error code."""
        sentence = "A bearer token is needed: Authorization: Bearer <token>."
        return cls(sentence, headers={"WWW-Authenticate": "Bearer"}, reason="no_credentials")

    @classmethod
    def invalid_token(cls) -> "Unauthenticated":
        """One answer for all of these: which of them it is concerns nobody without a good token."""
        sentence = "The token is unknown, expired or revoked, or its user is disabled."
        challenge = f'Bearer error="invalid_token", error_description="{sentence}"'
        return cls(sentence, headers={"WWW-Authenticate": challenge}, reason="invalid_token")


class PermissionDenied(ServiceError):
    """The caller may see it, but not do this."""

    code, status = "PERMISSION_DENIED", 403

    @classmethod
    def insufficient_scope(cls, message: str, scope: str) -> "PermissionDenied":
        """The user may, but the token's scopes do not include what it takes."""
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        return cls(message, headers={"WWW-Authenticate": challenge}, reason="insufficient_scope")


class NotFound(ServiceError):
    """It does not exist, or the caller may not see it: nothing in the answer tells these apart."""

    code, status = "NOT_FOUND", 404


class AlreadyExists(ServiceError):
    """Something of that name exists."""

    code, status = "ALREADY_EXISTS", 409


class Aborted(ServiceError):
    """Another change came between, again and again; the same request may succeed now."""

    code, status = "ABORTED", 409


class ResourceExhausted(ServiceError):
    """Too much was asked for at once."""

    code, status = "RESOURCE_EXHAUSTED", 429


class Internal(ServiceError):
    """A fault of the service's own."""

    @classmethod
    def unexpected(cls) -> "Internal":
        """What a caller is told of any fault: nothing but the request id to ask with."""
        return cls("The service failed to answer. The request id leads to the cause in its log.")


class Unavailable(ServiceError):
    """The database can't be had right now, or too much is under way; trying again is right."""

    code, status = "UNAVAILABLE", 503

    def __init__(self, message: str, *, retry_after: int = 1, reason: str | None = None) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)}, reason=reason)


class DeadlineExceeded(ServiceError):
    """The answer took longer than it may."""

    code, status = "DEADLINE_EXCEEDED", 504


class MethodNotAllowed(ServiceError):
    """Plain HTTP's own: the path exists, the method does not."""

    code, status, reason = "UNIMPLEMENTED", 405, "method_not_allowed"


class PreconditionFailed(ServiceError):
    """Plain HTTP's own: what is to be changed is not what the caller has seen."""

    code, status, reason = "FAILED_PRECONDITION", 412, "precondition_failed"


class RequestTimeout(ServiceError):
    """Plain HTTP's own: the request came too slowly."""

    code, status, reason = "DEADLINE_EXCEEDED", 408, "request_timeout"


class BodyTooLarge(ServiceError):
    """Plain HTTP's own. INVALID_ARGUMENT, as sending it again can't help."""

    code, status, reason = "INVALID_ARGUMENT", 413, "body_too_large"
