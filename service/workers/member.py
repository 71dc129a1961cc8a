"""A worker as its parent has it: a process, the channel to it, and what it has said last."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import count
from time import monotonic
from typing import Any, Final

import structlog

from service.errors import StartupError
from service.workers.channel import Channel
from service.workers.metrics import Snapshot

log = structlog.get_logger()

EXIT_SECONDS: Final = 10.0
"""Seconds that a process may take to be gone once it has closed its channel."""

SILENT_SECONDS: Final = 2.0
"""Seconds without a sign of life after which a worker is told to be none that is alive."""

_POLL_SECONDS: Final = 0.01
"""Seconds between two looks whether a process is gone."""

_MAIN: Final = "import sys; sys.path[:] = {path!r}; from service.workers.worker import main; main({descriptor})"
"""The program of a worker. It looks for modules where the parent does, and nowhere else."""


class Member:
    """A process that serves, or will, or did."""

    def __init__(self, number: int, process: "subprocess.Popen[bytes]", channel: Channel) -> None:
        loop = asyncio.get_running_loop()
        self.number: Final = number
        """The worker's number, which the process that takes its place has too."""
        self.process: Final = process
        self.begun: Final = monotonic()
        self.heard = self.begun
        """The moment of its last sign of life."""
        self.hung = False
        """True once it has been killed for its silence."""
        self.snapshot: Snapshot = ()
        """Its metrics, as it sent them last."""
        self.serving: Final[asyncio.Future[None]] = loop.create_future()
        self.ended: Final[asyncio.Future[int]] = loop.create_future()
        """Its exit code; a signal's number, negative, if that has ended it."""
        self._channel = channel
        self._questions: dict[int, asyncio.Future[list[str]]] = {}
        self._numbers = count()
        self._reading = loop.create_task(self._read())

    @classmethod
    async def start(cls, number: int, dsn: str, sockets: Sequence[socket.socket]) -> "Member":
        """Start a process that accepts connections from some sockets."""
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = [each.fileno() for each in sockets]
            program = _MAIN.format(path=_paths(), descriptor=theirs.fileno())
            process = subprocess.Popen(  # noqa: ASYNC220 - it takes milliseconds
                [sys.executable, "-P", "-c", program],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *descriptors],
                start_new_session=True,  # so that Ctrl-C reaches the parent alone, which then ends its workers
            )
        channel = await Channel.open(ours)
        channel.send("begin", worker=number, dsn=dsn, sockets=descriptors)
        return cls(number, process, channel)

    @property
    def accepts(self) -> bool:
        """True while it accepts connections."""
        return self.serving.done() and not self.serving.exception() and not self.ended.done()

    @property
    def alive(self) -> bool:
        """True while it accepts connections and gives signs of life."""
        return self.accepts and monotonic() - self.heard < SILENT_SECONDS

    def end(self, name: str) -> None:
        """Tell it to end as by a signal."""
        self._channel.send("end", signal=name)

    def kill(self) -> None:
        """Kill it; what it has under way is lost."""
        if not self.ended.done():
            self.process.send_signal(signal.SIGKILL)

    async def ask(self, kind: str, seconds: float) -> list[str] | None:
        """Ask a question: `ready`, `started`, or `metrics`, which it sends before it answers.

        Returns:
            the reasons why it is not ready, or could not be yet; None if it has not answered in so many seconds.
        """
        question = next(self._numbers)
        answer: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._questions[question] = answer
        self._channel.send(kind, question=question)
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._questions[question]

    async def _read(self) -> None:
        """Read what it says until it has ended; one of which a message can't be understood is ended."""
        try:
            while (message := await self._channel.receive()) is not None:
                self.heard = monotonic()
                self._take(message)
        except Exception:
            log.exception("worker_killed", worker=self.number, process=self.process.pid, reason="garbled")
            self.kill()
        await self._channel.close()
        code = await self._wait()
        if not self.serving.done():
            self.serving.set_exception(StartupError("A worker ended before it served: its log says why."))
            self.serving.exception()  # marks it as seen: asyncio would warn of an exception that nothing asks for
        self.ended.set_result(code)

    def _take(self, message: Mapping[str, Any]) -> None:
        kind = message["kind"]
        if kind == "metrics":
            self.snapshot = message["metrics"]
        elif kind == "answer" and (answer := self._questions.get(message["question"])) and not answer.done():
            answer.set_result(message["reasons"])
        elif kind == "serving" and not self.serving.done():
            self.serving.set_result(None)
        elif kind == "failed" and not self.serving.done():
            self.serving.set_exception(StartupError(*message["lines"]))
            self.serving.exception()

    async def _wait(self) -> int:
        """Wait for the process's end, without a thread: where the system has room for none, workers end."""
        overdue = monotonic() + EXIT_SECONDS
        while (code := self.process.poll()) is None:
            if monotonic() > overdue:
                self.process.kill()
            await asyncio.sleep(_POLL_SECONDS)
        return code


def _paths() -> list[str]:
    """Return where this process looks for modules; an empty one is the directory that it runs in."""
    return [os.path.abspath(each) for each in sys.path]  # noqa: PTH100 - texts, as they are used
