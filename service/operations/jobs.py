"""Operations on jobs."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from service.database.errors import ConcurrentDelete
from service.database.pool import Connection
from service.errors import AlreadyExists, InvalidArgument
from service.operations.call import Call, Outcome, Proof, no_precondition
from service.operations.job_pipelines import (
    Find,
    check_replacement,
    pipelines_concerned,
    replace_pipelines,
    visible_job,
)
from service.operations.pipelines import (
    find_visible,
    readable,
)
from service.operations.users import find_user
from service.permissions import (
    READ,
    Role,
    may_see_job,
    require_administrator,
    require_job_changer,
)
from service.repositories import jobs, pipelines
from service.repositories.jobs import Job
from service.repositories.pipelines import Granted, GrantedPipeline
from service.repositories.users import User
from service.schemas.jobs import (
    MAX_PIPELINES,
    JobRef,
    JobView,
    ListJobs,
    NamedPipeline,
    PutJob,
)
from service.schemas.pages import Page
from service.slices import in_slices
from service.values.names import name_key


def _whole(call: Call, job: Job, found: Sequence[Granted]) -> JobView:
    seen = [NamedPipeline(row.id, row.name) for row in found if call.caller.access(row.granted) & READ]
    unlisted = max(0, len(seen) - MAX_PIPELINES)
    return JobView(job.id, job.name, job.owner, job.created_at, seen[:MAX_PIPELINES], unlisted)


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
        found = await pipelines_concerned(connection, call, request.job_id, request.pipeline_ids or [])
        current = [pipeline for pipeline in found if pipeline.position is not None]
        if old is None:
            check_replacement(call, None, found, request.pipeline_ids or [])
        job = await (_change(proof, request, old, current) if old else _insert(proof, request, owner))
        if request.pipeline_ids is not None:
            unguarded = call._replace(precondition=no_precondition)  # what was expected has been seen to be so
            await replace_pipelines(proof, unguarded, job, found, request.pipeline_ids)
            current = [pipeline for key in request.pipeline_ids for pipeline in found if pipeline.id == key]
    return Outcome(_whole(call, job, list(dict.fromkeys(current))), created=old is None)


async def _find_to_put(connection: Connection, call: Call, request: PutJob) -> Job | None:
    """Return the job of an id, if there is one, which the caller may put so: one that they can't see is left alone."""
    job = await jobs.find(connection, call.caller.organization_id, request.job_id)
    if job is None:
        return None
    found = await pipelines_concerned(connection, call, job.id, request.pipeline_ids or [])
    _require_putter(call, request, job, [pipeline for pipeline in found if pipeline.position is not None])
    if request.pipeline_ids is not None:
        check_replacement(call, job, found, request.pipeline_ids)
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
    return visible_job(call, job_id, job, of_each[job_id]), of_each[job_id]


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

    A page ends early where its jobs are in too many pipelines, or too many jobs have been examined for it.

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
    shown = span._replace(size=min(span.size, len(of_each)))
    page = call.pages.cut_found(request, shown, found)
    return Page([_whole(call, job, of_each[job.id]) for job in page.items], page.next_page_token, total=page.total)


async def _readable_ids(connection: Connection, call: Call) -> list[UUID]:
    """Return the pipelines whose jobs the caller sees; none are needed where they see every job."""
    caller = call.caller
    if caller.sees_every_job:
        return []
    listing = pipelines.list_granted if caller.role is Role.MEMBER else pipelines.list_all
    found = await listing(connection, caller.organization_id, caller.user_id)
    return [pipeline.id for pipeline in await in_slices(partial(readable, caller), found.pipelines)]
