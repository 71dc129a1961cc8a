"""The command `export`: records out of the database, in the format that `import` reads."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import click

from service.commands.context import resolve_organization, run_with_database
from service.commands.options import organization_option
from service.embedded.cluster import database_url
from service.settings import read_settings
from service.transfer.exporting import export_records


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@organization_option
@click.option("--with-tokens", is_flag=True, help="Write digests of tokens, which then work where this is imported.")
def export_command(file: Path, organization: str | None, with_tokens: bool) -> None:
    """Export to FILE, or to standard output if it is "-": one organization, or all if none is named.

    What is written is as it was at one moment, and stands under its name only when all of it is there. Of tokens it
    says whose they are; without their digests `import` leaves them out. Keep a file that has these as safe as a backup.
    """
    organization_id = (
        None
        if organization is None
        else run_with_database(lambda database: resolve_organization(database, organization)).id
    )
    if str(file) == "-":
        _export(Path("/dev/stdout"), organization_id, with_tokens)
        return
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        _export(unfinished, organization_id, with_tokens)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _export(file: Path, organization_id: UUID | None, with_tokens: bool) -> None:
    settings = read_settings()
    with database_url(settings) as dsn, _progress() as progress:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as output:
            exported = export_records(
                dsn,
                output,
                organization_id,
                progress,
                plaintext=settings.database_plaintext,
                with_tokens=with_tokens,
            )
            result = asyncio.run(exported)
    click.echo(f"Exported {sum(result.records.values()):,} records in {result.seconds:.1f} s.", err=True)


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Yield a function that shows a person at a terminal how many records there were so far."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    total = 0

    def show(count: int) -> None:
        nonlocal total
        total += count
        click.echo(f"\rExporting  {total:,} records", err=True, nl=False)

    yield show
    click.echo(err=True)
