"""The watch over what is held: it looks at it at short intervals, and adapts the window to how late these come."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Final

from service.http.overload.holding import Holding
from service.http.overload.window import Window

TICK: Final = 0.002
"""Seconds between looks at what is held."""


class Watch:
    """Looks at what is held, and at how late the loop is, for as long as there is something to look at."""

    def __init__(self, holding: Holding, window: Window, under_way: Callable[[], int]) -> None:
        self._holding = holding
        self._window = window
        self._under_way = under_way
        self._due = 0.0
        self._running = False
        self.limit = window.min
        """Requests under way from which on what comes may have to be held; 0 where others are held before it."""
        self.others: list[Callable[[], bool]] = []
        """Functions that are called at each look, too; each returns whether it has more to do."""

    def start(self) -> None:
        """Watch from now on, if that is not done yet."""
        if not self._running:
            self._running = True
            self._window.reset()
            self._schedule()

    def holds_next(self) -> bool:
        """Watch from now on; return whether what comes now has to be held."""
        self.start()
        self.limit = 0 if self._holding.held else self._window.size
        return self._under_way() >= self.limit

    def _schedule(self) -> None:
        self._due = perf_counter() + TICK
        asyncio.get_running_loop().call_later(TICK, self._look)

    def _look(self) -> None:
        under_way = self._under_way()
        self._window.adapt(perf_counter() - self._due, under_way)
        more = True  # after a failure, too: what is held must not be forgotten
        try:
            self._holding.look()
            more = bool([look for look in self.others if look()])  # each of them is called
        finally:
            self.limit = 0 if self._holding.held else self._window.size
            if self._holding.held or more or under_way >= self._window.min:
                self._schedule()
            else:
                self._running = False
                self.limit = self._window.min
