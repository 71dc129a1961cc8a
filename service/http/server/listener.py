"""Listening sockets, which accept all connections that wait at once, and none that would leave no file for others.

uvloop accepts one connection each time that its loop comes around. Under load it comes around rarely, and a client then
waits for seconds where it could be refused at once.
"""

import asyncio
import errno
import resource
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from service.errors import StartupError
from service.http.server.connection import HttpConnection, Server
from service.http.server.socket_file import SocketFile
from service.http.server.unopened import UnopenedSockets
from service.telemetry.metrics import RequestMetrics

BACKLOG: Final = 4096
"""Connections that the kernel keeps until they are accepted; by default, Linux allows no more."""
RECEIVE_BYTES: Final = 65_536
"""Bytes of a request that the system takes before the process does, or twice as many as Linux counts.

All that has come is read at once, before it is known what for: of hundreds of large bodies, 256 KB each by default.
"""
ACCEPTS_PER_TURN: Final = 32
"""Connections accepted before the loop goes on with everything else."""
UNOPENED_PER_TURN: Final = 2048
"""The same while the process has enough to do: such a one costs a fifth."""
SHARED_ACCEPTS_PER_TURN: Final = 2
"""The same of a socket that other processes share: one of them would take all that come at once, and keep them."""
SHARED_UNOPENED_PER_TURN: Final = 32
"""The same while this process has enough to do: more come then than two in each turn, and none could be told apart."""
RESERVED_FILES: Final = 600
"""Open files kept for connections to the database, of which there may be 500, probes and the rest."""
SMALL_PART: Final = 4
"""The part of all files that a port may use where they are few: one of so many."""
PAUSE: Final = 0.1
"""Seconds until accepting is tried again, when the system has no room for another connection."""


class ListeningSite(web.BaseSite):
    """A site of one application: every address of a host, and a port."""

    __slots__ = ("_host", "_max_connections", "_metrics", "_port")

    def __init__(
        self, runner: web.BaseRunner, host: str, port: int, metrics: RequestMetrics | None, max_connections: int
    ) -> None:
        """Close connections beyond `max_connections` on accept, and count them if there are metrics."""
        super().__init__(runner)
        self._host = host
        self._port = port
        self._metrics = metrics
        self._max_connections = max_connections

    @property
    def name(self) -> str:
        """The address, for messages."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or the address can't be listened on.
        """
        await super().start()
        server = self._runner.server
        assert server is not None  # noqa: S101 - the base class requires it
        listener = Acceptor(server, self._metrics, self._max_connections)
        self._server = listener  # type: ignore[assignment] # of a server, the base class wants but these
        try:
            await self._open_sockets(listener)
        except (OSError, UnicodeError, StartupError):  # the second of a name that no host can have
            listener.close()
            raise

    async def _open_sockets(self, listener: "Acceptor") -> None:
        await listener.listen_on_host(self._host, self._port)

    async def stop(self) -> None:
        """Stop listening; clients that waited to be accepted have become connections.

        Closing the socket alone would reset them, request and all.
        """
        listener = self._server
        if isinstance(listener, Acceptor):
            listener.accept_all()
        await super().stop()
        if isinstance(listener, Acceptor):
            await listener.wait_opened()


class UnixSite(ListeningSite):
    """A site of one application at a Unix socket, whose file is there for as long as the site listens."""

    __slots__ = ("_file",)

    def __init__(
        self, runner: web.BaseRunner, file: SocketFile, metrics: RequestMetrics | None, max_connections: int
    ) -> None:
        """Close connections beyond `max_connections` on accept, and count them if there are metrics."""
        super().__init__(runner, "", 0, metrics, max_connections)
        self._file = file

    @property
    def name(self) -> str:
        """The address, for messages."""
        return f"unix:{self._file.path}"

    async def _open_sockets(self, listener: "Acceptor") -> None:
        listener.accept_from(self._file.open(BACKLOG))

    async def stop(self) -> None:
        """Stop listening: first nobody finds the socket any more, then those who did are accepted."""
        self._file.remove()
        await super().stop()


class SharedSite(ListeningSite):
    """A site of one application at sockets that listen already, and at which other processes accept too."""

    __slots__ = ("_shared",)

    def __init__(
        self,
        runner: web.BaseRunner,
        shared: Sequence[socket.socket],
        metrics: RequestMetrics | None,
        max_connections: int,
    ) -> None:
        """Close connections beyond `max_connections` on accept, and count them if there are metrics."""
        super().__init__(runner, "", 0, metrics, max_connections)
        self._shared = shared

    @property
    def name(self) -> str:
        """The address, for messages."""
        return "shared"

    async def _open_sockets(self, listener: "Acceptor") -> None:
        listener.accepts_per_turn, listener.unopened_per_turn = SHARED_ACCEPTS_PER_TURN, SHARED_UNOPENED_PER_TURN
        for listening in self._shared:
            listener.accept_from(listening)


