"""Retries: when a call is sent again, and after which wait."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from flow_pipelines_client.calls import Call
from flow_pipelines_client.errors import Aborted, ApiError, ResourceExhausted, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Bounds of retries; `Retries(attempts=1)` makes none."""

    attempts: int = 4
    """Attempts at one call, the first one included."""
    first_wait: float = 0.1
    """Seconds, at most, before the second attempt; each further wait is up to twice as long. All are random."""
    longest_wait: float = 10.0
    """Seconds of one wait. A service that asks for a longer one is not waited for."""
    budget: float = 10.0
    """Retries of one client while nothing succeeds: where all is lost, more of them only make it worse."""
    earned: float = 0.1
    """Retries that each success adds to what is left of the budget."""
    unasked: bool = True
    """False to send again only where the service says after which time, by Retry-After."""
    before_wait: Callable[[ApiError, float], None] | None = None
    """Is told the failure and the seconds before each wait. What it raises ends the call."""


@dataclass(slots=True)
class Budget:
    """The retries that a client has left."""

    retries: Retries
    left: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin with all of them."""
        self.left = self.retries.budget

    def earn(self) -> None:
        """Count a success."""
        self.left = min(self.retries.budget, self.left + self.retries.earned)

    def spend(self) -> bool:
        """Take a retry, and return whether there was one left."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


_DRAW: Final = random.SystemRandom().uniform


def is_safe(call: Call, error: ApiError, retries: Retries) -> bool:
    """Return whether a call may be sent again after a failure: it was not done, or doing it twice does it once.

    A limit that is no rate, of which the service does not say when it ends, is none to wait for.
    """
    if error.retry_after is None and not retries.unasked:
        return False
    if isinstance(error, Aborted):
        return True
    if isinstance(error, ResourceExhausted):
        return error.retry_after is not None
    return isinstance(error, Unavailable) and (call.repeatable or not error.may_be_done)


def wait_before(attempt: int, error: ApiError, retries: Retries) -> float:
    """Return the seconds to wait before an attempt, counted from 1: what the service asks for, and a random time."""
    longest = min(retries.longest_wait, retries.first_wait * 2.0 ** (attempt - 2))
    return (error.retry_after or 0.0) + _DRAW(0, longest)
