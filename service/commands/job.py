"""The command `job`: jobs and their pipelines."""

import click

from service.commands.context import resolve_pipeline, run_as_operator
from service.commands.options import NAME_TYPE, Ruled, confirm, json_option, organization_option, yes_option
from service.commands.output import say, show_json
from service.errors import InvalidArgument
from service.operations import jobs
from service.operations.call import Call, Outcome
from service.schemas.answers import dump_nothing
from service.schemas.jobs import JobRef, JobView, PutJob, dump_job
from service.values.names import JOB_ID, JOB_NAME

KNOWN_JOB = Ruled("the id of a job", JOB_ID, new=False)


@click.group("job")
def job_commands() -> None:
    """Register, show and forget jobs."""


@job_commands.command("put")
@click.argument("job_id")
@click.option("--owner", type=NAME_TYPE, metavar="USERNAME", help="A new job needs one.")
@click.option("--name", type=Ruled("a job's name", JOB_NAME))
@click.option("--pipeline", "pipelines", multiple=True, help="An id or a name; repeatable. All that it is to be in.")
@click.option("--no-pipelines", is_flag=True, help="Take it out of all of them.")
@organization_option
@json_option
def put(
    job_id: str,
    owner: str | None,
    name: str | None,
    pipelines: tuple[str, ...],
    no_pipelines: bool,
    organization: str | None,
    as_json: bool,
) -> None:
    """Register JOB_ID, or change it: what is not said stays as it is."""
    if pipelines and no_pipelines:
        raise click.UsageError("Say either --pipeline or --no-pipelines.")

    async def work(call: Call) -> Outcome[JobView]:
        try:
            JOB_ID.check(job_id)
        except ValueError as error:
            raise InvalidArgument(f"The id of a job is {error}.") from error
        ids = [await resolve_pipeline(call, pipeline) for pipeline in pipelines]
        return await jobs.put_job(call, PutJob(job_id, name, owner, ids if ids or no_pipelines else None))

    done = run_as_operator(organization, work)
    if as_json:
        show_json(dump_job(done.value))
    else:
        _say(done.value)


@job_commands.command("show")
@click.argument("job_id", type=KNOWN_JOB)
@organization_option
@json_option
def show(job_id: str, organization: str | None, as_json: bool) -> None:
    """Show JOB_ID and the pipelines it is in."""
    job = run_as_operator(organization, lambda call: jobs.get_job(call, JobRef(job_id)))
    if as_json:
        show_json(dump_job(job))
    else:
        _say(job)


def _say(job: JobView) -> None:
    named = f" ({job.name})" if job.name else ""
    places = ", ".join(pipeline.name for pipeline in job.pipelines) or "no pipeline"
    say(f"Job {job.id}{named} of {job.owner} is in {places}.")


@job_commands.command("delete")
@click.argument("job_id", type=KNOWN_JOB)
@organization_option
@yes_option
@json_option
def delete(job_id: str, organization: str | None, yes: bool, as_json: bool) -> None:
    """Forget JOB_ID; the pipelines it was in stay."""
    confirm(yes, f"Forget job {job_id}?")
    run_as_operator(organization, lambda call: jobs.delete_job(call, JobRef(job_id)))
    show_json(dump_nothing(None)) if as_json else say(f"Forgot job {job_id}.")
