"""How connections are accepted: all that wait at once, and none that would leave no file for probes and the database.

uvloop accepts one each time that its loop comes around. Under load it comes around rarely, and who connects then waits
for seconds where they could be refused at once.
"""

import asyncio
import resource
import socket
from contextlib import suppress
from typing import Final

from aiohttp import web

from service.telemetry.metrics import Requests

BACKLOG: Final = 4096
"""Connections that the kernel keeps until they are accepted; by default, Linux allows no more."""
ACCEPTS_PER_TURN: Final = 32
"""Connections accepted before the loop goes on with everything else."""
RESERVED_FILES: Final = 600
"""Of those the process may open: for connections to the database, of which there may be 500, probes and the rest."""
PAUSE: Final = 0.1
"""Seconds until it is tried again to accept, when the system has no room for another connection."""


class ListeningSite(web.BaseSite):
    """Where one application listens: every address of a host, and a port."""

    __slots__ = ("_host", "_most", "_port", "_requests")

    def __init__(self, runner: web.BaseRunner, host: str, port: int, requests: Requests | None, most: int) -> None:
        """More than the most connections are closed at once, and counted if there is where to."""
        super().__init__(runner)
        self._host = host
        self._port = port
        self._requests = requests
        self._most = most

    @property
    def name(self) -> str:
        """For messages."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or the address can't be listened on.
        """
        await super().start()
        server = self._runner.server
        assert server is not None  # noqa: S101 - the base class requires it
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listener = Acceptor(server, self._requests, self._most)
        self._server = listener  # type: ignore[assignment] # of a server, the base class wants but these
        try:
            for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
                listener.listen(family, address)
        except OSError:
            listener.close()
            raise

    async def stop(self) -> None:
        """Listen no more; who waited to be accepted has become a connection.

        To close the socket alone would reset them, request and all.
        """
        listener = self._server
        if isinstance(listener, Acceptor):
            listener.accept_all()
        await super().stop()
        if isinstance(listener, Acceptor):
            await listener.wait_opened()


class Acceptor:
    """Listening sockets."""

    def __init__(self, server: web.Server, requests: Requests | None, most: int) -> None:
        self.sockets: list[socket.socket] = []
        self._loop = asyncio.get_running_loop()
        self._server = server
        self._requests = requests
        self._most = most
        self._opening: set[asyncio.Task[None]] = set()

    def listen(self, family: int, address: tuple[object, ...]) -> None:
        """Listen on one more address."""
        listening = socket.create_server(address, family=family, backlog=BACKLOG)
        listening.setblocking(False)
        self.sockets.append(listening)
        self._loop.add_reader(listening, self._accept, listening)

    def accept_all(self) -> None:
        """Accept whoever waits."""
        for listening in self.sockets:
            while self._accept(listening):
                pass

    async def wait_opened(self) -> None:
        """Wait until what has been accepted has become connections."""
        await asyncio.gather(*self._opening)

    def close(self) -> None:
        """Listen no more; what has been accepted goes on."""
        for listening in self.sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self.sockets.clear()

    def _accept(self, listening: socket.socket) -> bool:
        """Accept some; whether there may be more."""
        for _ in range(ACCEPTS_PER_TURN):
            try:
                connection, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return False
            except OSError:  # no file or memory is left for another one
                self._loop.remove_reader(listening)
                self._loop.call_later(PAUSE, self._go_on, listening)
                return False
            if len(self._server.connections) + len(self._opening) >= self._most:
                connection.close()
                if self._requests is not None:
                    self._requests.failures["too_many_connections"] += 1
                continue
            connection.setblocking(False)
            opening = self._loop.create_task(self._open(connection))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)
        return True

    def _go_on(self, listening: socket.socket) -> None:
        if listening in self.sockets:
            self._loop.add_reader(listening, self._accept, listening)

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._server, connection)
        except OSError:  # it is gone again
            connection.close()


def max_connections() -> int:
    """How many connections this process can have, once it has asked for as many open files as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return 1_000_000 if soft == resource.RLIM_INFINITY else max(100, soft - RESERVED_FILES)
