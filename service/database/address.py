"""The address of the database, read as libpq reads it: DATABASE_URL, a service file, and libpq's variables.

asyncpg has a reader of its own, which knows fewer parameters, and sends what it does not know to the server. It is
given an address in which everything is said, so that what is checked here is what is connected to.
"""

import getpass
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import quote

from service.database import password_file
from service.database.address_syntax import AddressError, Host, hosts_of, misunderstood, parse
from service.database.libpq_parameters import DEMANDS, KNOWN, PUBLIC, RELIED_ON, SECRET, VARIABLES
from service.database.service_file import read_service
from service.values.masked import MASK

DEFAULT_PORT: Final = 5432
_USUAL_PLACES: Final = ("/run/postgresql", "/var/run/postgresql", "/tmp", "/private/tmp", "localhost")  # noqa: S108 - of sockets
"""Places at which the server of this machine is looked for, where no host is said."""
_OF_PLACE: Final = frozenset({"host", "hostaddr", "port", "dbname", "user", "password", "passfile"})
"""Parameters of which an empty value keeps those of other places away."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a database, with all that it and the environment say."""

    hosts: tuple[Host, ...]
    """Servers, in turn; none: the usual sockets of this machine."""
    parameters: Mapping[str, str] = field(repr=False)
    """Values by libpq's names, which may be secrets."""
    told: bool = True
    """False if a sign in a password may have moved where the other parts begin: none of them is ever told then."""

    @property
    def place(self) -> str:
        """The host, port and database for a message, with a blank before; "" where they must not be told."""
        if not self.told:
            return ""
        hosts, database = _shown(",".join(map(str, self.hosts))), _shown(self.parameters.get("dbname", ""))
        if not hosts or hosts.startswith("/"):
            return "".join(f" {part}" for part in (database, f"at {hosts}" if hosts else "") if part)
        return f" {hosts}/{database}" if database else f" {hosts}"

    @property
    def connect_timeout(self) -> float | None:
        """Seconds for a connection to be made; None if nothing is said, or no end."""
        seconds = int(self.parameters.get("connect_timeout") or 0)
        return float(max(2, seconds)) if seconds > 0 else None

    def find_password(self, host: Host | None = None) -> str | None:
        """Find the password: what is said, else what the password file has; None if there is none.

        Args:
            host: the one of several that it is for.
        """
        if "password" in self.parameters:
            return self.parameters["password"]
        file = Path(self.parameters.get("passfile") or os.path.expanduser("~/.pgpass"))  # noqa: PTH111 - as in service_file.py
        port = int(self.parameters.get("port", DEFAULT_PORT)) if not self.hosts else None
        host = host or (self.hosts[0] if self.hosts else Host("localhost", port))
        database, user = self.parameters["dbname"], self.parameters["user"]
        return password_file.find_password(file, host.name, host.port or DEFAULT_PORT, database, user)

    @property
    def dsn(self) -> str:
        """The address for asyncpg, without the passwords of files."""
        values = {name: value for name, value in self.parameters.items() if name in _FOR_ASYNCPG or name not in KNOWN}
        if self.hosts:
            names = [f"[{host.name}]" if ":" in host.name else host.name for host in self.hosts]
            values["host"] = ",".join(names)
            values["port"] = ",".join(str(host.port or DEFAULT_PORT) for host in self.hosts)
        else:
            values |= {"host": ",".join(_USUAL_PLACES), "port": self.parameters.get("port", str(DEFAULT_PORT))}
        # What asyncpg would else take from the environment, or read otherwise than libpq does.
        values |= {"gsslib": "gssapi", "passfile": password_file.NONE}
        query = "&".join(f"{name}={quote(value, safe=',')}" for name, value in values.items())
        return f"postgresql:///{quote(self.parameters.get('dbname', ''), safe='')}?{query}"


def masked_address(url: str) -> str:
    """Return an address of which no part is a secret, as a log line or a terminal may show it; what is odd is masked.

    It is put together from the parts that are none, as no pattern finds a password wherever people write one.
    """
    try:
        told = parse(url)
        hosts = [*map(str, hosts_of(told.values, told.authority))]
    except AddressError:
        return MASK
    if not told.clear:
        return MASK
    user = quote(told.values.get("user", "")) + (f":{MASK}" if "password" in told.values else "")
    authority = "" if any(host.startswith("/") for host in hosts) else ",".join(hosts)
    query = {"host": ",".join(hosts)} if hosts and not authority else {}
    query |= {name: value for name, value in told.values.items() if name in PUBLIC}
    return _shown(
        f"postgresql://{user}{'@' if user else ''}{authority}/{quote(told.values.get('dbname', ''))}"
        + ("?" if query else "")
        + "&".join(f"{name}={quote(value, safe='/,')}" for name, value in query.items())
    )


