"""The command `token`: bearer tokens."""

from datetime import datetime
from typing import Any
from uuid import UUID

import click

from service.client.answer import Answer, Operations, run_all_pages
from service.commands.listing import CommandGroup
from service.commands.options import (
    ID_TYPE,
    NAME_TYPE,
    Duration,
    Ruled,
    confirm,
    json_option,
    yes_option,
)
from service.commands.output import instant, say, short_permission_names, show_json, show_table, tell, until
from service.commands.place import Place, place_options
from service.errors import StartupError
from service.operations import token_revocation, tokens
from service.permissions import SCOPE_BITS, scope_set
from service.schemas.tokens import (
    DEFAULT_OVERLAP,
    MAX_OVERLAP,
    CreateToken,
    Ending,
    ListTokens,
    NoScopes,
    RevokeToken,
    RotateToken,
)
from service.values.durations import parse_duration
from service.values.names import TOKEN_NAME


@click.group("token", cls=CommandGroup)
def token_commands() -> None:
    """Make, list, rotate and revoke bearer tokens, and take stock of all."""


@token_commands.command("create")
@click.argument("username", type=NAME_TYPE)
@click.option("--name", type=Ruled("a token's name", TOKEN_NAME), default="", help="What the token is for.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice([*SCOPE_BITS]), help="Narrow the token to this; repeatable."
)
@click.option(
    "--expires-in",
    "expires_at",
    type=Duration(),
    metavar="DURATION",
    help="When it ends: 30m, 12h, 90d. Default: never.",
)
@place_options
@json_option
def create(
    username: str,
    name: str,
    scopes: tuple[str, ...],
    expires_at: datetime | None,
    place: Place,
    as_json: bool,
) -> None:
    """Make a token for USERNAME and print it: the only place where it is ever shown.

    It can do what its user can, or less by --scope.
    """
    request = CreateToken(username, name, scope_set(scopes) if scopes else None, expires_at)

    async def work(operations: Operations) -> Answer:
        made = await operations.run(tokens.create_token, request)
        await _show_secret(operations, made.body, as_json)
        return made

    made = place.run(lambda operations: operations.together(work)).body
    if not as_json:
        tell(f"This token of {made['token']['username']} is shown here and nowhere again.")


async def _show_secret(operations: Operations, made: dict[str, Any], as_json: bool) -> None:
    """Print a token before the transaction that makes it ends, so that none is left that could not be shown.

    Raises:
        StartupError: it could not be.
    """
    try:
        show_json(made) if as_json else say(made["secret"])
    except OSError as error:
        await operations.undo(token_revocation.revoke_token, RevokeToken(UUID(made["token"]["id"]), "replaced" in made))
        reason = str(error) or "What reads standard output has ended."
        raise StartupError(f"{reason} No token was made, as it could not be shown.") from error


@token_commands.command("list")
@click.argument("username", type=NAME_TYPE)
@place_options
@json_option
def list_all(username: str, place: Place, as_json: bool) -> None:
    """List the tokens of USERNAME that have not been revoked; none shows its secret."""
    found = place.run(lambda operations: run_all_pages(operations, tokens.list_tokens, ListTokens(username))).body
    if as_json:
        show_json(found)
        return
    rows = [
        (
            token["id"],
            token["name"] or None,
            _scopes(token["scopes"]),
            instant(token["created_at"]),
            instant(token["expires_at"]),
            instant(token["last_used_at"]),
        )
        for token in found["tokens"]
    ]
    none = f"{username} has no token: `token create` makes one."
    show_table(["ID", "NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED"], rows, none)


@token_commands.command("inventory")
@click.option("--unused-for", metavar="DURATION", help="Only those not used for this long: 12h, 90d.")
@click.option("--expires-within", type=Duration(), metavar="DURATION", help="Only those that end within this time.")
@click.option("--never-expires", is_flag=True, help="Only those without an end.")
@click.option("--of-disabled", is_flag=True, help="Only those of disabled users.")
@click.option("--no-scopes", is_flag=True, help="Only those that may all that their user may.")
@place_options
@json_option
def inventory(
    unused_for: str | None,
    expires_within: datetime | None,
    never_expires: bool,
    of_disabled: bool,
    no_scopes: bool,
    place: Place,
    as_json: bool,
) -> None:
    """List the tokens of everybody that have not been revoked."""
    if never_expires and expires_within:
        raise click.UsageError("Say either --expires-within or --never-expires.")
    try:
        unused = None if unused_for is None else parse_duration(unused_for)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--unused-for'") from error
    request = ListTokens(
        everybodys=True,
        unused_for=unused,
        expires_before=expires_within,
        expires=Ending.NEVER if never_expires else None,
        of_disabled=of_disabled,
        scopes=NoScopes.NONE if no_scopes else None,
    )
    found = place.run(lambda operations: run_all_pages(operations, tokens.list_tokens, request)).body
    if as_json:
        show_json(found)
        return
    rows = [
        (
            token["username"],
            token["id"],
            token["name"] or None,
            _scopes(token["scopes"]),
            instant(token["expires_at"]),
            instant(token["last_used_at"]),
        )
        for token in found["tokens"]
    ]
    show_table(["USERNAME", "ID", "NAME", "SCOPES", "EXPIRES", "LAST USED"], rows, "There is no such token.")


def _scopes(scopes: list[str] | None) -> str:
    return "all" if scopes is None else short_permission_names(scopes)


@token_commands.command("rotate")
@click.argument("token_id", type=ID_TYPE)
@click.option(
    "--overlap",
    type=click.IntRange(0, MAX_OVERLAP),
    default=DEFAULT_OVERLAP,
    show_default=True,
    metavar="SECONDS",
    help="How long the old one stays good; at most an hour.",
)
@place_options
@json_option
def rotate(token_id: UUID, overlap: int, place: Place, as_json: bool) -> None:
    """Make a token in the place of the one of that id, and print it: the only place where it is ever shown."""
    request = RotateToken(token_id, overlap)

    async def work(operations: Operations) -> Answer:
        made = await operations.run(tokens.rotate_token, request)
        await _show_secret(operations, made.body, as_json)
        return made

    made = place.run(lambda operations: operations.together(work)).body
    if not as_json:
        tell(
            f"This token of {made['token']['username']} is shown here and nowhere again."
            f" The old one is good{until(made['replaced']['expires_at'])}."
        )


@token_commands.command("revoke")
@click.argument("token_id", type=ID_TYPE)
@click.option("--keep-descendants", is_flag=True, help="Leave alone what was made with it.")
@place_options
@yes_option
@json_option
def revoke(token_id: UUID, keep_descendants: bool, place: Place, yes: bool, as_json: bool) -> None:
    """Refuse the token of that id, and those made with it, from the next request on."""
    confirm(
        yes, f"Refuse token {token_id} from now on{'' if keep_descendants else ', and all that were made with it'}?"
    )
    request = RevokeToken(token_id, keep_descendants)
    revoked = place.run(lambda operations: operations.run(token_revocation.revoke_token, request)).body
    if as_json:
        show_json(revoked)
    else:
        more = revoked["revoked"] - 1
        say(f"Revoked token {token_id}{f', and {more} made with it' if more else ''}.")
