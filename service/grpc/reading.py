"""The reading of messages: of few calls at once, so that what clients send meanwhile waits with them.

A message has no size before it is here, so no budget could refuse it, and hundreds of a megabyte would come together.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import grpc

from service.database.fair_queue import FairQueue, Presence
from service.deadlines import Deadlines
from service.errors import InvalidArgument
from service.grpc.slow_reads import PROMPT, SlowRead
from service.http.bodies import BodyBudget
from service.telemetry.request_record import Asking

AT_ONCE: Final = 48
"""Messages that are read at once; those that take long are counted among the bodies under way in place of that."""
SHARE: Final = 1 / 2
"""The part of them that are one organization's, or token's, while others are there."""
WINDOW: Final = 65_536
"""Bytes of a message that grpcio takes before it is read."""


class Receiver:
    """A call whose message is to be read."""

    def __init__(self) -> None:
        self.end_reading: Callable[[], None] | None = None
        """Gives back what the reading takes, should the message not be here before the call ends."""

    def ended(self) -> None:
        """Note that the call has ended, and no more of its message is taken in."""
        if self.end_reading is not None:
            self.end_reading()


class MessageReader:
    """Reads the messages of one process's calls, each caller's in turn."""

    def __init__(self, bodies: BodyBudget, presence: Presence, max_message_bytes: int) -> None:
        self._bodies = bodies
        self._presence = presence
        self._places = FairQueue(AT_ONCE, presence, SHARE, SHARE)
        self._slow_reads = Deadlines(PROMPT, partial(SlowRead, bodies, max_message_bytes))

    def asking_by(self, credentials: str | None) -> Asking:
        """Return the caller that has a turn by credentials, by which nothing is proved yet."""
        return self._presence.find(credentials) or Asking(hash(credentials), hash(credentials))

    async def read(self, call: Receiver, context: "grpc.aio.ServicerContext[Any, Any]", asking: Asking) -> bytes:
        """Return the message of a call, which counts among the bodies under way from when it is not here promptly.

        Args:
            call: is told how to end the reading.
            context: of the call.
            asking: the caller whose turn it takes.

        Raises:
            Unavailable: it was not, and there is no room for what it may have.
            InvalidArgument: the client has sent none.
        """
        if not self._places.acquire_at_once(asking):
            await self._places.acquire(asking)
        reading = self._slow_reads.begin()
        assert isinstance(reading, SlowRead)  # noqa: S101 - it is the kind of these deadlines
        reading.hold(partial(self._places.release, asking))
        call.end_reading = reading.close
        with reading, self._bodies.awaiting():
            message = await context.read()
        if not isinstance(message, bytes):
            raise InvalidArgument("The call has no message: each takes one, which may be empty.")
        self._bodies.freed.note(len(message))
        return message
