"""Connections to PostgreSQL: find the server of several that takes writes, and back off while none can be reached."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import structlog
from asyncpg.connect_utils import SessionAttribute

from service.database.asyncpg_internals import resolve
from service.database.encryption import Encryption, TlsFailure, explain
from service.database.history import History, read_history
from service.errors import StartupError

log = structlog.get_logger()

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OLDEST_SUPPORTED: Final = 15
"""The oldest major version of PostgreSQL that this service is written for and tested with."""

INVALID_ADDRESS: Final = (
    "DATABASE_URL can't be understood: it must be like postgresql://user@host:5432/name,"
    " with several hosts like postgresql://user@one:5432,two:5432/name."
)

HOST_TIMEOUT: Final = 1.0
"""Seconds for each of several hosts: one that hangs must not hide those after it."""
MIN_BACKOFF: Final = 0.05
MAX_BACKOFF: Final = 0.5
"""Seconds from a failed attempt to the next: after the first failure, and after many."""

_CONNECT_TIMEOUT: Final = 10.0
"""Seconds for the one connection of a command, which has more time than a request."""

_CONNECT_ERRORS: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Errors by which asyncpg.connect() says that a server can't be reached or used."""


class NoServer(ConnectionError):
    """A failure to connect to any of several hosts; the message gives the reason for each."""


@dataclass(frozen=True, slots=True)
class Host:
    """One of several servers. Without a port, that of the environment or PostgreSQL's own."""

    name: str
    port: int | None

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"


class Connector:
    """A factory of one process's connections to one database.

    If its address names several hosts, one of which is the primary, each is tried alone, the one that worked last
    first, and only a server that takes writes will do.

    While connecting works, any number of attempts run at once. After a failure there is one attempt at a time, none
    before a backoff that grows; a caller in between fails at once, with the error of the last attempt.
    """

    def __init__(self, dsn: str, *, plaintext: bool = False) -> None:
        """Read the address, without connecting yet.

        Args:
            dsn: where to.
            plaintext: allow that connections to another machine are not encrypted.

        Raises:
            StartupError: they would be, without that being allowed, or can't be verified as the address demands.
            ValueError: the address can't be understood.
        """
        self.on_primary_change: list[Callable[[], Awaitable[None]]] = []
        """Callbacks for when another host than before takes writes: earlier connections lead to a former primary."""
        self.on_new_history: list[Callable[[], None]] = []
        """Callbacks for when a new connection finds a database that has gone back, or is another than before."""
        self._history: History | None = None
        """The history that the last connection was told."""
        self._dsn = dsn
        self._hosts = list_hosts(dsn)
        self._encryption = _choose_encryption(dsn, [host.name for host in self._hosts], plaintext=plaintext)
        self._last_good: Host | None = None
        self._turn = asyncio.Lock()
        self._failure: Exception | None = None
        """The error of the last attempt; None if it succeeded."""
        self._failed_at = 0.0
        self._backoff = 0.0
        self._next_at = 0.0

    async def connect(self, _: str | None = None, **options: Any) -> Raw:
        """Make a new connection.

        Args:
            _: the address once more, as a pool gives it.
            options: more of what asyncpg.connect() takes.

        Raises:
            NoServer: none of several hosts can be used; of a single one what asyncpg.connect() raises.
        """
        if self._failure is None:
            return await self._attempt(options)
        async with self._turn:
            if self._failure is not None:
                if monotonic() < self._next_at:
                    raise self._failure.with_traceback(None)
                return await self._attempt(options)
        return await self._attempt(options)

    async def _attempt(self, options: dict[str, Any]) -> Raw:
        begun = monotonic()
        try:
            made = await self._open(options)
            if self.on_new_history and not await self._compare_history(made):
                made = await self._open(options)  # a server that accepted one a moment ago is not away: no backoff
                if not await self._compare_history(made):
                    raise ConnectionResetError("The connection was lost as soon as it was made.")
        except Exception as error:
            if begun >= self._failed_at:  # of attempts that ran at once, only the first to fail lengthens the backoff
                self._backoff = min(MAX_BACKOFF, max(MIN_BACKOFF, 2 * self._backoff))
                self._failed_at = monotonic()
                self._next_at = self._failed_at + self._backoff * random.uniform(0.5, 1)  # noqa: S311 - no secret
            self._failure = error
            raise
        self._failure, self._backoff = None, 0.0
        return made

    async def _open(self, options: dict[str, Any]) -> Raw:
        return await (self._connect_to_any(options) if self._hosts else self._connect(options))

    async def _compare_history(self, made: Raw) -> bool:
        """Compare the history of a new connection's database with that of an earlier one, and tell if it is another.

        Returns:
            False if the connection was lost.
        """
        known = self._history  # before asking: of connections made at once, each may be told a later position first
        try:
            found = await read_history(made)
        except BaseException as error:
            made.terminate()
            if isinstance(error, _CONNECT_ERRORS) and not isinstance(error, TimeoutError):
                return False
            raise
        if found is None or (known is not None and not found.follows(known)):
            if found is not None:
                log.warning("database_history_changed", former=str(known), present=str(found))
            for callback in self.on_new_history:
                callback()
        if found is None or self._history is None or self._history is known or found.follows(self._history):
            self._history = found
        return True

    async def _connect_to_any(self, options: dict[str, Any]) -> Raw:
        reasons, known = [], self._last_good
        for host in [*self._hosts]:
            try:
                made = await self._connect(
                    options
                    | {
                        "host": host.name,
                        "port": host.port,
                        "timeout": HOST_TIMEOUT,
                        "target_session_attrs": SessionAttribute.read_write,
                    },
                )
            except _CONNECT_ERRORS as error:
                self._put(host, len(self._hosts))
                reasons.append(f"{host}: {_reason(error)}")
            except asyncio.CancelledError:  # by a caller with less time than a host that hangs takes
                self._put(host, len(self._hosts))
                raise
            else:
                if self._last_good not in {known, host}:
                    # Another attempt has found another server meanwhile: this one may be one that has thawed.
                    made.terminate()
                    return await self._connect_to_any(options)
                await self._settle_on(host)
                return made
        raise NoServer("; ".join(reasons))

    async def _connect(self, options: dict[str, Any]) -> Raw:
        try:
            made: Raw = await asyncpg.connect(self._dsn, **options | self._encryption.options())
        except OSError as error:
            if failure := explain(error):
                raise failure from error
            raise
        return made

    async def _settle_on(self, host: Host) -> None:
        self._put(host, 0)
        former, self._last_good = self._last_good, host
        if former not in {None, host}:
            log.warning("primary_changed", former=str(former), primary=str(host))
            for callback in self.on_primary_change:
                await callback()

    def _put(self, host: Host, place: int) -> None:
        self._hosts.remove(host)
        self._hosts.insert(place, host)


