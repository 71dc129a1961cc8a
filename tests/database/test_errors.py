"""The meaning of errors; tests/database/test_pool.py and tests/faults raise them for real."""

import asyncio

import asyncpg
import pytest

from service.database.errors import ConcurrentDelete, ConnectionLost, is_lost, leaves_unusable, to_service_error
from service.errors import Aborted, DeadlineExceeded, NotFound, Unavailable

LOST = [
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.ReadOnlySQLTransactionError("cannot execute DELETE in a read-only transaction"),
    asyncpg.InterfaceError("connection is closed"),
    ConnectionResetError(),
]
NOT_LOST = [
    asyncpg.DataError("invalid input for query argument $1"),
    asyncpg.UniqueViolationError("duplicate key value"),
    TimeoutError(),
    ValueError(),
]


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
def test_is_lost_of_a_connection_that_is_gone_or_leads_elsewhere(error: Exception) -> None:
    assert is_lost(error)
    assert leaves_unusable(error)
    assert isinstance(to_service_error(error), ConnectionLost)


@pytest.mark.parametrize("error", NOT_LOST, ids=lambda error: type(error).__name__)
def test_is_lost_is_false_of_other_errors(error: Exception) -> None:
    assert not is_lost(error)


@pytest.mark.parametrize("error", [TimeoutError(), asyncio.CancelledError()])
def test_leaves_unusable_of_an_abandoned_statement(error: BaseException) -> None:
    assert leaves_unusable(error)


def test_leaves_unusable_is_false_of_a_failed_statement() -> None:
    assert not leaves_unusable(asyncpg.UniqueViolationError("duplicate key value"))


@pytest.mark.parametrize("error", [asyncpg.QueryCanceledError("timeout"), TimeoutError()])
def test_to_service_error_of_a_deadline(error: Exception) -> None:
    assert isinstance(to_service_error(error), DeadlineExceeded)


def test_to_service_error_of_a_lock_that_others_hold() -> None:
    found = to_service_error(asyncpg.LockNotAvailableError("locked"))

    assert isinstance(found, Aborted)
    assert (found.reason, found.retry_after) == ("locked", 1)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DiskFullError("full"),
        asyncpg.UndefinedTableError("not migrated"),
        asyncpg.TooManyConnectionsError("full"),
    ],
)
def test_to_service_error_of_a_database_that_is_not_ready(error: Exception) -> None:
    found = to_service_error(error)

    assert isinstance(found, Unavailable)
    assert found.reason == "database_not_ready"


@pytest.mark.parametrize(
    "error",
    [
        NotFound("There is no such job."),
        asyncpg.SerializationError("concurrent update"),
        asyncpg.ForeignKeyViolationError("gone since"),
        ConcurrentDelete(),
        ValueError("not the database's"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_to_service_error_leaves_other_errors_to_their_callers(error: Exception) -> None:
    assert to_service_error(error) is None
