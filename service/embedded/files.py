"""The files around a PostgreSQL cluster: its directories, its socket, and the file that names its process."""

import hashlib
import os
import re
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from service.errors import StartupError

_SOCKET_PATH_LIMIT: Final = 107
"""The most bytes of a Unix socket's path, on Linux."""
_SOCKET_PATH: Final = re.compile(r"[A-Za-z0-9 /._-]+")
"""Paths that need no quoting in a PostgreSQL setting, a list of hosts and a URL alike, and are a byte a character."""
_SOCKET_LINE: Final = 4
"""The line of postmaster.pid after those of the process, the data, the time and the port (PostgreSQL's miscadmin.h)."""


def unusable(directory: Path, error: OSError) -> StartupError:
    """Return the error for a directory that can't be made or written to."""
    return StartupError(f"{directory} can't be used ({error.strerror}): set DATA_DIR to a directory of yours.")


def make_data_directory(directory: Path, owner: int | None) -> None:
    """Make the directory; one that exists may hold other things too, and keeps its mode and owner.

    Args:
        directory: its parents are made too.
        owner: the server's user, if that is not this one.

    Raises:
        StartupError: it can't be made.
    """
    try:
        if directory.is_dir():
            return
        directory.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(directory, error) from error
    make_private(directory, owner)


def make_private(directory: Path, owner: int | None) -> None:
    """Make a directory that only the server's user, and root, can look into; it may exist if it is theirs.

    Other users may write beside it: what they put in its place is refused, not followed.

    Raises:
        StartupError: it can't be made, or is another user's.
    """
    try:
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.getuid(), owner}:
            raise StartupError(
                f"{directory} is not a directory of this user's: remove it, or set DATA_DIR to another directory."
            )
        directory.chmod(0o700)
        if owner:
            os.chown(directory, owner, owner)
    except OSError as error:
        raise unusable(directory, error) from error


def make_socket_directory(data: Path, owner: int | None) -> Path:
    """Make the private directory of the server's socket, which lets in without a password whatever reaches it.

    It is beside the data or, where that path is unfit for a socket, in the temporary directory.
    """
    sockets = data / "socket"
    path = f"{sockets}/.s.PGSQL.5432.lock"
    if len(path) > _SOCKET_PATH_LIMIT or not _SOCKET_PATH.fullmatch(path):
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        sockets = Path(tempfile.gettempdir()) / f"flow-pipelines-{os.getuid()}-{digest}"
    make_private(sockets, owner)
    return sockets


def _read(file: Path) -> str:
    """Read a file that names others, which may be no text in any encoding."""
    return os.fsdecode(file.read_bytes())


def read_socket_directory(pid_file: Path) -> str:
    """Read the socket's directory from postmaster.pid; "" if it has none.

    It can't be told from the environment: the process that started the server may have another temporary directory.
    """
    try:
        return _read(pid_file).split("\n")[_SOCKET_LINE]
    except (OSError, IndexError):
        return ""


def read_server_pid(pid_file: Path) -> int | None:
    """Read the server's process from postmaster.pid; None if its number is another process's by now, or none's."""
    try:
        pid = int(_read(pid_file).split("\n", 1)[0])
        works = _works_in(pid, pid_file.parent) if sys.platform == "linux" else _is_postgres(pid)
    except (OSError, ValueError):
        return None
    return pid if works else None


def _works_in(pid: int, cluster: Path) -> bool:
    """Return whether a process works in a directory; if it is another user's and hides that, go by its name."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == cluster.resolve()
    except PermissionError:
        return Path(f"/proc/{pid}/comm").read_text() == "postgres\n"


def _is_postgres(pid: int) -> bool:
    command = ("ps", "-p", str(pid), "-o", "comm=")
    said = subprocess.run(command, capture_output=True, check=False, text=True).stdout
    return Path(said.strip()).name == "postgres"
