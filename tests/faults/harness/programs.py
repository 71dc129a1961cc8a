"""Debian's programs, as unpack_programs.sh has unpacked them."""

import os
from pathlib import Path
from typing import Final

from tests.process.running import ROOT

DEBIAN: Final = ROOT / ".tools/debian"
POSTGRESQL: Final = DEBIAN / "usr/lib/postgresql/15/bin"
PATRONI: Final = ROOT / ".venv/patroni/bin/patroni"


def program(name: str) -> str:
    """Return the path of a program.

    Raises:
        FileNotFoundError: it was not unpacked.
    """
    for directory in ("usr/bin", "usr/sbin", "sbin"):
        path = DEBIAN / directory / name
        if path.exists():
            return str(path)
    raise FileNotFoundError(f"{name} is not in {DEBIAN}: `make faults` brings it")


def environment() -> dict[str, str]:
    """Return this process's environment with the libraries that these programs need and the system lacks."""
    libraries: list[Path] = sorted((DEBIAN / "usr/lib").glob("*-linux-gnu"))
    return os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}
