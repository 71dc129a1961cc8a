"""The command `import`: records from a file into the database."""

import asyncio
import os
from typing import IO

import click

from service.commands.context import require_migrated
from service.commands.options import INPUT_FILE
from service.commands.output import progress, say, show_json
from service.embedded.cluster import database_url
from service.settings import read_settings
from service.transfer.importing import ImportResult, import_records


@click.command("import")
@click.argument("file", type=INPUT_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_command(file: IO[bytes], as_json: bool) -> None:
    """Import newline-delimited JSON, plain or compressed, from FILE, or from standard input if it is "-".

    Records that exist are updated, others are added, in one transaction: a bad line ends the import with its number and
    the reason, and nothing is changed (exit code 1). docs/reference/import-format.md describes
    the records.
    """
    settings = read_settings()
    with database_url(settings) as dsn:
        asyncio.run(require_migrated(dsn, settings))
        with progress("Importing", "MB", _size(file)) as show:
            result = asyncio.run(import_records(dsn, file, show, plaintext=settings.database_plaintext))
    show_json(result) if as_json else say(*_summary(result))


def _size(file: IO[bytes]) -> int | None:
    """Return the bytes of a file, where that is known from the start."""
    return os.fstat(file.fileno()).st_size if file.seekable() else None


def _summary(result: ImportResult) -> list[str]:
    total = sum(result.records.values())
    lines = [f"{kind:<14}{count:>12,}" for kind, count in result.records.items()]
    lines.append(f"{total:,} records in {result.seconds:.1f} s ({total / result.seconds:,.0f}/s)")
    written = sum(result.written.values())
    if not total:
        lines.append("The input has no records: nothing was changed.")
    else:
        lines.append(
            f"{written:,} rows were new or changed." if written else "Nothing was new: all of it was there already."
        )
    if left_out := result.tokens_left_out:
        lines.append(
            f"{'1 token was' if left_out == 1 else f'{left_out:,} tokens were'} left out, as the file has no sha256:"
            " `token create` makes new ones, and `export --with-tokens` writes it."
        )
    return lines
