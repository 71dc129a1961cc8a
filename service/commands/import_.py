"""The command `import`: records from a file into the database."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import click
import orjson

from service.embedded.cluster import database_url
from service.settings import read_settings
from service.transfer.importing import ImportRefused, ImportResult, import_records


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_command(file: IO[bytes], as_json: bool) -> None:
    """Import newline-delimited JSON, plain or compressed, from FILE, or from standard input if it is "-".

    Records that exist are updated, others are added, in one transaction: a bad line ends the import with its number and
    the reason, and nothing is changed (exit code 1). The README describes the records.
    """
    settings = read_settings()
    with database_url(settings) as dsn, _progress(file) as progress:
        try:
            result = asyncio.run(import_records(dsn, file, progress, plaintext=settings.database_plaintext))
        except ImportRefused as refused:
            click.echo(f"flow-pipelines: {refused}; nothing was changed", err=True)
            sys.exit(1)
    click.echo(orjson.dumps(result) if as_json else _summary(result))


@contextmanager
def _progress(file: IO[bytes]) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows a person at a terminal how far the import is.

    A bar over bytes where the file's size is known, else how much there was so far.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
    elif file.seekable():
        size = os.fstat(file.fileno()).st_size
        with click.progressbar(length=size, label="Importing", file=sys.stderr) as bar:
            yield bar.update
    else:
        total = 0

        def show(size: int) -> None:
            nonlocal total
            total += size
            click.echo(f"\rImporting  {total / 1e6:,.0f} MB", err=True, nl=False)

        yield show
        click.echo(err=True)


def _summary(result: ImportResult) -> str:
    total = sum(result.records.values())
    lines = [f"{kind:<14}{count:>12,}" for kind, count in result.records.items()]
    lines.append(f"{total:,} records in {result.seconds:.1f} s ({total / result.seconds:,.0f}/s)")
    written = sum(result.written.values())
    lines.append(
        f"{written:,} rows were new or changed." if written else "Nothing was new: all of it was there already."
    )
    if left_out := result.tokens_left_out:
        lines.append(
            f"{'1 token was' if left_out == 1 else f'{left_out:,} tokens were'} left out, as the file has no sha256:"
            " `token create` makes new ones, and `export --with-tokens` writes it."
        )
    return "\n".join(lines)
