"""Places in the feed end in another history of the same database, that has the same numbers and other entries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from service.database.pool import Connection, Database
from service.errors import FailedPrecondition, Gone
from service.feed.cursor import Cursor
from service.identity import operator
from service.operations.audit import begin_to_follow, follow_audit
from service.operations.call import Call
from service.operations.changes import list_changes
from service.repositories import audit_feed
from service.repositories.audit_epochs import Epoch
from service.schemas.audit import ListAudit
from service.schemas.changes import ListChanges
from tests.audit.test_verification import INSERT
from tests.factories import World
from tests.repositories.test_audit_feed import OneConnection


class Places:
    """Places behind an entry of another organization than the one whose feed is read, which has none."""

    def __init__(self, world: World, idle: World, last: int) -> None:
        self.raw: Any = world.raw
        self.last = last
        self.organization_id = idle.id
        self.call = Call(operator(idle.id), cast("Database", OneConnection(self.raw)))

    async def begin(self) -> None:
        self.cursor = (await list_changes(self.call, ListChanges(all=True))).next_cursor
        self.followed = await begin_to_follow(self.call)

    async def go_on(self) -> None:
        """Go on from both.

        Raises:
            Gone: neither can be.
        """
        try:
            await follow_audit(self.call, ListAudit(), self.followed)
        except FailedPrecondition as error:
            with pytest.raises(Gone, match="changed over"):
                await list_changes(self.call, ListChanges(after=self.cursor, all=True))
            raise Gone("both") from error
        await list_changes(self.call, ListChanges(after=self.cursor, all=True))

    @asynccontextmanager
    async def altered(self, statement: str) -> AsyncIterator[None]:
        transaction = self.raw.transaction()
        await transaction.start()
        assert await self.raw.execute(statement, self.last) != "DELETE 0"
        yield
        await transaction.rollback()


@pytest.fixture(name="places")
async def _places(world: World) -> Places:
    for target in ("job:1", "job:2"):
        last = await world.raw.fetchval(INSERT, world.id, target)
    places = Places(world, await World.create(world.raw), last)
    await places.begin()
    return places


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET request_id = 'another' WHERE id = $1", "DELETE FROM audit WHERE id = $1"],
    ids=["another entry", "no entry"],
)
async def test_place_ends_where_the_last_transaction_has_written_something_else(places: Places, statement: str) -> None:
    await places.go_on()

    async with places.altered(statement):
        with pytest.raises(Gone):
            await places.go_on()


async def test_place_goes_on_where_all_that_it_has_seen_was_archived(places: Places) -> None:
    everything = "DELETE FROM audit WHERE transaction_id <= (SELECT b.transaction_id FROM audit b WHERE b.id = $1)"

    async with places.altered(everything):
        await places.go_on()


async def test_place_ends_where_its_last_transaction_is_yet_to_come(places: Places) -> None:
    """Later, that number would be given to a transaction whose entries count as seen."""
    cursor = Cursor.read(places.cursor, places.organization_id)
    ahead = cursor._replace(epoch=cursor.epoch._replace(last=2**40)).write(places.organization_id)

    with pytest.raises(Gone, match="changed over"):
        await list_changes(places.call, ListChanges(after=ahead, all=True))


@pytest.mark.parametrize("target", [None, "the place's"])
async def test_reading_tells_that_it_is_of_another_history(places: Places, target: str | None) -> None:
    """In its own statement, as each one may go to another server behind a pooler."""
    cursor = Cursor.read(places.cursor, places.organization_id)
    found = [await _read(places, cursor, target, each) for each in (cursor.epoch, cursor.epoch._replace(digest=1))]

    assert found == [True, False]


async def _read(places: Places, cursor: Cursor, target: str | None, epoch: Epoch) -> bool:
    found = await audit_feed.read_between(
        Connection(places.raw),
        [places.organization_id],
        seen=cursor.seen,
        target=target and cursor.seen,
        after=0,
        epoch=epoch,
    )
    return found.holds
