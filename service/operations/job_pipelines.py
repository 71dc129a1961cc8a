"""Operations on the pipelines that jobs are in: a list, the whole set at once, and one more or less."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from service.database.pool import Connection
from service.errors import FailedPrecondition, NotFound
from service.operations.call import Call, Outcome, Proof, no_precondition
from service.operations.pipelines import (
    list_pipelines,
    readable,
    sort_key,
)
from service.permissions import (
    EXECUTE,
    FULL_ACCESS,
    PERMISSION_BITS,
    check_update,
    is_manager,
    may_see_job,
    require,
    require_visible,
)
from service.repositories import jobs, pipelines
from service.repositories.jobs import Job
from service.repositories.pipelines import Granted, PlacedPipeline
from service.schemas.jobs import (
    MAX_PIPELINES,
    ListJobPipelines,
    NamedPipeline,
    PipelineJobRef,
    UpdateJobPipelines,
)
from service.schemas.pages import Page
from service.schemas.pipelines import AccessiblePipeline, ListPipelines

Find = Callable[[Connection, UUID, str], Awaitable[Job | None]]
"""A way of finding a job, with or without a lock."""


async def list_job_pipelines(call: Call, request: ListJobPipelines) -> Page[AccessiblePipeline]:
    """List the pipelines that a job is in and the caller may read, by name, then id; without a job, all they may read.

    Raises:
        NotFound: there is no such job, or the caller may not see it.
    """
    if request.job_id is None:  # then it is the other list, byte for byte, page tokens included
        name, permission, is_manager = request.name, request.permission, request.is_manager
        same = ListPipelines(name, permission, is_manager, request.page_size, request.page_token)
        return await list_pipelines(call, same)
    caller, after = call.caller, call.pages.start(request)
    async with call.database.connection() as connection:
        job = await jobs.find(connection, caller.organization_id, request.job_id)
        found = await pipelines.list_of_job(
            connection, caller.organization_id, caller.user_id, request.job_id, request.name
        )
    visible_job(call, request.job_id, job, found)
    fitting = [
        pipeline
        for pipeline in readable(caller, [pipeline for pipeline in found if pipeline.fits])
        if _fits(pipeline, request) and (after is None or [*map(str, sort_key(pipeline))] > after)
    ]
    return call.pages.cut(request, fitting, sort_key)


def _fits(pipeline: AccessiblePipeline, request: ListJobPipelines) -> bool:
    return (request.permission is None or bool(pipeline.access & PERMISSION_BITS[request.permission])) and (
        request.is_manager is None or request.is_manager == is_manager(pipeline.access)
    )


def visible_job(call: Call, job_id: str, job: Job | None, found: Sequence[Granted]) -> Job:
    """Return a job if the caller may see it, given the pipelines that it is in."""
    caller = call.caller
    accesses = (caller.access(pipeline.granted) for pipeline in found)
    if job is None or not may_see_job(caller, owns=job.owner_id == caller.user_id, accesses=accesses):
        raise NotFound(f"Job {job_id} does not exist, or you may not see it.")
    return job


async def try_update_job_pipelines(call: Call, request: UpdateJobPipelines) -> list[NamedPipeline] | None:
    """Make the update in one statement that proves the caller and the pre-authorization; None if nothing was done."""
    if call.batches is None or call.precondition is not no_precondition:
        return None
    wanted = list(dict.fromkeys(request.pipeline_ids))
    names = await call.batches.job_updates.update(call.caller, call.request_id, request.job_id, wanted)
    return None if names is None else [NamedPipeline(*pipeline) for pipeline in zip(wanted, names, strict=True)]


async def update_job_pipelines(call: Call, request: UpdateJobPipelines) -> list[NamedPipeline]:
    """Replace the whole set of pipelines that a job is in, all or nothing.

    The answer is in the order of the request. Mostly the update is pre-authorized before the job is read. Else, and
    where that no longer holds, the job is locked and read first.

    Raises:
        NotFound: there is no such job or pipeline, or the caller may not see it.
        PermissionDenied: the caller may not put jobs into, or take them out of, one of the pipelines.
        PreconditionFailed: the job's pipelines are not those that the caller has seen.
    """
    updated = await try_update_job_pipelines(call, request)
    if updated is not None:
        return updated
    async with call.transaction() as connection:
        await _find_to_replace(connection, call, request, jobs.find)
        await pipelines.hold(connection, call.caller.organization_id, request.pipeline_ids)
        proof = await call.prove(connection)
        job, found = await _find_to_replace(connection, call, request, jobs.find_for_update)
        return await replace_pipelines(proof, call, job, found, request.pipeline_ids)


async def _find_to_replace(
    connection: Connection, call: Call, request: UpdateJobPipelines, find: Find
) -> tuple[Job, list[PlacedPipeline]]:
    """Return a job whose pipelines the caller may replace so, and all pipelines that are concerned.

    Done once without a lock, before it is done with one: who may not do it neither holds others up, nor learns by
    waiting for them that there is something.
    """
    job = await find(connection, call.caller.organization_id, request.job_id)
    found = await pipelines_concerned(connection, call, request.job_id, request.pipeline_ids)
    job = visible_job(call, request.job_id, job, [pipeline for pipeline in found if pipeline.position is not None])
    check_replacement(call, job, found, request.pipeline_ids)
    return job, found


async def pipelines_concerned(
    connection: Connection, call: Call, job_id: str, wanted: Sequence[UUID]
) -> list[PlacedPipeline]:
    """Return the pipelines that a job is in or is to be in, with what the caller is granted on each.

    Args:
        wanted: the ids of those that it is to be in.
    """
    return await pipelines.list_for_update_of_job(
        connection, call.caller.organization_id, call.caller.user_id, job_id, wanted
    )


async def replace_pipelines(
    proof: Proof, call: Call, job: Job, found: Sequence[PlacedPipeline], pipeline_ids: Sequence[UUID]
) -> list[NamedPipeline]:
    """Replace the pipelines of a locked job, given all that are concerned."""
    caller = call.caller
    check_replacement(call, job, found, pipeline_ids)
    names = {pipeline.id: pipeline.name for pipeline in found}
    current = [pipeline for pipeline in found if pipeline.position is not None]
    call.precondition(Page(sorted(readable(caller, current), key=sort_key)))
    old, new = [pipeline.id for pipeline in current], list(dict.fromkeys(pipeline_ids))
    if new != old:
        await jobs.replace_assignments(proof.connection, caller.organization_id, job.id, new)
        await _audit_pipelines(proof, job.id, old, new)
    return [NamedPipeline(key, names[key]) for key in new]


async def _audit_pipelines(proof: Proof, job_id: str, old: Sequence[UUID], new: Sequence[UUID]) -> None:
    """Audit the change of a job's pipelines."""
    await proof.audit("job.update_pipelines", f"job:{job_id}", {"pipeline_ids": old}, {"pipeline_ids": new})


