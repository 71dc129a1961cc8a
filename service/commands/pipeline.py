"""The command `pipeline`: pipelines, their queues, and the access of users to them."""

import click

from service.commands.context import fetch_all_pages, resolve_pipeline, run_as_operator
from service.commands.options import NAME_TYPE, PERMISSION, confirm, json_option, organization_option, yes_option
from service.commands.output import say, short_permission_names, show_json, show_table
from service.operations import grants, pipelines
from service.operations.call import Call
from service.permissions import PERMISSION_NAMES, is_manager, permission_names
from service.repositories.queues import QueuedJob
from service.schemas.answers import dump_nothing
from service.schemas.grants import (
    AccessExplained,
    ExplainAccess,
    ListAccess,
    PutUserGrant,
    UserAccess,
    dump_access,
    dump_access_list,
)
from service.schemas.pages import Page
from service.schemas.pipelines import (
    CreatePipeline,
    DeletePipeline,
    ListPipelineJobs,
    ListPipelines,
    PipelineView,
    dump_pipeline,
    dump_pipeline_jobs,
    dump_pipeline_list,
)
from service.schemas.request import schema_of


@click.group("pipeline")
def pipeline_commands() -> None:
    """Make, list and delete pipelines, list their queues and the users with access, and explain it.

    PIPELINE is an id, or a name regardless of case.
    """


@pipeline_commands.command("create")
@click.argument("name")
@click.option("--description", default="")
@click.option("--manager", type=NAME_TYPE, metavar="USERNAME", help="Who manages it, beside the administrators.")
@organization_option
@json_option
def create(name: str, description: str, manager: str | None, organization: str | None, as_json: bool) -> None:
    """Make a pipeline called NAME."""

    async def work(call: Call) -> PipelineView:
        request = CreatePipeline(**_checked(name, description))
        async with call.transaction() as connection:
            within = call._replace(within=connection)
            made = await pipelines.create_pipeline(within, request)
            if manager:
                await grants.put_user_grant(within, PutUserGrant(made.id, manager, 0, is_manager=True))
        return made

    made = run_as_operator(organization, work)
    show_json(dump_pipeline(made)) if as_json else say(f"Made pipeline {made.name}, {made.id}.")


def _checked(name: str, description: str) -> dict[str, str]:
    """Return the name and description, validated by the API's own rules."""
    values = {"name": name, "description": description}
    errors = schema_of(CreatePipeline).validate(values)
    if errors:
        raise click.BadParameter("; ".join(f"{field}: {' '.join(said)}" for field, said in errors.items()))
    return {"name": name.strip(), "description": description}


@pipeline_commands.command("list")
@click.option("--name", help="Only those with this in their name.")
@organization_option
@json_option
def list_all(name: str | None, organization: str | None, as_json: bool) -> None:
    """List the pipelines."""
    page = run_as_operator(
        organization, lambda call: fetch_all_pages(pipelines.list_pipelines, call, ListPipelines(name))
    )
    if as_json:
        show_json(dump_pipeline_list(page))
        return
    rows = [(pipeline.name, pipeline.id) for pipeline in page.items]
    show_table(["NAME", "ID"], rows, "There is none: `pipeline create` makes one.")


@pipeline_commands.command("delete")
@click.argument("pipeline")
@click.option("--force", is_flag=True, help="Also while jobs are in it; they stay, outside of it.")
@organization_option
@yes_option
@json_option
def delete(pipeline: str, force: bool, organization: str | None, yes: bool, as_json: bool) -> None:
    """Delete PIPELINE and everything granted on it."""
    confirm(yes, f"Delete pipeline {pipeline} and everything granted on it?")

    async def work(call: Call) -> None:
        await pipelines.delete_pipeline(call, DeletePipeline(await resolve_pipeline(call, pipeline), force))

    run_as_operator(organization, work)
    show_json(dump_nothing(None)) if as_json else say(f"Deleted pipeline {pipeline}.")


@pipeline_commands.command("jobs")
@click.argument("pipeline")
@organization_option
@json_option
def jobs(pipeline: str, organization: str | None, as_json: bool) -> None:
    """List the jobs in PIPELINE, oldest first."""

    async def work(call: Call) -> Page[QueuedJob]:
        return await fetch_all_pages(
            pipelines.list_pipeline_jobs, call, ListPipelineJobs(await resolve_pipeline(call, pipeline))
        )

    page = run_as_operator(organization, work)
    if as_json:
        show_json(dump_pipeline_jobs(page))
        return
    rows = [(job.id, job.name or None, job.owner, job.assigned_at) for job in page.items]
    show_table(["JOB", "NAME", "OWNER", "SINCE"], rows, "No job is in it.")


@pipeline_commands.command("access")
@click.argument("pipeline")
@click.option("--permission", type=PERMISSION, help="Only those who hold this.")
@organization_option
@json_option
def access(pipeline: str, permission: str | None, organization: str | None, as_json: bool) -> None:
    """List the users with access to PIPELINE, and their permissions."""

    async def work(call: Call) -> Page[UserAccess]:
        held = f"flow_pipeline:{permission}" if permission else None
        return await fetch_all_pages(grants.list_access, call, ListAccess(await resolve_pipeline(call, pipeline), held))

    page = run_as_operator(organization, work)
    if as_json:
        show_json(dump_access_list(page))
        return
    rows = [
        (each.username, short_permission_names(permission_names(each.access)), is_manager(each.access))
        for each in page.items
    ]
    show_table(["USERNAME", "PERMISSIONS", "MANAGER"], rows, "Nobody has access to it: `grant set` gives some.")


@pipeline_commands.command("why")
@click.argument("pipeline")
@click.argument("username", type=NAME_TYPE)
@organization_option
@json_option
def why(pipeline: str, username: str, organization: str | None, as_json: bool) -> None:
    """Explain by what USERNAME has each permission on PIPELINE, or what is missing for it."""

    async def work(call: Call) -> AccessExplained:
        return await grants.explain_access(call, ExplainAccess(await resolve_pipeline(call, pipeline), username))

    explained = run_as_operator(organization, work)
    if as_json:
        show_json(dump_access(explained))
        return
    for each in explained.explanations:
        paths = [
            f"{reason.through} {reason.name}{' (as manager)' if reason.as_manager else ''}"
            f"{f' until {reason.expires_at:%Y-%m-%d %H:%M:%SZ}' if reason.expires_at else ''}"
            for reason in each.reasons
        ]
        held = f"yes, by {'; '.join(paths)}" if paths else f"no: {each.missing}"
        say(f"{short_permission_names([PERMISSION_NAMES[each.permission]]):<18}{held}")
