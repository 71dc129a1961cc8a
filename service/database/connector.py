"""Connections to PostgreSQL: find the server of several that takes writes, and back off while none can be reached."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any, Final, TypeAlias

import asyncpg
import structlog
from asyncpg.connect_utils import SessionAttribute

from service.database.address import list_hosts, read_address
from service.database.address_syntax import Host
from service.database.encryption import Encryption
from service.database.failures import NoServer, UnfitDatabase, describe
from service.database.history import History, read_history
from service.database.session_defaults import (
    APPLICATION_NAME,
    COMMAND_PLANNER_DEFAULTS,
    COMMAND_SETTINGS,
    PLANNER_DEFAULTS,
    POOLED_DEFAULTS,
    SESSION_DEFAULTS,
    SET_BY_SETTINGS,
    check_session,
)
from service.errors import StartupError

__all__ = ["Connector", "Host", "NoServer", "connect", "list_hosts"]

log = structlog.get_logger()

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OLDEST_SUPPORTED: Final = 15
"""The oldest major version of PostgreSQL that this service is written for and tested with."""

HOST_TIMEOUT: Final = 1.0
"""Seconds for each of several hosts: one that hangs must not hide those after it."""
MIN_BACKOFF: Final = 0.05
MAX_BACKOFF: Final = 0.5
"""Seconds from a failed attempt to the next: after the first failure, and after many."""

_CONNECT_TIMEOUT: Final = 10.0
"""Seconds for the one connection of a command, which has more time than a request."""

_CONNECT_ERRORS: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Errors by which asyncpg.connect() says that a server can't be reached or used."""


class Connector:
    """A factory of one process's connections to one database.

    If its address names several hosts, one of which is the primary, each is tried alone, the one that worked last
    first, and only a server that takes writes will do.

    While connecting works, any number of attempts run at once. After a failure there is one attempt at a time, none
    before a backoff that grows; a caller in between fails at once, with the error of the last attempt.
    """

    def __init__(
        self, dsn: str, *, plaintext: bool = False, planner_defaults: Mapping[str, str] = PLANNER_DEFAULTS
    ) -> None:
        """Read the address, without connecting yet.

        Args:
            dsn: where to.
            plaintext: allow that connections to another machine are not encrypted.
            planner_defaults: parameters of the server by which it plans statements, where these can be set.

        Raises:
            StartupError: they would be, without that being allowed, or can't be verified as the address demands; or it
                can't be understood.
        """
        self.on_primary_change: list[Callable[[], Awaitable[None]]] = []
        """Callbacks for when connections lead to another server than before: earlier ones lead to a former primary."""
        self.on_new_history: list[Callable[[], None]] = []
        """Callbacks for when a new connection finds a database that has gone back, or is another than before."""
        self._history: History | None = None
        """The history that the last connection was told."""
        self.address = read_address(dsn, set_by_service=[*SESSION_DEFAULTS, *SET_BY_SETTINGS])
        self._dsn = self.address.dsn
        self._hosts = [*self.address.hosts] if len(self.address.hosts) > 1 else []
        self._encryption = Encryption(self.address, plaintext=plaintext)
        self._settings = {**SESSION_DEFAULTS, **planner_defaults}
        """Settings of the server that each connection sets at its start."""
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

    def describe(self, error: BaseException | None) -> str:
        """Say in one sentence that the database can't be reached or used: where it is, and why."""
        if isinstance(error, UnfitDatabase):
            return f"The database{self.address.place} can't be used: {error}."
        return f"The database{self.address.place} can't be reached: {describe(error) if error else 'why is not known'}."

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
            if found is not None and known is not None and found.is_elsewhere_than(known):
                # The same name leads to another server, and the one before may go on to answer on its connections.
                await self._leave_former_server()
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
        settings = self._settings | options.get("server_settings", {})
        if self.address.parameters.get("application_name"):
            settings["application_name"] = self.address.parameters["application_name"]
        host = Host(options["host"], options["port"]) if "host" in options else None  # of several
        try:
            made: Raw = await asyncpg.connect(
                self._dsn,
                **options
                | {"server_settings": settings, "password": self.address.find_password(host)}
                | self._encryption.options(),
            )
        except asyncpg.ProtocolViolationError as error:
            if "startup parameter" not in str(error) or not self._settings.keys() - POOLED_DEFAULTS:
                raise
            # A pooler, which sets less for its clients; what is relied on is checked instead.
            self._settings = {name: value for name, value in self._settings.items() if name in POOLED_DEFAULTS}
            return await self._connect(options)
        except OSError as error:
            if failure := self._encryption.explain(error):
                raise failure from error
            raise
        return made

    async def _settle_on(self, host: Host) -> None:
        self._put(host, 0)
        former, self._last_good = self._last_good, host
        if former not in {None, host}:
            log.warning("primary_changed", former=str(former), primary=str(host))
            await self._leave_former_server()

    async def _leave_former_server(self) -> None:
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
    connector = Connector(dsn, plaintext=plaintext, planner_defaults=COMMAND_PLANNER_DEFAULTS)
    timeout = connector.address.connect_timeout or _CONNECT_TIMEOUT
    settings = {"application_name": APPLICATION_NAME, **COMMAND_SETTINGS}
    try:
        made = await connector.connect(timeout=timeout, **{"server_settings": settings, **options})
        return await _checked(made)
    except TimeoutError as error:
        raise StartupError(
            f"The database{connector.address.place} can't be reached: it did not answer within {timeout:g} s."
        ) from error
    except _CONNECT_ERRORS as error:
        raise StartupError(connector.describe(error)) from error


async def _checked(made: Raw) -> Raw:
    try:
        await check_session(made)
    except BaseException:
        made.terminate()
        raise
    return made


def _reason(error: Exception) -> str:
    """Say in an operator's words why one of several hosts can't be used."""
    return f"it did not answer within {HOST_TIMEOUT:g} s" if isinstance(error, TimeoutError) else describe(error)
