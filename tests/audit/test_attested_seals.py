"""Seals as the database attests them: the role that serves inserts none but what the trail itself says."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from service.audit import sealing
from service.audit.sealing import seal_new
from service.database.migrations import migrate
from service.database.pool import Connection
from service.embedded.cluster import SERVICE_ROLE
from service.repositories import audit_seals
from service.repositories.audit_seals import NOTHING, Fresh, Seal, make_seal
from service.values.merkle import tree_root
from tests.audit.test_verification import INSERT
from tests.factories import World


@dataclass
class Trail:
    """A trail, and the connection of the role that serves."""

    world: World
    serving: "asyncpg.Connection[asyncpg.Record]"

    async def write(self, *targets: str) -> None:
        for target in targets:
            await self.world.raw.fetchval(INSERT, self.world.id, target)

    async def seal(self) -> Seal | None:
        async with self.serving.transaction():
            return await seal_new(Connection(self.serving))

    async def make(self, monkeypatch: pytest.MonkeyPatch) -> Seal:
        """Return the seal that is to be inserted in the present transaction, which has inserted none yet."""

        async def leave(*_: object) -> None:
            return None

        with monkeypatch.context() as patch:
            patch.setattr(audit_seals, "insert", leave)
            made = await seal_new(Connection(self.serving))
        assert made is not None
        return made

    async def insert(self, seal: Seal) -> str:
        """Insert a seal; return why it was refused, if it was."""
        try:
            async with self.serving.transaction():
                await audit_seals.insert(Connection(self.serving), seal)
        except asyncpg.InsufficientPrivilegeError as error:
            return str(error)
        return "inserted"


@pytest.fixture(name="trail")
async def _trail(empty_dsn: str) -> AsyncIterator[Trail]:
    await migrate(empty_dsn)
    raw = await asyncpg.connect(empty_dsn)
    serving = await asyncpg.connect(empty_dsn.replace("//postgres@", f"//{SERVICE_ROLE}@"))
    yield Trail(await World.create(raw), serving)
    await serving.close()
    await raw.close()


def chained(seal: Seal, **said: Any) -> Seal:
    """Return a seal that says something else, and is right in itself."""
    changed = seal._replace(
        root=tree_root(seal._replace(leaves=said["leaves"]).hashes) if "leaves" in said else seal.root
    )._replace(**said)
    return changed._replace(chain=changed.right_chain())


def with_entries(seal: Seal, former: Seal, fresh: list[Fresh], snapshot: str = "") -> Seal:
    return make_seal(former, seal.sealed_at, seal.epoch, snapshot or seal.snapshot, fresh)


def fresh_of(seal: Seal) -> list[Fresh]:
    return [Fresh(*each) for each in zip(seal.numbers, seal.hashes, strict=True)]


LEFT_OUT = "a seal must leave out no entry that its snapshot sees"
HASHES = "a seal must have the hashes of its entries, and their root"
ENTRIES = "a seal must have entries, and none that another one has"
SNAPSHOT = "a seal must have a snapshot between the last one and the present one"
FOLLOWS = "a seal must follow the last one"
TIME = "a seal must have the time at which it is made"
DATABASE = "a seal must name the database that it is made in"

FORGED: dict[str, tuple[str, Callable[[Seal, Seal], Seal]]] = {
    "another hash": (HASHES, lambda s, f: with_entries(s, f, [Fresh(each.id, NOTHING) for each in fresh_of(s)])),
    "an entry that is not there": (HASHES, lambda s, f: with_entries(s, f, [*fresh_of(s), Fresh(10**9, NOTHING)])),
    "entries in another order": (HASHES, lambda s, _: chained(s, leaves=b"".join(reversed(s.hashes)))),
    "another root": (HASHES, lambda s, _: chained(s, root=NOTHING)),
    "an entry left out": (LEFT_OUT, lambda s, f: with_entries(s, f, fresh_of(s)[1:])),
    "an entry of another seal": (ENTRIES, lambda s, f: with_entries(s, f, [*fresh_of(f), *fresh_of(s)])),
    "a later snapshot": (SNAPSHOT, lambda s, _: chained(s, snapshot="4000000000:4000000000:")),
    "an earlier snapshot": (SNAPSHOT, lambda s, _: chained(s, snapshot="3:3:")),
    "a snapshot in another form": (SNAPSHOT, lambda s, _: chained(s, snapshot=f" {s.snapshot}")),
    "another database": (DATABASE, lambda s, _: chained(s, epoch="1/2/3")),
    "no database": (DATABASE, lambda s, _: chained(s, epoch="")),
    "dated back": (TIME, lambda s, _: chained(s, sealed_at=s.sealed_at - timedelta(minutes=1))),
    "dated ahead": (TIME, lambda s, _: chained(s, sealed_at=s.sealed_at + timedelta(minutes=1))),
    "a number left out": (FOLLOWS, lambda s, _: chained(s, number=s.number + 1)),
    "another beginning": (FOLLOWS, lambda s, _: chained(s, previous=NOTHING)),
    "another chain": ("a seal must have the chain of what it says", lambda s, _: s._replace(chain=NOTHING)),
}


async def test_serving_role_seals_nothing_but_what_there_is(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    await trail.write("a", "b", "c")
    former = await trail.seal()
    assert former is not None
    await trail.write("d", "e", "f", "g")

    async with trail.serving.transaction():
        honest = await trail.make(monkeypatch)
        answers = {name: await trail.insert(forge(honest, former)) for name, (_, forge) in FORGED.items()}
        assert await trail.insert(honest) == "inserted"

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=ENTRIES):
        await trail.serving.execute(
            "INSERT INTO audit_seals SELECT number + 1, clock_timestamp(), epoch, snapshot, '{}', '', root, chain,"
            " chain FROM audit_seals ORDER BY number DESC LIMIT 1"
        )
    assert answers == {name: sentence for name, (sentence, _) in FORGED.items()}


@pytest.mark.slow
async def test_serving_role_seals_a_trail_that_takes_several(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones leave out what they have no room for, and say so, beside a transaction that ends later."""
    for name in (sealing, audit_seals):
        monkeypatch.setattr(name, "MAX_ENTRIES", 2)
    late = trail.world.raw.transaction()
    await trail.write("a", "b", "c")
    await late.start()
    await trail.write("late")
    assert (await trail.seal()) is not None
    await late.commit()
    assert [len(made.hashes) for made in [await trail.seal() for _ in range(1)] if made] == [2]

    await trail.write(*(f"{number}" for number in range(13)))
    made = [await trail.seal() for _ in range(8)]

    assert [each and len(each.hashes) for each in made] == [2, 2, 2, 2, 2, 2, 1, None]


@pytest.mark.slow
async def test_serving_role_seals_what_was_restored_from_another_database(trail: Trail) -> None:
    """The rows that name transactions of another database are sealed once, and never again."""
    await trail.write("a", "b")
    assert await trail.seal()
    await trail.world.raw.execute(
        """
        UPDATE audit_seals SET epoch = '1/2/3', snapshot = '9:9:';
        INSERT INTO audit (organization_id, actor, action, target, transaction_id)
        SELECT organization_id, actor, action, 'restored', (transaction_id::text::bigint + 1000000)::text::xid8
        FROM audit
        """
    )
    await trail.write("c")

    assert [made and len(made.hashes) for made in [await trail.seal(), await trail.seal()]] == [3, None]
