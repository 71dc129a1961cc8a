"""Operations on jobs, called directly: without HTTP, with typed requests."""

import asyncio

import pytest

from service.authentication.bearer import Authentication
from service.database.pool import Database
from service.errors import NotFound, PermissionDenied
from service.operations.call import AuthorityChanged, Call
from service.operations.job_pipelines import list_job_pipelines, update_job_pipelines
from service.permissions import READ
from service.repositories import jobs
from service.schemas.jobs import ListJobPipelines, NamedPipeline, UpdateJobPipelines
from tests.factories import Member, World


async def call_by(database: Database, member: Member) -> Call:
    return Call(await Authentication(database, 5).authenticate(f"Bearer {member.token}"), database)


async def test_update_job_pipelines_returns_named_pipelines(database: Database, world: World) -> None:
    ada = await world.user()
    pipeline = await world.pipeline("p")
    await world.grant(pipeline, ada)
    job = await world.job(ada)

    updated = await update_job_pipelines(await call_by(database, ada), UpdateJobPipelines(job, [pipeline, pipeline]))

    assert updated == [NamedPipeline(pipeline, "p")]


async def test_update_job_pipelines_refused_releases_its_locks(database: Database, world: World) -> None:
    ada = await world.user()
    pipeline = await world.pipeline()
    await world.grant(pipeline, ada, READ)
    job = await world.job(ada)

    with pytest.raises(PermissionDenied):
        await update_job_pipelines(await call_by(database, ada), UpdateJobPipelines(job, [pipeline]))

    async with database.transaction() as connection:
        assert await jobs.find_for_update(connection, world.id, job)


async def test_update_job_pipelines_while_the_pipeline_is_being_deleted(
    database: Database, world: World, dsn: str
) -> None:
    ada = await world.user()
    pipeline = await world.pipeline()
    await world.grant(pipeline, ada)
    job = await world.job(ada)
    call, request = await call_by(database, ada), UpdateJobPipelines(job, [pipeline])
    async with database.transaction() as deleting:
        await deleting.execute("test", "DELETE FROM pipelines WHERE id = $1", pipeline)
        updating = asyncio.create_task(database.run(lambda: update_job_pipelines(call, request), only_reads=False))
        await asyncio.sleep(0.1)
        assert not updating.done()

    with pytest.raises(AuthorityChanged):  # the grant went with the pipeline
        await updating
    with pytest.raises(NotFound, match=f"Pipeline {pipeline} does not exist"):
        await update_job_pipelines(await call_by(database, ada), request)


async def test_list_job_pipelines_of_an_unknown_job(database: Database, world: World) -> None:
    ada = await world.user(role="admin")

    with pytest.raises(NotFound, match="Job nothing does not exist, or you may not see it"):
        await list_job_pipelines(await call_by(database, ada), ListJobPipelines(job_id="nothing"))
