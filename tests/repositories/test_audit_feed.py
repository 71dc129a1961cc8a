"""The audit trail as it goes on: every entry once, in whatever order transactions end."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import asyncpg
import pytest

from service.database.pool import Connection, Database
from service.errors import FailedPrecondition
from service.identity import operator
from service.operations.audit import begin_to_follow, follow_audit
from service.operations.call import Call
from service.repositories.audit import Entry
from service.repositories.audit_feed import PAGE_SIZE, FeedCursor
from service.schemas.audit import ListAudit
from tests.factories import World

Raw = "asyncpg.Connection[asyncpg.Record]"
INSERT = (
    "INSERT INTO audit (organization_id, actor, action, target) VALUES ($1, 'command line', 'test', $2) RETURNING id"
)


class OneConnection:
    """A database with the one connection of a test."""

    def __init__(self, raw: Any) -> None:
        self._connection = Connection(raw)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        yield self._connection


class Follower:
    """A reader of one organization's trail."""

    def __init__(self, world: World, request: ListAudit | None = None) -> None:
        self.call = Call(operator(world.id), cast("Database", OneConnection(world.raw)))
        self.request = request or ListAudit()
        self.cursor: FeedCursor | None = None

    async def begin(self) -> None:
        self.cursor = await begin_to_follow(self.call)

    async def read(self) -> list[str]:
        """Return the targets of what is new."""
        assert self.cursor is not None
        entries: list[Entry] = []
        while True:
            page, self.cursor = await follow_audit(self.call, self.request, self.cursor)
            entries += page
            if self.cursor.target is None:
                return [entry.target for entry in entries]


@pytest.fixture(name="follower")
async def _follower(world: World) -> Follower:
    follower = Follower(world)
    await follower.begin()
    return follower


@pytest.fixture(name="writer")
async def _writer(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def test_feed_has_an_entry_that_commits_late_with_an_earlier_id(
    world: World, follower: Follower, writer: Any
) -> None:
    late = writer.transaction()
    await late.start()
    first = await writer.fetchval(INSERT, world.id, "late")
    second = await world.raw.fetchval(INSERT, world.id, "early")

    assert (first < second, await follower.read()) == (True, ["early"])
    await late.commit()
    assert await follower.read() == ["late"]
    assert await follower.read() == []


async def test_feed_has_an_entry_whose_transaction_was_under_way_at_the_beginning(world: World, writer: Any) -> None:
    follower = Follower(world)
    async with writer.transaction():
        await writer.fetchval(INSERT, world.id, "before")
        await follower.begin()
        assert await follower.read() == []

    assert await follower.read() == ["before"]


async def test_feed_has_entries_of_savepoints_and_none_of_what_was_rolled_back(
    world: World, follower: Follower, writer: Any
) -> None:
    outer = writer.transaction()
    await outer.start()
    async with writer.transaction():
        await writer.fetchval(INSERT, world.id, "in a savepoint")
        await world.raw.fetchval(INSERT, world.id, "meanwhile")
        async with writer.transaction():
            await writer.fetchval(INSERT, world.id, "in a savepoint of it")
    undone = writer.transaction()
    await undone.start()
    await writer.fetchval(INSERT, world.id, "undone")
    assert await follower.read() == ["meanwhile"]
    await undone.rollback()
    await writer.fetchval(INSERT, world.id, "at last")
    assert await follower.read() == []
    await outer.commit()

    assert await follower.read() == ["in a savepoint", "in a savepoint of it", "at last"]


async def test_feed_has_more_entries_than_a_page_each_once(world: World, follower: Follower) -> None:
    many = [str(number) for number in range(1500)]
    await world.raw.executemany(INSERT, [(world.id, target) for target in many])
    assert follower.cursor is not None
    first, follower.cursor = await follow_audit(follower.call, follower.request, follower.cursor)
    await world.raw.fetchval(INSERT, world.id, "between two pages")

    assert len(first) == PAGE_SIZE
    assert [entry.target for entry in first] + await follower.read() == many
    assert await follower.read() == ["between two pages"]


async def test_feed_has_what_its_filters_fit_and_nothing_of_others(world: World) -> None:
    follower = Follower(world, ListAudit(actor="COMMAND line", action="test", target="mine"))
    await follower.begin()
    other = await World.create(world.raw)
    for organization_id, target in ((world.id, "mine"), (world.id, "another"), (other.id, "mine")):
        await world.raw.fetchval(INSERT, organization_id, target)

    assert await follower.read() == ["mine"]


async def test_feed_has_no_restored_row_once_its_former_transaction_number_comes(
    world: World, follower: Follower
) -> None:
    restored = INSERT.replace("target)", "target, transaction_id)").replace("$2)", "$2, $3::text::xid8)")
    now = await world.raw.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
    await follower.read()
    await world.raw.fetchval(restored, world.id, "restored", str(int(now) + 3))
    shown = []
    for _ in range(6):
        await world.raw.fetchval(INSERT, world.id, "new")
        shown += await follower.read()

    assert shown == ["new"] * 6


async def test_feed_of_a_database_that_has_gone_back(follower: Follower) -> None:
    follower.cursor = FeedCursor(f"{2**40}:{2**40}:")

    with pytest.raises(FailedPrecondition, match="gone back to an earlier state"):
        await follower.read()


async def test_feed_of_a_database_that_has_changed_over_and_may_lack_what_was_read(follower: Follower) -> None:
    await follower.read()
    assert follower.cursor is not None
    assert follower.cursor.epoch is not None
    follower.cursor = replace(follower.cursor, epoch=follower.cursor.epoch._replace(timeline=0))

    with pytest.raises(FailedPrecondition, match="gone back to an earlier state"):
        await follower.read()


async def test_feed_counts_no_transaction_as_seen_that_a_crash_or_failover_may_give_out_again(
    world: World, follower: Follower
) -> None:
    last = await world.raw.fetchval(INSERT.replace("RETURNING id", "RETURNING transaction_id::text"), world.id, "last")
    for _ in range(3):
        await world.raw.fetchval("SELECT pg_current_xact_id()")
    assert await follower.read() == ["last"]

    assert follower.cursor is not None
    assert int(follower.cursor.seen.split(":")[1]) == int(last) + 1


async def test_feed_beside_writers_has_every_entry_once(dsn: str, world: World, follower: Follower) -> None:
    """Transactions that overlap, of different lengths, with savepoints, some of them rolled back."""
    choose, committed, ended = random.Random(15), set[str](), asyncio.Event()  # noqa: S311 - no secret

    async def write(name: int) -> None:
        connection = await asyncpg.connect(dsn)
        for turn in range(40):
            targets, transaction = [f"{name}/{turn}/{part}" for part in range(3)], connection.transaction()
            await transaction.start()
            await connection.fetchval(INSERT, world.id, targets[0])
            await asyncio.sleep(choose.random() * 0.01)
            async with connection.transaction():
                await connection.fetchval(INSERT, world.id, targets[1])
            if choose.random() < 0.2:
                await transaction.rollback()
                continue
            await connection.fetchval(INSERT, world.id, targets[2])
            await asyncio.sleep(choose.random() * 0.03)
            await transaction.commit()
            committed.update(targets)
        await connection.close()

    async def read() -> list[str]:
        found: list[str] = []
        while not ended.is_set():
            found += await follower.read()
            await asyncio.sleep(0.002)
        return found + await follower.read()

    reading = asyncio.create_task(read())
    await asyncio.gather(*map(write, range(5)))
    ended.set()
    found = await reading

    assert len(found) == len(set(found))
    assert set(found) == committed
