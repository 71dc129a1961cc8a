"""The command `identity`: which users come by an identity provider, as whom it knows them, and whom it manages."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from service.commands.context import operator_call, resolve_organization, run_with_database
from service.commands.listing import CommandGroup
from service.commands.options import NAME_TYPE, Ruled, confirm, json_option, organization_option, yes_option
from service.commands.output import say, show_json, show_table
from service.database.pool import Database
from service.operations import identities, releases
from service.operations.call import Call
from service.operations.identities import IdentityRef, LinkIdentity, ListLinks
from service.operations.releases import ReleaseGroup, ReleaseUser
from service.settings import read_settings
from service.values.identity_providers import ISSUER, SUBJECT

Command = TypeVar("Command", bound=Callable[..., Any])
Request = TypeVar("Request")
Result = TypeVar("Result")


@click.group("identity", cls=CommandGroup)
def identity_commands() -> None:
    """Link users to the people that an identity provider knows, by its issuer and their subject there."""


def identity_options(command: Command) -> Command:
    """Add --issuer and --subject, which say who somebody is at a provider."""
    issuer = click.option(
        "--issuer",
        type=Ruled("an issuer", ISSUER),
        metavar="URL",
        help="The provider's address. Default: the only one of the settings.",
    )
    subject = click.option(
        "--subject",
        type=Ruled("a subject", SUBJECT),
        metavar="TEXT",
        required=True,
        help="What it knows them by: `sub` in their tokens.",
    )
    return issuer(subject(command))


@identity_commands.command("link")
@click.argument("username", type=NAME_TYPE)
@identity_options
@organization_option
@json_option
def link(username: str, issuer: str | None, subject: str, organization: str | None, as_json: bool) -> None:
    """Let somebody whom a provider knows come as user USERNAME, from the next request on."""
    request = LinkIdentity(_issuer(issuer), subject, username)
    made = _run(organization, identities.link_identity, request, only_reads=False)
    if as_json:
        show_json({"status": "OK", "link": made})
    else:
        say(f"Linked {made.subject} of {made.issuer} to user {made.username}.")


@identity_commands.command("unlink")
@identity_options
@organization_option
@yes_option
@json_option
def unlink(issuer: str | None, subject: str, organization: str | None, yes: bool, as_json: bool) -> None:
    """Refuse somebody whom a provider knows, and tokens made by their calls; other tokens of their user stay."""
    request = IdentityRef(_issuer(issuer), subject)
    confirm(yes, f"Unlink {subject} of {request.issuer}?")
    gone = _run(organization, identities.unlink_identity, request, only_reads=False)
    if as_json:
        show_json({"status": "OK", "link": gone})
    else:
        say(f"Unlinked {gone.subject} of {gone.issuer} from user {gone.username}.")


@identity_commands.command("list")
@click.option("--user", "username", type=NAME_TYPE, metavar="NAME", help="Only this user's.")
@organization_option
@json_option
def list_all(username: str | None, organization: str | None, as_json: bool) -> None:
    """List who comes as which user, and when last: the first thousand."""
    found = _run(organization, identities.list_links, ListLinks(username), only_reads=True)
    if as_json:
        show_json({"status": "OK", "links": found})
        return
    rows = [(each.username, each.issuer, each.subject, each.created_at, each.last_used_at) for each in found]
    show_table(["USER", "ISSUER", "SUBJECT", "LINKED", "LAST USED"], rows, "There is none: `identity link` makes one.")


@identity_commands.command("release")
@click.argument("username", type=NAME_TYPE, required=False)
@click.option("--group", type=NAME_TYPE, metavar="NAME", help="A group, in the place of a user.")
@click.option("--all", "everything", is_flag=True, help="All users and groups of the organization.")
@organization_option
@yes_option
@json_option
def release(
    username: str | None, group: str | None, everything: bool, organization: str | None, yes: bool, as_json: bool
) -> None:
    """Let provisioning (SCIM) manage user USERNAME, a group or all of them no more.

    They stay as they are, and administrators change them again. First revoke the token of provisioning: what it writes
    it manages from then on.
    """
    if [username is not None, group is not None, everything].count(True) != 1:
        raise click.UsageError("Say one of USERNAME, --group and --all.")
    what = f"user {username}" if username else f"group {group}" if group else "all users and groups"
    confirm(yes, f"Let administrators, and not provisioning, manage {what}?")
    if username:
        found = _run(organization, releases.release_user, ReleaseUser(username), only_reads=False)
    elif group:
        found = _run(organization, releases.release_group, ReleaseGroup(group), only_reads=False)
    else:
        found = _run(organization, releases.release_all, None, only_reads=False)
    if as_json:
        show_json({"status": "OK", "users": found.users, "groups": found.groups})
    else:
        say(f"Released {_counted(found.users, 'user')} and {_counted(found.groups, 'group')}.")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _issuer(said: str | None) -> str:
    """Return the issuer that was said, or the only one of the settings.

    Raises:
        UsageError: none was said, and there is not just one.
    """
    providers = read_settings().providers if said is None else ()
    if said is None and len(providers) != 1:
        raise click.UsageError("Say by --issuer which identity provider: the settings do not have just one.")
    return said or providers[0].issuer


def _run(
    organization: str | None,
    operation: Callable[[Call, Request], Awaitable[Result]],
    request: Request,
    *,
    only_reads: bool,
) -> Result:
    settings = read_settings()

    async def work(database: Database) -> Result:
        call = operator_call(database, await resolve_organization(database, organization), settings)
        return await database.run(lambda: operation(call, request), only_reads=only_reads)

    return run_with_database(work, settings)
