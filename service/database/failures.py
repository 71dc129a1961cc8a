"""Why a database can't be reached or used, in an operator's words."""

import os
import re
import socket
from collections.abc import Mapping
from typing import Final

import asyncpg
from asyncpg import exceptions as postgres

from service.database.encryption import TlsFailure


class NoServer(ConnectionError):
    """A failure to connect to any of several hosts; the message gives the reason for each."""


class UnfitDatabase(ConnectionError):
    """A database that was reached, but can't be used as it is; the message says why, and what to do."""


_SENTENCES: Final[Mapping[type[BaseException], str]] = {
    TimeoutError: "it did not answer in time",
    ConnectionRefusedError: "ConnectionRefusedError: nothing accepts connections there",
    ConnectionResetError: "ConnectionResetError: it ended the connection while it was made; is it a PostgreSQL?",
    FileNotFoundError: "FileNotFoundError: there is no such socket; does the server run?",
    PermissionError: "PermissionError: this user may not use the socket there",
    postgres.CannotConnectNowError: "it is starting up, shutting down or recovering",
    postgres.TooManyConnectionsError: "it has no connection left",
    postgres.InvalidPasswordError: "it does not accept the role and password",
    postgres.InvalidAuthorizationSpecificationError: "it does not let the role in",
    postgres.InvalidCatalogNameError: "it has no such database",
    postgres.InsufficientPrivilegeError: "it does not let the role into the database",
    postgres.ProtocolViolationError: "it refuses how the service connects",
    postgres.TargetServerAttributeNotMatched: "it takes no writes",
    postgres.ConnectionDoesNotExistError: "it ended the connection while it was made; is it a PostgreSQL?",
}


def describe(error: BaseException) -> str:
    """Say why a server can't be reached or used, with what the server said."""
    if isinstance(error, NoServer | TlsFailure | UnfitDatabase):
        return str(error)
    error = _only_one(error)
    if isinstance(error, socket.gaierror):
        return f"gaierror: the name of its host can't be resolved ({error.strerror})"
    for kind, sentence in _SENTENCES.items():
        if isinstance(error, kind):
            said = _said(error)
            return f"{sentence} ({said})" if said else sentence
    return f"{type(error).__name__}: {_said(error) or error}"


def _only_one(error: BaseException) -> BaseException:
    """Return the error that all addresses of one host, such as localhost, have failed by; if they differ, all of it."""
    numbers = set(re.findall(r"\[Errno (\d+)\]", str(error))) if isinstance(error, OSError) and not error.errno else ()
    return OSError(int(*numbers), "") if len(numbers) == 1 else error


def _said(error: BaseException) -> str:
    """Return the system's word for an error, or what the server said; "" for what asyncpg alone says."""
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else str(error)
    return in_one_line(error) if isinstance(error, asyncpg.PostgresError) and error.sqlstate else ""


def in_one_line(error: BaseException) -> str:
    """Return what an error says without the point at its end; PostgreSQL's detail and hint have lines of their own."""
    said = (error.message, error.detail, error.hint) if isinstance(error, asyncpg.PostgresError) else ()
    return "; ".join(each.rstrip(".") for each in said if each) or str(error)
