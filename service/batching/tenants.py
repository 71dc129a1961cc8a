"""Two batchers of one kind, so that a tenant with much under way holds up nobody else's batches."""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import Any, Final, Generic

from service.batching.batcher import Batcher, Item, Result
from service.database.fair_queue import Presence
from service.database.pool import Database
from service.database.reused_connection import ReusedConnection

MANY: Final = 64
"""Items of one tenant under way with which it is busy; fewer share the batches of others at little cost to these."""
FEW: Final = 4
"""Items of a busy tenant under way with which it is so no longer."""
MANY_REVISIONS: Final = 200
"""Revisions of a caller, one for each of their groups, with which to find them takes several times as long."""
MAX_HEAVY: Final = 1_000
"""Tenants that are kept apart whatever they have under way; beyond, all are forgotten, and found again."""
MAX_BUSY: Final = 8
"""Items in one batch of tenants with much under way: what goes on with its results holds up others for about 1 ms."""


class TenantBatchers(Generic[Item, Result]):
    """Runs items in batches, and those of tenants with much under way in batches apart, while others are there.

    By how much each has under way, so that many tenants with little each still share batches.
    """

    def __init__(
        self,
        make: Callable[[int], Batcher[Item, Result]],
        presence: Presence,
        max_size: int,
        max_busy: int = MAX_BUSY,
    ) -> None:
        """Make both batchers.

        Args:
            make: makes one by the size of its largest batch, with a connection of its own.
            presence: says whether others are there.
            max_size: of the largest batch.
            max_busy: of the largest batch of tenants with much under way.
        """
        self._presence = presence
        self.batcher: Final = make(max_size)
        self._busy: Final = make(min(max_size, max_busy))
        self._busy.sizes, self._busy.durations = self.batcher.sizes, self.batcher.durations
        self.batcher.on_done = self._busy.on_done = self._count_done
        self._under_way: dict[Hashable, int] = {}
        self._busy_tenants: set[Hashable] = set()
        self._heavy_tenants: set[Hashable] = set()

    def keep_apart(self, tenant: Hashable) -> None:
        """Run a tenant's items apart from now on, however few they are: single ones take long."""
        if len(self._heavy_tenants) == MAX_HEAVY:
            self._heavy_tenants.clear()
        self._heavy_tenants.add(tenant)
        self._busy_tenants.add(tenant)

    def submit(self, tenant: Hashable, item: Item) -> Awaitable[Result]:
        """Return the result to come of a tenant's item, or the failure of its batch; None: the tenant is not known yet.

        No coroutine, and counted down by the batch: it is on the way of each request.
        """
        count = self._under_way[tenant] = self._under_way.get(tenant, 0) + 1
        if count >= MANY:
            self._busy_tenants.add(tenant)
            self.batcher.patient = False  # a busy tenant makes each turn of the loop long
        if self._busy_tenants and tenant in self._busy_tenants and self._presence.several_organizations:
            return self._busy.submit(item, tenant)
        return self.batcher.submit(item, tenant)

    def _count_done(self, tenants: Iterable[Hashable]) -> None:
        for tenant in tenants:
            left = self._under_way[tenant] = self._under_way[tenant] - 1
            if not left:
                del self._under_way[tenant]
            if left <= FEW and tenant in self._busy_tenants and tenant not in self._heavy_tenants:
                self._busy_tenants.discard(tenant)
                self.batcher.patient = self._busy_tenants <= self._heavy_tenants


def reusing_batchers(
    database: Database,
    batcher_type: Callable[..., Batcher[Any, Any]],
    name: str,
    run: Callable[[ReusedConnection, Sequence[Item]], Awaitable[Sequence[Result]]],
    max_size: int,
    max_busy: int = MAX_BUSY,
    **options: Any,
) -> TenantBatchers[Item, Result]:
    """Make batchers that each keep a connection from one batch to the next.

    Args:
        database: whose connections they are, and which knows who is there.
        batcher_type: of both.
        name: for metrics and traces.
        run: runs a batch by the connection that it is given.
        max_size: of the largest batch.
        max_busy: of the largest batch of tenants with much under way.
        options: other arguments of a Batcher.
    """

    def make(size: int) -> Batcher[Item, Result]:
        connection = ReusedConnection(database)
        return batcher_type(name, partial(run, connection), max_size=size, on_idle=connection.rest, **options)

    return TenantBatchers(make, database.presence, max_size, max_busy)
