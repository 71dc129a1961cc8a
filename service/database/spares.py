"""Spare connections: those of the pool that nothing is done with, and that are kept for what mostly follows soon."""

import asyncio
from contextvars import Context
from time import perf_counter
from typing import Final, Protocol

SPARE_SECONDS: Final = 1.0
"""Seconds for which a connection is kept that nothing is done with, at least."""


class Spare(Protocol):
    """A connection that can be released."""

    async def release(self) -> None:
        """Release the connection to the pool."""


class SpareConnections:
    """Keeps connections until they are used again, for a while, or until others need them."""

    def __init__(self) -> None:
        self._kept: dict[Spare, float] = {}
        """By the time since when nothing is done with them."""
        self._giving_up: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, spare: Spare) -> None:
        """Keep a connection that nothing is done with."""
        self._kept[spare] = perf_counter()
        if self._giving_up is None:
            self._giving_up = asyncio.create_task(self._give_up(), context=Context())

    def use(self, spare: Spare) -> None:
        """Note that a connection is used again, or released."""
        self._kept.pop(spare, None)

    async def release_one(self) -> None:
        """Release the one that was kept first; there has to be one."""
        await next(iter(self._kept)).release()

    async def release_all(self) -> None:
        """Release all of them."""
        for spare in [*self._kept]:
            await spare.release()

    async def _give_up(self) -> None:
        """Release connections that have not been used again, as long as there are any."""
        try:
            while self._kept:
                await asyncio.sleep(SPARE_SECONDS)
                unused_since = perf_counter() - SPARE_SECONDS
                for spare in [spare for spare, since in self._kept.items() if since < unused_since]:
                    await spare.release()
        finally:
            self._giving_up = None
