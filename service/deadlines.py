"""Deadlines of requests, kept by one timer for all: a timer each would be the most expensive part of most requests."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any


class Deadlines:
    """Deadlines of equal length for many tasks, each ended like by `asyncio.timeout`.

    As all may take equally long, the first to begin is the first to expire: the timer is only ever set for the oldest.
    """

    def __init__(self, seconds: float, kind: "Callable[..., Deadline] | None" = None) -> None:
        """Begin with none.

        Args:
            seconds: that each task has.
            kind: makes a deadline, which acts at its end in a way of its own; None: one that cancels its task.
        """
        self._seconds = seconds
        self._kind = kind or Deadline
        self._running: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        """Kept, as to ask for the running one is a call to the system each time."""

    def begin(self) -> "Deadline":
        """Begin a context that the running task must leave in time.

        Raises:
            TimeoutError: on leaving it, when it did not.
        """
        loop = self._loop = self._loop or asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101 - requests are handled by tasks
        begun = loop.time()
        deadline = self._kind(self._running, task, begun, begun + self._seconds)
        if self._timer is None:
            self._timer = loop.call_at(deadline.at, self._expire)
        return deadline

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for deadline in [*self._running]:
            if deadline.at > loop.time():
                self._timer = loop.call_at(deadline.at, self._expire)
                return
            deadline.expire()


class Deadline:
    """The deadline of one task, as a context."""

    __slots__ = ("_cancelling", "_expired", "_running", "_task", "at", "begun")

    def __init__(self, running: "dict[Deadline, None]", task: "asyncio.Task[Any]", begun: float, at: float) -> None:
        self.begun = begun
        """The time of the beginning, by the loop's clock."""
        self.at = at
        """The time of the end, by the loop's clock."""
        self._running = running
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False

    def __enter__(self) -> None:
        self._running[self] = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._running.pop(self, None)
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel the task, wherever it waits."""
        self._running.pop(self, None)
        self._expired = True
        self._task.cancel()
