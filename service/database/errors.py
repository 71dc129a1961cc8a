"""The meaning of PostgreSQL's and asyncpg's errors: for the connection, for the operation, and for the caller."""

from typing import Final

import asyncpg
from asyncpg import exceptions as postgres

from service.errors import Aborted, DeadlineExceeded, ServiceError, Unavailable

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
"""Errors of a connection that is gone or leads to the wrong server; all mean the same to a caller."""

NOT_MIGRATED_ERRORS: Final = (
    postgres.UndefinedTableError,
    postgres.UndefinedColumnError,
    postgres.UndefinedFunctionError,
)
"""Errors of a database that lacks migrations."""

NOT_READY_ERRORS: Final = (
    postgres.InsufficientResourcesError,
    postgres.PostgresSystemError,
    postgres.InvalidAuthorizationSpecificationError,
    postgres.InvalidCatalogNameError,
    postgres.InsufficientPrivilegeError,
    *NOT_MIGRATED_ERRORS,
)
"""Errors of a database that answers, but is full, has trouble with its disk, is not the right one, or is not migrated.

An operator must act; a caller can only try again later."""


class ConcurrentDelete(Exception):
    """Another transaction deleted or made an object between this one's look at it and its lock."""


RETRYABLE_ERRORS: Final = (
    postgres.SerializationError,
    postgres.DeadlockDetectedError,
    postgres.ForeignKeyViolationError,
    ConcurrentDelete,
)
"""Errors of a concurrent change between reading and writing, after which the whole operation is run again.

An operation writes references only to rows that it has just found, so a violated foreign key means that one of them
was deleted since."""


class ConnectionLost(Unavailable):
    """A connection lost while in use: an operation that only reads can be run again at once on another."""

    reason = "connection_lost"


class NotReady(Unavailable):
    """A database that answers, and can't serve yet, such as one that is not migrated."""

    reason = "database_not_ready"


class NoConnection(Unavailable):
    """A failure to connect; its cause says why."""


class UnreadableRow(ServiceError):
    """A row that holds what nothing of this service writes, such as a time that Python can't hold."""

    service_fault = True
    reason = "unreadable_row"


class NoRow(Exception):
    """A statement that always returns a row returned none: a fault of the service's own, which no retry mends."""


def is_lost(error: BaseException) -> bool:
    """Return whether an error means that the connection is gone.

    A bad argument and a passed deadline do not, although they are kinds of InterfaceError and OSError too.
    """
    return isinstance(error, CONNECTION_ERRORS) and not isinstance(
        error, postgres.DataError | asyncpg.DataError | TimeoutError
    )


def leaves_unusable(error: BaseException) -> bool:
    """Return whether an error leaves its connection in an unknown state: gone, or with an abandoned statement."""
    return is_lost(error) or isinstance(error, TimeoutError) or not isinstance(error, Exception)


def to_service_error(error: BaseException) -> ServiceError | None:
    """Translate an error of the database for the caller.

    Returns:
        None for an error that is not one of the database, is the caller's already, or leads to a retry.
    """
    if isinstance(error, (ServiceError, *RETRYABLE_ERRORS)):
        return None
    if is_lost(error):
        return ConnectionLost("The connection to the database was lost; try again.")
    if isinstance(error, OverflowError):  # of asyncpg, which reads the rest of the answer all the same
        return UnreadableRow(
            "A time that is stored here can't be read: ask those who run this service to find it by `doctor`."
        )
    if isinstance(error, postgres.LockNotAvailableError):
        return Aborted("Another change to the same thing is under way; try again.", reason="locked")
    if isinstance(error, postgres.QueryCanceledError | TimeoutError):
        return DeadlineExceeded("The database took longer than it may; try again.")
    if isinstance(error, NOT_READY_ERRORS):
        return NotReady("The database is not ready for this service; try again.")
    return None
