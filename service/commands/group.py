"""The command `group`: groups and their members."""

import click

from service.commands.context import fetch_all_pages, run_as_operator
from service.commands.options import NAME_TYPE, NEW_NAME, confirm, json_option, organization_option, yes_option
from service.commands.output import say, show_json, show_table
from service.operations import groups
from service.schemas.answers import dump_nothing
from service.schemas.groups import (
    CreateGroup,
    GroupRef,
    ListGroups,
    ListMembers,
    MemberRef,
    dump_group,
    dump_group_list,
    dump_member_list,
)


@click.group("group")
def group_commands() -> None:
    """Make, list and delete groups, and change their members."""


@group_commands.command("create")
@click.argument("name", type=NEW_NAME)
@organization_option
@json_option
def create(name: str, organization: str | None, as_json: bool) -> None:
    """Make a group called NAME."""
    made = run_as_operator(organization, lambda call: groups.create_group(call, CreateGroup(name)))
    show_json(dump_group(made)) if as_json else say(f"Made group {made.group.name}.")


@group_commands.command("list")
@organization_option
@json_option
def list_all(organization: str | None, as_json: bool) -> None:
    """List the groups."""
    page = run_as_operator(organization, lambda call: fetch_all_pages(groups.list_groups, call, ListGroups()))
    if as_json:
        show_json(dump_group_list(page))
        return
    rows = [(each.group.name, each.group.created_at) for each in page.items]
    show_table(["NAME", "CREATED"], rows, "There is none: `group create` makes one.")


@group_commands.command("delete")
@click.argument("name", type=NAME_TYPE)
@organization_option
@yes_option
@json_option
def delete(name: str, organization: str | None, yes: bool, as_json: bool) -> None:
    """Delete group NAME; what was granted to it, its members lose."""
    confirm(yes, f"Delete group {name}, and take from its members what was granted to it?")
    run_as_operator(organization, lambda call: groups.delete_group(call, GroupRef(name)))
    show_json(dump_nothing(None)) if as_json else say(f"Deleted group {name}.")


@group_commands.command("members")
@click.argument("name", type=NAME_TYPE)
@organization_option
@json_option
def members(name: str, organization: str | None, as_json: bool) -> None:
    """List the members of group NAME."""
    page = run_as_operator(organization, lambda call: fetch_all_pages(groups.list_members, call, ListMembers(name)))
    if as_json:
        show_json(dump_member_list(page))
        return
    rows = [(member.username, member.created_at) for member in page.items]
    show_table(["USERNAME", "SINCE"], rows, f"Nobody is: `group add {name} USERNAME` puts somebody in.")


@group_commands.command("add")
@click.argument("name", type=NAME_TYPE)
@click.argument("username", type=NAME_TYPE)
@organization_option
@json_option
def add(name: str, username: str, organization: str | None, as_json: bool) -> None:
    """Put USERNAME into group NAME."""
    done = run_as_operator(organization, lambda call: groups.add_member(call, MemberRef(name, username)))
    if as_json:
        show_json(dump_nothing(None))
    else:
        say(f"{username} is {'now' if done.created else 'already'} in group {name}.")


@group_commands.command("remove")
@click.argument("name", type=NAME_TYPE)
@click.argument("username", type=NAME_TYPE)
@organization_option
@yes_option
@json_option
def remove(name: str, username: str, organization: str | None, yes: bool, as_json: bool) -> None:
    """Take USERNAME out of group NAME."""
    confirm(yes, f"Take {username} out of group {name}?")
    run_as_operator(organization, lambda call: groups.remove_member(call, MemberRef(name, username)))
    show_json(dump_nothing(None)) if as_json else say(f"{username} is no longer in group {name}.")
