"""The command `user`: users and their roles."""

from typing import Any

import click

from service.client.answer import run_all_pages
from service.commands.listing import CommandGroup
from service.commands.options import NAME_TYPE, NEW_NAME, Ruled, confirm, json_option, yes_option
from service.commands.output import instant, say, short_permission_names, show_json, show_table
from service.commands.place import Place, place_options
from service.operations import user_deletion, users
from service.permissions import Role
from service.schemas.users import (
    CreateUser,
    DeleteUser,
    GetUser,
    ListUsers,
    UpdateUser,
)
from service.values.names import DISPLAY_NAME, EMAIL

ROLE = click.Choice([role.value for role in Role])


@click.group("user", cls=CommandGroup)
def user_commands() -> None:
    """Make, list, show, change and delete users."""


@user_commands.command("create")
@click.argument("username", type=NEW_NAME)
@click.option("--role", type=ROLE, default=Role.MEMBER.value, show_default=True)
@click.option("--display-name", type=Ruled("a display name", DISPLAY_NAME), help="As people know them.")
@click.option("--email", type=Ruled("an email", EMAIL))
@place_options
@json_option
def create(username: str, role: str, display_name: str | None, email: str | None, place: Place, as_json: bool) -> None:
    """Make a user called USERNAME."""
    request = CreateUser(username, Role(role), display_name, email)
    made = place.run(lambda operations: operations.run(users.create_user, request)).body
    _show(made, as_json, "Made")


@user_commands.command("list")
@click.option("--name", help="Only those with this in their name.")
@click.option("--search", help="Only those with this in their name, display name or email.")
@place_options
@json_option
def list_all(name: str | None, search: str | None, place: Place, as_json: bool) -> None:
    """List the users."""
    found = place.run(lambda operations: run_all_pages(operations, users.list_users, ListUsers(name, search))).body
    if as_json:
        show_json(found)
        return
    rows = [
        (
            each["username"],
            each.get("role"),
            each.get("disabled"),
            instant(each.get("created_at")),
            each.get("display_name"),
        )
        for each in found["users"]
    ]
    show_table(["USERNAME", "ROLE", "DISABLED", "CREATED", "NAME"], rows, "There is none: `user create` makes one.")


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
    named = {
        "display name": "display_name",
        "email": "email",
        "role": "role",
        "disabled": "disabled",
        "provisioned": "provisioned",
    }
    rows += [(name, user[key]) for name, key in named.items() if key in user]
    rows += [("created", instant(user["created_at"]))] if "created_at" in user else []
    show_table(["USER", ""], rows, "")


@user_commands.command("edit")
@click.argument("username", type=NAME_TYPE)
@click.option(
    "--display-name", type=Ruled("a display name", DISPLAY_NAME, or_none=True), help='As people know them; "" for none.'
)
@click.option("--email", type=Ruled("an email", EMAIL, or_none=True), help='"" for none.')
@place_options
@json_option
def edit(username: str, display_name: str | None, email: str | None, place: Place, as_json: bool) -> None:
    """Change the display name or email of USERNAME: what is not said stays as it is."""
    said = {"display_name": display_name, "email": email}
    changes: dict[str, Any] = {name: value or None for name, value in said.items() if value is not None}
    if not changes:
        raise click.UsageError("Say what is to be changed: --display-name or --email.")
    request = UpdateUser(username, **changes)
    changed = place.run(lambda operations: operations.run(users.update_user, request)).body
    _show(changed, as_json, "Changed")


@user_commands.command("delete")
@click.argument("username", type=NAME_TYPE)
@click.option("--jobs-to", type=NAME_TYPE, metavar="USERNAME", help="Who gets their jobs; needed if they own any.")
@place_options
@yes_option
@json_option
def delete(username: str, jobs_to: str | None, place: Place, yes: bool, as_json: bool) -> None:
    """Delete USERNAME: their tokens, grants and memberships end, and nobody else ever gets the name."""
    confirm(yes, f"Delete user {username}, and end all that they may do?")
    request = DeleteUser(username, jobs_to)
    done = place.run(lambda operations: operations.run(user_deletion.delete_user, request))
    to = f" Their jobs are {jobs_to}'s now." if jobs_to else ""
    show_json(done.body) if as_json else say(f"Deleted user {username}.{to}")


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
