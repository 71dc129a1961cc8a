"""The command `migrate`: migrations that the database lacks."""

import asyncio

import click
import orjson

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
            report = _say if not as_json else lambda *_: None
            missing = asyncio.run(migrate(dsn, report, _warn, plaintext=settings.database_plaintext))
    if as_json:
        click.echo(orjson.dumps({"pending" if check else "applied": [migration.name for migration in missing]}))
    elif check:
        click.echo("\n".join(f"pending  {migration.name}" for migration in missing) or "Nothing is pending.")
    elif not missing:
        click.echo(f"Nothing to do: the database has every migration up to {load_migrations()[-1].name}.")
    if check and missing:
        raise SystemExit(1)


async def _missing(dsn: str, *, plaintext: bool) -> list[Migration]:
    connection = await connect(dsn, plaintext=plaintext)
    try:
        return compare(await list_applied(Connection(connection)), load_migrations())
    finally:
        await connection.close()


def _warn(sentence: str) -> None:
    click.echo(f"warning  {sentence}", err=True)


def _say(migration: Migration, seconds: float) -> None:
    click.echo(f"applied  {migration.name}  ({seconds * 1000:.0f} ms)")