def _shown(text: str) -> str:
    """Return a text for a terminal or a log, as what is written with % may be any sign."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


_FOR_ASYNCPG: Final = frozenset(
    {
        *("user", "password", "krbsrvname", "options", "target_session_attrs"),
        *("sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
    }
)


def read_address(url: str, variables: Mapping[str, str] = os.environ, set_by_service: Sequence[str] = ()) -> Address:
    """Read an address, with what a service file and the environment add.

    Args:
        url: the form of a URI, or of keywords and values.
        variables: the environment.
        set_by_service: names of the server's settings that it must leave alone.

    Raises:
        AddressError: it can't be understood, or demands what can't be done.
    """
    told = parse(url)
    values = told.values
    if told.authority:
        values["host"] = told.authority
    from_variables = {name: value for name, variable in VARIABLES.items() if (value := variables.get(variable))}
    from_service = read_service({**from_variables, **values})
    origins = {**VARIABLES, **dict.fromkeys(from_service, "The service file"), **dict.fromkeys(values, "DATABASE_URL")}
    said = {name: value for name, value in values.items() if value or name in _OF_PLACE or name not in KNOWN}
    values = {**from_variables, **from_service, **said}
    for name, value in values.items():
        if value or name not in KNOWN:
            _check(name, value, origins[name], told.clear)
    values = {name: value for name, value in values.items() if value}
    _check_settings(values, set_by_service)
    if "hostaddr" in values:
        _check_hostaddr(values, origins["hostaddr"])
    if "user" not in values:
        values["user"] = _current_user()
    values.setdefault("dbname", values["user"])
    hosts = hosts_of(values, told.authority)
    if any(host.name.startswith("@") for host in hosts):
        raise AddressError("DATABASE_URL names an abstract socket, but only those in a directory can be used.")
    return Address(tuple(Host(host.name, host.port or DEFAULT_PORT) for host in hosts), values, told.clear)


def list_hosts(url: str) -> list[Host]:
    """List the hosts of an address that names more than one.

    Returns:
        none for an address that names one host, or leaves that open.

    Raises:
        AddressError: it can't be understood.
    """
    told = parse(url)
    hosts = hosts_of(told.values, told.authority)
    return hosts if len(hosts) > 1 else []


def _check_hostaddr(values: dict[str, str], origin: str) -> None:
    """Check that addresses stand alone, and let them be the hosts."""
    if values.setdefault("host", values["hostaddr"]) != values["hostaddr"]:
        raise AddressError(
            f"{origin} says both host and hostaddr, which can't be followed: say one of them alone, host where the"
            " server is to be verified by its name."
        )
    for address in values["hostaddr"].split(","):
        try:
            ip_address(address)
        except ValueError as error:
            raise AddressError(f"{origin} says hostaddr={address}, but it must be an IP address.") from error


_MISTAKEN: Final = {"ssl": ["sslmode"], "requiressl": ["sslmode"], "database": ["dbname"]}
"""Names that other drivers, and libpq long ago, have for some of its parameters."""


def _check(name: str, value: str, origin: str, clear: bool) -> None:
    """Check that a parameter is one of libpq's, and that it can be followed."""
    if name not in KNOWN:
        if not clear:
            raise misunderstood("it has a parameter that libpq does not know, or an @ that must be written as %40")
        near = _MISTAKEN.get(name.lower()) or get_close_matches(name.lower(), sorted(KNOWN), 1, 0.8)
        if near or not value:
            meant = f"; did you mean {near[0]}?" if near else "."
            raise AddressError(f"{origin} has the parameter {name}, which libpq does not know{meant}")
    demand = DEMANDS.get(name)
    if demand and value.lower() not in demand.values:
        shown = name if name in SECRET or not clear else f"{name}={value}"
        raise AddressError(f"{origin} says {shown}, but {demand.reason}.")
    if name == "connect_timeout" and not re.fullmatch(r"\s*-?[0-9]{1,9}\s*", value):
        raise AddressError(f"{origin} says connect_timeout={value!r}, but it must be a whole number of seconds.")


def _check_settings(values: Mapping[str, str], set_by_service: Sequence[str]) -> None:
    """Check that settings of the server leave alone what the service relies on.

    They are in the parameter `options`, or parameters that libpq does not know, which asyncpg sends to the server.
    """
    by_options = re.findall(r"(?:^|\s)(?:-c\s*|--)([A-Za-z_.-]+)=", values.get("options", ""))
    for name in [*by_options, *(values.keys() - KNOWN)]:
        if name.replace("-", "_").lower() in {each.lower() for each in (*set_by_service, *RELIED_ON)}:
            raise AddressError(f"DATABASE_URL sets {name}, but the service sets or relies on it: leave it out.")


def _current_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:
        raise AddressError(
            "DATABASE_URL names no user, and this process's has no name: it must be like"
            " postgresql://user@host:5432/name."
        ) from error
