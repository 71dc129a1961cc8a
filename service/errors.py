"""Failures that a caller is told of, by the codes of google.rpc.Code; no transport stands in them.

An operation raises one of the classes below. Whatever else it raises is INTERNAL: answered with a fixed sentence, its
cause only in the log. Each transport says in its own place how it tells a failure: HTTP in http/responses.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import ClassVar, Final

Details = Mapping[str, Sequence[str]]

MOST_TOLD: Final = 20
"""Invalid fields that a failure names, and reasons that it gives for each; more are counted."""
LONGEST_TOLD: Final = 100
"""Characters of a field's name that a failure repeats."""


class StartupError(Exception):
    """A reason for which a process can't start or go on: one sentence for an operator, with the way out."""


class ServiceError(Exception):
    """A failure that the caller is told of.

    Attributes:
        code: the name of the google.rpc.Code.
        service_fault: True if the service is to blame, so that the cause belongs into its log.
        message: what went wrong, for a person.
        details: for invalid fields, the reasons by field name.
        reason: for operators, where one code has several causes: a label of metrics, so one of a few constants.
        retry_after: seconds until the same request may succeed; None if that is not known, or never.
        lacking_scopes: those that the caller's token would need, if only that stands in the way; none of them if it
            would have to be without scopes.
    """

    code: ClassVar[str] = "INTERNAL"
    service_fault: ClassVar[bool] = False
    reason: str | None = None
    retry_after: int | None = None
    lacking_scopes: Sequence[str] | None = None

    def __init__(self, message: str, *, details: Details | None = None, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.reason = reason or self.reason

    @property
    def label(self) -> str:
        """The cause as metrics count it: the reason, or the code in lower case where a code has just one."""
        return self.reason or self.code.lower()

    @property
    def with_cause(self) -> str:
        """The message for operators: with the cause of a fault of the service, which callers are not told."""
        cause = self.__cause__ if self.service_fault else None
        if cause is None:
            return self.message
        said = f"{type(cause).__name__}: {cause}".removesuffix(": ")
        return f"{self.message} ({said})"


class InvalidArgument(ServiceError):
    """A request that is wrong in itself, whatever the state."""

    code = "INVALID_ARGUMENT"

    @classmethod
    def of_fields(cls, reasons: Iterable[tuple[str, Sequence[str]]]) -> "InvalidArgument":
        """Make the error for invalid fields: the first of them in full, of the others how many they are.

        Args:
            reasons: those of each field, by its name; at least one field.
        """
        remaining = iter(reasons)
        details = {_shown(name): _first(each) for name, each in islice(remaining, MOST_TOLD)}
        beyond = sum(1 for _ in remaining)
        name, first = next(iter(details.items()))
        others = len(details) - 1 + beyond
        more = f" (and {others:,} more, see details)" if others else ""
        if beyond:
            details[_REST] = [f"and {beyond:,} more"]
        return cls(f"The request is not valid: {name}: {first[0]}{more}", details=details)


_REST: Final = "..."
"""In the place of the names of further fields."""


def _shown(name: str) -> str:
    r"""Return a name as messages tell it: not too long, and what acts on those who read it as an escape, such as \n."""
    told = name if len(name) <= LONGEST_TOLD else f"{name[:LONGEST_TOLD]}..."
    if told.isprintable():
        return told
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in told)


def _first(reasons: Sequence[str]) -> list[str]:
    beyond = len(reasons) - MOST_TOLD
    return [*reasons[:MOST_TOLD], f"and {beyond:,} more"] if beyond > 0 else [*reasons]


class FailedPrecondition(ServiceError):
    """A request that is right, but that the state does not allow."""

    code = "FAILED_PRECONDITION"


class Gone(ServiceError):
    """A place in the feed that can't be gone on from: what came behind it is no longer kept, or never was here."""

    code, reason = "FAILED_PRECONDITION", "cursor_gone"


class PreconditionFailed(ServiceError):
    """A condition of the caller's own that does not hold: what is to be changed is not what they have seen."""

    code, reason = "FAILED_PRECONDITION", "precondition_failed"


class Unauthenticated(ServiceError):
    """Credentials that are missing or not good."""

    code = "UNAUTHENTICATED"

    @classmethod
    def no_credentials(cls) -> "Unauthenticated":
        """Make the error for a request without a bearer token."""
        return cls("A bearer token is needed: Authorization: Bearer <token>.", reason="no_credentials")

    @classmethod
    def invalid_token(cls) -> "Unauthenticated":
        """Make the one error for all bad tokens: which kind of bad it is concerns only holders of a good one."""
        sentence = "The token is unknown, expired or revoked, or its user is disabled."
        return cls(sentence, reason="invalid_token")


class PermissionDenied(ServiceError):
    """An object that the caller may see, but not do this with."""

    code = "PERMISSION_DENIED"

    @classmethod
    def administration(cls, message: str) -> "PermissionDenied":
        """Make the error for an attempt at administration by a caller whose role does not include it."""
        return cls(message, reason="administration_denied")

    @classmethod
    def insufficient_scope(cls, message: str, lacking: Sequence[str]) -> "PermissionDenied":
        """Make the error for what the user may do, but the scopes of their token do not include."""
        error = cls(message, reason="insufficient_scope")
        error.lacking_scopes = lacking
        return error


class NotFound(ServiceError):
    """An object that does not exist, or that the caller may not see: nothing in the answer tells these apart."""

    code = "NOT_FOUND"


class AlreadyExists(ServiceError):
    """A name or id that is taken."""

    code = "ALREADY_EXISTS"


class Aborted(ServiceError):
    """A conflict with other changes that outlasted the retries or the wait; the same request may succeed now."""

    code, retry_after = "ABORTED", 1


class ResourceExhausted(ServiceError):
    """A limit that the caller has reached."""

    code = "RESOURCE_EXHAUSTED"


class Internal(ServiceError):
    """A fault of the service's own."""

    service_fault = True

    @classmethod
    def unexpected(cls) -> "Internal":
        """Make the error that a caller is told of any fault: nothing but the request id to ask with."""
        return cls("The service failed to answer. The request id leads to the cause in its log.")


class Unavailable(ServiceError):
    """A database that can't be had right now, or more under way than the process takes on; trying again is right."""

    code, service_fault, retry_after = "UNAVAILABLE", True, 1


class UnknownCall(ServiceError):
    """A call by gRPC that the service does not have."""

    code, reason = "UNIMPLEMENTED", "unknown_call"


class DeadlineExceeded(ServiceError):
    """A deadline that passed before the answer."""

    code, service_fault = "DEADLINE_EXCEEDED", True


CODES: Final[Mapping[str, str]] = {
    "INVALID_ARGUMENT": "the request is wrong in itself, whatever the state",
    "FAILED_PRECONDITION": "the state does not allow it, or is not what the request demands",
    "UNAUTHENTICATED": "the bearer token is missing or not good",
    "PERMISSION_DENIED": "the caller may see it, but not do this with it",
    "NOT_FOUND": "it does not exist, or the caller may not see it",
    "ALREADY_EXISTS": "the name or id is taken",
    "ABORTED": "other changes kept coming between; the same request may succeed now",
    "RESOURCE_EXHAUSTED": "the caller has reached a limit; trying again later is right",
    "UNIMPLEMENTED": "the address does not take this method",
    "INTERNAL": "the service failed; its log has the cause by the request's id",
    "UNAVAILABLE": "the service or its database can't answer right now; trying again is right",
    "DEADLINE_EXCEEDED": "it took too long",
}
"""The codes that failures have, and the meaning of each, for documents."""
