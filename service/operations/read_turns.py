"""The turns of reads that no cache answers: few of one caller's at once while others are there, with rests between.

Hundreds of pages of a thousand items would take all of the process's time, and of the database's processors. Each of
the dozen steps of another caller's request would wait for a slice of all that are being made: 23 to 113 ms, not 2.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Final

from service.database.fair_queue import FairQueue, Presence, Shares
from service.telemetry.request_record import Asking

MAX_READS: Final = 4
"""Reads that are made at once: about as many as keep this process busy, so that others who come wait for few."""
OF_ORGANIZATION: Final = 2
"""Reads of one organization at once, while others are there."""
OF_TOKEN: Final = 1
"""Reads by one token at once, while others are there."""
LARGE: Final = 32_768
"""Bytes of an answer from which on its place rests behind it: small ones take long only because of others."""
REST: Final = 2.0
"""The rest, as a multiple of what the read has taken: so that others have the processors for most of the time."""
MAX_REST: Final = 0.5
"""Seconds that a place rests at most."""


class Turn:
    """The turn of one read."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0
        """Of the answer, once it is made."""


class ReadTurns:
    """Lets reads be made in turn."""

    def __init__(self, presence: Presence) -> None:
        """Begin with all places free; by the active callers."""
        self._places = FairQueue(MAX_READS, presence, OF_ORGANIZATION / MAX_READS, OF_TOKEN / MAX_READS)

    @asynccontextmanager
    async def turn(self, asking: Asking | None, under_way: Shares | None = None) -> AsyncIterator[Turn]:
        """Make a read within the context, in its caller's turn.

        Args:
            asking: whose it is; None: what strangers share.
            under_way: the requests under way, if the read's is one of them, and idle while it waits.
        """
        if not self._places.acquire_at_once(asking):
            await self._wait(asking, under_way)
        turn, started = Turn(), perf_counter()
        try:
            yield turn
        finally:
            if turn.bytes < LARGE:
                self._places.release(asking)
            else:
                self._places.release_rested(asking, min(REST * (perf_counter() - started), MAX_REST))

    async def _wait(self, asking: Asking | None, under_way: Shares | None) -> None:
        if under_way is None:
            await self._places.acquire(asking)
            return
        under_way.idle += 1
        try:
            await self._places.acquire(asking)
        finally:
            under_way.idle -= 1
