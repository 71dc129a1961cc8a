"""The command `export`: records out of the database, in the format that `import` reads."""

import asyncio
from typing import IO, cast
from uuid import UUID

import click

from service.commands.context import require_migrated, resolve_organization
from service.commands.options import organization_option
from service.commands.output import AtTerminal, progress, tell
from service.commands.target import open_target
from service.database.pool import open_database
from service.embedded.cluster import database_url
from service.settings import Settings, read_settings
from service.transfer.exporting import export_records


@click.command("export")
@click.argument("file")
@organization_option
@click.option("--with-tokens", is_flag=True, help="Write digests of tokens, which then work where this is imported.")
def export_command(file: str, organization: str | None, with_tokens: bool) -> None:
    """Export to FILE, or to standard output if it is "-": one organization, or all if none is named.

    What is written is as it was at one moment, and stands under its name only when all of it is there; a pipe, a device
    and what is open already, such as /dev/stdout, are written to as they are. Of tokens it says whose they are; without
    their digests `import` leaves them out. Keep a file that has these as safe as a backup.
    """
    settings = read_settings()
    with database_url(settings) as dsn:
        organization_id = asyncio.run(_prepare(dsn, settings, organization))
        with open_target(file) as output, progress("Exporting", "records") as show:
            exported = export_records(
                dsn,
                cast("IO[bytes]", AtTerminal(output)) if output.isatty() else output,
                organization_id,
                show,
                plaintext=settings.database_plaintext,
                with_tokens=with_tokens,
            )
            result = asyncio.run(exported)
    tell(f"Exported {sum(result.records.values()):,} records in {result.seconds:.1f} s.")


async def _prepare(dsn: str, settings: Settings, organization: str | None) -> UUID | None:
    """See that there is something to export from, before the output is touched; return whose records it is to be."""
    await require_migrated(dsn, settings)
    if organization is None:
        return None
    async with open_database(dsn, settings) as database:
        return (await resolve_organization(database, organization)).id
