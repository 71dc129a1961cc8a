"""Batches of updates, called directly: without HTTP, with typed requests."""

import asyncio
from contextlib import AsyncExitStack

from service.authentication.bearer import Authentication
from service.batching.batches import Batches
from service.batching.job_updates import MAX_CALLS, JobUpdateBatcher
from service.batching.pipeline_lists import PipelineListBatcher
from service.database.pool import Database
from service.operations.call import Call
from service.operations.job_batches import batch_update_job_pipelines
from service.schemas.jobs import BatchUpdateJobPipelines, NamedPipeline, UpdateJobPipelines, Verdict
from tests.factories import World


async def test_batch_waits_for_a_place_among_few(database: Database, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline("p")
    await world.grant(pipeline, ada)
    job = await world.job(ada)
    lists = PipelineListBatcher(database)
    batches = Batches(lists, JobUpdateBatcher(database, lists, 2**20))
    caller = await Authentication(database, 5).authenticate(f"Bearer {ada.token}")
    request = BatchUpdateJobPipelines([UpdateJobPipelines(job, [pipeline])])

    async with AsyncExitStack() as held:
        for _ in range(MAX_CALLS):
            await held.enter_async_context(batches.job_updates.calls.place(None))
        making = asyncio.create_task(batch_update_job_pipelines(Call(caller, database, batches=batches), request))
        await asyncio.sleep(0.1)
        assert not making.done()

    assert (await making).verdicts == [Verdict(job, [NamedPipeline(pipeline, "p")])]


async def test_batch_at_the_command_line_shares_nothing(database: Database, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline("p")
    await world.grant(pipeline, ada)
    job = await world.job(ada)
    caller = await Authentication(database, 5).authenticate(f"Bearer {ada.token}")
    request = BatchUpdateJobPipelines([UpdateJobPipelines(job, [pipeline]), UpdateJobPipelines(job, [])])

    made = await batch_update_job_pipelines(Call(caller, database), request)

    assert made.verdicts == [Verdict(job, [NamedPipeline(pipeline, "p")]), Verdict(job, [])]
