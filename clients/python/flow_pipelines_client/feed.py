"""The feed of changes: what happens to what the caller may see, one change after the other, without an end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic, sleep
from typing import Any, Final, Self

from flow_pipelines_client.answers import Answer
from flow_pipelines_client.calls import Call

BEGINNING: Final = "0"
"""The place of the oldest change that is kept."""
WAIT: Final = 20
"""Seconds that a call waits for a change where nothing else is said."""
MIN_WAIT: Final = 0.5
"""Seconds from a call that found nothing to the next: a service that is ending does not wait for changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedChange:
    """Something that happened."""

    cursor: str
    """The place behind it, from which another iteration goes on."""
    at: datetime
    """The time of the change."""
    type: str
    """The kind of change, such as `job.pipelines_changed`."""
    target: str
    """What was changed: its kind and name or id, as `job:4711`."""
    actor: str
    """The username of the user who made it."""
    data: dict[str, Any]
    """More about it, by its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Answer):
    """An answer of the feed."""

    changes: list[FeedChange]
    next_cursor: str


@dataclass(slots=True)
class _Feed:
    """A place in the feed, and the changes that were found behind it."""

    cursor: str | None
    """The place behind the last change that was taken; None before the first answer. Keep it to go on from there."""
    _wait: int
    _all: bool
    _found: deque[FeedChange] = field(default_factory=deque)
    _next: str | None = None
    _asked_at: float = 0.0

    def _call(self) -> Call:
        self._asked_at = monotonic()
        query = {"after": self.cursor, "wait": self._wait, "all": self._all or None}
        return Call("GET", "/api/v1/changes", query=query)

    def _keep(self, found: Found) -> float:
        """Keep what was found, and return the seconds to wait before the next call."""
        self._found.extend(found.changes)
        self._next, begins = found.next_cursor, self.cursor is None
        if self._found:
            return 0.0
        self.cursor = self._next
        return 0.0 if begins else max(0.0, self._asked_at + MIN_WAIT - monotonic())

    def _take(self) -> FeedChange:
        change = self._found.popleft()
        self.cursor = change.cursor if self._found else self._next
        return change


@dataclass(slots=True)
class Changes(_Feed):
    """An iterator of changes, which waits for them. One that has raised an error goes on where it was."""

    _run: Callable[[Call], Found] = field(kw_only=True)

    def __iter__(self) -> Self:
        """Return this iterator."""
        return self

    def __next__(self) -> FeedChange:
        """Return the next change, when there is one."""
        while not self._found:
            sleep(self._keep(self._run(self._call())))
        return self._take()


@dataclass(slots=True)
class AsyncChanges(_Feed):
    """An iterator of changes, which waits for them. One that has raised an error goes on where it was."""

    _run: Callable[[Call], Awaitable[Found]] = field(kw_only=True)

    def __aiter__(self) -> Self:
        """Return this iterator."""
        return self

    async def __anext__(self) -> FeedChange:
        """Return the next change, when there is one."""
        while not self._found:  # noqa: ASYNC110 - what it waits for is the service's to tell
            await asyncio.sleep(self._keep(await self._run(self._call())))
        return self._take()
