"""The place that a command works on: a server, or the database beside it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from service.client.address import PLAINTEXT_OPTION
from service.client.answer import Operations
from service.client.missing import client_missing
from service.client.selection import SERVER_VARIABLE, Choice, Server, select_server
from service.commands.context import run_beside_database
from service.commands.options import CONTEXT_NAME
from service.commands.output import tell

Command = TypeVar("Command", bound=Callable[..., Any])
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Place:
    """The place that a command works on, as a person has said it."""

    organization: str | None
    choice: Choice

    def server(self) -> Server | None:
        """Return the server that the command works on; None if it works beside the database.

        Raises:
            UsageError: what was said contradicts itself.
        """
        choice = self.choice
        if sum((choice.server is not None, choice.context is not None, choice.local)) > 1:
            raise click.UsageError("Say one of --server, --context and --local.")
        found = select_server(choice)
        if found is not None and self.organization is not None:
            raise click.UsageError(
                f"The command works on {found.address.url}, as {found.source} says, whose token is of one organization:"
                " leave --organization out, or say --local for the database."
            )
        return found

    def run(self, work: Callable[[Operations], Awaitable[Result]]) -> Result:
        """Run operations there."""
        server = self.server()
        if server is None:
            return run_beside_database(self.organization, work)
        return run_on_server(server, work)


def run_on_server(server: Server, work: Callable[[Operations], Awaitable[Result]]) -> Result:
    """Run operations on a server, and tell a person what is waited for.

    Raises:
        StartupError: the Python client is not installed.
    """
    try:
        from service.client.server import run_on_server as run  # noqa: PLC0415 - loads httpx, which is for this alone
    except ImportError as error:
        raise client_missing(error) from None
    return run(server, work, tell)


def place_options(command: Command) -> Command:
    """Add the options that say where a command works, which it is given as `place`."""

    @wraps(command)
    def run(
        *arguments: Any,
        organization: str | None,
        server: str | None,
        context: str | None,
        local: bool,
        plaintext: bool,
        **options: Any,
    ) -> Any:
        above = _of_all_commands()
        if server is None and context is None and not local:
            server, context, local = above.get("server"), above.get("context"), bool(above.get("local"))
        choice = Choice(server, context, local, plaintext or bool(above.get("plaintext")))
        return command(*arguments, place=Place(organization, choice), **options)

    text = "The organization, beside the database; not needed where there is just one."
    return click.option("--organization", metavar="NAME|ID", help=text)(server_options(run))  # type: ignore[return-value] # a command still


def server_options(command: Command) -> Command:
    """Add the options that say on which server a command works, or that it works on none."""
    options = (
        click.option("--server", metavar="URL", help=f"Work on this server. Default: {SERVER_VARIABLE}."),
        click.option(
            "--context",
            type=CONTEXT_NAME,
            metavar="NAME",
            help="Work on the server of this context. Default: the current one.",
        ),
        click.option("--local", is_flag=True, help="Work beside the database, whatever else is set."),
        click.option(
            PLAINTEXT_OPTION, is_flag=True, help="Send the token to a server without encryption, where that is safe."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _of_all_commands() -> dict[str, Any]:
    """Return the options of `server_options` as they were given before the name of the command."""
    return click.get_current_context().find_root().params
