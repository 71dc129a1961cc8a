"""Two batchers of one kind, so that a tenant with much under way holds up nobody else's batches."""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Final, Generic

from service.batching.batcher import Batcher, Item, Result
from service.database.fair_queue import Presence

FEW: Final = 4
"""Items of one tenant under way that share a batch with whoever comes."""


class TenantBatchers(Generic[Item, Result]):
    """Runs items in batches, and those of tenants with much under way in batches apart, while others are there.

    By how much each has under way, so that many tenants with little each still share batches.
    """

    def __init__(self, make: Callable[[], Batcher[Item, Result]], presence: Presence) -> None:
        """Make both batchers by a function, which gives each a connection of its own."""
        self._presence = presence
        self.batcher: Final = make()
        self._busy: Final = make()
        self._busy.sizes, self._busy.durations = self.batcher.sizes, self.batcher.durations
        self._under_way: Counter[Hashable] = Counter()

    async def submit(self, tenant: Hashable, item: Item) -> Result:
        """Return the result of a tenant's item, or the failure of its batch."""
        self._under_way[tenant] += 1
        try:
            much = self._under_way[tenant] > FEW and self._presence.several_organizations
            return await (self._busy if much else self.batcher).submit(item)
        finally:
            self._under_way[tenant] -= 1
            if not self._under_way[tenant]:
                del self._under_way[tenant]
