"""Load from a process of its own: closed-loop, to find what a service can do, and open-loop, to ask for more.

Open-loop, requests come when they are due, whether or not those before were answered, as those of many independent
clients do. A client that waits for answers before it goes on (closed-loop) asks for less the slower it is served: it
can't overload anything.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, Final

import uvloop

PATIENCE: Final = 15.0
"""Seconds after the last request until its answer counts as none."""
TICK: Final = 0.002
"""Seconds between looks at which requests are due."""


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    host: str
    port: int
    requests: Sequence[bytes]
    """Whole requests, of which each time one is chosen."""
    seconds: float
    connections: int
    """Closed-loop: how many there are. Open-loop: how many there may be."""
    rate: float | None = None
    """Requests a second, open-loop; None: closed-loop, each connection asks again when it was answered."""


@dataclass
class Answers:
    """What came of it."""

    seconds: float = 0.0
    offered: int = 0
    held_back: int = 0
    """Of them, how many were never sent, as no connection was free: nothing is known of what their answers had been."""
    latencies: dict[int, list[float]] = field(default_factory=dict)
    """Seconds from sending a request to the end of its answer, by status; 0: no answer came."""
    without_retry_after: int = 0
    """Of the 429 and 503."""

    def count(self, *statuses: int) -> int:
        return sum(len(self.latencies.get(status, ())) for status in statuses)

    def quantile(self, share: float, *statuses: int) -> float:
        """The latency that this share did not exceed; 0 if there are none."""
        found = sorted(seconds for status in statuses for seconds in self.latencies.get(status, ()))
        return found[min(len(found) - 1, int(share * len(found)))] if found else 0.0

    def note(self, status: int, seconds: float) -> None:
        self.latencies.setdefault(status, []).append(seconds)


async def offer(*plans: Plan) -> list[Answers]:
    """Carry out plans at the same time, each in a process of its own: whoever measures beside it is not held up."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(len(plans), mp_context=get_context("spawn")) as processes:
        return await asyncio.gather(*(loop.run_in_executor(processes, _carry_out, plan) for plan in plans))


def _carry_out(plan: Plan) -> Answers:
    return uvloop.run(_Load(plan).run())


class _Load:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.answers = Answers()
        self.chance = random.Random(1)  # noqa: S311 - no secret
        self.free: list[_Connection] = []
        self.waiting = 0
        """Requests that are due, and for which no connection is free."""
        self.open = 0
        self.under_way = 0
        self.until = 0.0

    async def run(self) -> Answers:
        started = time.perf_counter()
        self.until = started + self.plan.seconds
        if self.plan.rate is None:
            for _ in range(self.plan.connections):
                self.send()
        while (now := time.perf_counter()) < self.until:
            while self.plan.rate is not None and started + self.answers.offered / self.plan.rate <= now:
                self.send()
            await asyncio.sleep(TICK)
        self.answers.seconds = time.perf_counter() - started
        self.answers.held_back, self.waiting = self.waiting, 0
        while self.under_way and time.perf_counter() < self.until + PATIENCE:  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(TICK)
        for _ in range(self.under_way):
            self.answers.note(0, PATIENCE)
        return self.answers

    def send(self) -> None:
        """Send a request that is due now, as soon as there is a connection."""
        self.answers.offered += 1
        if self.free:
            self.under_way += 1
            self.free.pop().send()
        elif self.open < self.plan.connections:
            self.open += 1
            self.under_way += 1
            asyncio.get_running_loop().create_task(self._connect())
        else:
            self.waiting += 1

    async def _connect(self) -> None:
        started = time.perf_counter()
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self), self.plan.host, self.plan.port
            )
        except OSError:
            self.open -= 1
            self.ended(0, started)
        else:
            connection.send()

    def ended(self, status: int, sent: float) -> None:
        """A request was answered, or its connection lost."""
        self.answers.note(status, time.perf_counter() - sent)
        self.under_way -= 1

    def next(self, connection: "_Connection") -> None:
        """A connection is free."""
        if self.waiting:
            self.waiting -= 1
            self.under_way += 1
            connection.send()
            return
        self.free.append(connection)
        if self.plan.rate is None and time.perf_counter() < self.until:
            self.send()


class _Connection(asyncio.Protocol):
    """One connection: reads of an answer no more than its status and where it ends."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: Any = None
        self._sent: float | None = None
        self._head = b""
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self) -> None:
        self._sent, self._head, self._missing = time.perf_counter(), b"", 0
        self._transport.write(self._load.chance.choice(self._load.plan.requests))

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            self._head += data
            head, found, body = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._head, self._missing = head, int(length or 0) - len(body)
        if self._missing <= 0 and self._sent is not None:
            status, sent = int(self._head[9:12]), self._sent
            if status in {429, 503} and b"\r\nRetry-After: " not in self._head:
                self._load.answers.without_retry_after += 1
            self._sent = None
            self._load.ended(status, sent)
            self._load.next(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._load.open -= 1
        if self in self._load.free:
            self._load.free.remove(self)
        if self._sent is not None:
            self._load.ended(0, self._sent)
