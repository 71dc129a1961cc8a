"""What lies around a PostgreSQL cluster: its directories, its socket, and the file that names its process."""

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
_SOCKET_PATH: Final = re.compile(r"[A-Za-z0-9 /._-]+")
"""What needs no quoting in a PostgreSQL setting, a list of hosts and a URL alike, and is a byte a character."""
_SOCKET_LINE: Final = 4
"""Of a postmaster.pid: after the process, the data, the time and the port. PostgreSQL's miscadmin.h."""


def unusable(directory: Path, error: OSError) -> StartupError:
    """What to say when a directory can't be made or written to."""
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
    """A directory that only the server's user, and root, can look into; it may exist if it is theirs.

    Others may write beside it: what they put in its place is refused, not followed.

    Raises:
        StartupError: it can't be made, or is somebody else's.
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
    """Where the server listens: whoever reaches the socket is let in, so nobody else does.

    Beside the data; where that path is unfit for a socket, in the temporary directory.
    """
    sockets = data / "socket"
    path = f"{sockets}/.s.PGSQL.5432.lock"
    if len(path) > _SOCKET_PATH_LIMIT or not _SOCKET_PATH.fullmatch(path):
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        sockets = Path(tempfile.gettempdir()) / f"flow-pipelines-{os.getuid()}-{digest}"
    make_private(sockets, owner)
    return sockets


def listening_in(pid_file: Path) -> str:
    """The socket's directory as the server notes it, or "": whoever started it may have another temporary directory."""
    try:
        return pid_file.read_text().split("\n")[_SOCKET_LINE]
    except (OSError, IndexError):
        return ""


def server_named_in(pid_file: Path) -> int | None:
    """The process that a postmaster.pid names, if it is a server on that cluster and has not merely got its number."""
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        works = _works_in(pid, pid_file.parent) if sys.platform == "linux" else _is_postgres(pid)
    except (OSError, ValueError):
        return None
    return pid if works else None


def _works_in(pid: int, cluster: Path) -> bool:
    """Whether a process works in a directory; where that may not be seen of another user's, its name must do."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == cluster.resolve()
    except PermissionError:
        return Path(f"/proc/{pid}/comm").read_text() == "postgres\n"


def _is_postgres(pid: int) -> bool:
    command = ("ps", "-p", str(pid), "-o", "comm=")
    said = subprocess.run(command, capture_output=True, check=False, text=True).stdout
    return Path(said.strip()).name == "postgres"
