"""`token`: make bearer tokens."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import orjson

from service.commands.work import the_organization, the_user, work_on_database
from service.database import Database
from service.operations.tokens import issue_token
from service.permissions import SCOPE_BITS, scope_set
from service.repositories.audit import COMMAND_LINE


class Duration(click.ParamType[timedelta]):
    """A length of time such as 12h or 90d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Minutes, hours or days."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", value)
        if match is None:
            self.fail("give a number of minutes, hours or days, such as 30m, 12h or 90d.", param, ctx)
        unit = {"m": "minutes", "h": "hours", "d": "days"}[match[2]]
        return timedelta(**{unit: int(match[1])})


@click.group("token")
def token_commands() -> None:
    """Make bearer tokens."""


@token_commands.command("create")
@click.argument("username")
@click.option("--organization", metavar="NAME|ID", help="The user's organization; not needed where there is just one.")
@click.option("--name", default="", help="What the token is for.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice([*SCOPE_BITS]), help="Narrow the token to this; repeatable."
)
@click.option("--expires-in", type=Duration(), metavar="DURATION", help="When it ends: 30m, 12h, 90d. Default: never.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(
    username: str,
    organization: str | None,
    name: str,
    scopes: tuple[str, ...],
    expires_in: timedelta | None,
    as_json: bool,
) -> None:
    """Make a token for USERNAME and print it: the only place where it is ever shown.

    It can do what its user can, or less by --scope.
    """

    async def work(database: Database) -> None:
        async with database.transaction() as connection:
            found = await the_organization(connection, organization)
            user = await the_user(connection, found, username)
            token = await issue_token(
                connection,
                COMMAND_LINE,
                found.id,
                user,
                name=name,
                scopes=scope_set(scopes) if scopes else None,
                expires_at=datetime.now(UTC) + expires_in if expires_in else None,
            )
        if as_json:
            click.echo(orjson.dumps({"id": token.token.id, "username": user.username, "secret": token.secret}))
        else:
            click.echo(token.secret)
            click.echo(f"This token of {user.username} is shown here and nowhere again.", err=True)

    work_on_database(work)
