"""The command `group`: groups and their members."""

from typing import Any

import click

from service.client.answer import Operations, run_all_pages
from service.commands.listing import CommandGroup
from service.commands.options import NAME_TYPE, NEW_NAME, confirm, json_option, yes_option
from service.commands.output import instant, say, short_permission_names, show_json, show_table, shown
from service.commands.place import Place, place_options
from service.operations import grants, groups
from service.schemas.grants import ListGroupGrants
from service.schemas.groups import (
    CreateGroup,
    GroupRef,
    ListGroups,
    ListMembers,
    MemberRef,
    RenameGroup,
    UpdateMembers,
)


@click.group("group", cls=CommandGroup)
def group_commands() -> None:
    """Make, show, rename and delete groups, and change their members."""


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


@group_commands.command("show")
@click.argument("name", type=NAME_TYPE)
@place_options
@json_option
def show(name: str, place: Place, as_json: bool) -> None:
    """Show group NAME and what it is granted, on pipelines whose grants the caller may manage."""

    async def work(operations: Operations) -> dict[str, Any]:
        found = await operations.run(groups.get_group, GroupRef(name))
        granted = await run_all_pages(operations, grants.list_group_grants, ListGroupGrants(name))
        return {**found.body, "grants": granted.body["grants"]}

    found = place.run(work)
    if as_json:
        show_json(found)
        return
    group = found["group"]
    made = f", made {shown(instant(group['created_at']))}" if "created_at" in group else ""
    managed = ", managed by provisioning (SCIM)" if group.get("provisioned") else ""
    say(f"Group {group['name']}{made}{managed}.")
    rows = [
        (
            grant["pipeline"]["name"],
            grant["pipeline"]["id"],
            short_permission_names(grant["permissions"]),
            grant["is_manager"],
            instant(grant["expires_at"]),
        )
        for grant in found["grants"]
    ]
    none = "No grant to it is there to be seen: `grant set` makes one."
    show_table(["PIPELINE", "ID", "PERMISSIONS", "MANAGER", "EXPIRES"], rows, none)


@group_commands.command("rename")
@click.argument("name", type=NAME_TYPE)
@click.argument("new_name", type=NEW_NAME)
@place_options
@json_option
def rename(name: str, new_name: str, place: Place, as_json: bool) -> None:
    """Call group NAME NEW_NAME; its members and grants stay."""
    done = place.run(lambda operations: operations.run(groups.rename_group, RenameGroup(name, new_name))).body
    show_json(done) if as_json else say(f"Group {name} is called {done['group']['name']} now.")


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
@click.argument("usernames", type=NAME_TYPE, nargs=-1, required=True)
@place_options
@json_option
def add(name: str, usernames: tuple[str, ...], place: Place, as_json: bool) -> None:
    """Put USERNAMES into group NAME, all of them or none."""
    username = usernames[0]
    if len(usernames) > 1:
        request = UpdateMembers(name, [*usernames])
        together = place.run(lambda operations: operations.run(groups.update_members, request)).body
        _show_changed(together, "added", f"now in group {name}", as_json)
        return
    done = place.run(lambda operations: operations.run(groups.add_member, MemberRef(name, username)))
    if as_json:
        show_json(done.body)
    else:
        say(f"{username} is {'now' if done.created else 'already'} in group {name}.")


@group_commands.command("remove")
@click.argument("name", type=NAME_TYPE)
@click.argument("usernames", type=NAME_TYPE, nargs=-1, required=True)
@place_options
@yes_option
@json_option
def remove(name: str, usernames: tuple[str, ...], place: Place, yes: bool, as_json: bool) -> None:
    """Take USERNAMES out of group NAME, all of them or none."""
    username = usernames[0]
    confirm(yes, f"Take {', '.join(usernames)} out of group {name}?")
    if len(usernames) > 1:
        request = UpdateMembers(name, remove=[*usernames])
        together = place.run(lambda operations: operations.run(groups.update_members, request)).body
        _show_changed(together, "removed", f"no longer in group {name}", as_json)
        return
    done = place.run(lambda operations: operations.run(groups.remove_member, MemberRef(name, username)))
    show_json(done.body) if as_json else say(f"{username} is no longer in group {name}.")


def _show_changed(answer: dict[str, Any], which: str, how: str, as_json: bool) -> None:
    if as_json:
        show_json(answer)
        return
    names = answer[which]
    say(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {how}." if names else "Nothing to do: so it was.")
