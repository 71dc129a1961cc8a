"""The command `group`: groups and their members."""

import click

from service.client.answer import run_all_pages
from service.commands.options import NAME_TYPE, NEW_NAME, confirm, json_option, yes_option
from service.commands.output import instant, say, show_json, show_table
from service.commands.place import Place, place_options
from service.operations import groups
from service.schemas.groups import (
    CreateGroup,
    GroupRef,
    ListGroups,
    ListMembers,
    MemberRef,
)


@click.group("group")
def group_commands() -> None:
    """Make, list and delete groups, and change their members."""


@group_commands.command("create")
@click.argument("name", type=NEW_NAME)
@place_options
@json_option
def create(name: str, place: Place, as_json: bool) -> None:
    """Make a group called NAME."""
    made = place.run(lambda operations: operations.run(groups.create_group, CreateGroup(name))).body
    show_json(made) if as_json else say(f"Made group {made['group']['name']}.")


@group_commands.command("list")
@place_options
@json_option
def list_all(place: Place, as_json: bool) -> None:
    """List the groups."""
    found = place.run(lambda operations: run_all_pages(operations, groups.list_groups, ListGroups())).body
    if as_json:
        show_json(found)
        return
    rows = [(each["name"], instant(each.get("created_at"))) for each in found["groups"]]
    show_table(["NAME", "CREATED"], rows, "There is none: `group create` makes one.")


@group_commands.command("delete")
@click.argument("name", type=NAME_TYPE)
@place_options
@yes_option
@json_option
def delete(name: str, place: Place, yes: bool, as_json: bool) -> None:
    """Delete group NAME; what was granted to it, its members lose."""
    confirm(yes, f"Delete group {name}, and take from its members what was granted to it?")
    done = place.run(lambda operations: operations.run(groups.delete_group, GroupRef(name)))
    show_json(done.body) if as_json else say(f"Deleted group {name}.")


@group_commands.command("members")
@click.argument("name", type=NAME_TYPE)
@place_options
@json_option
def members(name: str, place: Place, as_json: bool) -> None:
    """List the members of group NAME."""
    found = place.run(lambda operations: run_all_pages(operations, groups.list_members, ListMembers(name))).body
    if as_json:
        show_json(found)
        return
    rows = [(member["username"], instant(member["created_at"])) for member in found["members"]]
    show_table(["USERNAME", "SINCE"], rows, f"Nobody is: `group add {name} USERNAME` puts somebody in.")


@group_commands.command("add")
@click.argument("name", type=NAME_TYPE)
@click.argument("username", type=NAME_TYPE)
@place_options
@json_option
def add(name: str, username: str, place: Place, as_json: bool) -> None:
    """Put USERNAME into group NAME."""
    done = place.run(lambda operations: operations.run(groups.add_member, MemberRef(name, username)))
    if as_json:
        show_json(done.body)
    else:
        say(f"{username} is {'now' if done.created else 'already'} in group {name}.")


@group_commands.command("remove")
@click.argument("name", type=NAME_TYPE)
@click.argument("username", type=NAME_TYPE)
@place_options
@yes_option
@json_option
def remove(name: str, username: str, place: Place, yes: bool, as_json: bool) -> None:
    """Take USERNAME out of group NAME."""
    confirm(yes, f"Take {username} out of group {name}?")
    done = place.run(lambda operations: operations.run(groups.remove_member, MemberRef(name, username)))
    show_json(done.body) if as_json else say(f"{username} is no longer in group {name}.")
