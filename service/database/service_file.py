"""Service files of libpq's: parameters of addresses, by the name of a service."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from service.database.address_syntax import AddressError
from service.database.libpq_parameters import KNOWN
from service.values.regular_files import read_regular

MAX_BYTES: Final = 2**20
"""Bytes of a service file."""


def read_service(values: Mapping[str, str]) -> dict[str, str]:
    """Read the parameters that a service file has for the service that is named, if one is.

    Raises:
        AddressError: the file can't be read or understood, or no file has the service.
    """
    name = values.get("service")
    if not name:
        return {}
    directory = os.environ.get("PGSYSCONFDIR")
    system = Path(directory) / "pg_service.conf" if directory else None
    own = Path(os.path.expanduser("~/.pg_service.conf"))  # noqa: PTH111 - Path.expanduser() fails without a home
    for file in filter(None, [Path(values["servicefile"]) if values.get("servicefile") else own, system]):
        try:
            text = read_regular(file, MAX_BYTES).decode()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise AddressError(f"The service file {file} can't be read: {error.strerror}.") from error
        except UnicodeError as error:
            raise AddressError(f"The service file {file} must be UTF-8.") from error
        found = _find_section(file, text, name)
        if found is not None:
            return found
    raise AddressError(
        f"DATABASE_URL or PGSERVICE names the service {name}, which no service file has: give it a section in"
        " ~/.pg_service.conf, or in the file that PGSERVICEFILE names."
    )


def _find_section(file: Path, text: str, name: str) -> dict[str, str] | None:
    """Find the parameters of a service in the first section that has its name; None if none has.

    As in libpq, a line goes on with no other one, and the first of several values of a parameter counts.
    """
    found: dict[str, str] | None = None
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if found is not None:
                break
            if line.startswith(f"[{name}]"):
                found = {}
        elif found is not None:
            key, separator, value = map(str.strip, line.partition("="))
            if key not in KNOWN or key in {"service", "servicefile"} or not separator:
                raise AddressError(
                    f"The service file {file} must have lines like [name] and host=one, with parameters of libpq's:"
                    f" line {number} has none."
                )
            found.setdefault(key, value)
    return found