class ListeningSockets:
    """Sockets that listen on the addresses of a host."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []

    async def listen_on_host(self, host: str, port: int) -> None:
        """Listen on every address of a host.

        Raises:
            OSError: the port is taken, or the address can't be listened on.
        """
        host = host.removeprefix("[").removesuffix("]")
        # A socket for all of IPv6 would be for IPv4 too, or not, as the system is set: each gets one of its own.
        hosts = [host, "0.0.0.0"] if host == "::" else [host]  # noqa: S104 - it is what was asked for
        loop, kind, passive = asyncio.get_running_loop(), socket.SOCK_STREAM, socket.AI_PASSIVE
        found = [
            (family, address)
            for each in hosts
            for family, _, _, _, address in await loop.getaddrinfo(each, port, type=kind, flags=passive)
        ]
        self.listen_on_all([*dict.fromkeys(found)])

    def listen_on_all(self, addresses: Sequence[tuple[int, tuple[Any, ...]]]) -> None:
        """Listen on the addresses of a host, all by one port; those of a family that this machine lacks are left out.

        Raises:
            OSError: the port is taken at one of them, or there is none that can be listened on.
        """
        lacking: OSError | None = None
        for family, (name, port, *more) in addresses:
            taken = self.sockets[0].getsockname()[1] if self.sockets and port == 0 else port
            try:
                self.accept_from(socket.create_server((name, taken, *more), family=family, backlog=BACKLOG))
            except OSError as error:
                if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                    raise
                lacking = error
        if lacking and not self.sockets:
            raise lacking

    def accept_from(self, listening: socket.socket) -> None:
        """Add a socket that listens already."""
        self.sockets.append(listening)

    def close(self) -> None:
        """Stop listening in this process."""
        for listening in self.sockets:
            listening.close()
        self.sockets.clear()


class Acceptor(ListeningSockets):
    """Accepts the connections of some listening sockets."""

    def __init__(self, server: web.Server, metrics: RequestMetrics | None, max_connections: int) -> None:
        super().__init__()
        self.accepts_per_turn = ACCEPTS_PER_TURN
        self.unopened_per_turn = UNOPENED_PER_TURN
        self._loop = asyncio.get_running_loop()
        self._server = server
        self._metrics = metrics
        self._max_connections = max_connections
        self._opening: set[asyncio.Task[None]] = set()
        self._admission = server.admission if isinstance(server, Server) else None
        self._unopened = UnopenedSockets(self._admission, self._open_soon) if self._admission is not None else None
        self._ending = False

    def accept_from(self, listening: socket.socket) -> None:
        """Accept the connections of a socket that listens already."""
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        listening.setblocking(False)
        super().accept_from(listening)
        self._loop.add_reader(listening, self._accept, listening)

    def accept_all(self) -> None:
        """Accept every connection that waits, and make those of all that were accepted."""
        self._ending = True
        if self._unopened is not None:
            self._unopened.open_all()
        for listening in self.sockets:
            while self._accept(listening):
                pass

    async def wait_opened(self) -> None:
        """Wait until what has been accepted has become connections."""
        await asyncio.gather(*self._opening)

    def close(self) -> None:
        """Stop listening; accepted connections go on."""
        for listening in self.sockets:
            self._loop.remove_reader(listening)
        super().close()

    def _accept(self, listening: socket.socket) -> bool:
        """Accept some connections; False if no more wait."""
        holds = self._admission is not None and self._admission.holds and not self._ending
        unopened = self._unopened if holds else None
        room, kind = self._room, (listening.family, listening.type, listening.proto)
        # What `accept` does beside takes 2 µs, of the 20 of a connection that is reset.
        accept = listening._accept  # type: ignore[attr-defined] # noqa: SLF001 - `accept` itself has it
        for _ in range(self.accepts_per_turn if unopened is None else self.unopened_per_turn):
            try:
                connection = socket.SocketType(*kind, accept()[0])
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return False
            except OSError:  # no file or memory is left for another one
                self._loop.remove_reader(listening)
                self._loop.call_later(PAUSE, self._resume, listening)
                return False
            room -= 1
            if room < 0:
                connection.close()
                if self._metrics is not None:
                    self._metrics.failures["too_many_connections"] += 1
                continue
            if unopened is None:
                self._open_soon(connection)
            else:
                unopened.add(connection)
        return True

    @property
    def _room(self) -> int:
        """The number of connections that there may be beside those that there are, and those to be."""
        unopened = len(self._unopened) if self._unopened is not None else 0
        return self._max_connections - len(self._server.connections) - len(self._opening) - unopened

    def _open_soon(self, accepted: socket.SocketType, refused: bool | None = None) -> None:
        """Make the connection of a socket; True or False if its first request was held, and is refused or begun."""
        connection = socket.socket(accepted.family, accepted.type, accepted.proto, accepted.detach())
        connection.setblocking(False)
        protocol = self._server()
        if refused is not None and isinstance(protocol, HttpConnection):
            protocol.hold_first(refused=refused)
        opening = self._loop.create_task(self._open(connection, protocol))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self.sockets:
            self._loop.add_reader(listening, self._accept, listening)

    async def _open(self, connection: socket.socket, protocol: RequestHandler) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # it is gone again
            connection.close()
            if self._admission is not None:
                self._admission.disconnected(protocol)


def connection_limit() -> int:
    """Return how many connections this process can have, having raised its limit of open files as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return 1_000_000 if soft == resource.RLIM_INFINITY else max(soft // SMALL_PART, soft - RESERVED_FILES)
