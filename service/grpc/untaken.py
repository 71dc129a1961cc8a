"""Answers by gRPC that clients do not take: counted with those by HTTP, and the slowest connections are closed.

grpcio keeps an answer in its own memory until the client has taken it, and a place for the call. It tells when that is
over; nothing of its interface ends it earlier, so that the connection is shut down beside it.
"""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import grpc

from service.http.unsent import UnsentBudget

PATIENCE: Final = 0.25
"""Seconds in which a client that reads has taken an answer; one that waits for longer may be closed for room."""
HARD_LIMIT: Final = 1.5
"""The number of budgets that answers may take for less than that."""
MAX_UNTAKEN: Final = 100
"""Answers that wait for longer than that, each of which holds a call."""
MAX_SECONDS: Final = 10.0
"""Seconds that an answer may wait, beside those that its bytes take."""
MIN_RATE: Final = 65_536
"""Bytes a second that a client takes at least."""

Context = grpc.aio.ServicerContext[Any, Any]


class Address(NamedTuple):
    """The address of a client, and the server's port that it is connected to."""

    host: str
    port: int
    own_port: int


class _Answer(NamedTuple):
    """An answer that waits."""

    bytes: int
    since: float

    def is_late(self, now: float) -> bool:
        """Return whether a client that reads would have taken it by now."""
        return now - self.since > MAX_SECONDS + self.bytes / MIN_RATE


class _Connection:
    """A connection with answers that wait, in the shape in which the budget takes those by HTTP."""

    def __init__(self, peer: str, address: Address) -> None:
        self.peer = peer
        self.address = address
        self.answers: dict[Context, _Answer] = {}
        self.bytes = 0

    @property
    def transport(self) -> "_Connection":
        """The transport, which is the connection itself."""
        return self

    def get_write_buffer_size(self) -> int:
        """Return the bytes of its answers."""
        return self.bytes

    def abort(self) -> None:
        """End it: grpcio finds it closed, and drops what waits."""
        shut_down(self.address)

    def count_old(self, now: float) -> int:
        """Return the number of its answers that wait for longer than a client that reads would let them."""
        return sum(now - each.since > PATIENCE for each in self.answers.values())


class UntakenAnswers:
    """The answers of one gRPC server that wait for their clients."""

    def __init__(self, budget: UnsentBudget) -> None:
        """Count into a budget, which answers by HTTP share."""
        self.port = 0
        """The port that the server listens on."""
        self._budget = budget
        self._connections: dict[str, _Connection] = {}
        """By their peers."""
        self._calls: dict[Context, _Connection] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._calls)

    def sent(self, context: Context, size: int) -> None:
        """Count an answer of a call that ends with it, until its client has taken it."""
        self.until_the_end_of(context)
        self.begin(context, size)

    def until_the_end_of(self, context: Context) -> None:
        """Count what a call leaves when it ends until its client has taken that, or is gone."""
        taken: Any = self.taken  # the stubs of grpcio want an object of a class of theirs
        context.add_done_callback(taken)

    def begin(self, context: Context, size: int) -> None:
        """Count an answer of so many bytes that is handed to grpcio now, until it is taken: one of a call at a time."""
        connection = self._calls.get(context)
        if connection is None:
            peer = context.peer()
            connection = self._connections.get(peer)
            if connection is None:
                connection = self._connections[peer] = _Connection(peer, _address(peer, self.port))
            self._calls[context] = connection
        connection.answers[context] = _Answer(size, monotonic())
        connection.bytes += size
        if size > MIN_RATE:
            self._budget.noted(connection)
            self._make_room(int(HARD_LIMIT * self._budget.max_bytes))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._look)

    def taken(self, context: Context) -> None:
        """Count an answer no more: its client has taken it, or is gone; to ask a call for its peer then is a crash."""
        connection = self._calls.pop(context, None)
        if connection is None:
            return
        size = connection.answers.pop(context).bytes
        connection.bytes -= size
        if not connection.answers:
            del self._connections[connection.peer]
            self._budget.disconnected(connection)
        elif size > MIN_RATE:
            self._budget.noted(connection)

    def _look(self) -> None:
        """Close connections of clients that take too long, are too many, or keep too much."""
        self._timer = None
        now = monotonic()
        old: dict[_Connection, int] = {}
        for connection in [*self._connections.values()]:
            if any(each.is_late(now) for each in connection.answers.values()):
                self._budget.close(connection)
            elif number := connection.count_old(now):
                old[connection] = number
        while sum(old.values()) > MAX_UNTAKEN:
            most = max(old, key=lambda each: old[each])
            self._budget.close(most)
            del old[most]
        if old:
            self._make_room(self._budget.max_bytes)
        if self._connections:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._look)

    def _make_room(self, max_bytes: int) -> None:
        """Close the slowest connections until no more than some bytes wait; one answer that is alone may be larger."""
        self._budget.close_beyond(max_bytes)
        if self._budget.bytes > max_bytes:
            for connection in [each for each in self._connections.values() if len(each.answers) > 1]:
                self._budget.close(connection)


def _address(peer: str, own_port: int) -> Address:
    """Return an address that gRPC tells as ipv4:host:port or ipv6:[host]:port."""
    host, _, port = unquote(peer.partition(":")[2]).rpartition(":")
    return Address(host.strip("[]"), int(port) if port.isdecimal() else 0, own_port)


def shut_down(address: Address) -> None:
    """Shut down the connection of this process that has an address, if there is one."""
    for each in Path("/dev/fd").iterdir():
        if _has(int(each.name), address):
            with suppress(OSError), socket.socket(*_KIND, fileno=os.dup(int(each.name))) as copy:
                if _has(copy.fileno(), address):  # the number may have become another file's since, the copy's can't
                    copy.shutdown(socket.SHUT_RDWR)


def _has(number: int, address: Address) -> bool:
    """Return whether the file of a number is a connection of an address."""
    try:
        found = socket.socket(*_KIND, fileno=number)
    except OSError:
        return False
    try:
        peer, own = found.getpeername(), found.getsockname()
    except OSError:
        return False
    finally:
        found.detach()
    if not isinstance(peer, tuple):
        return False
    return (str(peer[0]).removeprefix("::ffff:"), peer[1], own[1]) == address


_KIND: Final = (socket.AF_INET6, socket.SOCK_STREAM, 0)
"""The kind that a file is taken for, which spares asking for it; addresses of another one are told all the same."""
