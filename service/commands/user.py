"""The command `user`: users and their roles."""

import click

from service.commands.context import fetch_all_pages, run_as_operator
from service.commands.options import NAME_TYPE, NEW_NAME, confirm, json_option, organization_option, yes_option
from service.commands.output import say, short_permission_names, show_json, show_table
from service.operations import users
from service.permissions import Role, is_manager, permission_names
from service.schemas.users import (
    CreateUser,
    ListUsers,
    UpdateUser,
    UserUpdated,
    UserView,
    dump_user,
    dump_user_list,
    dump_user_updated,
)

ROLE = click.Choice([role.value for role in Role])


@click.group("user")
def user_commands() -> None:
    """Make, list and change users."""


@user_commands.command("create")
@click.argument("username", type=NEW_NAME)
@click.option("--role", type=ROLE, default=Role.MEMBER.value, show_default=True)
@organization_option
@json_option
def create(username: str, role: str, organization: str | None, as_json: bool) -> None:
    """Make a user called USERNAME."""
    made = run_as_operator(organization, lambda call: users.create_user(call, CreateUser(username, Role(role))))
    _show(made, as_json, "Made")


@user_commands.command("list")
@click.option("--name", help="Only those with this in their name.")
@organization_option
@json_option
def list_all(name: str | None, organization: str | None, as_json: bool) -> None:
    """List the users."""
    page = run_as_operator(organization, lambda call: fetch_all_pages(users.list_users, call, ListUsers(name)))
    if as_json:
        show_json(dump_user_list(page))
        return
    rows = [(each.user.username, each.user.role, each.user.disabled, each.user.created_at) for each in page.items]
    show_table(["USERNAME", "ROLE", "DISABLED", "CREATED"], rows, "There is none: `user create` makes one.")


@user_commands.command("role")
@click.argument("username", type=NAME_TYPE)
@click.argument("role", type=ROLE)
@click.option("--withdraw-grants", is_flag=True, help="Take back what they have granted themselves.")
@organization_option
@json_option
def set_role(username: str, role: str, withdraw_grants: bool, organization: str | None, as_json: bool) -> None:
    """Give USERNAME the role member, pipeline_admin or admin, and list what a member keeps."""
    request = UpdateUser(username, Role(role), withdraw_grants=withdraw_grants)
    changed = run_as_operator(organization, lambda call: users.update_user(call, request))
    _show(changed, as_json, "Changed")
    if changed.keeps is not None and not as_json:
        rows = [
            (
                grant.id,
                grant.name,
                short_permission_names(permission_names(grant.access)),
                is_manager(grant.access),
                grant.group,
                grant.by_themselves,
            )
            for grant in changed.keeps.grants
        ]
        columns = ["KEEPS PIPELINE", "NAME", "PERMISSIONS", "MANAGER", "BY GROUP", "GRANTED THEMSELVES"]
        show_table(columns, rows, "No grant is left to them.")


@user_commands.command("disable")
@click.argument("username", type=NAME_TYPE)
@organization_option
@yes_option
@json_option
def disable(username: str, organization: str | None, yes: bool, as_json: bool) -> None:
    """Refuse all tokens of USERNAME from the next request on. What they own and were granted stays."""
    confirm(yes, f"Refuse every token of {username} from now on?")
    changed = run_as_operator(organization, lambda call: users.update_user(call, UpdateUser(username, disabled=True)))
    _show(changed, as_json, "Disabled")


@user_commands.command("enable")
@click.argument("username", type=NAME_TYPE)
@organization_option
@json_option
def enable(username: str, organization: str | None, as_json: bool) -> None:
    """Accept the tokens of USERNAME again."""
    changed = run_as_operator(organization, lambda call: users.update_user(call, UpdateUser(username, disabled=False)))
    _show(changed, as_json, "Enabled")


def _show(seen: UserView, as_json: bool, done: str) -> None:
    if as_json:
        show_json(dump_user_updated(seen) if isinstance(seen, UserUpdated) else dump_user(seen))
    else:
        say(f"{done} user {seen.user.username}, {seen.user.role}{', disabled' if seen.user.disabled else ''}.")
