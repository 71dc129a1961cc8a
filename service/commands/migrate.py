"""The command `migrate`: migrations that the database lacks."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import click

from service.commands.output import say, show_json, warn
from service.database.connector import connect
from service.database.migrations import Migration, compare, list_applied, load_migrations, migrate
from service.database.pool import Connection
from service.embedded.cluster import database_url
from service.settings import read_settings


@click.command("migrate")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if anything is to be applied.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def migrate_command(check: bool, as_json: bool) -> None:
    """Apply the migrations that the database has not got yet, each in a transaction of its own.

    Safe to run from several places at once, and while the service runs: each migration works with the version before.
    A database that is newer is left as it is, if this version can work with it, and refused if not.
    """
    settings = read_settings()
    with database_url(settings) as dsn:
        if check:
            missing = asyncio.run(_missing(dsn, plaintext=settings.database_plaintext))
        else:
            with _reported(as_json) as report:
                told = partial(_warn, as_json=as_json)
                missing = asyncio.run(migrate(dsn, report, told, plaintext=settings.database_plaintext))
    if as_json:
        show_json({"pending" if check else "applied": [migration.name for migration in missing]})
    elif check:
        say(*([f"pending  {migration.name}" for migration in missing] or ["Nothing is pending."]))
    elif not missing:
        say(f"Nothing to do: the database has every migration up to {load_migrations()[-1].name}.")
    if check and missing:
        raise SystemExit(1)


async def _missing(dsn: str, *, plaintext: bool) -> list[Migration]:
    connection = await connect(dsn, plaintext=plaintext)
    try:
        return compare(await list_applied(Connection(connection)), load_migrations())
    finally:
        await connection.close()


@contextmanager
def _reported(as_json: bool) -> Iterator[Callable[[Migration, float], None]]:
    """Yield a function that says which migration was applied; an output that fails does so once all of them are."""
    failures: list[OSError] = []

    def report(migration: Migration, seconds: float) -> None:
        try:
            if not as_json:
                say(f"applied  {migration.name}  ({seconds * 1000:.0f} ms)")
        except OSError as error:
            failures.append(error)

    yield report
    for failure in failures:
        raise failure


def _warn(sentence: str, *, as_json: bool) -> None:
    warn(sentence if as_json else f"warning  {sentence}", as_json=as_json)
