"""Operations on jobs and on the pipelines they are in."""

from dataclasses import dataclass
from uuid import UUID

from service.call import Call
from service.errors import NotFound
from service.operations.pipelines import AccessiblePipeline, list_pipelines, readable
from service.permissions import check_update, may_see_job
from service.repositories import audit, jobs, pipelines
from service.schemas.jobs import ListJobPipelines, UpdateJobPipelines
from service.schemas.pipelines import ListPipelines


@dataclass(frozen=True, slots=True)
class NamedPipeline:
    """A pipeline as a job's other data name it."""

    id: UUID
    name: str


async def list_job_pipelines(call: Call, request: ListJobPipelines) -> list[AccessiblePipeline]:
    """The pipelines that a job is in and the caller may read, by name, then id; without a job, all they may read.

    Raises:
        NotFound: there is no such job, or the caller may not see it.
    """
    if request.job_id is None:
        return await list_pipelines(call, ListPipelines())
    caller = call.caller
    async with call.database.connection() as connection:
        job = await jobs.find(connection, caller.organization_id, request.job_id)
        found = await pipelines.list_of_job(connection, caller.organization_id, caller.user_id, request.job_id)
    accesses = [caller.access(pipeline.granted) for pipeline in found]
    if job is None or not may_see_job(caller, owns=job.owner_id == caller.user_id, accesses=accesses):
        raise _no_such_job(request.job_id)
    return readable(caller, found)


async def update_job_pipelines(call: Call, request: UpdateJobPipelines) -> list[NamedPipeline]:
    """Replace the whole set of pipelines that a job is in, all or nothing; answers it in the order of the request.

    Raises:
        NotFound: there is no such job or pipeline, or the caller may not see it.
        PermissionDenied: the caller may not put jobs into, or take them out of, one of the pipelines.
    """
    caller, job_id = call.caller, request.job_id
    async with call.database.transaction() as connection:
        job = await jobs.find_for_update(connection, caller.organization_id, job_id)
        found = await pipelines.list_for_update_of_job(
            connection, caller.organization_id, caller.user_id, job_id, request.pipeline_ids
        )
        known = {pipeline.id: pipeline for pipeline in found}
        current = {pipeline.id: pipeline.granted for pipeline in found if pipeline.position is not None}
        wanted = {key: known[key].granted if key in known else None for key in request.pipeline_ids}
        owns = job is not None and job.owner_id == caller.user_id
        if job is None or not may_see_job(caller, owns=owns, accesses=map(caller.access, current.values())):
            raise _no_such_job(job_id)
        check_update(caller, owns=owns, current=current, wanted=wanted)
        if list(wanted) != list(current):
            before, after = {"pipeline_ids": list(current)}, {"pipeline_ids": list(wanted)}
            await jobs.replace_assignments(connection, caller.organization_id, job_id, list(wanted))
            await audit.insert(
                connection, caller.organization_id, call.actor, "job.update_pipelines", f"job:{job_id}", before, after
            )
    return [NamedPipeline(key, known[key].name) for key in wanted]


def _no_such_job(job_id: str) -> NotFound:
    return NotFound(f"Job {job_id} does not exist, or you may not see it.")
