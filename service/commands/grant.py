"""The command `grant`: grants on a pipeline to users and groups."""

from datetime import datetime
from uuid import UUID

import click

from service.commands.context import fetch_all_pages, resolve_pipeline, run_as_operator
from service.commands.options import (
    NAME_TYPE,
    PERMISSION,
    Duration,
    confirm,
    json_option,
    organization_option,
    permission_set,
    yes_option,
)
from service.commands.output import say, short_permission_names, show_json, show_table
from service.operations import grants
from service.operations.call import Call, Outcome
from service.permissions import is_manager, permission_names
from service.repositories.grants import Grant
from service.schemas.answers import dump_nothing
from service.schemas.grants import (
    GroupGrantRef,
    ListGrants,
    PutGroupGrant,
    PutUserGrant,
    UserGrantRef,
    dump_grant,
    dump_grant_list,
)
from service.schemas.pages import Page


@click.group("grant")
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
@organization_option
@json_option
def set_grant(
    pipeline: str,
    user: str | None,
    group: str | None,
    permissions: tuple[str, ...],
    manager: bool,
    expires_at: datetime | None,
    organization: str | None,
    as_json: bool,
) -> None:
    """Grant permissions on PIPELINE to --user or --group, in the place of what was granted to them before.

    Says what that was; with --json as "former", in the same form, or null.
    """
    _either(user, group)
    bits = permission_set(permissions)

    async def work(call: Call) -> Outcome[Grant]:
        pipeline_id = await resolve_pipeline(call, pipeline)
        if user:
            return await grants.put_user_grant(call, PutUserGrant(pipeline_id, user, bits, manager, expires_at))
        return await grants.put_group_grant(call, PutGroupGrant(pipeline_id, str(group), bits, manager, expires_at))

    done = run_as_operator(organization, work)
    grant, former = done.value, done.former
    if as_json:
        show_json({**dump_grant(grant), "former": dump_grant(former)["grant"] if former else None})
    elif former is not None and (former.access, former.expires_at) == (grant.access, grant.expires_at):
        say(f"Nothing to do: {_described(grant)} is what {grant.kind} {grant.name} was granted before.")
    else:
        before = f", in the place of {_described(former)}" if former else ""
        say(f"Granted {_described(grant)} to {grant.kind} {grant.name}{before}.")


def _described(grant: Grant) -> str:
    what = "manager" if is_manager(grant.access) else short_permission_names(permission_names(grant.access))
    return f"{what} until {grant.expires_at:%Y-%m-%d %H:%M:%SZ}" if grant.expires_at else what


def _either(user: str | None, group: str | None) -> None:
    if (user is None) == (group is None):
        raise click.UsageError("Say either --user or --group.")


@grant_commands.command("list")
@click.argument("pipeline")
@organization_option
@json_option
def list_all(pipeline: str, organization: str | None, as_json: bool) -> None:
    """List the grants on PIPELINE, also those that have expired."""

    async def work(call: Call) -> Page[Grant]:
        return await fetch_all_pages(grants.list_grants, call, ListGrants(await resolve_pipeline(call, pipeline)))

    page = run_as_operator(organization, work)
    if as_json:
        show_json(dump_grant_list(page))
        return
    rows = [
        (
            f"{grant.kind} {grant.name}",
            short_permission_names(permission_names(grant.access)),
            is_manager(grant.access),
            grant.expires_at,
        )
        for grant in page.items
    ]
    show_table(["TO", "PERMISSIONS", "MANAGER", "EXPIRES"], rows, "Nothing is: `grant set` grants something.")


@grant_commands.command("revoke")
@click.argument("pipeline")
@click.option("--user", type=NAME_TYPE, metavar="USERNAME")
@click.option("--group", type=NAME_TYPE, metavar="NAME")
@organization_option
@yes_option
@json_option
def revoke(
    pipeline: str, user: str | None, group: str | None, organization: str | None, yes: bool, as_json: bool
) -> None:
    """Revoke what was granted on PIPELINE to --user or --group."""
    _either(user, group)
    whom = f"user {user}" if user else f"group {group}"
    confirm(yes, f"Take back what was granted to {whom} on {pipeline}?")

    async def work(call: Call) -> None:
        pipeline_id: UUID = await resolve_pipeline(call, pipeline)
        if user:
            await grants.delete_user_grant(call, UserGrantRef(pipeline_id, user))
        else:
            await grants.delete_group_grant(call, GroupGrantRef(pipeline_id, str(group)))

    run_as_operator(organization, work)
    show_json(dump_nothing(None)) if as_json else say(f"Took back what was granted to {whom}.")
