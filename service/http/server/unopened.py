"""Connections that were accepted while the process has enough to do, and cost nothing yet but their socket.

A connection's protocol and its task take several times as long to make as a request takes to refuse. So the system
keeps what a client sends, unread, until its request is begun.
"""

import socket
import struct
from collections.abc import Callable
from selectors import EVENT_READ, DefaultSelector
from time import perf_counter
from typing import Final

from service.http.admission import AdmissionController

SILENT_SECONDS: Final = 0.1
"""Seconds in which a client sends its first request, or gets a connection that waits for it."""
SEEN: Final = 4096
"""Bytes of a first request that are looked at before its connection is made."""
ESTABLISHED: Final = 1
"""Linux's number for the state of a connection that neither side has ended."""
LAST_RECEIVED: Final = 52
"""The place, in what Linux tells of a connection, of the milliseconds since it got the last bytes."""
OPENING_SECONDS: Final = 0.0002
"""Seconds that it takes to make a connection, and to refuse its request."""

Open = Callable[[socket.SocketType, bool | None], None]
"""Makes the connection of a socket; True or False if its first request was held, and is refused or begun."""


class Unopened:
    """A socket that was accepted, whose first request is held."""

    __slots__ = ("_others", "_socket")

    def __init__(self, accepted: socket.SocketType, others: "UnopenedSockets") -> None:
        self._socket = accepted
        self._others = others

    @property
    def left(self) -> bool:
        """True if the client has left, which closes the socket, or if the request is held no more.

        What has come can still be read after a client has left, so that the state of the connection tells.
        """
        if self not in self._others.held:
            return True
        try:
            left = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != ESTABLISHED
        except (OSError, AttributeError):  # of a Unix socket, and of a system other than Linux
            left = False
        if left:
            self._others.held.discard(self)
            self._socket.close()
        return left

    def begin_held(self) -> None:
        """Make the connection, which reads the request."""
        self._others.held.discard(self)
        self._others.open(self._socket, False)

    def refuse_held(self) -> float:
        """Make the connection, which refuses the request and is kept."""
        self._others.held.discard(self)
        self._others.open(self._socket, True)
        return OPENING_SECONDS

    def reset_held(self) -> bool:
        """Reset the connection, as the system does it where something is unread: the client sees it at once."""
        self._others.held.discard(self)
        self._socket.close()
        return True


class UnopenedSockets:
    """The sockets that were accepted and have no connection yet."""

    def __init__(self, admission: AdmissionController, open_: Open) -> None:
        """Look at them as often as at all that is held."""
        self.admission: Final = admission
        self.open: Final = open_
        self.held: Final[set[Unopened]] = set()
        """Sockets whose request is held."""
        self._silent: dict[socket.SocketType, float] = {}
        """Sockets that nothing has come from yet, by when they were accepted; the oldest first."""
        self._selector = DefaultSelector()
        """Tells which of those have sent something: to try each would cost more."""
        admission.look_at(self._look)

    def __len__(self) -> int:
        return len(self._silent) + len(self.held)

    def add(self, accepted: socket.SocketType) -> None:
        """Take a socket that was just accepted."""
        if not self._see(accepted):
            self._silent[accepted] = perf_counter()
            self._selector.register(accepted, EVENT_READ)
            self.admission.look()

    def open_all(self) -> None:
        """Make the connections of all."""
        for accepted in [*self._silent]:
            self._speak(accepted)
            self.open(accepted, None)
        for held in [*self.held]:
            held.begin_held()

    def _see(self, accepted: socket.SocketType) -> bool:
        """Hold the request that has come; False if none has."""
        try:
            seen = accepted.recv(SEEN, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            seen = b""
        if not seen or self.admission.resets(seen):  # the system resets what has something unread
            accepted.close()
            return True
        first = Unopened(accepted, self)
        self.held.add(first)
        if not self.admission.hold(first, seen, _age(accepted)):
            first.begin_held()
        return True

    def _speak(self, accepted: socket.SocketType) -> None:
        """Wait for a client no more."""
        self._selector.unregister(accepted)
        del self._silent[accepted]

    def _look(self) -> bool:
        """See those that had sent nothing; True if there are more."""
        for key, _ in self._selector.select(0) if self._silent else ():
            accepted = key.fileobj
            assert isinstance(accepted, socket.SocketType)  # noqa: S101 - as they were registered
            self._speak(accepted)
            self._see(accepted)
        latest = perf_counter() - SILENT_SECONDS
        while self._silent and next(iter(self._silent.values())) < latest:
            accepted = next(iter(self._silent))
            self._speak(accepted)
            self.open(accepted, None)
        return bool(self._silent)


def _age(accepted: socket.SocketType) -> float:
    """Return for how many seconds the system has had what was sent last; 0 where it does not tell."""
    try:
        info = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_RECEIVED + 4)
        return float(struct.unpack_from("I", info, LAST_RECEIVED)[0]) / 1000
    except (OSError, AttributeError, struct.error):  # of a Unix socket, and of a system other than Linux
        return 0.0
