"""The command `job`: jobs and their pipelines."""

from typing import Any

import click

from service.client.answer import Answer, Operations
from service.commands.context import resolve_pipeline
from service.commands.options import NAME_TYPE, Ruled, confirm, json_option, yes_option
from service.commands.output import say, show_json
from service.commands.place import Place, place_options
from service.errors import InvalidArgument
from service.operations import jobs
from service.schemas.jobs import JobRef, PutJob
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
    places = ", ".join(pipeline["name"] for pipeline in job["flow_pipeline_infos"]) or "no pipeline"
    say(f"Job {job['id']}{named} of {job['owner']} is in {places}.")


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
