"""The command `pipeline`: pipelines, their queues, and the access of users to them."""

from typing import Any
from uuid import UUID

import click
from marshmallow import ValidationError

from service.client.answer import Answer, Operations, run_all_pages
from service.commands.context import resolve_pipeline
from service.commands.listing import CommandGroup
from service.commands.options import NAME_TYPE, PERMISSION, confirm, json_option, yes_option
from service.commands.output import instant, say, short_permission_names, show_json, show_table, until
from service.commands.place import Place, place_options
from service.errors import ServiceError
from service.operations import grants, pipelines
from service.schemas.grants import ExplainAccess, ListAccess, PutUserGrant
from service.schemas.pipelines import (
    CreatePipeline,
    DeletePipeline,
    GetPipeline,
    ListPipelineJobs,
    ListPipelines,
    UpdatePipeline,
)
from service.schemas.request import schema_of


@click.group("pipeline", cls=CommandGroup)
def pipeline_commands() -> None:
    """Make, show, change and delete pipelines, list their queues and the users with access, and explain it.

    PIPELINE is an id, or a name regardless of case.
    """


@pipeline_commands.command("create")
@click.argument("name")
@click.option("--description", default="")
@click.option("--manager", type=NAME_TYPE, metavar="USERNAME", help="Who manages it, beside the administrators.")
@place_options
@json_option
def create(name: str, description: str, manager: str | None, place: Place, as_json: bool) -> None:
    """Make a pipeline called NAME."""
    request = CreatePipeline(**_checked(CreatePipeline, name=name, description=description))

    async def work(operations: Operations) -> Answer:
        made = await operations.run(pipelines.create_pipeline, request)
        if manager:
            pipeline_id = UUID(made.body["pipeline"]["id"])
            try:
                await operations.run(grants.put_user_grant, PutUserGrant(pipeline_id, manager, 0, is_manager=True))
            except ServiceError:
                await operations.undo(pipelines.delete_pipeline, DeletePipeline(pipeline_id))
                raise
        return made

    made = place.run(lambda operations: operations.together(work)).body
    pipeline = made["pipeline"]
    show_json(made) if as_json else say(f"Made pipeline {pipeline['name']}, {pipeline['id']}.")


def _checked(request: type, **values: str) -> dict[str, str]:
    """Return the name and description, validated by the API's own rules."""
    fields = schema_of(request).by_key
    found, errors = {}, []
    for name, value in values.items():
        try:
            found[name] = fields[name].deserialize(value)
        except ValidationError as error:
            errors.append(f"{name}: {' '.join(map(str, error.messages))}")
    if errors:
        raise click.BadParameter("; ".join(errors))
    return found


@pipeline_commands.command("list")
@click.option("--name", help="Only those with this in their name.")
@place_options
@json_option
def list_all(name: str | None, place: Place, as_json: bool) -> None:
    """List the pipelines."""
    request = ListPipelines(name)
    found = place.run(lambda operations: run_all_pages(operations, pipelines.list_pipelines, request)).body
    if as_json:
        show_json(found)
        return
    rows = [(pipeline["name"], pipeline["id"]) for pipeline in found["pipelines"]]
    show_table(["NAME", "ID"], rows, "There is none: `pipeline create` makes one.")


@pipeline_commands.command("show")
@click.argument("pipeline")
@place_options
@json_option
def show(pipeline: str, place: Place, as_json: bool) -> None:
    """Show PIPELINE: its description, and what the caller may do on it."""

    async def work(operations: Operations) -> Answer:
        return await operations.run(pipelines.get_pipeline, GetPipeline(await resolve_pipeline(operations, pipeline)))

    found = place.run(work).body
    if as_json:
        show_json(found)
    else:
        _say(found["pipeline"])


def _say(pipeline: dict[str, Any]) -> None:
    rows = [
        ("name", pipeline["name"]),
        ("id", pipeline["id"]),
        ("description", pipeline["description"] or None),
        ("your permissions", short_permission_names(pipeline["permissions"])),
        ("manager", pipeline["is_manager"]),
        ("created", instant(pipeline["created_at"])),
        ("updated", instant(pipeline["updated_at"])),
    ]
    show_table(["PIPELINE", ""], rows, "")


