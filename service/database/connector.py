"""How a connection to PostgreSQL is made: which of several servers takes writes, and how often an attempt is made."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import structlog
from asyncpg.connect_utils import SessionAttribute

log = structlog.get_logger()

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

INVALID_ADDRESS: Final = (
    "DATABASE_URL can't be understood: it must be like postgresql://user@host:5432/name,"
    " with several hosts like postgresql://user@one:5432,two:5432/name."
)

HOST_TIMEOUT: Final = 1.0
"""Seconds for each of several hosts: one that hangs must not hide those after it."""
SHORTEST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 0.5
"""Seconds from a failed attempt to the next: at first, and when many have failed."""


class NoServer(ConnectionError):
    """None of several servers can be used; the message says of each why."""


@dataclass(frozen=True, slots=True)
class Host:
    """One of several servers. Without a port, that of the environment or PostgreSQL's own."""

    name: str
    port: int | None

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"


class Connector:
    """Makes one process's connections to one database.

    If its address names several hosts, one of which is the primary, each is tried alone, the one that worked last
    first, and only a server that takes writes will do.

    While connecting works, any number of attempts run at once. After one has failed there is one at a time, none
    before a pause that grows; who asks in between fails at once, as the last attempt did.
    """

    def __init__(self, dsn: str) -> None:
        """Nothing is connected yet.

        Raises:
            ValueError: the address can't be understood.
        """
        self.on_primary_change: list[Callable[[], Awaitable[None]]] = []
        """Called when another host than before takes writes: connections made earlier lead to a former primary."""
        self._dsn = dsn
        self._hosts = list_hosts(dsn)
        self._last_good: Host | None = None
        self._turn = asyncio.Lock()
        self._failure: Exception | None = None
        """Why the last attempt failed; None if it did not."""
        self._failed_at = 0.0
        self._pause = 0.0
        self._next_at = 0.0

    async def connect(self, _: str | None = None, **options: Any) -> Raw:
        """A new connection.

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
            made: Raw = await (self._connect_to_any(options) if self._hosts else asyncpg.connect(self._dsn, **options))
        except Exception as error:
            if begun >= self._failed_at:  # of those that ran at once, the first one counts
                self._pause = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, 2 * self._pause))
                self._failed_at = monotonic()
                self._next_at = self._failed_at + self._pause * random.uniform(0.5, 1)  # noqa: S311 - no secret
            self._failure = error
            raise
        self._failure, self._pause = None, 0.0
        return made

    async def _connect_to_any(self, options: dict[str, Any]) -> Raw:
        reasons, known = [], self._last_good
        for host in [*self._hosts]:
            try:
                made: Raw = await asyncpg.connect(
                    self._dsn,
                    **options
                    | {
                        "host": host.name,
                        "port": host.port,
                        "timeout": HOST_TIMEOUT,
                        "target_session_attrs": SessionAttribute.read_write,
                    },
                )
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                self._put(host, len(self._hosts))
                reasons.append(f"{host}: {_reason(error)}")
            except asyncio.CancelledError:  # by somebody with less time than a host that hangs takes
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

    async def _settle_on(self, host: Host) -> None:
        self._put(host, 0)
        former, self._last_good = self._last_good, host
        if former not in {None, host}:
            log.warning("primary_changed", former=str(former), primary=str(host))
            for told in self.on_primary_change:
                await told()

    def _put(self, host: Host, place: int) -> None:
        self._hosts.remove(host)
        self._hosts.insert(place, host)


def list_hosts(dsn: str) -> list[Host]:
    """The hosts of an address that names more than one, as asyncpg reads it; none if it names one, or leaves that open.

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
    """A host as it stands in a list: name, address or directory of a socket, with or without a port."""
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
    """Why a host can't be used, in words for an operator."""
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "it takes no writes"
    if isinstance(error, TimeoutError):
        return f"it did not answer within {HOST_TIMEOUT:g} s"
    return f"{type(error).__name__}: {error}"
