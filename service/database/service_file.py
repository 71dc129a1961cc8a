"""Service files of libpq's: parameters of addresses, by the name of a service."""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from service.database.address_syntax import AddressError


def read_service(values: Mapping[str, str]) -> dict[str, str]:
    """Read the parameters that a service file has for the service that is named, if one is.

    Raises:
        AddressError: the file can't be read, or no file has the service.
    """
    name = values.get("service")
    if not name:
        return {}
    directory = os.environ.get("PGSYSCONFDIR")
    system = Path(directory) / "pg_service.conf" if directory else None
    own = Path(os.path.expanduser("~/.pg_service.conf"))  # noqa: PTH111 - Path.expanduser() fails without a home
    for file in filter(None, [Path(values["servicefile"]) if values.get("servicefile") else own, system]):
        parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
        try:
            parser.read_string(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise AddressError(f"The service file {file} can't be read: {error.strerror}.") from error
        except (configparser.Error, UnicodeError) as error:
            raise AddressError(f"The service file {file} must have lines like [name] and host=one.") from error
        if parser.has_section(name):
            return {{"database": "dbname"}.get(key, key): value for key, value in parser.items(name) if value}
    raise AddressError(f"DATABASE_URL or PGSERVICE names the service {name}, which no service file has.")
