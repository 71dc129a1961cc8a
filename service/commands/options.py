"""The options of several commands, and the types of their values."""

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, TypeVar, cast
from uuid import UUID

import click
from click.shell_completion import CompletionItem

from service.client.contexts import NAME, load_contexts
from service.commands.output import ask
from service.errors import StartupError
from service.permissions import PERMISSION_BITS
from service.values.ids import parse_uuid
from service.values.instants import END
from service.values.names import USERNAME, Rule

Command = TypeVar("Command", bound=Callable[..., Any])


def organization_option(command: Command) -> Command:
    """Add --organization, which is needed where there is more than one."""
    text = "The organization; not needed where there is just one."
    return click.option("--organization", metavar="NAME|ID", help=text)(command)


def json_option(command: Command) -> Command:
    """Add --json, to print what the API would answer."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object, as the API answers it.")(
        command
    )


def yes_option(command: Command) -> Command:
    """Add --yes to a command that asks first."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def confirm(yes: bool, question: str) -> None:
    """Ask, unless --yes has answered; a no ends the command with exit code 1."""
    if not yes:
        ask(question)


class Duration(click.ParamType[datetime]):
    """A length of time from now on, such as 12h or 90d, as the moment when it is over."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse a number of minutes, hours or days."""
        if isinstance(value, datetime):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", value)
        if match is None:
            self.fail("give a number of minutes, hours or days, such as 30m, 12h or 90d.", param, ctx)
        unit = {"m": "minutes", "h": "hours", "d": "days"}[match[2]]
        end = datetime.now(UTC) + timedelta(**{unit: int(match[1])})
        if end >= END:
            self.fail(f"that is beyond the year {END.year - 1}.", param, ctx)
        return end


class Ruled(click.ParamType[str]):
    """A name or an id of something new, by its rule; or of something that there is, whatever it is called."""

    name = "name"

    def __init__(self, what: str, rule: Rule, *, new: bool = True) -> None:
        self._what, self._check = what, rule.check if new else rule.check_reference

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value as it is stored."""
        try:
            return self._check(value)
        except ValueError as error:
            self.fail(f"{self._what} is {error}.", param, ctx)


NAME_TYPE = Ruled("a name", USERNAME, new=False)
"""The name of a user or a group that there is."""
NEW_NAME = Ruled("a name", USERNAME)
"""The name of a new user or group."""


class InputFile(click.ParamType[IO[bytes]]):
    """A file to read from, or - for standard input. One that can't be opened is no fault of the command line."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IO[bytes]:
        """Open the file, until the command ends."""
        if not isinstance(value, str):
            return cast("IO[bytes]", value)
        if value == "-":
            return sys.stdin.buffer
        if not value:  # Path would have it for the folder that this works in
            raise StartupError("The name of the file to read is empty: give a path, or - for standard input.")
        try:
            file = Path(value).open("rb")  # noqa: SIM115 - it is read after this
        except OSError as error:
            raise StartupError(f"{value} can't be read: {error.strerror}.") from error
        if ctx is not None:
            ctx.call_on_close(file.close)
        return file


INPUT_FILE = InputFile()

PERMISSION = click.Choice([name.removeprefix("flow_pipeline:") for name in PERMISSION_BITS])
"""A permission, by its short name."""


def permission_set(short_names: tuple[str, ...]) -> int:
    """Return the bit set of permissions by their short names."""
    return sum({PERMISSION_BITS[f"flow_pipeline:{name}"] for name in short_names})


class IdType(click.ParamType[UUID]):
    """An id that the service has drawn."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        """Parse a UUID as the API does."""
        return parse_uuid(value) or self.fail(f"{value!a} is not a valid UUID.", param, ctx)


ID_TYPE = IdType()


class _ContextName(click.ParamType[str]):
    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return a name that a context can have."""
        if not NAME.fullmatch(value):
            self.fail("a context's name is of 1 to 255 letters, digits and _ . : @ - [ ].", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that there are, for a shell that completes what was typed."""
        try:
            known = load_contexts().by_name
        except StartupError:
            return []
        return [CompletionItem(name) for name in known if name.startswith(incomplete)]


CONTEXT_NAME = _ContextName()
