"""What is granted to callers, who share a statement with those who must have it read at the same moment."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from service.authentication.bearer import Caller
from service.batching.batcher import Together
from service.database.pool import Database, HeldConnection, timed
from service.repositories import pipelines
from service.repositories.pipelines import Listing

MOST_TOGETHER: Final = 32
"""Callers in one statement."""


class Listings:
    """Reads the pipelines on which anything is granted to callers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held = HeldConnection(database)
        self.asked: Together[tuple[UUID, UUID], Listing | None] = Together(
            self._list, most=MOST_TOGETHER, rest=self._held.give_back
        )

    async def granted_to(self, caller: Caller) -> Listing:
        """By name, then id, and the state they were read at; alone if they are many."""
        with timed():
            listing = await self.asked.ask((caller.organization_id, caller.user_id))
        if listing is not None:
            return listing
        async with self._database.connection() as connection:
            return await pipelines.list_granted(connection, caller.organization_id, caller.user_id)

    async def _list(self, users: Sequence[tuple[UUID, UUID]]) -> Sequence[Listing | None]:
        async with self._held as connection:
            return await pipelines.list_granted_each(connection, users)
