"""What is kept in memory: given again only while nothing that decides it has changed.

What a user may see carries revisions, and every request asks the database for them after it arrived. As long as they
equal those that something was made at, it is what would be made anew; dropping it at any time changes no answer.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, NamedTuple, TypeVar

from service.authentication.bearer import Known
from service.repositories.revisions import ReadVersion

Value = TypeVar("Value")

OVERHEAD: Final = 700
"""Bytes that a value takes beside its own: the key, the revisions, and their places in a dictionary."""


class _Entry(NamedTuple, Generic[Value]):
    value: Value
    version: ReadVersion
    size: int


class RevisionCache(Generic[Value]):
    """As many values, one for each user and scopes, as a bound in bytes allows; the least recently used goes first."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self.hits = self.absent = self.outdated = self.evictions = 0
        self._entries: OrderedDict[Hashable, _Entry[Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, known: Known) -> Value | None:
        """What is kept for a caller, if it was made at their revisions and nothing in it has expired since."""
        key = _key(known)
        entry = self._entries.get(key)
        if entry is None:
            self.absent += 1
            return None
        version = entry.version
        if version.revisions != known.revisions or (version.until is not None and version.until <= known.now):
            self._drop(key)
            self.outdated += 1
            return None
        self._entries.move_to_end(key)
        self.hits += 1
        return entry.value

    def put(self, known: Known, value: Value, version: ReadVersion, size: int) -> None:
        """Keep a value of so many bytes in the place of what was kept for the caller.

        Not if it was read at another state than the caller is known at: their role, say, may be another there.
        """
        if version.revisions != known.revisions:
            return
        key = _key(known)
        self._drop(key)
        entry = self._entries[key] = _Entry(value, version, size + OVERHEAD)
        self.bytes += entry.size
        while self.bytes > self.most_bytes:
            self._drop(next(iter(self._entries)))
            self.evictions += 1

    def _drop(self, key: Hashable) -> None:
        dropped = self._entries.pop(key, None)
        if dropped is not None:
            self.bytes -= dropped.size


def _key(known: Known) -> Hashable:
    """Whose it is. The bytes of a UUID are hashed in a tenth of its own time."""
    return known.caller.user_id.bytes, known.caller.scopes
