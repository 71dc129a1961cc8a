"""The lists of commands in the help of groups."""

from typing import Final

import click

_WHOLE: Final = 1_000
"""Characters: more than a first sentence has."""


class CommandGroup(click.Group):
    """A group whose help has the first sentence of each command whole, where click cuts it to what fits on a line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(_WHOLE)) for name, command in commands if not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
