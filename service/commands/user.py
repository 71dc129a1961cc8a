"""The command `user`: users and their roles."""

from typing import Any

import click

from service.client.answer import run_all_pages
from service.commands.options import NAME_TYPE, NEW_NAME, confirm, json_option, yes_option
from service.commands.output import instant, say, short_permission_names, show_json, show_table
from service.commands.place import Place, place_options
from service.operations import users
from service.permissions import Role
from service.schemas.users import (
    CreateUser,
    GetUser,
    ListUsers,
    UpdateUser,
)

ROLE = click.Choice([role.value for role in Role])


@click.group("user")
def user_commands() -> None:
    """Make, list, show and change users."""


@user_commands.command("create")
@click.argument("username", type=NEW_NAME)
@click.option("--role", type=ROLE, default=Role.MEMBER.value, show_default=True)
@place_options
@json_option
def create(username: str, role: str, place: Place, as_json: bool) -> None:
    """Make a user called USERNAME."""
    made = place.run(lambda operations: operations.run(users.create_user, CreateUser(username, Role(role)))).body
    _show(made, as_json, "Made")


@user_commands.command("list")
@click.option("--name", help="Only those with this in their name.")
@place_options
@json_option
def list_all(name: str | None, place: Place, as_json: bool) -> None:
    """List the users."""
    found = place.run(lambda operations: run_all_pages(operations, users.list_users, ListUsers(name))).body
    if as_json:
        show_json(found)
        return
    rows = [
        (each["username"], each.get("role"), each.get("disabled"), instant(each.get("created_at")))
        for each in found["users"]
    ]
    show_table(["USERNAME", "ROLE", "DISABLED", "CREATED"], rows, "There is none: `user create` makes one.")


@user_commands.command("show")
@click.argument("username", type=NAME_TYPE)
@place_options
@json_option
def show(username: str, place: Place, as_json: bool) -> None:
    """Show USERNAME, as far as the caller may see them."""
    found = place.run(lambda operations: operations.run(users.get_user, GetUser(username))).body
    if as_json:
        show_json(found)
        return
    user = found["user"]
    rows = [("username", user["username"])]
    rows += [(name, user[name]) for name in ("role", "disabled") if name in user]
    rows += [("created", instant(user["created_at"]))] if "created_at" in user else []
    show_table(["USER", ""], rows, "")


@user_commands.command("role")
@click.argument("username", type=NAME_TYPE)
@click.argument("role", type=ROLE)
@click.option("--withdraw-grants", is_flag=True, help="Take back what they have granted themselves.")
@place_options
@json_option
def set_role(username: str, role: str, withdraw_grants: bool, place: Place, as_json: bool) -> None:
    """Give USERNAME the role member, pipeline_admin or admin, and list what a member keeps."""
    request = UpdateUser(username, Role(role), withdraw_grants=withdraw_grants)
    changed = place.run(lambda operations: operations.run(users.update_user, request)).body
    _show(changed, as_json, "Changed")
    if "keeps" in changed and not as_json:
        rows = [
            (
                grant["id"],
                grant["name"],
                short_permission_names(grant["permissions"]),
                grant["is_manager"],
                grant["group"],
                grant["by_themselves"],
            )
            for grant in changed["keeps"]
        ]
        columns = ["KEEPS PIPELINE", "NAME", "PERMISSIONS", "MANAGER", "BY GROUP", "GRANTED THEMSELVES"]
        show_table(columns, rows, "No grant is left to them.")


@user_commands.command("disable")
@click.argument("username", type=NAME_TYPE)
@place_options
@yes_option
@json_option
def disable(username: str, place: Place, yes: bool, as_json: bool) -> None:
    """Refuse all tokens of USERNAME from the next request on. What they own and were granted stays."""
    confirm(yes, f"Refuse every token of {username} from now on?")
    request = UpdateUser(username, disabled=True)
    changed = place.run(lambda operations: operations.run(users.update_user, request)).body
    _show(changed, as_json, "Disabled")


@user_commands.command("enable")
@click.argument("username", type=NAME_TYPE)
@place_options
@json_option
def enable(username: str, place: Place, as_json: bool) -> None:
    """Accept the tokens of USERNAME again."""
    request = UpdateUser(username, disabled=False)
    changed = place.run(lambda operations: operations.run(users.update_user, request)).body
    _show(changed, as_json, "Enabled")


def _show(answer: dict[str, Any], as_json: bool, done: str) -> None:
    if as_json:
        show_json(answer)
    else:
        user = answer["user"]
        say(f"{done} user {user['username']}, {user['role']}{', disabled' if user['disabled'] else ''}.")
