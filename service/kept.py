"""Answers kept in memory: given again only while nothing that decides them has changed.

What a user may see carries revisions, and every request asks the database for them after it arrived. As long as they
equal those that an answer was made at, the answer is what would be made anew; dropping one at any time changes nothing.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

MOST_BYTES: Final = 16 * 2**20
OVERHEAD: Final = 700
"""Bytes that an answer takes beside its body: the key, the revisions, and their places in a dictionary."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """The state that something was read at."""

    revisions: tuple[int, ...]
    """Of the user, of each of their groups and, for administrators, of the organization; in ascending order."""
    until: datetime | None
    """When the first of the grants that count expires; None if none of them does."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The bytes of an answer, and its tag."""

    body: bytes
    tag: str
    as_of: AsOf


class KeptAnswers:
    """As many answers as a bound in bytes allows; the least recently used goes first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self.hits = self.absent = self.outdated = self.evictions = 0
        self._answers: OrderedDict[Hashable, KeptAnswer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, key: Hashable, revisions: tuple[int, ...], now: datetime) -> KeptAnswer | None:
        """The answer kept under a key, if it was made at these revisions and nothing in it has expired since."""
        answer = self._answers.get(key)
        if answer is None:
            self.absent += 1
            return None
        as_of = answer.as_of
        if as_of.revisions != revisions or (as_of.until is not None and as_of.until <= now):
            self._drop(key)
            self.outdated += 1
            return None
        self._answers.move_to_end(key)
        self.hits += 1
        return answer

    def keep(self, key: Hashable, answer: KeptAnswer) -> None:
        """Keep an answer in the place of what was kept under its key."""
        self._drop(key)
        self._answers[key] = answer
        self.bytes += len(answer.body) + OVERHEAD
        while self.bytes > self.most_bytes:
            self._drop(next(iter(self._answers)))
            self.evictions += 1

    def _drop(self, key: Hashable) -> None:
        dropped = self._answers.pop(key, None)
        if dropped is not None:
            self.bytes -= len(dropped.body) + OVERHEAD
