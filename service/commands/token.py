"""The command `token`: bearer tokens."""

from datetime import datetime
from typing import Any
from uuid import UUID

import click

from service.commands.context import fetch_all_pages, run_as_operator
from service.commands.options import (
    ID_TYPE,
    NAME_TYPE,
    Duration,
    Ruled,
    confirm,
    json_option,
    organization_option,
    yes_option,
)
from service.commands.output import say, short_permission_names, show_json, show_table, tell
from service.errors import StartupError
from service.operations import tokens
from service.operations.call import Call
from service.permissions import SCOPE_BITS, scope_names, scope_set
from service.schemas.tokens import (
    DEFAULT_OVERLAP,
    MAX_OVERLAP,
    CreateToken,
    ListTokens,
    NewToken,
    RevokeToken,
    RotatedToken,
    RotateToken,
    dump_new_token,
    dump_revoked,
    dump_rotated_token,
    dump_token_list,
)
from service.values.names import TOKEN_NAME


@click.group("token")
def token_commands() -> None:
    """Make, list, rotate and revoke bearer tokens."""


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
@organization_option
@json_option
def create(
    username: str,
    name: str,
    scopes: tuple[str, ...],
    expires_at: datetime | None,
    organization: str | None,
    as_json: bool,
) -> None:
    """Make a token for USERNAME and print it: the only place where it is ever shown.

    It can do what its user can, or less by --scope.
    """
    request = CreateToken(username, name, scope_set(scopes) if scopes else None, expires_at)

    async def work(call: Call) -> NewToken:
        async with call.transaction() as connection:
            made = await tokens.create_token(call._replace(within=connection), request)
            _show_secret(made.secret, dump_new_token(made), as_json)
        return made

    made = run_as_operator(organization, work)
    if not as_json:
        tell(f"This token of {made.token.username} is shown here and nowhere again.")


def _show_secret(secret: str, answer: dict[str, Any], as_json: bool) -> None:
    """Print a token before the transaction that makes it ends, so that none is made that could not be shown.

    Raises:
        StartupError: it could not be.
    """
    try:
        show_json(answer) if as_json else say(secret)
    except OSError as error:
        reason = str(error) or "What reads standard output has ended."
        raise StartupError(f"{reason} No token was made, as it could not be shown.") from error


@token_commands.command("list")
@click.argument("username", type=NAME_TYPE)
@organization_option
@json_option
def list_all(username: str, organization: str | None, as_json: bool) -> None:
    """List the tokens of USERNAME that have not been revoked; none shows its secret."""
    page = run_as_operator(organization, lambda call: fetch_all_pages(tokens.list_tokens, call, ListTokens(username)))
    if as_json:
        show_json(dump_token_list(page))
        return
    rows = [
        (token.id, token.name or None, _scopes(token.scopes), token.created_at, token.expires_at, token.last_used_at)
        for token in page.items
    ]
    none = f"{username} has no token: `token create` makes one."
    show_table(["ID", "NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED"], rows, none)


def _scopes(scopes: int | None) -> str:
    return "all" if scopes is None else short_permission_names(scope_names(scopes) or [])


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
@organization_option
@json_option
def rotate(token_id: UUID, overlap: int, organization: str | None, as_json: bool) -> None:
    """Make a token in the place of the one of that id, and print it: the only place where it is ever shown."""
    request = RotateToken(token_id, overlap)

    async def work(call: Call) -> RotatedToken:
        async with call.transaction() as connection:
            made = await tokens.rotate_token(call._replace(within=connection), request)
            _show_secret(made.secret, dump_rotated_token(made), as_json)
        return made

    made = run_as_operator(organization, work)
    if not as_json:
        tell(
            f"This token of {made.token.username} is shown here and nowhere again."
            f" The old one is good until {made.replaced_expires_at:%Y-%m-%d %H:%M:%SZ}."
        )


@token_commands.command("revoke")
@click.argument("token_id", type=ID_TYPE)
@click.option("--keep-descendants", is_flag=True, help="Leave alone what was made with it.")
@organization_option
@yes_option
@json_option
def revoke(token_id: UUID, keep_descendants: bool, organization: str | None, yes: bool, as_json: bool) -> None:
    """Refuse the token of that id, and those made with it, from the next request on."""
    confirm(
        yes, f"Refuse token {token_id} from now on{'' if keep_descendants else ', and all that were made with it'}?"
    )
    request = RevokeToken(token_id, keep_descendants)
    revoked = run_as_operator(organization, lambda call: tokens.revoke_token(call, request))
    if as_json:
        show_json(dump_revoked(revoked))
    else:
        more = revoked.number - 1
        say(f"Revoked token {token_id}{f', and {more} made with it' if more else ''}.")
