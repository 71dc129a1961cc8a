"""The address of the database, read as libpq reads it: DATABASE_URL, a service file, and libpq's variables.

asyncpg has a reader of its own, which knows fewer parameters, and sends what it does not know to the server. It is
given an address in which everything is said, so that what is checked here is what is connected to.
"""

import configparser
import getpass
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from service.errors import StartupError

DEFAULT_PORT: Final = 5432

_SCHEME: Final = re.compile(r"postgres(?:ql)?://")
_KEYWORD: Final = re.compile(r"\s*([A-Za-z_]+)\s*=\s*((?:'(?:[^'\\]|\\.)*')|(?:[^\s'\\]|\\.)*)(?=\s|$)", re.DOTALL)

VARIABLES: Final = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "application_name": "PGAPPNAME",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "requirepeer": "PGREQUIREPEER",
    "require_auth": "PGREQUIREAUTH",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "sslcert": "PGSSLCERT",
    "sslcertmode": "PGSSLCERTMODE",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
"""The variables of libpq's that count, where the address does not say it, by parameter."""

_FOLLOWED: Final = frozenset(VARIABLES) | {"options", "sslpassword"}
_NEEDLESS: Final = frozenset(
    {
        *("authtype", "fallback_application_name", "gssdelegation", "gsslib", "load_balance_hosts"),
        *("keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "tcp_user_timeout", "tty"),
        *("max_protocol_version", "oauth_client_id", "oauth_client_secret", "oauth_issuer", "oauth_scope"),
        *("sslcompression", "sslkeylogfile", "sslsni"),
    }
)
"""Parameters of libpq's without a meaning here: the service has its own, or never does what they are about."""


@dataclass(frozen=True, slots=True)
class _Demand:
    """A parameter of which only some values can be followed."""

    values: frozenset[str]
    reason: str


_DEMANDS: Final = {
    "channel_binding": _Demand(frozenset({"disable", "prefer", "require"}), "allowed are disable, prefer, require"),
    "client_encoding": _Demand(frozenset({"auto", "utf8", "utf-8", "unicode"}), "this service speaks UTF8"),
    "gssencmode": _Demand(frozenset({"disable", "prefer"}), "connections are encrypted by TLS, never by GSSAPI"),
    "min_protocol_version": _Demand(frozenset({"3.0"}), "this service speaks version 3.0"),
    "replication": _Demand(frozenset({"false", "off", "no", "0"}), "this service uses SQL"),
    "require_auth": _Demand(frozenset(), "that can't be kept; sslmode=verify-full makes sure of the server"),
    "requirepeer": _Demand(frozenset(), "that can't be kept; only the server's user may write to its directory"),
    "scram_client_key": _Demand(frozenset(), "only passwords can be used"),
    "scram_server_key": _Demand(frozenset(), "only passwords can be used"),
    "sslcertmode": _Demand(frozenset({"allow"}), "a certificate is sent where there is one and the server asks for it"),
    "sslcrldir": _Demand(frozenset(), "that can't be followed: name one file by sslcrl"),
    "sslnegotiation": _Demand(frozenset({"postgres", "direct"}), "allowed are postgres, direct"),
    "target_session_attrs": _Demand(
        frozenset({"any", "primary", "read-write"}), "this service writes: allowed are any, primary, read-write"
    ),
}
_SECRET: Final = frozenset({"password", "scram_client_key", "scram_server_key", "sslpassword", "oauth_client_secret"})
_PUBLIC: Final = frozenset(VARIABLES) - _SECRET - {"host", "port", "dbname", "user"}
"""Parameters that are shown; `options` and those of others may hold anything."""
_KNOWN: Final[frozenset[str]] = _FOLLOWED | _NEEDLESS | frozenset(_DEMANDS)

RELIED_ON: Final = frozenset({"role", "session_authorization", "session_replication_role", "client_encoding"})
"""The server's settings that the service relies on, and does not set."""


class AddressError(StartupError):
    """An address that can't be understood, or that demands what can't be done."""


@dataclass(frozen=True, slots=True)
class Host:
    """One of several servers. Without a port, that of the environment or PostgreSQL's own."""

    name: str
    port: int | None

    def __str__(self) -> str:
        if self.name.startswith("/"):
            return self.name if self.port is None else f"{self.name}/.s.PGSQL.{self.port}"
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port is None else f"{name}:{self.port}"


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

    @property
    def dsn(self) -> str:
        """The address for asyncpg."""
        values = {name: value for name, value in self.parameters.items() if name in _FOR_ASYNCPG or name not in _KNOWN}
        if self.hosts:
            names = [f"[{host.name}]" if ":" in host.name else host.name for host in self.hosts]
            values["host"] = ",".join(names)
            values["port"] = ",".join(str(host.port or DEFAULT_PORT) for host in self.hosts)
        # libpq's default, as asyncpg would take an invalid one from the environment.
        query = "&".join(f"{name}={quote(value, safe=',')}" for name, value in {**values, "gsslib": "gssapi"}.items())
        return f"postgresql:///{quote(self.parameters.get('dbname', ''), safe='')}?{query}"


MASK: Final = "***"
"""In the place of a secret."""


def masked_address(url: str) -> str:
    """Return an address of which no part is a secret, as a log line or a terminal may show it; what is odd is masked.

    It is put together from the parts that are none, as no pattern finds a password wherever people write one.
    """
    try:
        told = _parse(url)
        hosts = [*map(str, _list_hosts(told.values, told.authority))]
    except AddressError:
        return MASK
    if not told.clear:
        return MASK
    user = quote(told.values.get("user", "")) + (f":{MASK}" if "password" in told.values else "")
    authority = "" if any(host.startswith("/") for host in hosts) else ",".join(hosts)
    query = {"host": ",".join(hosts)} if hosts and not authority else {}
    query |= {name: value for name, value in told.values.items() if name in _PUBLIC}
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
        *("user", "password", "passfile", "krbsrvname", "options", "target_session_attrs"),
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
    told = _parse(url)
    values = told.values
    if told.authority and values.setdefault("host", told.authority) != told.authority:
        raise _misunderstood("it names hosts both before and behind the ?, which are others")
    from_variables = {name: value for name, variable in VARIABLES.items() if (value := variables.get(variable))}
    from_service = _read_service({**from_variables, **values})
    origins = {**VARIABLES, **dict.fromkeys(from_service, "The service file"), **dict.fromkeys(values, "DATABASE_URL")}
    values.update({**from_variables, **from_service, **values})
    for name, value in values.items():
        _check(name, value, origins[name], told.clear)
    _check_settings(values, set_by_service)
    if "hostaddr" in values and values.setdefault("host", values["hostaddr"]) != values["hostaddr"]:
        raise AddressError(
            f"{origins['hostaddr']} says both host and hostaddr, which can't be followed: say one of them alone, host"
            " where the server is to be verified by its name."
        )
    if "user" not in values:
        values["user"] = _current_user()
    values.setdefault("dbname", values["user"])
    hosts = _list_hosts(values, told.authority)
    return Address(tuple(Host(host.name, host.port or DEFAULT_PORT) for host in hosts), values, told.clear)


def list_hosts(url: str) -> list[Host]:
    """List the hosts of an address that names more than one.

    Returns:
        none for an address that names one host, or leaves that open.

    Raises:
        AddressError: it can't be understood.
    """
    told = _parse(url)
    hosts = _list_hosts(told.values, told.authority)
    return hosts if len(hosts) > 1 else []


def _misunderstood(reason: str) -> AddressError:
    return AddressError(
        f"DATABASE_URL can't be understood: {reason}. It must be like postgresql://user@host:5432/name, with several"
        " hosts like postgresql://user@one:5432,two:5432/name."
    )


@dataclass(slots=True)
class _Told:
    """The parts of an address, as they are written there."""

    values: dict[str, str]
    authority: str | None = None
    """The hosts and ports of a URI, as they are written there."""
    clear: bool = True
    """False if a sign in a password may have moved where its parts begin."""


def _parse(url: str) -> _Told:
    scheme = _SCHEME.match(url)
    if not scheme:
        if "://" in url or not _KEYWORD.match(url):
            raise _misunderstood("it begins otherwise")
        return _Told(_parse_keywords(url))
    rest = url[scheme.end() :]
    user = password = ""
    if credentials := re.match(r"[^@/]*@", rest):
        user, _, password = credentials[0][:-1].partition(":")
        rest = rest[credentials.end() :]
    hosts, path, query = re.fullmatch(r"([^/?]*)(?:/([^?]*))?(?:\?(.*))?", rest, re.DOTALL).groups("")  # type: ignore[union-attr] # matches anything
    told = _Told({}, hosts, "@" not in path + query)
    if "@" in hosts:
        place = f" {hosts.rpartition('@')[2]}/{path}" if told.clear else ""
        raise AddressError(f"The database{place} can't be reached: an @ in a password must be written as %40.")
    named = {"user": user, "password": password, "dbname": path}
    told.values.update({name: _decode(value) for name, value in named.items() if value})
    for pair in filter(None, query.split("&")):
        name, separator, value = pair.partition("=")
        if not separator or "=" in value:
            raise _misunderstood("a parameter behind the ? must be like name=value, with %3D for = and %26 for &")
        name, value = {"database": "dbname"}.get(_decode(name), _decode(name)), _decode(value)
        if (name, value) == ("ssl", "true"):  # JDBC's
            name, value = "sslmode", "require"
        if value and told.values.setdefault(name, value) != value:
            where = f"{name} twice" if told.clear and name in _KNOWN else "a parameter twice"
            raise _misunderstood(f"it says {where}, each time otherwise")
    return told


def _decode(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", text):
        raise _misunderstood("a % must be written as %25")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError as error:
        raise _misunderstood("what is written with % must be UTF-8") from error


def _parse_keywords(text: str) -> dict[str, str]:
    """Parse libpq's other form: keywords and values with = between, such as host=one port=5432 password='a b'."""
    values, at = {}, 0
    text = text.strip()
    while at < len(text):
        found = _KEYWORD.match(text, at)
        if not found:
            raise _misunderstood("it must be words like host=one, with ' around a value that has blanks")
        value = found[2][1:-1] if found[2].startswith("'") else found[2]
        if value:
            values[found[1]] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        at = found.end()
    return values


def _list_hosts(values: Mapping[str, str], authority: str | None) -> list[Host]:
    """List the hosts, of the authority of a URI or, where it has none, of the parameters."""
    if authority:
        hosts = [_host(text, encoded=True) for text in authority.split(",")]
    else:
        hosts = [_host(text, encoded=False) for text in values["host"].split(",")] if values.get("host") else []
    if not values.get("port"):
        return hosts
    ports = [_port(text) for text in values["port"].split(",")]
    if len(ports) not in {1, len(hosts) or 1}:
        raise _misunderstood(f"it has {len(hosts)} hosts and {len(ports)} ports")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return [Host(host.name, host.port or port) for host, port in zip(hosts, ports, strict=False)]


def _host(text: str, *, encoded: bool) -> Host:
    """Parse one host of a list: a name, an address or the directory of a socket, with or without a port."""
    if not text:
        raise _misunderstood("a host is missing in the list of hosts")
    if text.startswith("/"):
        return Host(text, None)
    decode: Callable[[str], str] = _decode if encoded else str
    if text.startswith("["):
        name, closed, port = text[1:].partition("]")
        if not closed or port[:1] not in {"", ":"}:
            raise _misunderstood("an IPv6 address must be like [::1]:5432")
        port = port[1:]
    elif not encoded and text.count(":") > 1:
        name, port = text, ""
    else:
        name, _, port = text.partition(":")
    return Host(decode(name), _port(decode(port)) if port else None)


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text.strip()) or not 0 < int(text) < 65536:
        raise _misunderstood("a port must be a number from 1 to 65535")
    return int(text)


def _read_service(values: Mapping[str, str]) -> dict[str, str]:
    """Read the parameters that a service file has for the service that is named, if one is."""
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


def _check(name: str, value: str, origin: str, clear: bool) -> None:
    """Check that a parameter is one of libpq's, and that it can be followed."""
    if name not in _KNOWN:
        if not clear:
            raise _misunderstood("it has a parameter that libpq does not know, or an @ that must be written as %40")
        if near := get_close_matches(name, sorted(_KNOWN), 1, 0.8):
            raise AddressError(f"{origin} has the parameter {name}, which libpq does not know; did you mean {near[0]}?")
    demand = _DEMANDS.get(name)
    if demand and value.lower() not in demand.values:
        shown = name if name in _SECRET or not clear else f"{name}={value}"
        raise AddressError(f"{origin} says {shown}, but {demand.reason}.")
    if name == "connect_timeout" and not re.fullmatch(r"\s*-?[0-9]{1,9}\s*", value):
        raise AddressError(f"{origin} says connect_timeout={value!r}, but it must be a whole number of seconds.")


def _check_settings(values: Mapping[str, str], set_by_service: Sequence[str]) -> None:
    """Check that settings of the server leave alone what the service relies on.

    They are in the parameter `options`, or parameters that libpq does not know, which asyncpg sends to the server.
    """
    by_options = re.findall(r"(?:^|\s)(?:-c\s*|--)([A-Za-z_.-]+)=", values.get("options", ""))
    for name in [*by_options, *(values.keys() - _KNOWN)]:
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
