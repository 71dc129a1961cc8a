"""Regular files, of a size that is bounded: of others, one may have no end, and one may wait for somebody to write."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path, largest: int | None = None) -> BufferedReader:
    """Open a regular file, or a link to one, to read from it.

    Args:
        path: where it is.
        largest: bytes that it may have; None: any number.

    Raises:
        OSError: it can't be opened, is none, or is larger.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), "rb")
    try:
        check_regular(os.fstat(file.fileno()), largest)
    except OSError:
        file.close()
        raise
    return file


def read_regular(path: Path, largest: int) -> bytes:
    """Return the content of a regular file, or of a link to one.

    Args:
        path: where it is.
        largest: bytes that it may have.

    Raises:
        OSError: it can't be read, is none, or is larger.
    """
    with open_regular(path, largest) as file:
        return file.read(largest)


def check_regular(found: os.stat_result, largest: int | None) -> None:
    """Check what is known of a file before a library reads it, which may wait for it, or read without end.

    Raises:
        OSError: it is no regular file, or is larger.
    """
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    if largest is not None and found.st_size > largest:
        raise OSError(errno.EFBIG, f"it has more than {largest:,} bytes")
