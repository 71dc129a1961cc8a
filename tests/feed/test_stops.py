"""How far a page of the feed looks: over no more entries than a stride, whatever places the client names."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from service.audit.sealing import Sealer
from service.database.migrations import migrate
from service.database.pool import Database, open_database
from service.feed.cursor import Cursor
from service.identity import operator
from service.operations.call import Call
from service.operations.changes import list_changes
from service.repositories import audit_feed, audit_feed_stops
from service.repositories.audit_feed import BEGINNING, BETWEEN, BETWEEN_WIDE, FeedState
from service.schemas.changes import ListChanges
from service.settings import Settings
from tests.audit.test_verification import INSERT
from tests.factories import World

STRIDE = 10
IN_A_SEAL = 12
COUNT = "SELECT count(*) FROM audit WHERE transaction_id >= $1::text::xid8 AND transaction_id < $2::text::xid8"


@dataclass
class Feed:
    """A trail of two organizations, sealed in parts but for its tail."""

    database: Database
    raw: "asyncpg.Connection[asyncpg.Record]"
    mine: UUID
    other: UUID
    written: list[int] = field(default_factory=list)
    looked_at: list[int] = field(default_factory=list)
    """Of each page that was read, the entries between its snapshots, or by their ids."""

    async def fill(self, number: int) -> None:
        """Write entries of which one in four is of the organization."""
        for place in range(number):
            entry = await self.raw.fetchval(INSERT, self.other if place % 4 else self.mine, f"job:{place}")
            self.written += [] if place % 4 else [entry]

    async def state(self) -> FeedState:
        async with self.database.connection() as connection:
            return await audit_feed.read_state(connection, self.mine)

    async def read_all(self, after: str) -> list[int]:
        """Return the ids of all entries behind a place."""
        found: list[int] = []
        while True:
            call, request = Call(operator(self.mine), self.database), ListChanges(after=after, all=True, page_size=1000)
            page = await list_changes(call, request)
            found += [each.entry.id for each in page.changes if each.entry is not None]
            if not page.more:
                return found
            assert page.next_cursor != after
            after = page.next_cursor

    def made_up(self, state: FeedState, seen: str, target: str | None) -> str:
        return Cursor(state.epoch, seen, target).write(self.mine)


@pytest.fixture(name="feed")
async def _feed(empty_dsn: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Feed]:
    await migrate(empty_dsn)
    raw = await asyncpg.connect(empty_dsn)
    for name, value in (("STRIDE", STRIDE), ("FAR", 3)):
        monkeypatch.setattr(audit_feed_stops, name, value)
    monkeypatch.setattr(audit_feed, "WIDE", 3)
    async with open_database(empty_dsn, settings) as database:
        feed = Feed(database, raw, (await World.create(raw)).id, (await World.create(raw)).id)
        between, beginning = audit_feed.read_between, audit_feed.read_from_beginning

        async def read_between(connection: Any, ids: Any, **how: Any) -> Any:
            seen, target = (how[name].split(":")[1] for name in ("seen", "target"))
            feed.looked_at.append(await raw.fetchval(COUNT, seen, target))
            return await between(connection, ids, **how)

        async def read_from_beginning(connection: Any, organization_id: UUID, **how: Any) -> Any:
            count = (
                "SELECT count(*) FROM audit WHERE organization_id = $1 AND id > $2 AND id <= coalesce($3, 1000000000)"
            )
            feed.looked_at.append(await raw.fetchval(count, organization_id, how["after"], how["last"]))
            return await beginning(connection, organization_id, **how)

        monkeypatch.setattr(audit_feed, "read_between", read_between)
        monkeypatch.setattr(audit_feed, "read_from_beginning", read_from_beginning)
        yield feed
    await raw.close()


async def test_page_looks_at_a_stride_of_entries_at_most(feed: Feed) -> None:
    """Of a client that was away for long as of one that has made its place up; each gets all entries, in order."""
    sealer = Sealer(feed.database, 60)
    before = await feed.state()
    for number in range(9):
        await feed.fill(IN_A_SEAL)
        if number == 4:
            half = await feed.state()
        await sealer.seal()
    await feed.fill(IN_A_SEAL)
    now = await feed.state()
    assert await feed.raw.fetchval("SELECT count(*) FROM audit_seals") == 9
    away = Cursor(before.epoch, before.snapshot, None, 0, 0).write(feed.mine)
    first = await feed.raw.fetchval("SELECT min(transaction_id::text::bigint) FROM audit")
    wide = f"{first}:{half.snapshot.split(':')[1]}:{first}"
    places = {
        "away": (away, feed.written),
        "made up": (feed.made_up(now, "3:3:", None), feed.written),
        "with a target": (feed.made_up(now, "3:3:", now.snapshot), feed.written),
        "wide": (feed.made_up(now, wide, now.snapshot), None),
    }
    for name, (place, expected) in places.items():
        feed.looked_at.clear()
        found = await feed.read_all(place)
        assert found == (expected or found), name
        assert max(feed.looked_at) <= STRIDE + 2 * IN_A_SEAL, name
        assert expected or len(found) == len(feed.written) // 2 + 1, name

    feed.looked_at.clear()
    assert await feed.read_all(feed.made_up(now, BEGINNING, "3:3:")) == feed.written
    assert max(feed.looked_at) <= STRIDE + IN_A_SEAL
    assert await feed.read_all("0") == feed.written


@pytest.mark.slow
async def test_place_is_behind_what_was_kept_when_it_was_read(feed: Feed) -> None:
    """A place on the way knows of no entry behind it: those between may be archived before it is read."""
    before = await feed.state()
    for _ in range(9):
        await feed.fill(IN_A_SEAL)
        await Sealer(feed.database, 60).seal()
    call = Call(operator(feed.mine), feed.database)
    after = Cursor(before.epoch, before.snapshot, None, 0, 0).write(feed.mine)

    page = await list_changes(call, ListChanges(after=after, all=True, page_size=1))

    assert Cursor.read(page.next_cursor, feed.mine).known == feed.written[0]


@pytest.mark.slow
async def test_wide_snapshot_sees_the_same(feed: Feed) -> None:
    await feed.fill(40)
    numbers = [
        int(row["number"])
        for row in await feed.raw.fetch("SELECT transaction_id::text AS number FROM audit ORDER BY transaction_id")
    ]
    target = f"{numbers[-3]}:{numbers[-1]}:{numbers[-3]}"
    for seen in (
        f"{numbers[0]}:{numbers[9]}:",
        f"{numbers[4]}:{numbers[9]}:{numbers[4]},{numbers[7]}",
        f"{numbers[0]}:{numbers[-1]}:{','.join(map(str, numbers[2:-1:3]))}",
        f"3:3:{''}",
    ):
        arguments = [feed.mine, feed.other], seen, target, 0, 1000, 10**9, 0, 0
        found = [[row["id"] for row in await feed.raw.fetch(each, *arguments)] for each in (BETWEEN, BETWEEN_WIDE)]
        assert found[0] == found[1]
        assert found[0]
