"""Lists of granted pipelines that are in no cache, read in batches."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

from service.batching.batcher import Batcher
from service.batching.tenants import reusing_batchers
from service.database.fair_queue import FairQueue
from service.database.pool import Database, timed
from service.database.reused_connection import ReusedConnection
from service.identity import Caller, MappedUser
from service.repositories import pipelines
from service.repositories.pipelines import NO_FILTERS, Filters, PipelineList
from service.telemetry.request_record import current_asking

Listing = Callable[..., Awaitable[PipelineList]]

MAX_LISTS_PER_BATCH: Final = 32
"""Callers in one statement."""
MAX_LONG_LISTS: Final = 4
"""Lists without a bound that are read at once: of 20,000 pipelines each, they take 10 MB, and others wait for none."""


class PipelineListBatcher:
    """Reads the pipelines on which anything is granted to callers."""

    def __init__(self, database: Database, batcher_type: Callable[..., Batcher[Any, Any]] = Batcher) -> None:
        self._database = database
        self._long: Final = FairQueue(MAX_LONG_LISTS, database.presence, 0.5, 0.5)
        self._batchers = reusing_batchers(database, batcher_type, "pipeline_list", self._list, MAX_LISTS_PER_BATCH)
        self.batcher: Final = self._batchers.batcher

    async def granted_to(self, caller: Caller) -> PipelineList:
        """Return a caller's pipelines by name, then id, and their version.

        They are read alone if they are many, or if an identity provider's groups count.
        """
        if isinstance(caller.user_id, MappedUser):
            return await self.read_alone(pipelines.list_granted, caller)
        with timed():
            found = await self._batchers.submit(caller.organization_id.bytes, (caller.organization_id, caller.user_id))
        if found is not None:
            return found
        return await self.read_alone(pipelines.list_granted, caller)

    async def read_alone(self, listing: Listing, caller: Caller, filters: Filters = NO_FILTERS) -> PipelineList:
        """Read a caller's pipelines in a statement of its own, together with few others that may be as long."""
        async with self._long.place(current_asking()), self._database.connection() as connection:
            return await listing(connection, caller.organization_id, caller.user_id, filters)

    async def _list(
        self, reused: ReusedConnection, users: Sequence[tuple[UUID, UUID]]
    ) -> Sequence[PipelineList | None]:
        async with reused as connection:
            return await pipelines.list_granted_each(connection, users)
