"""What is granted to callers, who share a statement with those who must have it read at the same moment."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from service.authentication.bearer import Caller
from service.batching.batcher import Batcher
from service.database.pool import Database, ReusedConnection, timed
from service.repositories import pipelines
from service.repositories.pipelines import PipelineList

MAX_BATCH_SIZE: Final = 32
"""Callers in one statement."""


class PipelineListBatcher:
    """Reads the pipelines on which anything is granted to callers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held = ReusedConnection(database)
        self.batcher: Batcher[tuple[UUID, UUID], PipelineList | None] = Batcher(
            self._list, most=MAX_BATCH_SIZE, on_idle=self._held.release
        )

    async def granted_to(self, caller: Caller) -> PipelineList:
        """By name, then id, and the state they were read at; alone if they are many."""
        with timed():
            listing = await self.batcher.submit((caller.organization_id, caller.user_id))
        if listing is not None:
            return listing
        async with self._database.connection() as connection:
            return await pipelines.list_granted(connection, caller.organization_id, caller.user_id)

    async def _list(self, users: Sequence[tuple[UUID, UUID]]) -> Sequence[PipelineList | None]:
        async with self._held as connection:
            return await pipelines.list_granted_each(connection, users)
