"""Operations on jobs and on the pipelines they are in."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from service.database.errors import ConcurrentDelete
from service.database.pool import Connection
from service.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from service.operations.call import Call, Outcome, Proof, no_precondition
from service.operations.pipelines import (
    find_visible,
    list_pipelines,
    readable,
    sort_key,
)
from service.operations.users import find_user
from service.permissions import (
    EXECUTE,
    FULL_ACCESS,
    PERMISSION_BITS,
    READ,
    Role,
    check_update,
    is_manager,
    may_see_job,
    require,
    require_administrator,
    require_job_changer,
    require_visible,
)
from service.repositories import jobs, pipelines
from service.repositories.jobs import Job
from service.repositories.pipelines import Granted, GrantedPipeline, PlacedPipeline
from service.repositories.users import User
from service.schemas.jobs import (
    MAX_PIPELINES,
    JobRef,
    JobView,
    ListJobPipelines,
    ListJobs,
    NamedPipeline,
    PipelineJobRef,
    PutJob,
    UpdateJobPipelines,
)
from service.schemas.pages import Page
from service.schemas.pipelines import AccessiblePipeline
from service.slices import in_slices
from service.values.names import name_key

Find = Callable[[Connection, UUID, str], Awaitable[Job | None]]
"""A way of finding a job, with or without a lock."""


async def list_job_pipelines(call: Call, request: ListJobPipelines) -> Page[AccessiblePipeline]:
    """List the pipelines that a job is in and the caller may read, by name, then id; without a job, all they may read.

    Raises:
        NotFound: there is no such job, or the caller may not see it.
    """
    if request.job_id is None:
        return await list_pipelines(call, request)
    caller, after = call.caller, call.pages.start(request)
    async with call.database.connection() as connection:
        job = await jobs.find(connection, caller.organization_id, request.job_id)
        found = await pipelines.list_of_job(
            connection, caller.organization_id, caller.user_id, request.job_id, request.name
        )
    _visible(call, request.job_id, job, found)
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


def _visible(call: Call, job_id: str, job: Job | None, found: Sequence[Granted]) -> Job:
    """Return a job if the caller may see it, given the pipelines that it is in."""
    caller = call.caller
    accesses = (caller.access(pipeline.granted) for pipeline in found)
    if job is None or not may_see_job(caller, owns=job.owner_id == caller.user_id, accesses=accesses):
        raise NotFound(f"Job {job_id} does not exist, or you may not see it.")
    return job


def _whole(call: Call, job: Job, found: Sequence[Granted]) -> JobView:
    seen = [NamedPipeline(row.id, row.name) for row in found if call.caller.access(row.granted) & READ]
    unlisted = max(0, len(seen) - MAX_PIPELINES)
    return JobView(job.id, job.name, job.owner, job.created_at, seen[:MAX_PIPELINES], unlisted)


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
        return await _replace(proof, call, job, found, request.pipeline_ids)


async def _find_to_replace(
    connection: Connection, call: Call, request: UpdateJobPipelines, find: Find
) -> tuple[Job, list[PlacedPipeline]]:
    """Return a job whose pipelines the caller may replace so, and all pipelines that are concerned.

    Done once without a lock, before it is done with one: who may not do it neither holds others up, nor learns by
    waiting for them that there is something.
    """
    job = await find(connection, call.caller.organization_id, request.job_id)
    found = await _pipelines_concerned(connection, call, request.job_id, request.pipeline_ids)
    job = _visible(call, request.job_id, job, [pipeline for pipeline in found if pipeline.position is not None])
    _check_update(call, job, found, request.pipeline_ids)
    return job, found


async def _pipelines_concerned(
    connection: Connection, call: Call, job_id: str, wanted: Sequence[UUID]
) -> list[PlacedPipeline]:
    return await pipelines.list_for_update_of_job(
        connection, call.caller.organization_id, call.caller.user_id, job_id, wanted
    )


async def _replace(
    proof: Proof, call: Call, job: Job, found: Sequence[PlacedPipeline], pipeline_ids: Sequence[UUID]
) -> list[NamedPipeline]:
    """Replace the pipelines of a locked job, given all that are concerned."""
    caller = call.caller
    _check_update(call, job, found, pipeline_ids)
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


def _check_update(call: Call, job: Job, found: Sequence[PlacedPipeline], pipeline_ids: Sequence[UUID]) -> None:
    """Check that the caller may replace a visible job's pipelines, given all that are concerned."""
    known = {pipeline.id: pipeline.granted for pipeline in found}
    current = {pipeline.id: pipeline.granted for pipeline in found if pipeline.position is not None}
    wanted = {key: known.get(key) for key in pipeline_ids}
    check_update(call.caller, owns=job.owner_id == call.caller.user_id, current=current, wanted=wanted)


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
    found = await _pipelines_concerned(connection, call, request.job_id, [request.pipeline_id])
    granted = next((pipeline.granted for pipeline in found if pipeline.id == request.pipeline_id), None)
    require_visible(call.caller, granted, request.pipeline_id)
    current = [pipeline for pipeline in found if pipeline.position is not None]
    job = _visible(call, request.job_id, job, current)
    owns = owner_may and job.owner_id == call.caller.user_id
    require(call.caller, EXECUTE, FULL_ACCESS if owns else granted or 0, what)
    old = [pipeline.id for pipeline in current]
    return old, request.pipeline_id in old


