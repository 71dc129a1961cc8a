"""Password files of libpq's: the password for a server, a database and a user.

asyncpg reads them too, but leaves the backslashes of escaped signs where they are, and fails at a line of few parts.
"""

import errno
import logging
import re
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from service.values.regular_files import read_regular

NONE: Final = "/dev/null/none"
"""A path at which there can be no file."""

MAX_BYTES: Final = 2**20
"""Bytes of a password file, which is read for each connection."""

_PART: Final = re.compile(r"(?:^|:)((?:[^\\:]|\\.|\\$)*)")
"""A part of a line, behind a colon that no backslash is before."""


def find_password(file: Path, host: str, port: int, database: str, user: str) -> str | None:
    """Find the password of the first line that fits; None if none does, or the file can't be used.

    Args:
        file: read anew each time, as passwords change while a process lives.
        host: a name, an address, or a socket's directory, for which `localhost` stands, too.
        port: of the server.
        database: the database's name.
        user: the role.
    """
    for parts in _read(file):
        hosts = {host, "localhost"} if host.startswith("/") or not host else {host}
        wanted = (hosts, {str(port)}, {database}, {user})
        if len(parts) > 4 and all(
            part == "*" or _plain(part) in each for part, each in zip(parts, wanted, strict=False)
        ):
            return _plain(parts[4]) or None
    return None


def _read(file: Path) -> Iterator[list[str]]:
    """Read the lines of a file, in parts; nothing of one that is not there, or that others than its owner may read."""
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
            _tell_unused(file)
            return
        text = read_regular(file, MAX_BYTES).decode(errors="surrogateescape")
    except OSError as error:
        if error.errno == errno.EFBIG:
            _tell_unused(file)
        return
    for line in text.split("\n"):
        if line.strip("\r") and not line.startswith("#"):
            yield [found[1] for found in _PART.finditer(line.rstrip("\r"))]


@cache
def _tell_unused(file: Path) -> None:
    """Tell once of a file that is not used: at standard error in commands, and in the log of a service."""
    logging.getLogger(__name__).warning(
        "%r is not used for a password: it must be a file of its owner alone (0600), of %s bytes at most.",
        str(file),
        f"{MAX_BYTES:,}",
    )


def _plain(part: str) -> str:
    """Return a part without its backslashes, but for those that one is before."""
    return re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL)
