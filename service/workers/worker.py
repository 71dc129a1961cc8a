"""A worker: a serving process whose sockets are its parent's, which is told that it lives and asks how it is."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
import structlog
import uvloop
from prometheus_client import CollectorRegistry

from service.errors import StartupError
from service.health import Health
from service.process import serve
from service.prometheus import Part, metrics_registry
from service.settings import read_settings
from service.telemetry.logs import configure_logs
from service.workers.channel import Channel
from service.workers.metrics import snapshot_of

log = structlog.get_logger()

BEAT_SECONDS: Final = 0.5
"""Seconds between two signs of life."""
BEATS_PER_SNAPSHOT: Final = 4
"""Signs of life from one snapshot of the metrics to the next: what is counted since is lost if the worker is killed."""
NOT_STARTED: Final = 2
"""The exit code of a worker that could not start, and has said why."""


class Worker:
    """The watch that the parent keeps over this process."""

    def __init__(self, channel: Channel, sockets: Sequence[socket.socket]) -> None:
        self.sockets: Final = sockets
        self._channel = channel
        self._ending: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._health: Health | None = None
        self._registry: CollectorRegistry | None = None
        self._answering: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Give signs of life, and do as the parent says, meanwhile."""
        tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._listen())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await self._channel.close()

    def ending(self) -> Awaitable[str]:
        """Return the name of the signal to end by, the first that comes by the parent's channel or from the system.

        Later ones are ignored: a service manager may signal all processes of the service, and the parent does, too.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end, number.name)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return self._ending

    async def served(self, health: Health, parts: Sequence[Part]) -> None:
        """Tell the parent that requests are accepted."""
        self._health, self._registry = health, metrics_registry([health, *parts])
        log.info("worker_started", process=os.getpid())
        self._channel.send("serving")

    async def ended(self) -> None:
        """Tell the parent what has been counted in the end."""
        await self._send_metrics()

    def _end(self, name: str) -> None:
        if not self._ending.done():
            self._ending.set_result(name)

    async def _beat(self) -> None:
        beats = 0
        while True:
            self._channel.send("alive")
            beats += 1
            if beats % BEATS_PER_SNAPSHOT == 0 and self._channel.clear:
                await self._send_metrics()
            await asyncio.sleep(BEAT_SECONDS)

    async def _listen(self) -> None:
        while (message := await self._channel.receive()) is not None:
            if message["kind"] == "end":
                self._end(message["signal"])
            else:
                answering = asyncio.create_task(self._answer(message))
                self._answering.add(answering)
                answering.add_done_callback(self._answering.discard)
        if self._ending.done():  # as the parent was told a second time, which ends all at once
            os._exit(128 + signal.SIGTERM)
        self._end("SIGINT")  # the parent was killed, and another one may want the port

    async def _answer(self, message: dict[str, Any]) -> None:
        """Answer a question of the parent's: is it ready, has it been so, and what has been counted."""
        health, reasons = self._health, ["The worker has not started yet."]
        if health is not None:
            started = message["kind"] == "started"
            reasons = await (health.has_started() if started else health.reasons())
        if message["kind"] == "metrics":
            await self._send_metrics()
        self._channel.send("answer", question=message["question"], reasons=reasons)

    async def _send_metrics(self) -> None:
        if self._registry is not None:
            taken = await asyncio.to_thread(lambda registry: snapshot_of(registry.collect()), self._registry)
            self._channel.send("metrics", metrics=taken)


async def _run(end: socket.socket, dsn: str, sockets: Sequence[socket.socket]) -> int:
    channel = await Channel.open(end)
    worker = Worker(channel, sockets)
    async with worker.watched():
        try:
            await serve(read_settings(), dsn, watch=worker)
        except StartupError as error:
            channel.send("failed", lines=[str(line) for line in error.args])
            return NOT_STARTED
    return 0


def main(descriptor: int) -> None:
    """Serve as a worker, told by the channel at an open file what to do, until the parent says so or is gone."""
    end = socket.socket(fileno=descriptor)
    with end.makefile("rb", buffering=0) as first:
        told = orjson.loads(first.readline())
    configure_logs(read_settings(), told["worker"])
    sockets = [socket.socket(fileno=each) for each in told["sockets"]]
    sys.exit(uvloop.run(_run(end, told["dsn"], sockets)))
