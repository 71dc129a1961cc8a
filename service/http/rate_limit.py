"""How often one caller may call. Pure: the clock is given in.

The generic cell rate algorithm: of each caller only the moment is kept at which all that they took is regained. Whole
nanoseconds, so that nothing is lost to rounding.
"""

from collections import OrderedDict
from collections.abc import Hashable
from math import ceil
from typing import Final, NamedTuple

SECOND: Final = 1_000_000_000

MAX_CALLERS: Final = 50_000
"""Who are remembered at once, 10 MB; the least recent is forgotten first. To win back one burst that way takes more
requests than the burst has."""


class Taken(NamedTuple):
    """What came of asking for one request."""

    allowed: bool
    remaining: int
    """How many more are allowed right now."""
    wait: int
    """Nanoseconds until that is one more."""


class RateLimit:
    """So many requests a second for each caller, after so many at once."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = max(1, round(SECOND / per_second))
        self._depth = burst * self._interval
        self._regained: OrderedDict[Hashable, int] = OrderedDict()
        """By caller, when they may take a whole burst again; whoever is not in it may now."""
        self.policy = f'"token";q={burst};w={ceil(self._depth / SECOND)}'
        """For the header RateLimit-Policy: the burst, and the seconds in which it is regained."""

    def __len__(self) -> int:
        return len(self._regained)

    def take(self, caller: Hashable, now: int) -> Taken:
        """Ask for one request; `now` in nanoseconds, by a clock that never goes back."""
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
        """Forget, from the least recent on, who need not or can't be remembered."""
        while len(self._regained) > MAX_CALLERS or next(iter(self._regained.values())) <= now:
            self._regained.popitem(last=False)


def limit_headers(limit: RateLimit, taken: Taken) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers-11 has them: the policy, and what is left of it for how many seconds."""
    fields = {
        "RateLimit-Policy": limit.policy,
        "RateLimit": f'"token";r={taken.remaining};t={ceil(taken.wait / SECOND)}',
    }
    return fields if taken.allowed else fields | {"Retry-After": str(ceil(taken.wait / SECOND))}