@pipeline_commands.command("edit")
@click.argument("pipeline")
@click.option("--name", help="The name that it is to have.")
@click.option("--description", help='The description that it is to have; "" for none.')
@place_options
@json_option
def edit(pipeline: str, name: str | None, description: str | None, place: Place, as_json: bool) -> None:
    """Rename or describe PIPELINE: what is not said stays as it is."""
    if name is None and description is None:
        raise click.UsageError("Say what is to be changed: --name or --description.")
    given = {key: value for key, value in (("name", name), ("description", description)) if value is not None}
    changes = _checked(UpdatePipeline, **given)

    async def work(operations: Operations) -> Answer:
        request = UpdatePipeline(await resolve_pipeline(operations, pipeline), **changes)
        return await operations.run(pipelines.update_pipeline, request)

    changed = place.run(work).body
    show_json(changed) if as_json else say(f"Pipeline {changed['pipeline']['name']} is as you say.")


@pipeline_commands.command("delete")
@click.argument("pipeline")
@click.option("--force", is_flag=True, help="Also while jobs are in it; they stay, outside of it.")
@place_options
@yes_option
@json_option
def delete(pipeline: str, force: bool, place: Place, yes: bool, as_json: bool) -> None:
    """Delete PIPELINE and everything granted on it."""
    confirm(yes, f"Delete pipeline {pipeline} and everything granted on it?")

    async def work(operations: Operations) -> Answer:
        request = DeletePipeline(await resolve_pipeline(operations, pipeline), force)
        return await operations.run(pipelines.delete_pipeline, request)

    done = place.run(work)
    show_json(done.body) if as_json else say(f"Deleted pipeline {pipeline}.")


@pipeline_commands.command("jobs")
@click.argument("pipeline")
@place_options
@json_option
def jobs(pipeline: str, place: Place, as_json: bool) -> None:
    """List the jobs in PIPELINE, oldest first."""

    async def work(operations: Operations) -> Answer:
        request = ListPipelineJobs(await resolve_pipeline(operations, pipeline))
        return await run_all_pages(operations, pipelines.list_pipeline_jobs, request)

    found = place.run(work).body
    if as_json:
        show_json(found)
        return
    rows = [(job["id"], job["name"] or None, job["owner"], instant(job["assigned_at"])) for job in found["jobs"]]
    show_table(["JOB", "NAME", "OWNER", "SINCE"], rows, "No job is in it.")


@pipeline_commands.command("access")
@click.argument("pipeline")
@click.option("--permission", type=PERMISSION, help="Only those who hold this.")
@place_options
@json_option
def access(pipeline: str, permission: str | None, place: Place, as_json: bool) -> None:
    """List the users with access to PIPELINE, and their permissions."""

    async def work(operations: Operations) -> Answer:
        held = f"flow_pipeline:{permission}" if permission else None
        request = ListAccess(await resolve_pipeline(operations, pipeline), held)
        return await run_all_pages(operations, grants.list_access, request)

    found = place.run(work).body
    if as_json:
        show_json(found)
        return
    rows = [
        (each["username"], short_permission_names(each["permissions"]), each["is_manager"]) for each in found["users"]
    ]
    show_table(["USERNAME", "PERMISSIONS", "MANAGER"], rows, "Nobody has access to it: `grant set` gives some.")


@pipeline_commands.command("why")
@click.argument("pipeline")
@click.argument("username", type=NAME_TYPE)
@place_options
@json_option
def why(pipeline: str, username: str, place: Place, as_json: bool) -> None:
    """Explain by what USERNAME has each permission on PIPELINE, or what is missing for it."""

    async def work(operations: Operations) -> Answer:
        request = ExplainAccess(await resolve_pipeline(operations, pipeline), username)
        return await operations.run(grants.explain_access, request)

    found = place.run(work).body
    if as_json:
        show_json(found)
        return
    for each in found["access"]["explanations"]:
        paths = [_path(reason) for reason in each["reasons"]]
        held = f"yes, by {'; '.join(paths)}" if paths else f"no: {each['missing']}"
        say(f"{short_permission_names([each['permission']]):<18}{held}")


def _path(reason: dict[str, Any]) -> str:
    """Return by what somebody has a permission, in words."""
    by = f"{reason['through']} {reason['name']}"
    if claimed := reason.get("mapped_from"):
        by = f"the identity provider's {reason['through']} {claimed}, mapped to {reason['name']}"
    return f"{by}{' (as manager)' if reason['as_manager'] else ''}{until(reason['expires_at'])}"