async def connect(dsn: str, *, plaintext: bool = False, **options: Any) -> Raw:
    """Make one connection outside of any pool, for a command's work.

    Args:
        dsn: where to.
        plaintext: allow that a connection to another machine is not encrypted.
        options: more of what asyncpg.connect() takes.

    Raises:
        StartupError: the database can't be reached, or not safely, or its address can't be understood.
    """
    try:
        return await Connector(dsn, plaintext=plaintext).connect(timeout=_CONNECT_TIMEOUT, **options)
    except ValueError as error:
        raise StartupError(INVALID_ADDRESS) from error
    except TimeoutError as error:
        raise StartupError(
            f"The database{_place(dsn)} can't be reached: it did not answer within {_CONNECT_TIMEOUT:g} s."
        ) from error
    except _CONNECT_ERRORS as error:
        raise StartupError(f"The database{_place(dsn)} can't be reached: {_told(error)}") from error


def _choose_encryption(dsn: str, several: Sequence[str], *, plaintext: bool) -> Encryption:
    """Choose how connections are encrypted, by the several hosts of an address or by what asyncpg makes of it."""
    hosts, place = several or resolve(dsn, "disable").hosts, _place(dsn)
    if any("@" in host for host in hosts):
        raise StartupError(f"The database{place} can't be reached: an @ in a password must be written as %40.")
    if not urlsplit(dsn).netloc.rpartition("@")[2]:  # the host is named elsewhere, where no password can be
        place = f" {','.join(hosts)}"
    return Encryption(dsn, hosts, place, plaintext=plaintext)


def _place(dsn: str) -> str:
    """Return the host and database of an address, for a message.

    Nothing is returned where a sign in a password may have moved where they begin: no part of a password is ever told.
    """
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    return f" {host}{parts.path}" if host and "@" not in parts.path + parts.query + parts.fragment else ""


def list_hosts(dsn: str) -> list[Host]:
    """List the hosts of an address that names more than one, read as asyncpg reads it.

    Returns:
        none for an address that names one host, or leaves that open: asyncpg alone deals with it.

    Raises:
        ValueError: it can't be understood.
    """
    parts = urlsplit(dsn)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError("It must begin with postgresql://.")
    in_front = parts.netloc.partition("@")[2] if "@" in parts.netloc else parts.netloc
    if in_front:
        hosts = [_host(text) for text in in_front.split(",")]
        return hosts if len(hosts) > 1 else []
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    hosts = [_host(text) for text in query["host"].split(",")] if "host" in query else []
    if len(hosts) < 2:
        return []
    ports = [int(port) for port in query["port"].split(",")] if "port" in query else []
    if len(ports) > 1:
        return [Host(host.name, port) for host, port in zip(hosts, ports, strict=True)]
    return [Host(host.name, ports[0]) for host in hosts] if ports else hosts


def _host(text: str) -> Host:
    """Parse one host of a list: a name, an address or the directory of a socket, with or without a port."""
    if not text:
        raise ValueError("A host is missing in the list of hosts.")
    if text.startswith("/"):
        return Host(text, None)
    if text.startswith("["):
        name, closed, port = text[1:].partition("]")
        if not closed or port[:1] not in {"", ":"}:
            raise ValueError("An IPv6 address must be like [::1]:5432.")
        port = port[1:]
    else:
        name, _, port = text.partition(":")
    return Host(unquote(name), int(port) if port else None)


def _reason(error: Exception) -> str:
    """Say in an operator's words why a host can't be used."""
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "it takes no writes"
    if isinstance(error, TimeoutError):
        return f"it did not answer within {HOST_TIMEOUT:g} s"
    return _told(error)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, TlsFailure) else f"{type(error).__name__}: {error}"
