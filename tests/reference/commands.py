"""The command line, each command as its own help has it."""

from collections.abc import Iterator

import click

from service.__main__ import commands
from tests.reference.sources import cell, rows


def sections() -> str:
    """Return a section for each command, with its subcommands and options."""
    return "\n\n".join(_section(command, [name]) for name, command in sorted(commands.commands.items()))


def every_command(command: click.Command = commands, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command and subcommand."""
    if path:
        yield path
    if isinstance(command, click.Group):
        for name, each in sorted(command.commands.items()):
            yield from every_command(each, (*path, name))


def _section(command: click.Command, path: list[str]) -> str:
    context = click.Context(command, info_name=" ".join(path))
    usage = " ".join(["flow-pipelines", *path, *command.collect_usage_pieces(context)])
    parts = [f"{'#' * (len(path) + 1)} `{' '.join(path)}`", f"```text\n{usage}\n```", _prose(command.help or "")]
    if isinstance(command, click.Group):
        parts += [_section(each, [*path, name]) for name, each in sorted(command.commands.items())]
    elif options := _options(command, context):
        parts.append(rows(("Option", "What it does"), options))
    return "\n\n".join(parts)


def _prose(text: str) -> str:
    """Return a help text in Markdown, a paragraph a line."""
    paragraphs = text.replace("\b", "").strip().split("\n\n")
    return "\n\n".join(" ".join(each.split()).replace("<", "&lt;") for each in paragraphs)


def _options(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    return [(f"`{cell(record[0])}`", cell(record[1])) for record in records if record and "--help" not in record[0]]