def check_replacement(
    call: Call, job: Job | None, found: Sequence[PlacedPipeline], pipeline_ids: Sequence[UUID]
) -> None:
    """Check that the caller may replace a visible job's pipelines, given all that are concerned; None: it is new."""
    known = {pipeline.id: pipeline.granted for pipeline in found}
    current = {pipeline.id: pipeline.granted for pipeline in found if pipeline.position is not None}
    wanted = {key: known.get(key) for key in pipeline_ids}
    owns = job is None or job.owner_id == call.caller.user_id
    check_update(call.caller, owns=owns, current=current, wanted=wanted)


async def add_pipeline_job(call: Call, request: PipelineJobRef) -> Outcome[None]:
    """Put a job into one pipeline, whatever else it is in; nothing happens if it is there.

    It takes to see the job, and to hold `flow_pipeline:execute` on that pipeline. It comes last in the job's own order.

    Raises:
        NotFound: there is no such pipeline or job, or the caller may not see it.
        PermissionDenied: the caller may not put jobs into the pipeline.
        FailedPrecondition: the job is in as many pipelines as a job may be in.
    """
    what = f"put jobs into pipeline {request.pipeline_id}"
    async with call.transaction() as connection:
        await _find_to_place(connection, call, request, jobs.find, what)
        await pipelines.hold(connection, call.caller.organization_id, [request.pipeline_id])
        proof = await call.prove(connection)
        old, is_in = await _find_to_place(connection, call, request, jobs.find_for_update, what)
        if is_in:
            return Outcome(None, created=False)
        if len(old) >= MAX_PIPELINES:
            raise FailedPrecondition(
                f"Job {request.job_id} is in {len(old):,} pipelines, and may be in no more than {MAX_PIPELINES:,}:"
                " take it out of another one first."
            )
        await jobs.add_assignment(connection, call.caller.organization_id, request.job_id, request.pipeline_id)
        await _audit_pipelines(proof, request.job_id, old, [*old, request.pipeline_id])
    return Outcome(None, created=True)


async def remove_pipeline_job(call: Call, request: PipelineJobRef) -> None:
    """Take a job out of one pipeline, whatever else it is in; nothing happens if it is not there.

    Of the job's owner it takes to read that pipeline, of others to hold `flow_pipeline:execute` on it and see the job.

    Raises:
        NotFound: there is no such pipeline or job, or the caller may not see it.
        PermissionDenied: the caller may not take jobs out of the pipeline.
    """
    what = f"take jobs out of pipeline {request.pipeline_id}"
    async with call.transaction() as connection:
        await _find_to_place(connection, call, request, jobs.find, what, owner_may=True)
        proof = await call.prove(connection)
        old, is_in = await _find_to_place(connection, call, request, jobs.find_for_update, what, owner_may=True)
        if is_in:
            await jobs.delete_assignment(connection, call.caller.organization_id, request.job_id, request.pipeline_id)
            await _audit_pipelines(proof, request.job_id, old, [key for key in old if key != request.pipeline_id])


async def _find_to_place(
    connection: Connection, call: Call, request: PipelineJobRef, find: Find, what: str, *, owner_may: bool = False
) -> tuple[list[UUID], bool]:
    """Find a job that the caller may put into a pipeline, or take out of it, in whatever else it is.

    Done without a lock, and then with one, as `_find_to_replace` says.

    Args:
        what: they want to do, as the rest of "You may not …".
        owner_may: whether the job's owner may, by a token that may put jobs into pipelines, if they read the pipeline.

    Returns:
        The ids of the pipelines that the job is in, in its own order, and whether that one is among them.
    """
    job = await find(connection, call.caller.organization_id, request.job_id)
    found = await pipelines_concerned(connection, call, request.job_id, [request.pipeline_id])
    granted = next((pipeline.granted for pipeline in found if pipeline.id == request.pipeline_id), None)
    require_visible(call.caller, granted, request.pipeline_id)
    current = [pipeline for pipeline in found if pipeline.position is not None]
    job = visible_job(call, request.job_id, job, current)
    owns = owner_may and job.owner_id == call.caller.user_id
    require(call.caller, EXECUTE, FULL_ACCESS if owns else granted or 0, what)
    old = [pipeline.id for pipeline in current]
    return old, request.pipeline_id in old
