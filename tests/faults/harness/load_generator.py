"""A load generator in a process of its own: closed-loop to find the capacity of a service, open-loop to exceed it.

In an open loop, requests are sent when they are due, whether or not earlier ones were answered, as those of many
independent clients are. A client that waits for each answer (a closed loop) sends fewer requests the slower it is
served: it can't overload anything.

It asks the system for what is readable and does nothing between that and the request: with an event loop's protocols
and transports, a new connection costs so much that the load could not be made on one processor.
"""

import asyncio
import errno
import random
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final

ANSWER_TIMEOUT: Final = 15.0
"""Seconds after the last request until a missing answer counts as none."""
TICK: Final = 0.001
"""Seconds between checks for requests that are due, if nothing is received meanwhile."""
GAVE_UP: Final = -1
"""In the place of the status of a request whose client has given up."""
IP_BIND_ADDRESS_NO_PORT: Final = 24
"""Linux's option to choose a port only where the connection goes to is known, of which there are far more."""


@dataclass(frozen=True)
class LoadPlan:
    """The load to generate."""

    host: str
    port: int
    requests: Sequence[bytes]
    """Whole requests, one of which is chosen each time."""
    seconds: float
    connections: int
    """The number of connections: exact in a closed loop, the maximum in an open loop."""
    rate: float | None = None
    """Requests a second of an open loop; None: a closed loop, in which a connection sends again once it is answered."""
    patience: float | None = None
    """Seconds that a client waits for its answer, and then ends the connection; None: it waits, also for a connection.

    With patience, a request that finds no connection free fails at once at its client, as with a pool of connections,
    and what is under way at the end is not counted.
    """
    fresh: bool = False
    """True if each request has a connection of its own."""
    settling: float = 0.0
    """Seconds before the others, in which the load is the same and not counted."""


@dataclass
class LoadResult:
    """The measurements of one load."""

    seconds: float = 0.0
    processor: float = 0.0
    """Seconds of processor time that the generator itself used meanwhile."""
    offered: int = 0
    not_sent: int = 0
    """Offered requests that were never sent, as no connection was free: their answers are unknown."""
    latencies: dict[int, list[float]] = field(default_factory=dict)
    """Seconds from sending a request to the end of its answer, by status; status 0: there was no answer."""
    without_retry_after: int = 0
    """Answers 429 and 503 that lacked the header Retry-After."""

    def count(self, *statuses: int) -> int:
        return sum(len(self.latencies.get(status, ())) for status in statuses)

    def quantile(self, fraction: float, *statuses: int) -> float:
        """Return the latency that this fraction did not exceed; 0 if there are no answers."""
        latencies = sorted(seconds for status in statuses for seconds in self.latencies.get(status, ()))
        return latencies[min(len(latencies) - 1, int(fraction * len(latencies)))] if latencies else 0.0

    def record(self, status: int, seconds: float) -> None:
        self.latencies.setdefault(status, []).append(seconds)


