from typing import Any

import pytest

from service.database.pool import Database
from service.repositories import examining, jobs
from service.repositories.ordering import Span, Total
from tests.factories import World


async def test_find(database: Database, world: World) -> None:
    owner = await world.user()
    job = await world.job(owner)

    async with database.connection() as connection:
        found = await jobs.find(connection, world.id, job)
        assert found is not None
        assert (found.id, found.owner_id, found.owner, found.name) == (job, owner.id, owner.username, "")
        assert await jobs.find(connection, world.id, job.upper()) is None
        assert await jobs.find(connection, (await World.create(world.raw)).id, job) is None


async def test_replace_assignments_adds_removes_and_reorders(database: Database, world: World) -> None:
    owner = await world.user()
    a, b, c = [await world.pipeline() for _ in range(3)]
    job, other = await world.job(owner, a, b), await world.job(owner, a)

    async with database.transaction() as connection:
        await jobs.replace_assignments(connection, world.id, job, [c, b])

    assert await world.pipelines_of(job) == [c, b]
    assert await world.pipelines_of(other) == [a]


async def test_replace_assignments_by_an_empty_set(database: Database, world: World) -> None:
    job = await world.job(await world.user(), await world.pipeline())

    async with database.transaction() as connection:
        await jobs.replace_assignments(connection, world.id, job, [])

    assert await world.pipelines_of(job) == []


@pytest.mark.parametrize("sort_limit", [0, 3, 5000])
async def test_page_found_by_lookup_or_by_age(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch, sort_limit: int
) -> None:
    user, other = await world.user(), await world.user()
    seen, hidden = await world.pipeline(), await world.pipeline()
    made = [
        (user, ()),
        (other, (seen,)),
        (other, (hidden,)),
        (user, (seen, hidden)),
        (other, ()),
        (other, (hidden, seen)),
    ]
    ids = [await world.job(owner, *where) for owner, where in made]
    visible = [ids[5], ids[3], ids[1], ids[0]]
    monkeypatch.setattr(examining, "MAX_FEW", sort_limit)

    async def page(**other: Any) -> list[str]:
        options = {"everything": False, "pipeline_id": None, "owner_id": None, "after": None, "limit": 10, **other}
        order = jobs.ORDERS.find(options.pop("order_by", None))
        span = Span(order, options.pop("after"), options.pop("limit") - 1, total=True)
        async with database.connection() as connection:
            found = await jobs.page(connection, world.id, user.id, readable=[seen], span=span, **options)
        totals.append(found.total)
        return [job.id for job in found.items]

    totals: list[Total | None] = []
    assert await page() == visible
    assert totals == [Total(4)]
    assert await page(order_by="created_at") == visible[::-1]
    assert await page(order_by="id") == sorted(visible)
    assert await page(order_by="-id", limit=3) == sorted(visible)[:0:-1]
    assert await page(order_by="id", after=sorted(visible)[1:2]) == sorted(visible)[2:]
    assert await page(limit=2) == visible[:2]
    second = await world.raw.fetchval("SELECT created_at::text FROM jobs WHERE id = $1", visible[1])
    assert await page(after=(second, visible[1])) == visible[2:]
    assert await page(owner_id=user.id) == [ids[3], ids[0]]
    assert await page(pipeline_id=seen) == visible[:3]
    assert totals[-2:] == [Total(2), Total(3)]
    assert await page(everything=True) == ids[::-1]
    assert totals[-1] == Total(6)
