"""A cache whose entries are good at exactly the revisions they were made at, and so are never stale.

What a user may see carries revisions, and every request asks the database for them after it arrived. As long as they
equal those of a cached value, the value is what would be made anew; evicting it at any time changes no answer.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterator
from typing import Final, Generic, NamedTuple, TypeVar

from prometheus_client.metrics_core import Metric

from service.identity import Caller, MappedUser
from service.repositories.revisions import ReadVersion
from service.telemetry.metrics import counter, counters, gauge

Value = TypeVar("Value")

OVERHEAD: Final = 700
"""Bytes that an entry takes beside its value: the key, a few revisions, and their places in a dictionary."""
BYTES_PER_REVISION: Final = 40
"""Bytes of each of many revisions that it was made at: a caller may be in thousands of groups."""


class Entry(NamedTuple, Generic[Value]):
    """A value, and what it was made at."""

    value: Value
    version: ReadVersion | None
    """None: it depends on more than revisions, and is good for the caller alone for whom it was made."""
    size: int
    """Bytes that the value takes."""

    def serves(self, caller: Caller) -> bool:
        """Return whether it was made at the caller's revisions, and nothing in it has expired since."""
        version = self.version
        return (
            version is not None
            and version.revisions == caller.revisions
            and (version.expires_at is None or version.expires_at > caller.database_time)
        )


class RevisionCache(Generic[Value]):
    """A least-recently-used cache of one value for each user and scopes, bounded in bytes."""

    def __init__(self, name: str, max_bytes: int) -> None:
        """Start empty.

        Args:
            name: for metrics.
            max_bytes: the least recently used entries beyond are evicted; 0 caches nothing.
        """
        self.name = name
        self.max_bytes = max_bytes
        self.bytes = 0
        self.hits = self.absent = self.outdated = self.evictions = self.too_large = 0
        self._entries: OrderedDict[Hashable, Entry[Value]] = OrderedDict()
        self._making: dict[Hashable, asyncio.Future[Entry[Value] | None]] = {}
        """The values that are being made; None will come of one whose making failed."""

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, caller: Caller) -> Value | None:
        """Return the caller's value, if it was made at their revisions and nothing in it has expired since."""
        key = _key(caller)
        entry = self._entries.get(key)
        if entry is None:
            self.absent += 1
            return None
        if not entry.serves(caller):
            self._drop(key)
            self.outdated += 1
            return None
        self._entries.move_to_end(key)
        self.hits += 1
        return entry.value

    async def make(self, caller: Caller, make: Callable[[], Awaitable[Entry[Value]]]) -> Value:
        """Make a value that is not cached, and cache it.

        While one is made for the same user and scopes, this waits for it, once, and takes it if it was made at the
        caller's revisions, as if it had been cached: hundreds who come at once would otherwise all make the same.
        """
        key = _key(caller)
        if key in self._making:
            made = await asyncio.shield(self._making[key])
            if made is not None and made.serves(caller):
                return made.value
        making = self._making[key] = asyncio.get_running_loop().create_future()
        entry = None
        try:
            entry = await make()
        finally:
            making.set_result(entry)
            if self._making.get(key) is making:
                del self._making[key]
        if entry.version is not None:
            self.put(caller, entry.value, entry.version, entry.size)
        return entry.value

    def put(self, caller: Caller, value: Value, version: ReadVersion, size: int) -> None:
        """Cache a value of `size` bytes in the place of the caller's former one.

        Ignored if the value was read at other revisions than the caller's: their role, say, may be another there. And
        if it is larger than the whole cache, for which all others would be evicted in vain.
        """
        if version.revisions != caller.revisions:
            return
        key = _key(caller)
        self._drop(key)
        size += max(OVERHEAD, BYTES_PER_REVISION * len(version.revisions))
        if size > self.max_bytes:
            self.too_large += 1
            return
        entry = self._entries[key] = Entry(value, version, size)
        self.bytes += entry.size
        while self.bytes > self.max_bytes:
            self._drop(next(iter(self._entries)))
            self.evictions += 1

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self.bytes = 0

    def _drop(self, key: Hashable) -> None:
        dropped = self._entries.pop(key, None)
        if dropped is not None:
            self.bytes -= dropped.size

    def collect(self) -> Iterator[Metric]:
        """Yield lookups by result, entries, bytes and evictions."""
        name = f"flow_pipelines_{self.name}_cache"
        lookups = {"hit": self.hits, "absent": self.absent, "outdated": self.outdated}
        yield counters(f"{name}_lookups", "Lookups in the cache, by result.", "result", lookups)
        yield gauge(f"{name}_entries", "Entries of the cache.", len(self))
        yield gauge(f"{name}_bytes", "Bytes that the entries take.", self.bytes)
        yield gauge(f"{name}_limit_bytes", "Bytes that the entries may take.", self.max_bytes)
        yield counter(f"{name}_evictions", "Entries evicted because others needed room.", self.evictions)
        yield counter(f"{name}_too_large", "Values that are larger than the whole cache.", self.too_large)


def _key(caller: Caller) -> Hashable:
    """Return the key of a caller's value. The bytes of a UUID are hashed in a tenth of the UUID's own time."""
    user_id = caller.user_id
    if caller.provided is None or not isinstance(user_id, MappedUser):
        return user_id.bytes, caller.scopes
    return user_id.bytes, caller.scopes, caller.role, user_id.groups
