"""Messages that come late, which count as large ones among the bodies under way."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final

from service.deadlines import Deadline
from service.errors import Unavailable
from service.http.bodies import BodyBudget

PROMPT: Final = 0.05
"""Seconds in which a message is expected to be here; one that is not counts as large among the bodies under way."""


class SlowRead(Deadline):
    """A context in which a message is read: once that takes long, the room for the largest is taken, or it ends."""

    __slots__ = ("_bodies", "_refusal", "_room", "_size", "release")

    def __init__(self, bodies: BodyBudget, size: int, *arguments: Any) -> None:
        """Take the room for so many bytes; the other arguments are those of a deadline."""
        super().__init__(*arguments)
        self._bodies = bodies
        self._size = size
        self._room: AbstractContextManager[None] | None = None
        self._refusal: Unavailable | None = None
        self.release: Callable[[], None] | None = None
        """Gives back the place of a message that is expected promptly."""

    def expire(self) -> None:
        """Take the room for the message, or end the wait for it."""
        room = self._bodies.reserved(self._size)
        try:
            room.__enter__()
        except Unavailable as error:
            self._refusal = error
            super().expire()
        else:
            self._running.pop(self, None)
            self._room = room
            self._give_back()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._running.pop(self, None)
        self._give_back()
        if self._room is not None:
            self._room.__exit__(None, None, None)
        if self._refusal is not None:
            self._task.uncancel()
            raise self._refusal

    def _give_back(self) -> None:
        if self.release is not None:
            self.release()
            self.release = None
