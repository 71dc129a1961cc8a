"""A load generator in a process of its own: closed-loop to find the capacity of a service, open-loop to exceed it.

In an open loop, requests are sent when they are due, whether or not earlier ones were answered, as those of many
independent clients are. A client that waits for each answer (a closed loop) sends fewer requests the slower it is
served: it can't overload anything.
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

ANSWER_TIMEOUT: Final = 15.0
"""Seconds after the last request until a missing answer counts as none."""
TICK: Final = 0.002
"""Seconds between checks for requests that are due."""


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


@dataclass
class LoadResult:
    """The measurements of one load."""

    seconds: float = 0.0
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
    return uvloop.run(_Load(plan).run())


class _Load:
    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.result = LoadResult()
        self.chance = random.Random(1)  # noqa: S311 - no secret
        self.idle: list[_Connection] = []
        self.waiting = 0
        """Requests that are due while no connection is free."""
        self.open = 0
        self.in_flight = 0
        self.until = 0.0

    async def run(self) -> LoadResult:
        started = time.perf_counter()
        self.until = started + self.plan.seconds
        if self.plan.rate is None:
            for _ in range(self.plan.connections):
                self.send()
        while (now := time.perf_counter()) < self.until:
            while self.plan.rate is not None and started + self.result.offered / self.plan.rate <= now:
                self.send()
            await asyncio.sleep(TICK)
        self.result.seconds = time.perf_counter() - started
        self.result.not_sent, self.waiting = self.waiting, 0
        while self.in_flight and time.perf_counter() < self.until + ANSWER_TIMEOUT:  # noqa: ASYNC110 - a counter
            await asyncio.sleep(TICK)
        for _ in range(self.in_flight):
            self.result.record(0, ANSWER_TIMEOUT)
        return self.result

    def send(self) -> None:
        """Send a request that is due now, or as soon as a connection is free."""
        self.result.offered += 1
        if self.idle:
            self.in_flight += 1
            self.idle.pop().send()
        elif self.open < self.plan.connections:
            self.open += 1
            self.in_flight += 1
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
            self.finish(0, started)
        else:
            connection.send()

    def finish(self, status: int, sent: float) -> None:
        """Record the end of a request: its answer, or the loss of its connection."""
        self.result.record(status, time.perf_counter() - sent)
        self.in_flight -= 1

    def release(self, connection: "_Connection") -> None:
        """Use a free connection for a waiting request, or keep it for the next one."""
        if self.waiting:
            self.waiting -= 1
            self.in_flight += 1
            connection.send()
            return
        self.idle.append(connection)
        if self.plan.rate is None and time.perf_counter() < self.until:
            self.send()


class _Connection(asyncio.Protocol):
    """One connection, which parses no more of an answer than its status and its length."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: Any = None
        self._sent: float | None = None
        self._head = b""
        self._remaining = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self) -> None:
        self._sent, self._head, self._remaining = time.perf_counter(), b"", 0
        self._transport.write(self._load.chance.choice(self._load.plan.requests))

    def data_received(self, data: bytes) -> None:
        if self._remaining:
            self._remaining -= len(data)
        else:
            self._head += data
            head, separator, body = self._head.partition(b"\r\n\r\n")
            if not separator:
                return
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._head, self._remaining = head, int(length or 0) - len(body)
        if self._remaining <= 0 and self._sent is not None:
            status, sent = int(self._head[9:12]), self._sent
            if status in {429, 503} and b"\r\nRetry-After: " not in self._head:
                self._load.result.without_retry_after += 1
            self._sent = None
            self._load.finish(status, sent)
            self._load.release(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._load.open -= 1
        if self in self._load.idle:
            self._load.idle.remove(self)
        if self._sent is not None:
            self._load.finish(0, self._sent)
