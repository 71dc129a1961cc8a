"""Messages that come late, which count as large ones among the bodies under way."""

import asyncio
from contextlib import AbstractContextManager
from typing import Final

from service.errors import Unavailable
from service.http.bodies import BodyBudget

PROMPT: Final = 0.05
"""Seconds in which a message is expected to be here; one that is not counts as large among the bodies under way."""


class SlowReads:
    """The messages that are waited for; the room for each is taken once that takes long, by one timer for all.

    As all are given equally long, the first to be waited for is the first that is late.
    """

    def __init__(self, bodies: BodyBudget, size: int) -> None:
        self.bodies: Final = bodies
        self.size: Final = size
        self._prompt: dict[SlowRead, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> "SlowRead":
        """Return a context in which a message is read."""
        loop = asyncio.get_running_loop()
        read = SlowRead(self, loop.time() + PROMPT)
        if self._timer is None:
            self._timer = loop.call_at(read.late_at, self._take)
        self._prompt[read] = None
        return read

    def _take(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for read in [*self._prompt]:
            if read.late_at > loop.time():
                self._timer = loop.call_at(read.late_at, self._take)
                return
            del self._prompt[read]
            read.take()

    def ended(self, read: "SlowRead") -> None:
        """Forget a message that was waited for."""
        self._prompt.pop(read, None)


class SlowRead:
    """A context in which a message is read."""

    __slots__ = ("_reads", "_refusal", "_room", "_task", "late_at")

    def __init__(self, reads: SlowReads, late_at: float) -> None:
        self.late_at = late_at
        """The time from which on it is late, by the loop's clock."""
        self._reads = reads
        self._task = asyncio.current_task()
        self._room: AbstractContextManager[None] | None = None
        self._refusal: Unavailable | None = None

    def take(self) -> None:
        """Take the room for the message, or end the wait for it."""
        room = self._reads.bodies.reserved(self._reads.size)
        try:
            room.__enter__()
        except Unavailable as error:
            self._refusal = error
            assert self._task is not None  # noqa: S101 - calls are handled by tasks
            self._task.cancel()
        else:
            self._room = room

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._reads.ended(self)
        if self._room is not None:
            self._room.__exit__(None, None, None)
        if self._refusal is not None and self._task is not None:
            self._task.uncancel()
            raise self._refusal
