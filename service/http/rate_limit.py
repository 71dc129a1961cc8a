"""A rate limiter by the generic cell rate algorithm. Pure: the clock is given in.

Of each caller only the moment is kept at which all that they took is regained. Whole nanoseconds, so that nothing is
lost to rounding.
"""

from collections import OrderedDict
from collections.abc import Hashable
from math import ceil
from typing import Final, NamedTuple

SECOND: Final = 1_000_000_000

MAX_CALLERS: Final = 50_000
"""Callers remembered at once, in 10 MB.

The least recent is forgotten first; to win back one burst that way takes more requests than the burst has.
"""


class Taken(NamedTuple):
    """The result of taking one request from a caller's rate."""

    allowed: bool
    remaining: int
    """Requests that are allowed right now."""
    wait: int
    """Nanoseconds until one more is."""


class RateLimiter:
    """A limit of so many requests a second for each caller, after a burst of so many at once."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = max(1, round(SECOND / per_second))
        self._depth = burst * self._interval
        self._regained: OrderedDict[Hashable, int] = OrderedDict()
        """By caller, the time from which a whole burst is allowed again; callers not in it are allowed one now."""
        self.policy = f'"token";q={burst};w={ceil(self._depth / SECOND)}'
        """For the header RateLimit-Policy: the burst, and the seconds in which it is regained."""

    def __len__(self) -> int:
        return len(self._regained)

    def take(self, caller: Hashable, now: int) -> Taken:
        """Take one request; `now` in nanoseconds, by a clock that never goes back."""
        regained = max(self._regained.get(caller, now), now)
        free = self._depth - (regained - now)
        allowed = free >= self._interval
        if allowed:
            regained, free = regained + self._interval, free - self._interval
        self._regained[caller] = regained
        self._regained.move_to_end(caller)
        self._forget(now)
        return Taken(allowed, free // self._interval, self._interval - free % self._interval)

    def _forget(self, now: int) -> None:
        """Forget, from the least recent on, callers that need not or can't be remembered."""
        while len(self._regained) > MAX_CALLERS or next(iter(self._regained.values())) <= now:
            self._regained.popitem(last=False)


def limit_headers(limiter: RateLimiter, taken: Taken) -> dict[str, str]:
    """Return the headers of draft-ietf-httpapi-ratelimit-headers-11: the policy, and what is left of it how long."""
    fields = {
        "RateLimit-Policy": limiter.policy,
        "RateLimit": f'"token";r={taken.remaining};t={ceil(taken.wait / SECOND)}',
    }
    return fields if taken.allowed else fields | {"Retry-After": str(ceil(taken.wait / SECOND))}
