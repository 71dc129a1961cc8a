"""The command `grant`: grants on a pipeline to users and groups."""

from datetime import datetime
from typing import Any
from uuid import UUID

import click

from service.client.answer import Answer, Operations, run_all_pages
from service.commands.context import resolve_pipeline
from service.commands.listing import CommandGroup
from service.commands.options import (
    NAME_TYPE,
    PERMISSION,
    Duration,
    confirm,
    json_option,
    permission_set,
    yes_option,
)
from service.commands.output import instant, say, short_permission_names, show_json, show_table, until
from service.commands.place import Place, place_options
from service.operations import grants
from service.schemas.grants import GroupGrantRef, ListGrants, PutGroupGrant, PutUserGrant, UserGrantRef


@click.group("grant", cls=CommandGroup)
def grant_commands() -> None:
    """Set, list and revoke what users and groups may do on a pipeline.

    PIPELINE is an id, or a name regardless of case.
    """


@grant_commands.command("set")
@click.argument("pipeline")
@click.option("--user", type=NAME_TYPE, metavar="USERNAME")
@click.option("--group", type=NAME_TYPE, metavar="NAME")
@click.option("--permission", "permissions", type=PERMISSION, multiple=True, help="Repeatable; read is always in it.")
@click.option("--manager", is_flag=True, help="Make them a manager, who holds all five.")
@click.option("--expires-in", "expires_at", type=Duration(), metavar="DURATION", help="30m, 12h, 90d. Default: never.")
@place_options
@json_option
def set_grant(
    pipeline: str,
    user: str | None,
    group: str | None,
    permissions: tuple[str, ...],
    manager: bool,
    expires_at: datetime | None,
    place: Place,
    as_json: bool,
) -> None:
    """Grant permissions on PIPELINE to --user or --group, in the place of what was granted to them before.

    Says what that was; with --json as "former", in the same form, or null.
    """
    _either(user, group)
    bits = permission_set(permissions)

    async def work(operations: Operations) -> Answer:
        pipeline_id = await resolve_pipeline(operations, pipeline)
        if user:
            to_user = PutUserGrant(pipeline_id, user, bits, manager, expires_at)
            return await operations.replace(grants.put_user_grant, to_user)
        to_group = PutGroupGrant(pipeline_id, str(group), bits, manager, expires_at)
        return await operations.replace(grants.put_group_grant, to_group)

    done = place.run(work)
    grant, former = done.body["grant"], done.former["grant"] if done.former else None
    if as_json:
        show_json({**done.body, "former": former})
        return
    what, whom = _described(grant), f"user {grant['username']}" if user else f"group {grant['group']}"
    if former is not None and _described(former) == what and former["expires_at"] == grant["expires_at"]:
        say(f"Nothing to do: {what} is what {whom} was granted before.")
    else:
        before = f", in the place of {_described(former)}" if former else ""
        say(f"Granted {what} to {whom}{before}.")


def _described(grant: dict[str, Any]) -> str:
    what = "manager" if grant["is_manager"] else short_permission_names(grant["permissions"])
    return f"{what}{until(grant['expires_at'])}"


def _either(user: str | None, group: str | None) -> None:
    if (user is None) == (group is None):
        raise click.UsageError("Say either --user or --group.")


@grant_commands.command("list")
@click.argument("pipeline")
@place_options
@json_option
def list_all(pipeline: str, place: Place, as_json: bool) -> None:
    """List the grants on PIPELINE, also those that have expired."""

    async def work(operations: Operations) -> Answer:
        request = ListGrants(await resolve_pipeline(operations, pipeline))
        return await run_all_pages(operations, grants.list_grants, request)

    found = place.run(work).body
    if as_json:
        show_json(found)
        return
    rows = [
        (
            f"group {grant['group']}" if grant["username"] is None else f"user {grant['username']}",
            short_permission_names(grant["permissions"]),
            grant["is_manager"],
            instant(grant["expires_at"]),
        )
        for grant in found["grants"]
    ]
    show_table(["TO", "PERMISSIONS", "MANAGER", "EXPIRES"], rows, "Nothing is: `grant set` grants something.")


@grant_commands.command("revoke")
@click.argument("pipeline")
@click.option("--user", type=NAME_TYPE, metavar="USERNAME")
@click.option("--group", type=NAME_TYPE, metavar="NAME")
@place_options
@yes_option
@json_option
def revoke(pipeline: str, user: str | None, group: str | None, place: Place, yes: bool, as_json: bool) -> None:
    """Revoke what was granted on PIPELINE to --user or --group."""
    _either(user, group)
    whom = f"user {user}" if user else f"group {group}"
    confirm(yes, f"Take back what was granted to {whom} on {pipeline}?")

    async def work(operations: Operations) -> Answer:
        pipeline_id: UUID = await resolve_pipeline(operations, pipeline)
        if user:
            return await operations.run(grants.delete_user_grant, UserGrantRef(pipeline_id, user))
        return await operations.run(grants.delete_group_grant, GroupGrantRef(pipeline_id, str(group)))

    done = place.run(work)
    show_json(done.body) if as_json else say(f"Took back what was granted to {whom}.")