async def run_load(*plans: LoadPlan) -> list[LoadResult]:
    """Generate loads at the same time, each in a process of its own, which delays no measurement in this one."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(len(plans), mp_context=get_context("spawn")) as processes:
        return await asyncio.gather(*(loop.run_in_executor(processes, _run, plan) for plan in plans))


def _run(plan: LoadPlan) -> LoadResult:
    return _Load(plan).run()


class _Connection:
    """One connection, which parses no more of an answer than its status and its length."""

    __slots__ = ("due", "head", "remaining", "request", "sent", "socket")

    def __init__(self, connecting: socket.socket) -> None:
        self.socket = connecting
        self.due = False
        """True while a request has no answer yet."""
        self.sent = 0.0
        """When it was sent, or its connection begun."""
        self.request = b""
        """What is still to be sent of it."""
        self.head = b""
        self.remaining = 0


class _Load:
    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.result = LoadResult()
        self.chance = random.Random(1)  # noqa: S311 - no secret
        self.poll = select.epoll()
        self.connections: dict[int, _Connection] = {}
        self.idle: dict[_Connection, None] = {}
        """Free connections, the one that was used last at the end."""
        self.waiting = 0
        """Requests that are due and found no free connection."""
        self.under_way: deque[tuple[float, _Connection]] = deque()
        """When requests were sent that may be given up, the oldest first."""
        self.in_flight = 0
        self.until = 0.0
        self.came = 0.0
        """When what is being received was there: what the generator does for others first is no latency."""

    def run(self) -> LoadResult:
        if self.plan.settling:
            self.generate(self.plan.settling)
            self.result = LoadResult()
        self.generate(self.plan.seconds)
        self.result.not_sent += self.waiting
        self.waiting = 0
        if self.plan.patience is None:
            self.wait_for_answers()
        for connection in [*self.connections.values()]:
            connection.socket.close()
        return self.result

    def generate(self, seconds: float) -> None:
        started, used = time.perf_counter(), time.process_time()
        self.until = started + seconds
        if self.plan.rate is None:
            for _ in range(self.plan.connections - len(self.connections)):
                self.send()
        while (now := time.perf_counter()) < self.until:
            if self.plan.rate is not None:
                for _ in range(int((now - started) * self.plan.rate) + 1 - self.result.offered):
                    self.send()
            self.turn(now)
        self.result.seconds = time.perf_counter() - started
        self.result.processor = time.process_time() - used

    def wait_for_answers(self) -> None:
        while self.in_flight and (now := time.perf_counter()) < self.until + ANSWER_TIMEOUT:
            self.turn(now)
        for _ in range(self.in_flight):
            self.result.record(0, ANSWER_TIMEOUT)

    def turn(self, now: float) -> None:
        """Receive what has come, and give up what has waited for too long."""
        events = self.poll.poll(TICK)
        self.came = time.perf_counter()
        for number, event in events:
            connection = self.connections.get(number)
            if connection is not None:
                if event & ~select.EPOLLOUT or not connection.request:
                    self.receive(connection)
                else:
                    self.write(connection)
        while self.under_way and self.under_way[0][0] < now - (self.plan.patience or 0):
            sent, connection = self.under_way.popleft()
            if connection.due and connection.sent == sent:
                self.came = now
                self.end(connection, GAVE_UP)

    def send(self) -> None:
        """Send a request that is due now."""
        self.result.offered += 1
        if self.idle:
            self.ask(self.idle.popitem()[0])
        elif len(self.connections) < self.plan.connections:
            self.connect()
        elif self.plan.patience is not None:
            self.result.not_sent += 1
        else:
            self.waiting += 1

    def connect(self) -> None:
        host = self.plan.host
        connecting = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.plan.fresh:  # an address has fewer ports than this has connections in a minute
            connecting.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            connecting.bind((f"127.0.0.{self.chance.randint(1, 250)}", 0))
        connection = self.connections[connecting.fileno()] = _Connection(connecting)
        failed = connecting.connect_ex((host, self.plan.port))
        self.poll.register(connecting.fileno(), select.EPOLLIN)
        self.ask(connection)
        if failed not in {0, errno.EINPROGRESS}:
            self.end(connection, 0, again=False)

    def ask(self, connection: _Connection) -> None:
        connection.due, connection.head, connection.remaining = True, b"", 0
        connection.sent = time.perf_counter()
        connection.request = self.chance.choice(self.plan.requests)
        self.in_flight += 1
        if self.plan.patience is not None:
            self.under_way.append((connection.sent, connection))
        self.write(connection, first=True)

    def write(self, connection: _Connection, *, first: bool = False) -> None:
        try:
            sent = connection.socket.send(connection.request)
        except BlockingIOError:
            sent = 0
        except OSError:  # of what has come before that, the answer may be a part: `receive` tells
            return
        connection.request = connection.request[sent:]
        if not connection.request and not first:
            self.poll.modify(connection.socket.fileno(), select.EPOLLIN)
        elif connection.request and first:
            self.poll.modify(connection.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def receive(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end(connection, 0)
        elif connection.remaining:
            connection.remaining -= len(data)
            if connection.remaining <= 0:
                self.answered(connection)
        else:
            connection.head += data
            head, separator, body = connection.head.partition(b"\r\n\r\n")
            if separator:
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                connection.head, connection.remaining = head, int(length or 0) - len(body)
                if connection.remaining <= 0:
                    self.answered(connection)

    def answered(self, connection: _Connection) -> None:
        """Record an answer, and use the connection again."""
        if not connection.due:
            return
        status = int(connection.head[9:12])
        if status in {429, 503} and b"\r\nRetry-After: " not in connection.head:
            self.result.without_retry_after += 1
        if self.plan.fresh or b"\r\nConnection: close" in connection.head:
            self.end(connection, status)
            return
        self.finish(connection, status)
        if self.waiting:
            self.waiting -= 1
            self.ask(connection)
        else:
            self.idle[connection] = None
            self.again()

    def finish(self, connection: _Connection, status: int) -> None:
        connection.due = False
        self.in_flight -= 1
        self.result.record(status, max(0.0, self.came - connection.sent))

    def end(self, connection: _Connection, status: int, *, again: bool = True) -> None:
        """End a connection, and record what its request came to, if it has one."""
        del self.connections[connection.socket.fileno()]
        connection.socket.close()
        self.idle.pop(connection, None)
        if connection.due:
            self.finish(connection, status)
        if self.waiting and again:
            self.waiting -= 1
            self.connect()
        elif again:
            self.again()

    def again(self) -> None:
        """Send the next request of a closed loop."""
        if self.plan.rate is None and time.perf_counter() < self.until:
            self.send()
