"""The file that a command writes to: one that is open already, a pipe or device as it is, or a whole new regular file.

Nothing but a regular file is ever replaced, and that only when all is written, by a rename in its own folder: whoever
reads it sees the old one or the new one. Where the output is a symbolic link, what it leads to is replaced.
"""

import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from tempfile import mkstemp
from typing import IO, TYPE_CHECKING, Final

from service.commands.output import OutputFailed, OutputFile
from service.errors import StartupError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_BUFFER: Final = 2**18
_HELD: Final = 2
"""Bytes that are written last: the end of a line of JSON, without which it is none."""
_MAX_LINKS: Final = 40
"""Symbolic links that are followed one after the other, as by Linux."""
_STANDARD_OUTPUT: Final = 1


class TargetUnusable(StartupError):
    """A file that can't be written to; nothing has been changed."""


@contextmanager
def open_target(name: str) -> Iterator[IO[bytes]]:
    """Yield a file to write to; what was there under that name is replaced at the end, or stays if that is not reached.

    Args:
        name: a path, or "-" for standard output. Standard output and other open files of this process, also by names
            such as /dev/stdout and /dev/fd/3, are written to where they stand, and never opened anew or cut off.

    Raises:
        TargetUnusable: it can't be opened; the sentence says why.
        OutputFailed: it can't be written.
        ReaderGone: it is a pipe that nothing reads any more.
    """
    target = _resolve(name)
    if isinstance(target, int):
        sys.stdout.flush()
        called = "Standard output" if target == _STANDARD_OUTPUT else name
        with _written(_duplicate(target, name), called) as file:
            yield file
        return
    found = _look(target, name)
    if found is None or stat.S_ISREG(found.st_mode):
        with _replaced(target, found, name) as file:
            yield file
        return
    with _written(_open(target, name), name) as file:
        yield file


def _resolve(name: str) -> int | Path:
    """Return the number of the open file that a name leads to, or the path without a symbolic link at its end."""
    if name == "-":
        return _STANDARD_OUTPUT
    if not name:
        raise TargetUnusable("The name of the file to write to is empty: give a path, or - for standard output.")
    path, own_files = name, rf"/dev/fd|/proc/{os.getpid()}(/task/\d+)?/fd"
    for _ in range(_MAX_LINKS):
        folder, last = os.path.split(path)
        if last.isdecimal() and re.fullmatch(own_files, os.path.realpath(folder)):
            return int(last)
        if last in {"", ".", ".."}:
            raise TargetUnusable(f"{name} is a folder, not a file to write to.")
        if not os.path.islink(path):  # noqa: PTH114 - a Path's own method fails on names that are too long
            return Path(path)
        path = os.path.join(folder, os.readlink(path))  # noqa: PTH115, PTH118 - a Path would lose a / at the end
    raise TargetUnusable(f"{name} can't be written: it is a circle of symbolic links.")


def _look(path: Path, name: str) -> os.stat_result | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(name, error) from error
    if stat.S_ISDIR(found.st_mode):
        raise TargetUnusable(f"{name} is a folder, not a file to write to.")
    return found


def _unusable(name: str, error: OSError) -> TargetUnusable:
    return TargetUnusable(f"{name} can't be written: {error.strerror}.")


def _duplicate(descriptor: int, name: str) -> int:
    try:
        return os.dup(descriptor)
    except OSError as error:
        raise _unusable(name, error) from error


def _open(path: Path, name: str) -> int:
    """Open a pipe, a device or a socket; of a pipe without a reader, this waits for one."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NOCTTY)
    except OSError as error:
        raise _unusable(name, error) from error


class _Ended(BufferedWriter):
    """A file whose last bytes are written when all is there.

    Wherever the process ends before, even by SIGKILL, what a pipe has got so far ends within a line; else a part of an
    export would be a smaller export to who reads it, and imported as one.
    """

    _held = b""

    def write(self, data: "Buffer", /) -> int:
        """Write all but the end of what was written so far."""
        content = self._held + bytes(data)
        self._held = content[-_HELD:]
        super().write(content[:-_HELD])
        return memoryview(data).nbytes

    def end(self) -> None:
        """Write the end, and see that all is written."""
        super().write(self._held)
        self._held = b""
        self.flush()


@contextmanager
def _written(descriptor: int, name: str) -> Iterator[_Ended]:
    """Yield a file that writes to a descriptor and closes it, and see that all is written in the end."""
    raw = OutputFile(descriptor, name, closefd=True)
    file = _Ended(raw, _BUFFER)
    try:
        yield file
        file.end()
    finally:
        raw.give_up()  # what is left after a failure is not written
        with suppress(OSError):
            file.close()
        raw.close()


@dataclass(frozen=True, slots=True)
class _Unfinished:
    descriptor: int
    path: Path


@contextmanager
def _replaced(path: Path, former: os.stat_result | None, name: str) -> Iterator[IO[bytes]]:
    """Yield a new file, which takes the place of a regular file or of nothing once it is whole."""
    if former is not None and not os.access(path, os.W_OK):
        raise TargetUnusable(f"{name} can't be written: it is read-only for this user.")
    unfinished = _make_unfinished(path.parent, name)
    try:
        with _written(unfinished.descriptor, name) as file:
            yield file
            file.end()
            try:
                if former is not None:
                    _keep_owner_and_mode(unfinished.descriptor, former)
                os.fsync(unfinished.descriptor)
            except OSError as error:
                raise OutputFailed(f"{name} can't be written: {error.strerror}.") from error
        try:
            unfinished.path.replace(path)
            _keep_names(path.parent)
        except OSError as error:
            raise OutputFailed(f"{name} can't be written: {error.strerror}.") from error
    finally:
        unfinished.path.unlink(missing_ok=True)


def _make_unfinished(folder: Path, name: str) -> _Unfinished:
    """Make an empty file beside the one to be, which only this user may read."""
    try:
        descriptor, path = mkstemp(prefix=".", suffix=".unfinished", dir=folder)
    except FileNotFoundError as error:
        raise TargetUnusable(f"{name} can't be written: there is no folder {folder}; make it first.") from error
    except OSError as error:
        raise TargetUnusable(
            f"{name} can't be written: {error.strerror} in its folder, where the file is made before it takes its"
            " name. Write to - to redirect it."
        ) from error
    return _Unfinished(descriptor, Path(path))


def _keep_names(folder: Path) -> None:
    """See that a file keeps its new name also through a loss of power, behind which others may rely on it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # of file systems that know no such thing
            raise
    finally:
        os.close(descriptor)


def _keep_owner_and_mode(descriptor: int, former: os.stat_result) -> None:
    """Give a new file the owner and mode of the one before; the mode only if that doesn't let in others than there."""
    kept = os.fstat(descriptor)
    if (kept.st_uid, kept.st_gid) != (former.st_uid, former.st_gid):
        with suppress(PermissionError):
            os.fchown(descriptor, former.st_uid, former.st_gid)
        kept = os.fstat(descriptor)
    mode = stat.S_IMODE(former.st_mode) & 0o777
    if kept.st_gid != former.st_gid:
        mode &= 0o707
    os.fchmod(descriptor, mode)
