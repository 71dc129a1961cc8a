import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

from service.batching.pipeline_lists import MAX_LONG_LISTS, PipelineListBatcher
from service.database.fair_queue import Presence
from service.database.pool import Database
from service.identity import Caller
from service.permissions import Role
from service.repositories.pipelines import PipelineList
from service.repositories.revisions import ReadVersion


class AnyConnection:
    """A database with as many connections as are asked for."""

    presence = Presence()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        yield


async def test_few_lists_without_a_bound_are_read_at_once() -> None:
    caller = Caller(Role.ADMIN, None, uuid4(), uuid4(), "ada", uuid4(), b"", (), None)  # type: ignore[arg-type] # of no moment
    reading: list[int] = [0, 0]

    async def listing(*_: Any) -> PipelineList:
        reading[0] += 1
        reading[1] = max(reading)
        await asyncio.sleep(0.001)
        reading[0] -= 1
        return PipelineList([], ReadVersion((), None))

    lists = PipelineListBatcher(cast(Database, AnyConnection()))
    await asyncio.gather(*(lists.read_alone(listing, caller) for _ in range(50)))

    assert reading == [0, MAX_LONG_LISTS]
