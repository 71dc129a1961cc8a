"""Lists of granted pipelines that are in no cache, read in batches."""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from service.batching.batcher import Batcher
from service.database.pool import Database, ReusedConnection, timed
from service.identity import Caller
from service.repositories import pipelines
from service.repositories.pipelines import PipelineList

MAX_LISTS_PER_BATCH: Final = 32
"""Callers in one statement."""


class PipelineListBatcher:
    """Reads the pipelines on which anything is granted to callers."""

    def __init__(self, database: Database, batcher_type: Callable[..., Batcher[Any, Any]] = Batcher) -> None:
        self._database = database
        self._connection = ReusedConnection(database)
        self.batcher: Batcher[tuple[UUID, UUID], PipelineList | None] = batcher_type(
            "pipeline_list", self._list, max_size=MAX_LISTS_PER_BATCH, on_idle=self._connection.release
        )

    async def granted_to(self, caller: Caller) -> PipelineList:
        """Return a caller's pipelines by name, then id, and their version; read alone if they are many."""
        with timed():
            found = await self.batcher.submit((caller.organization_id, caller.user_id))
        if found is not None:
            return found
        async with self._database.connection() as connection:
            return await pipelines.list_granted(connection, caller.organization_id, caller.user_id)

    async def _list(self, users: Sequence[tuple[UUID, UUID]]) -> Sequence[PipelineList | None]:
        async with self._connection as connection:
            return await pipelines.list_granted_each(connection, users)
