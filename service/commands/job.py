"""The command `job`: jobs and their pipelines."""

from typing import Any

import click

from service.client.answer import Answer, Operations, run_all_pages
from service.commands.context import resolve_pipeline
from service.commands.listing import CommandGroup
from service.commands.options import NAME_TYPE, Ruled, confirm, json_option, yes_option
from service.commands.output import instant, say, show_json, show_table
from service.commands.place import Place, place_options
from service.errors import InvalidArgument, ServiceError
from service.operations import job_pipelines, jobs
from service.schemas.jobs import JobRef, ListJobs, PipelineJobRef, PutJob
from service.values.names import JOB_ID, JOB_NAME

KNOWN_JOB = Ruled("the id of a job", JOB_ID, new=False)


@click.group("job", cls=CommandGroup)
def job_commands() -> None:
    """Register, list, show, move and forget jobs."""


@job_commands.command("put")
@click.argument("job_id")
@click.option("--owner", type=NAME_TYPE, metavar="USERNAME", help="A new job needs one.")
@click.option("--name", type=Ruled("a job's name", JOB_NAME))
@click.option("--pipeline", "pipelines", multiple=True, help="An id or a name; repeatable. All that it is to be in.")
@click.option("--no-pipelines", is_flag=True, help="Take it out of all of them.")
@place_options
@json_option
def put(
    job_id: str,
    owner: str | None,
    name: str | None,
    pipelines: tuple[str, ...],
    no_pipelines: bool,
    place: Place,
    as_json: bool,
) -> None:
    """Register JOB_ID, or change it: what is not said stays as it is."""
    if pipelines and no_pipelines:
        raise click.UsageError("Say either --pipeline or --no-pipelines.")

    async def work(operations: Operations) -> Answer:
        try:
            JOB_ID.check(job_id)
        except ValueError as error:
            raise InvalidArgument(f"The id of a job is {error}.") from error
        ids = [await resolve_pipeline(operations, pipeline) for pipeline in pipelines]
        request = PutJob(job_id, name, owner, ids if ids or no_pipelines else None)
        return await operations.replace(jobs.put_job, request)

    done = place.run(work).body
    show_json(done) if as_json else _say(done["job"])


@job_commands.command("list")
@click.option("--pipeline", help="Only those in this pipeline: an id or a name.")
@click.option("--owner", type=NAME_TYPE, metavar="USERNAME", help="Only those of this user.")
@place_options
@json_option
def list_all(pipeline: str | None, owner: str | None, place: Place, as_json: bool) -> None:
    """List the jobs that the caller can see, newest first."""

    async def work(operations: Operations) -> Answer:
        pipeline_id = await resolve_pipeline(operations, pipeline) if pipeline is not None else None
        return await run_all_pages(operations, jobs.list_jobs, ListJobs(pipeline_id, owner))

    found = place.run(work).body
    if as_json:
        show_json(found)
        return
    rows = [
        (job["id"], job["name"] or None, job["owner"], _places(job) or None, instant(job["created_at"]))
        for job in found["jobs"]
    ]
    show_table(["JOB", "NAME", "OWNER", "PIPELINES", "CREATED"], rows, "There is none: `job put` registers one.")


@job_commands.command("move")
@click.argument("job_id", type=KNOWN_JOB)
@click.option("--from", "source", metavar="PIPELINE", help="An id or a name. Default: it is in --to beside the others.")
@click.option("--to", "target", metavar="PIPELINE", help="An id or a name. Default: it is taken out of --from.")
@place_options
@json_option
def move(job_id: str, source: str | None, target: str | None, place: Place, as_json: bool) -> None:
    """Put JOB_ID into a pipeline, take it out of another, or both; the others that it is in stay."""
    if source is None and target is None:
        raise click.UsageError("Say --to, --from or both.")

    async def work(operations: Operations) -> Answer:
        taken = None if source is None else PipelineJobRef(await resolve_pipeline(operations, source), job_id)
        given = None if target is None else PipelineJobRef(await resolve_pipeline(operations, target), job_id)
        if taken != given:
            await operations.together(lambda within: _move(within, taken, given))
        return await operations.run(jobs.get_job, JobRef(job_id))

    found = place.run(work).body
    show_json(found) if as_json else _say(found["job"])


async def _move(operations: Operations, taken: PipelineJobRef | None, given: PipelineJobRef | None) -> None:
    """Put a job into one pipeline and take it out of another, or do neither."""
    added = given is not None and (await operations.run(job_pipelines.add_pipeline_job, given)).created
    if taken is None:
        return
    try:
        await operations.run(job_pipelines.remove_pipeline_job, taken)
    except ServiceError:
        if added:
            await operations.undo(job_pipelines.remove_pipeline_job, given)
        raise


@job_commands.command("show")
@click.argument("job_id", type=KNOWN_JOB)
@place_options
@json_option
def show(job_id: str, place: Place, as_json: bool) -> None:
    """Show JOB_ID and the pipelines it is in."""
    found = place.run(lambda operations: operations.run(jobs.get_job, JobRef(job_id))).body
    show_json(found) if as_json else _say(found["job"])


def _say(job: dict[str, Any]) -> None:
    named = f" ({job['name']})" if job["name"] else ""
    say(f"Job {job['id']}{named} of {job['owner']} is in {_places(job) or 'no pipeline'}.")


def _places(job: dict[str, Any]) -> str:
    return ", ".join(pipeline["name"] for pipeline in job["flow_pipeline_infos"])


@job_commands.command("delete")
@click.argument("job_id", type=KNOWN_JOB)
@place_options
@yes_option
@json_option
def delete(job_id: str, place: Place, yes: bool, as_json: bool) -> None:
    """Forget JOB_ID; the pipelines it was in stay."""
    confirm(yes, f"Forget job {job_id}?")
    done = place.run(lambda operations: operations.run(jobs.delete_job, JobRef(job_id)))
    show_json(done.body) if as_json else say(f"Forgot job {job_id}.")
