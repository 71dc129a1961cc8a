"""The record of one request while it runs: what its log line, its metrics and its span say in the end."""

from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple
from uuid import UUID

from service.errors import Internal, ServiceError


class Asking(NamedTuple):
    """The organization and token that something is done for."""

    organization: Hashable
    token: Hashable


@dataclass(slots=True)
class RequestRecord:
    """One request, as far as it has come. Times are seconds."""

    request_id: str
    trace_id: str | None = None
    span_id: str | None = None
    """The request's own span in that trace, where the service makes spans."""
    transport: str | None = None
    """The transport, where that is not plain HTTP: grpc or connect."""
    route: str | None = None
    """The path of the operation, its parameters by their names; None for what is no operation."""
    target: Callable[[], str] | None = None
    """Tells what the request is about; None where its own path does."""
    started: float = field(default_factory=perf_counter)
    organization_id: UUID | None = None
    user_id: UUID | None = None
    username: str | None = None
    token_id: UUID | None = None
    token_digest: str | None = None
    """The beginning of the digest of a token that was refused: it leads to the token, if there is one."""
    asking: Asking | None = None
    """Whose share of the connections it takes; None until it is known, and what is done then is shared with others."""
    status: int = 200
    """The true HTTP status, also where the answer was sent as 200."""
    code: str = "OK"
    """The name of the google.rpc.Code of the answer."""
    reason: str | None = None
    """The label of the failure in metrics; None if the request was answered as asked."""
    refused: Mapping[str, int] | None = None
    """The number of things that were refused each for itself, in a request that was answered as asked, by label."""
    error: str | None = None
    """The cause of a failure, for operators: the caller was told less."""
    unexpected_error: BaseException | None = None
    """A fault of the service's own, to be logged with its traceback."""
    reading_body: bool = False
    """True while the request's body is being waited for."""
    database_seconds: float = 0.0
    """Spent on waiting for the database: for a connection, and for each statement."""
    statements: int = 0
    """Statements sent to the database, those that begin and end transactions included."""

    def failed(self, error: ServiceError, status: int, cause: Exception) -> None:
        """Record the failure that the caller is told of, its status, and what caused it."""
        self.status, self.code, self.reason = status, error.code, error.label
        if isinstance(error, Internal):
            self.unexpected_error = cause
        elif cause.__cause__ is not None and error.service_fault:
            self.error = f"{type(cause.__cause__).__name__}: {cause.__cause__}"

    def client_left(self) -> None:
        """Record that the client left before its answer. 499 is nginx's custom; no answer ever carries it."""
        self.status, self.code, self.unexpected_error, self.reason = 499, "CANCELLED", None, "client_left"


current_record: ContextVar[RequestRecord | None] = ContextVar("current_record", default=None)
"""The request that the running task works for; None outside of requests."""


def current_request() -> RequestRecord:
    """Return the record of the request that the running task works for; only within a request."""
    record = current_record.get()
    assert record is not None  # noqa: S101 - the middleware has begun it
    return record


def current_asking() -> Asking | None:
    """Return the caller that the running task works for; None for work that is shared, or of no request."""
    record = current_record.get()
    return record.asking if record else None
