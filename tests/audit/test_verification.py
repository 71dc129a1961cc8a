"""The verification of the trail by its seals: whatever a superuser does to it is found."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from service.audit.archives import verifying
from service.audit.archives.verifying import Archives, TrailVerification
from service.audit.sealing import Sealer
from service.audit.verification import Alteration, Published, Verification
from service.database.migrations import migrate
from service.database.pool import Connection, Database, open_database
from service.repositories import audit_seals
from service.settings import Settings
from tests.factories import World

INSERT = """
    INSERT INTO audit (organization_id, actor, action, target, after)
    VALUES ($1, 'command line', 'job.create', $2, '{"owner": "ada", "n": 1}') RETURNING id
"""
WITH_ALL = """
    INSERT INTO audit (organization_id, id, at, actor, action, target, transaction_id) OVERRIDING SYSTEM VALUE
    VALUES ($1, $2, now() - $3::text::interval, 'command line', 'test', 'test', $4::text::xid8)
"""
CHANGES = (
    "actor = 'eve'",
    "actor_id = gen_random_uuid()",
    "token_id = gen_random_uuid()",
    "action = 'job.delete'",
    "target = 'job:other'",
    "before = '{}'",
    "before = after",
    "after = NULL",
    "after = after || '{\"n\": 2}'",
    "request_id = 'another'",
    "at = at - interval '1 microsecond'",
    "at = at - interval '1 year'",
    "at = at + interval '1 day'",
    "transaction_id = NULL",
    "transaction_id = (transaction_id::text::bigint + 1)::text::xid8",
)


@dataclass
class Trail:
    """A trail of two organizations, sealed but for its tail."""

    raw: "asyncpg.Connection[asyncpg.Record]"
    database: Database
    worlds: tuple[World, World]
    sealed: list[int]
    tail: list[int]
    gap: int
    """The id of an entry that was rolled back."""

    async def write(self, target: str, world: int = 0) -> int:
        found: int = await self.raw.fetchval(INSERT, self.worlds[world].id, target)
        return found

    async def verify(self, copies: Published | None = None) -> tuple[list[Alteration], Verification]:
        trail = TrailVerification(Archives.open([]), copies)
        found = [each async for each in trail.verify(Connection(self.raw))]
        return found, trail.verification

    async def after(
        self, statement: str, *arguments: Any, copies: Published | None = None
    ) -> set[tuple[str, int | None]]:
        """Return what is found after a statement, which is taken back: kinds, and entries or else seals."""
        transaction = self.raw.transaction()
        await transaction.start()
        try:
            await self.raw.execute(statement, *arguments)
            found, _ = await self.verify(copies)
        finally:
            await transaction.rollback()
        return {(each.kind, each.entry or each.seal) for each in found}

    async def copies(self) -> Published:
        rows = await self.raw.fetch("SELECT number, encode(chain, 'hex') FROM audit_seals")
        return Published({row[0]: row[1] for row in rows})


async def _fill(trail: Trail, dsn: str) -> None:
    """Write as the service does, and beside it late, in a savepoint and in vain; seal meanwhile."""
    sealer, late = Sealer(trail.database, 60), await asyncpg.connect(dsn)
    slow = late.transaction()
    for number in range(12):
        trail.sealed.append(await trail.write(f"job:{number}", number % 2))
    await sealer.seal()
    await slow.start()
    trail.sealed.append(await late.fetchval(INSERT, trail.worlds[0].id, "late"))
    for number in range(12, 20):
        trail.sealed.append(await trail.write(f"job:{number}", number % 2))
    transaction = trail.raw.transaction()
    await transaction.start()
    trail.gap = await trail.write("in vain")
    await transaction.rollback()
    await sealer.seal()
    await slow.commit()
    await late.close()
    trail.sealed.append(await trail.write("job:20"))
    await sealer.seal()
    trail.tail += [await trail.write(f"tail:{number}") for number in range(4)]


@pytest.fixture(name="trail")
async def _trail(empty_dsn: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trail]:
    monkeypatch.setattr(verifying, "PAGE_SIZE", 3)
    await migrate(empty_dsn)
    raw = await asyncpg.connect(empty_dsn)
    async with open_database(empty_dsn, settings) as database:
        trail = Trail(raw, database, (await World.create(raw), await World.create(raw)), [], [], 0)
        await _fill(trail, empty_dsn)
        yield trail
    await raw.close()


async def test_verification_finds_whatever_is_done_to_the_trail(trail: Trail) -> None:
    await _finds_nothing_where_nothing_was_done(trail)
    await _finds_changes_and_deletions(trail)
    await _finds_insertions(trail)
    await _finds_changes_of_seals(trail)
    await _finds_what_was_sealed_anew_by_copies(trail)
    await _finds_what_was_dated_back_once_it_is_sealed(trail)


async def _finds_nothing_where_nothing_was_done(trail: Trail) -> None:
    found, verification = await trail.verify(await trail.copies())

    assert found == []
    assert (verification.seals, verification.sealed, verification.unsealed) == (3, 22, 4)


async def _finds_changes_and_deletions(trail: Trail) -> None:
    chance = random.Random(21)  # noqa: S311 - no secret
    for change in CHANGES:
        one = chance.choice(trail.sealed)
        found = await trail.after(f"UPDATE audit SET {change} WHERE id = $1", one)
        assert found == {("changed", one)}, change
    one, other = chance.sample(trail.sealed, 2)
    exchanged = await trail.after(
        "UPDATE audit a SET target = b.target FROM audit b WHERE a.id = ANY ($1) AND b.id = ANY ($1) AND a.id <> b.id",
        [one, other],
    )
    assert exchanged == {("changed", one), ("changed", other)}
    moved = await trail.after(
        "UPDATE audit SET organization_id = $2 WHERE id = $1", trail.sealed[0], trail.worlds[1].id
    )
    assert moved == {("changed", trail.sealed[0])}
    for some in ([one], trail.sealed[5:15], trail.sealed):
        assert await trail.after("DELETE FROM audit WHERE id = ANY ($1)", some) == {("missing", each) for each in some}
    assert await trail.after("TRUNCATE audit") == {("missing", each) for each in trail.sealed}
    # The unsealed tail, said plainly: nothing shows what is done to it.
    assert await trail.after("DELETE FROM audit WHERE id = ANY ($1)", trail.tail) == set()
    assert await trail.after("UPDATE audit SET actor = 'eve' WHERE id = ANY ($1)", trail.tail) == set()


async def _finds_insertions(trail: Trail) -> None:
    xid = await trail.raw.fetchval("SELECT transaction_id::text FROM audit WHERE id = $1", trail.sealed[0])
    now = await trail.raw.fetchval("SELECT pg_current_xact_id()::text")
    yet_to_come = str(int(now) + 1_000_000)
    for world, ago in ((1, "0 s"), (0, "40 days")):  # of another organization or month: by its number it is sealed
        found = await trail.after(WITH_ALL, trail.worlds[world].id, trail.sealed[0], ago, xid)
        assert found == {("changed", trail.sealed[0])}
    seal = (await audit_seals.page(Connection(trail.raw), 0, 1))[0]
    present = await audit_seals.list_present(Connection(trail.raw), seal.numbers[0], seal.numbers[-1] + 1)
    another = present[0]._replace(leaf=audit_seals.NOTHING)
    for entries in ([another, *present], [*present, another]):  # in whichever order they are read
        found = {(each.kind, each.entry or 0) for each in Verification().check_seal(seal, entries)}
        assert found == {("changed", present[0].id)}
    for number in (trail.gap, trail.tail[-1] + 1_000):
        for transaction in (xid, None, yet_to_come):
            found = await trail.after(WITH_ALL, trail.worlds[0].id, number, "0 s", transaction)
            assert found == {("inserted", number)}, transaction
        statement = WITH_ALL.replace("$4::text::xid8", "coalesce(pg_current_xact_id(), $4::text::xid8)")
        assert await trail.after(statement, trail.worlds[0].id, number, "2 hours", None) == {("dated", number)}


async def _finds_changes_of_seals(trail: Trail) -> None:
    for change in (
        "root = sha256('x')",
        "chain = sha256('x')",
        "leaves = sha256('x') || substr(leaves, 33)",
        "sealed_at = sealed_at - interval '1 day'",
        "snapshot = '1:1:'",
        "epoch = 'x'",
        "ids = ids - int8multirange(int8range(lower(ids), lower(ids) + 1))",
    ):
        for number in (1, 2, 3):
            found = await trail.after(
                f"UPDATE audit_seals SET {change} WHERE number = $1",
                number,
            )
            assert ("seal", number) in found, (change, number)
    assert ("seal", 2) in await trail.after("DELETE FROM audit_seals WHERE number = 1")
    assert ("seal", 3) in await trail.after("DELETE FROM audit_seals WHERE number = 2")


async def _finds_what_was_sealed_anew_by_copies(trail: Trail) -> None:
    """A superuser who seals anew is only found out by what is kept elsewhere."""
    copies = await trail.copies()
    last = "DELETE FROM audit_seals WHERE number = 3"
    assert ("seal", 3) not in await trail.after(last)
    assert ("seal", 3) in await trail.after(last, copies=copies)

    transaction = trail.raw.transaction()
    await transaction.start()
    await trail.raw.execute("UPDATE audit SET actor = 'eve' WHERE id = $1", trail.sealed[0])
    await _seal_anew(Connection(trail.raw))
    found, _ = await trail.verify()
    told, _ = await trail.verify(copies)
    await transaction.rollback()
    assert found == []
    assert {(each.kind, each.seal) for each in told} == {("seal", 1), ("seal", 2), ("seal", 3)}


async def _seal_anew(connection: Connection) -> None:
    """Make all seals again, of the entries as they are now, as somebody can who may change both tables."""
    seals = await audit_seals.page(connection, 0, 10)
    await connection.execute("test", "DELETE FROM audit_seals")
    former = None
    for seal in seals:
        present = await audit_seals.list_present(connection, seal.numbers[0], seal.numbers[-1] + 1)
        fresh = [audit_seals.Fresh(each.id, each.leaf) for each in present if each.id in seal.numbers]
        former = audit_seals.make_seal(former, seal.sealed_at, seal.epoch, seal.snapshot, fresh)
        await audit_seals.insert(connection, former)


async def _finds_what_was_dated_back_once_it_is_sealed(trail: Trail) -> None:
    now = WITH_ALL.replace("$4::text::xid8", "pg_current_xact_id()").replace("$3::text::interval", "interval '2 hours'")
    ids = [trail.tail[-1] + 10, trail.tail[-1] + 11]
    await trail.raw.execute(now.replace("$2", str(ids[0])), trail.worlds[0].id)
    await trail.raw.execute(
        now.replace("$2", str(ids[1])).replace("- interval", "+ interval"),
        trail.worlds[0].id,
    )
    await Sealer(trail.database, 60).seal()
    found, _ = await trail.verify()

    assert {(each.kind, each.entry) for each in found} == {("dated", each) for each in ids}
