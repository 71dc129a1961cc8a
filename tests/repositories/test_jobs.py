from service.database import Database
from service.repositories import jobs
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


async def test_replace_assignments_by_nothing(database: Database, world: World) -> None:
    job = await world.job(await world.user(), await world.pipeline())

    async with database.transaction() as connection:
        await jobs.replace_assignments(connection, world.id, job, [])

    assert await world.pipelines_of(job) == []
