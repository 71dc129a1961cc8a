"""The syntax of an address of a database: its parts as they are written, in a URI or in keywords and values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from service.database.libpq_parameters import KNOWN
from service.errors import StartupError

_SCHEME: Final = re.compile(r"postgres(?:ql)?://")
_KEYWORD: Final = re.compile(
    # Without giving a blank back: as in libpq, a value may begin on the next line.
    r"\s*([A-Za-z_]+)\s*=\s*+((?:'(?:[^'\\]|\\.)*')|(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*|)(?=\s|$)",
    re.DOTALL,
)


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


def misunderstood(reason: str) -> AddressError:
    """Make the error for an address that can't be read, which says what it must be like."""
    return AddressError(
        f"DATABASE_URL can't be understood: {reason}. It must be like postgresql://user@host:5432/name, with several"
        " hosts like postgresql://user@one:5432,two:5432/name."
    )


@dataclass(slots=True)
class Written:
    """The parts of an address, as it has them: without what a service file and the environment add."""

    values: dict[str, str]
    """Values by libpq's names. An empty one counts as none, and keeps those of other places away."""
    authority: str | None = None
    """The hosts and ports of a URI, as they are written there."""
    clear: bool = True
    """False if a sign in a password may have moved where its parts begin."""


def parse(url: str) -> Written:
    """Parse an address.

    Raises:
        AddressError: it is none, or its parts can't be told from each other.
    """
    scheme = _SCHEME.match(url)
    if not scheme:
        if "://" in url or not _KEYWORD.match(url):
            raise misunderstood("it begins otherwise")
        return Written(_parse_keywords(url))
    rest = url[scheme.end() :]
    user = password = ""
    if credentials := re.match(r"[^@/]*@", rest):
        user, _, password = credentials[0][:-1].partition(":")
        rest = rest[credentials.end() :]
    hosts, path, query = re.fullmatch(r"([^/?]*)(?:/([^?]*))?(?:\?(.*))?", rest, re.DOTALL).groups("")  # type: ignore[union-attr] # matches anything
    written = Written({}, hosts, "@" not in path + query)
    if "@" in hosts:
        place = f" {hosts.rpartition('@')[2]}/{path}" if written.clear else ""
        raise AddressError(f"The database{place} can't be reached: an @ in a password must be written as %40.")
    named = {"user": user, "password": password, "dbname": path}
    written.values.update({name: _decode(value) for name, value in named.items() if value})
    for pair in filter(None, query.split("&")):
        name, separator, value = pair.partition("=")
        if not separator or not name or "=" in value:
            raise misunderstood("a parameter behind the ? must be like name=value, with %3D for = and %26 for &")
        name, value = {"database": "dbname"}.get(_decode(name), _decode(name)), _decode(value)
        if (name, value) == ("ssl", "true"):  # JDBC's
            name, value = "sslmode", "require"
        if written.values.setdefault(name, value) != value:
            where = f"{name} twice" if written.clear and name in KNOWN else "a parameter twice"
            raise misunderstood(f"it says {where}, each time otherwise")
    _settle_authority(written)
    return written


def _settle_authority(written: Written) -> None:
    """Make the ports of the authority the parameter that they stand for, which then no variable replaces."""
    hosts = [_host(text, encoded=True) for text in (written.authority or "").split(",")]
    if not any(host.name for host in hosts) and len(hosts) == 1:
        written.authority = ""  # of this machine's usual sockets, that of a port
    elif written.values.get("host", written.authority) != written.authority:
        raise misunderstood("it names hosts both before and behind the ?, which are others")
    elif not all(host.name for host in hosts):
        raise misunderstood("a host is missing in the list of hosts")
    ports = ",".join("" if host.port is None else str(host.port) for host in hosts)
    if ports.strip(",") and written.values.setdefault("port", ports) != ports:
        raise misunderstood("it names ports both before and behind the ?, which are others")


def _decode(text: str) -> str:
    text = text.strip()
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", text):
        raise misunderstood("a % must be written as %25")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError as error:
        raise misunderstood("what is written with % must be UTF-8") from error


def _parse_keywords(text: str) -> dict[str, str]:
    """Parse libpq's other form: keywords and values with = between, such as host=one port=5432 password='a b'."""
    values, at = {}, 0
    text = text.strip()
    while at < len(text):
        found = _KEYWORD.match(text, at)
        if not found:
            raise misunderstood("it must be words like host=one, with ' around a value that has blanks")
        value = found[2][1:-1] if found[2].startswith("'") else found[2]
        values[found[1]] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        at = found.end()
    return values


def hosts_of(values: Mapping[str, str], authority: str | None) -> list[Host]:
    """List the hosts, of the authority of a URI or, where it has none, of the parameters.

    Raises:
        AddressError: they, or their ports, can't be understood.
    """
    if authority:
        hosts = [_host(text, encoded=True) for text in authority.split(",")]
    else:
        hosts = [_host(text, encoded=False) for text in values["host"].split(",")] if values.get("host") else []
    if not values.get("port"):
        return hosts
    ports = [_port(text) if text.strip() else None for text in values["port"].split(",")]
    if len(ports) not in {1, len(hosts) or 1}:
        raise misunderstood(f"it has {len(hosts)} hosts and {len(ports)} ports")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return [Host(host.name, host.port or port) for host, port in zip(hosts, ports, strict=False)]


def _host(text: str, *, encoded: bool) -> Host:
    """Parse one host of a list: a name, an address or the directory of a socket, with or without a port."""
    text = text.strip()
    if not text and not encoded:
        raise misunderstood("a host is missing in the list of hosts")
    if text.startswith("/"):
        return Host(text, None)
    decode: Callable[[str], str] = _decode if encoded else str
    if text.startswith("["):
        name, closed, port = text[1:].partition("]")
        if not name or not closed or port[:1] not in {"", ":"}:
            raise misunderstood("an IPv6 address must be like [::1]:5432")
        port = port[1:]
    elif not encoded and text.count(":") > 1:
        name, port = text, ""
    else:
        name, _, port = text.partition(":")
    return Host(decode(name), _port(decode(port)) if port else None)


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text.strip()) or not 0 < int(text) < 65536:
        raise misunderstood("a port must be a number from 1 to 65535")
    return int(text)
