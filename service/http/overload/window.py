"""The window: how many requests may be under way before others are held."""

from time import perf_counter, thread_time
from typing import Final

RESERVED: Final = 24
"""Requests beyond the window that are only those of organizations with few under way."""


class Window:
    """The number of requests under way from which on others are held: all that may be, or what keeps the process quick.

    Requests share statements, so that some hundred at once cost the process least; more make only each of them later.
    But where requests wait for the database, and not for this process, more of them under way are more that are
    answered. Then its loop uses little of the processor's time, and comes around when it is due.
    """

    MIN: Final = 80
    """Requests that are under way before anything is held."""
    LATE: Final = 0.005
    """Seconds by which the loop is late, on average, that has enough to do."""
    USED: Final = 0.7
    """The part of the time for which it uses a processor, on average, then."""
    WEIGHT: Final = 1 / 16
    """The weight of one look in these averages: single long turns don't matter."""
    STEP: Final = 4
    """Requests that the window is larger by after each look at a loop that has too little to do."""

    def __init__(self, max_requests: int) -> None:
        """Begin with the least, which grows to all that may be under way in a fifth of a second."""
        self._max = max_requests
        self.min: Final = min(self.MIN, max_requests)
        self.size = self.min
        self._late = self._used = 0.0
        self._looked = self._counted = 0.0

    @property
    def reserved(self) -> int:
        """The number of requests under way from which on those of organizations with few are held, too."""
        return min(self._max, self.size + RESERVED)

    @property
    def is_largest(self) -> bool:
        """True if no more may be under way than this."""
        return self.size >= self._max

    def reset(self) -> None:
        """Begin anew, as what was learned is of another load."""
        self.size, self._late, self._used = self.min, 0.0, 1.0
        self._looked, self._counted = perf_counter(), thread_time()

    def adapt(self, late: float, under_way: int) -> None:
        """Adapt to how late the loop was, in seconds, and to how much of the time it worked."""
        now, counted = perf_counter(), thread_time()
        self._late += (late - self._late) * self.WEIGHT
        self._used += ((counted - self._counted) / (now - self._looked) - self._used) * self.WEIGHT
        self._looked, self._counted = now, counted
        if self._late > self.LATE or self._used > self.USED:
            self.size = max(self.min, min(self.size, under_way) * 7 // 8)
        else:
            self.size = min(self._max, self.size + self.STEP)
