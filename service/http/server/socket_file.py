"""The file of a Unix socket: it takes the place of one that a dead process left, and of nothing else."""

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from service.errors import StartupError

ANSWER_SECONDS: Final = 1.0
"""Seconds in which a process that serves on a socket accepts a connection to it."""


class SocketFile:
    """The file at which a process listens."""

    def __init__(self, path: Path, mode: int) -> None:
        """Take a path, and the permissions of the file: permission to write is permission to connect."""
        self.path: Final = path.absolute()
        self._mode = mode
        self._made: tuple[int, int] | None = None
        """Device and inode of the file, once it was made."""

    def open(self, backlog: int) -> socket.socket:
        """Listen; the file appears only when connections are taken, and replaces a dead one in one step.

        Raises:
            StartupError: something else is there, another process serves there, or the file can't be made.
        """
        try:
            with _locked(self.path.parent):
                self._refuse_others()
                return self._listen(backlog)
        except OSError as error:
            raise StartupError(
                f"HTTP_SOCKET {str(self.path)!r} can't be listened on ({os.strerror(error.errno or 0)}): name a file in"
                " a directory that is there, and that this process may write to."
            ) from error

    def _refuse_others(self) -> None:
        """Refuse a path at which anything but a dead socket is.

        Raises:
            StartupError: so it is.
        """
        try:
            kind = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(kind):
            raise StartupError(
                f"HTTP_SOCKET {str(self.path)!r} is there and no socket: remove it, or name another path."
            )
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(ANSWER_SECONDS)
            try:
                with suppress(TimeoutError, BlockingIOError):  # as it has more connections than it accepts
                    probe.connect(str(self.path))
            except ConnectionRefusedError:  # as its process has died
                return
        raise StartupError(
            f"Another process serves at HTTP_SOCKET {str(self.path)!r}: end it first, or name another path."
        )

    def _listen(self, backlog: int) -> socket.socket:
        beside = self.path.with_name(f"{self.path.name}~")
        if beside.is_socket():  # of a process that died while it started
            beside.unlink()
        listening = socket.socket(socket.AF_UNIX)
        try:
            listening.bind(str(beside))
            beside.chmod(self._mode)
            listening.listen(backlog)
            made = os.lstat(beside)
            beside.rename(self.path)
        except OSError:
            listening.close()
            raise
        self._made = (made.st_dev, made.st_ino)
        return listening

    def remove(self) -> None:
        """Remove the file, unless another has taken its place."""
        with suppress(OSError), _locked(self.path.parent):
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == self._made:
                self.path.unlink()


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock a directory against other processes of this kind: two that start at once must see each other."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