async def put_job(call: Call, request: PutJob) -> Outcome[JobView]:
    """Register a job, or change it; asking twice does it once.

    Raises:
        PermissionDenied: the caller neither owns the job nor is an administrator, or may not put it into a pipeline.
        NotFound: there is no such owner or pipeline, or the caller may not see it.
        AlreadyExists: somebody else has a job of that id, which the caller can't see, or sees by their role alone.
        PreconditionFailed: the job is not what the caller has seen.
    """
    caller, organization_id = call.caller, call.caller.organization_id
    if request.owner and name_key(request.owner) != name_key(caller.username):
        require_administrator(caller, "make another user the owner of a job")
    require_job_changer(caller, owns=True, what="register or change jobs")
    async with call.transaction() as connection:
        nobody = caller.is_operator and request.owner is None  # an operator is no user, who could own a new job
        owner = None if nobody else await find_user(connection, organization_id, request.owner or caller.username)
        known = await _find_to_put(connection, call, request)
        await pipelines.hold(connection, organization_id, request.pipeline_ids or [])
        proof = await call.prove(connection)
        old = await jobs.find_for_update(connection, organization_id, request.job_id) if known else None
        found = await _pipelines_concerned(connection, call, request.job_id, request.pipeline_ids or [])
        current = [pipeline for pipeline in found if pipeline.position is not None]
        job = await (_change(proof, request, old, current) if old else _insert(proof, request, owner))
        if request.pipeline_ids is not None:
            unguarded = call._replace(precondition=no_precondition)  # what was expected has been seen to be so
            await _replace(proof, unguarded, job, found, request.pipeline_ids)
            current = [pipeline for key in request.pipeline_ids for pipeline in found if pipeline.id == key]
    return Outcome(_whole(call, job, list(dict.fromkeys(current))), created=old is None)


async def _find_to_put(connection: Connection, call: Call, request: PutJob) -> Job | None:
    """Return the job of an id, if there is one, which the caller may put so: one that they can't see is left alone."""
    job = await jobs.find(connection, call.caller.organization_id, request.job_id)
    if job is None:
        return None
    found = await _pipelines_concerned(connection, call, job.id, request.pipeline_ids or [])
    _require_putter(call, request, job, [pipeline for pipeline in found if pipeline.position is not None])
    if request.pipeline_ids is not None:
        _check_update(call, job, found, request.pipeline_ids)
    return job


async def _insert(proof: Proof, request: PutJob, owner: User | None) -> Job:
    """Insert a job.

    Raises:
        InvalidArgument: there is nobody to own it.
        ConcurrentDelete: there is one of that id by now.
    """
    call, name = proof.call, request.name or ""
    if owner is None:
        raise InvalidArgument(f"Job {request.job_id} is new: say by --owner whose it is.")
    call.precondition(None)
    created_at = await jobs.insert(proof.connection, call.caller.organization_id, request.job_id, owner.id, name)
    if created_at is None:
        raise ConcurrentDelete
    job = Job(request.job_id, owner.id, owner.username, name, created_at)
    await proof.audit("job.create", f"job:{job.id}", None, _state(job))
    return job


def _require_putter(call: Call, request: PutJob, job: Job, current: Sequence[Granted]) -> None:
    """Require somebody who sees a job and, if its name or owner is to be another, may change it."""
    caller, owns = call.caller, job.owner_id == call.caller.user_id
    if not may_see_job(caller, owns=owns, accesses=(caller.access(pipeline.granted) for pipeline in current)):
        raise AlreadyExists(f"Job {job.id} is somebody else's: choose another id.")
    owner = request.owner or job.owner
    if name_key(owner) != name_key(job.owner) or request.name not in (None, job.name):
        require_job_changer(caller, owns=owns, what="change this job")
    registers = request.pipeline_ids is not None and request.owner is None and call.precondition is no_precondition
    if registers and not owns and caller.role is not Role.MEMBER and not caller.is_operator:
        raise AlreadyExists(
            f"Job {job.id} was registered by {job.owner}. To change its pipelines, send what you have seen as If-Match;"
            " an administrator takes it over by naming themselves as its owner."
        )


