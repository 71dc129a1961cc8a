"""Messages that come late, which count as large ones among the bodies under way."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any, Final

from service.deadlines import Deadline
from service.errors import Unavailable
from service.http.bodies import BodyBudget

PROMPT: Final = 0.05
"""Seconds in which a message is expected to be here; one that is not counts as large among the bodies under way."""


class SlowRead(Deadline):
    """A context in which a message is read: once that takes long, the room for the largest is taken, or it ends.

    What it takes is given back once the message is here. Else `close` gives it back: grpcio takes in what the client
    sends until the call has ended, whoever waits for it.
    """

    __slots__ = ("_bodies", "_give_back", "_refusal", "_size")

    def __init__(self, bodies: BodyBudget, size: int, *arguments: Any) -> None:
        """Take the room for so many bytes; the other arguments are those of a deadline."""
        super().__init__(*arguments)
        self._bodies = bodies
        self._size = size
        self._refusal: Unavailable | None = None
        self._give_back: Callable[[], None] | None = None

    def hold(self, give_back: Callable[[], None]) -> None:
        """Have the place of a message that is expected promptly, or room for it, which a function gives back."""
        self._give_back = give_back

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
            self.close()
            self.hold(partial(_leave, room))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._running.pop(self, None)
        if kind is None:
            self.close()
        if self._refusal is not None:
            self._task.uncancel()
            raise self._refusal

    def close(self) -> None:
        """Give back the place, or the room, if that was not done yet."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


def _leave(room: AbstractContextManager[None]) -> None:
    room.__exit__(None, None, None)
