"""What PostgreSQL's and asyncpg's errors mean: for the connection, for the operation, and for the caller."""

from typing import Final

import asyncpg
from asyncpg import exceptions as postgres

from service.errors import DeadlineExceeded, ServiceError, Unavailable

CONNECTION_ERRORS: Final = (
    postgres.PostgresConnectionError,
    postgres.AdminShutdownError,
    postgres.CrashShutdownError,
    postgres.CannotConnectNowError,
    postgres.IdleSessionTimeoutError,
    postgres.IdleInTransactionSessionTimeoutError,
    postgres.ReadOnlySQLTransactionError,  # a demoted primary: the connection leads to the wrong server
    postgres.InternalClientError,
    postgres.InterfaceError,
    OSError,
)
"""What asyncpg raises when a connection is gone or leads to the wrong place; all mean the same to a caller."""

NOT_READY_ERRORS: Final = (
    postgres.InsufficientResourcesError,
    postgres.PostgresSystemError,
    postgres.InvalidAuthorizationSpecificationError,
    postgres.InvalidCatalogNameError,
    postgres.InsufficientPrivilegeError,
    postgres.UndefinedTableError,
    postgres.UndefinedColumnError,
)
"""The database answers, but is full, has trouble with its disk, is not the right one, or not migrated: an operator must
act, and the caller wait."""


class ConcurrentDelete(Exception):
    """What an operation has found is gone before it could be locked."""


RETRYABLE_ERRORS: Final = (
    postgres.SerializationError,
    postgres.DeadlockDetectedError,
    postgres.ForeignKeyViolationError,
    ConcurrentDelete,
)
"""Another change came between reading and writing: the whole operation is decided again. (What an operation writes
refers only to rows it has just found, so a violated foreign key means that one of them has gone since.)"""


class ConnectionLost(Unavailable):
    """The connection went while it was in use: what only reads can be tried again at once on another."""

    reason = "connection_lost"


class NoRow(Exception):
    """A statement that always returns a row returned none: a fault of the service's own, which no retry mends."""


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone. A bad argument and a deadline are kinds of InterfaceError and OSError too."""
    return isinstance(error, CONNECTION_ERRORS) and not isinstance(
        error, postgres.DataError | asyncpg.DataError | TimeoutError
    )


def leaves_unusable(error: BaseException) -> bool:
    """Whether the connection is in a state that nobody knows: it is gone, or a statement on it was abandoned."""
    return is_lost(error) or isinstance(error, TimeoutError) or not isinstance(error, Exception)


def to_service_error(error: BaseException) -> ServiceError | None:
    """What an error of the database means to the caller; None if it is none, or is for others to judge."""
    if isinstance(error, (ServiceError, *RETRYABLE_ERRORS)):
        return None
    if is_lost(error):
        return ConnectionLost("The connection to the database was lost; try again.")
    if isinstance(error, postgres.QueryCanceledError | postgres.LockNotAvailableError | TimeoutError):
        return DeadlineExceeded("The database took longer than it may; try again.")
    if isinstance(error, NOT_READY_ERRORS):
        return Unavailable("The database is not ready for this service; try again.", reason="database_not_ready")
    return None