async def _change(proof: Proof, request: PutJob, job: Job, current: Sequence[Granted]) -> Job:
    """Change the name or owner of a locked job, if the request asks for that."""
    call, connection = proof.call, proof.connection
    caller = call.caller
    _require_putter(call, request, job, current)
    call.precondition(_whole(call, job, current))
    name = job.name if request.name is None else request.name
    owner = await find_user(connection, caller.organization_id, request.owner or job.owner)
    if (name, owner.id) == (job.name, job.owner_id):
        return job
    await jobs.update(connection, caller.organization_id, job.id, owner.id, name)
    changed = Job(job.id, owner.id, owner.username, name, job.created_at)
    await proof.audit("job.update", f"job:{job.id}", _state(job), _state(changed))
    return changed


def _state(job: Job) -> dict[str, Any]:
    return {"name": job.name, "owner": job.owner}


async def get_job(call: Call, request: JobRef) -> JobView:
    """Return a job.

    Raises:
        NotFound: there is none, or the caller may not see it.
    """
    async with call.database.connection() as connection:
        return _whole(call, *await _find(connection, call, request.job_id, jobs.find))


async def _find(connection: Connection, call: Call, job_id: str, find: Find) -> tuple[Job, list[GrantedPipeline]]:
    """Return a visible job, and all the pipelines that it is in, in its own order."""
    caller = call.caller
    job = await find(connection, caller.organization_id, job_id)
    of_each = await jobs.pipelines_of_each(connection, caller.organization_id, caller.user_id, [job_id])
    return _visible(call, job_id, job, of_each[job_id]), of_each[job_id]


async def delete_job(call: Call, request: JobRef) -> None:
    """Forget a job; the pipelines it was in stay.

    Raises:
        NotFound: there is none, or the caller may not see it.
        PermissionDenied: the caller neither owns it nor is an administrator.
        PreconditionFailed: it is not what the caller has seen.
    """
    caller = call.caller
    async with call.transaction() as connection:
        job, found = await _find(connection, call, request.job_id, jobs.find)
        require_job_changer(caller, owns=job.owner_id == caller.user_id, what="forget this job")
        proof = await call.prove(connection)
        job, found = await _find(connection, call, request.job_id, jobs.find_for_update)
        require_job_changer(caller, owns=job.owner_id == caller.user_id, what="forget this job")
        call.precondition(_whole(call, job, found))
        await jobs.delete(connection, caller.organization_id, job.id)
        before = {**_state(job), "pipeline_ids": [pipeline.id for pipeline in found]}
        await proof.audit("job.delete", f"job:{job.id}", before, None)


async def list_jobs(call: Call, request: ListJobs) -> Page[JobView]:
    """List the jobs that the caller can see, newest first.

    A page ends early where its jobs are in too many pipelines.

    Raises:
        NotFound: there is no such pipeline or owner, or the caller may not see it.
    """
    caller, organization_id = call.caller, call.caller.organization_id
    span = call.span(request)
    async with call.database.connection() as connection:
        if request.pipeline_id:
            await find_visible(connection, call, request.pipeline_id)
        owner = await find_user(connection, organization_id, request.owner) if request.owner else None
        found = await jobs.page(
            connection,
            organization_id,
            caller.user_id,
            everything=caller.sees_every_job,
            readable=await _readable_ids(connection, call),
            pipeline_id=request.pipeline_id,
            owner_id=owner.id if owner else None,
            span=span,
            text=request.q,
        )
        ids = [job.id for job in found.items]
        of_each = await jobs.pipelines_of_each(connection, organization_id, caller.user_id, ids)
    page = call.pages.cut(request, found.items, span.order.key, min(span.size, len(of_each)))
    return Page([_whole(call, job, of_each[job.id]) for job in page.items], page.next_page_token, total=found.total)


async def _readable_ids(connection: Connection, call: Call) -> list[UUID]:
    """Return the pipelines whose jobs the caller sees; none are needed where they see every job."""
    caller = call.caller
    if caller.sees_every_job:
        return []
    listing = pipelines.list_granted if caller.role is Role.MEMBER else pipelines.list_all
    found = await listing(connection, caller.organization_id, caller.user_id)
    return [pipeline.id for pipeline in await in_slices(partial(readable, caller), found.pipelines)]
