"""The command `demo`: the service with data to try, for a first look; `make run` runs it."""

import asyncio
import shlex
from typing import Final
from uuid import UUID

import click
import uvloop

from service.client.answer import run_all_pages
from service.commands.context import BesideDatabase, operator_call, resolve_organization
from service.commands.output import say, tell
from service.database.connector import connect
from service.database.migrations import migrate
from service.database.pool import open_database
from service.database.sql_files import sql_directory
from service.embedded.cluster import as_service, database_url
from service.operations.token_revocation import revoke_token
from service.operations.tokens import create_token, list_tokens
from service.process import Addresses, serve
from service.repositories import organizations
from service.schemas.tokens import CreateToken, ListTokens, RevokeToken
from service.settings import Settings, read_settings
from service.telemetry.logs import configure_logs
from service.transfer.importing import import_records

ORGANIZATION: Final = "0a0c6b1e-8d1f-4f5e-9d3b-6f6d1f0e2a10"
USER: Final = "ada"
JOB: Final = "f403399d-7ac7-4285-bb06-f7ad82ddbea2"
PIPELINES: Final = ("e05cc5f7-b199-49a6-b1bc-f17dc5247e0c", "03f4dc97-1245-452d-9d7b-17f8b86473b8")
"""The organization, the user, the job and the pipelines to try, of sql/demo.ndjson."""

TOKEN: Final = "make run"  # noqa: S105 - the name of the token, by which the one of the last start is revoked


@click.command("demo")
def demo_command() -> None:
    """Migrate, load demo data, and serve, with a token and calls to try.

    The data are kept from start to start; each start makes a new token for the demo's administrator and revokes the one
    before. Uses DATABASE_URL if it is set: not for a database with data of yours in it.
    """
    settings = read_settings()
    configure_logs(settings)
    if settings.database_url is None:
        tell(f"Starting a PostgreSQL of its own in {settings.data_dir} ...")
    with database_url(settings) as dsn:
        asyncio.run(_require_database(settings, dsn))

        async def prepare(addresses: Addresses) -> None:
            """Touch the data only once both ports are this process's: of two, the second would revoke the token."""
            tell("Migrating, and loading data to try ...")
            token = await _prepare(settings, dsn)
            say(*_announcement(token, addresses, settings.public_url).split("\n"))

        uvloop.run(serve(settings, as_service(dsn, settings), prepare))


async def _require_database(settings: Settings, dsn: str) -> None:
    """Require a database that can be reached, before anything is started.

    Raises:
        StartupError: it can't.
    """
    await (await connect(dsn, plaintext=settings.database_plaintext, statement_cache_size=0)).close()


async def _prepare(settings: Settings, dsn: str) -> str:
    """Migrate, load the demo's organization if it is not there, and make a token."""
    await migrate(dsn, plaintext=settings.database_plaintext)
    async with open_database(dsn, settings) as database:
        async with database.connection() as connection:
            loaded = await organizations.find(connection, ORGANIZATION, 1)
        if not loaded:
            with (sql_directory() / "demo.ndjson").open("rb") as lines:
                await import_records(dsn, lines, plaintext=settings.database_plaintext)
        call = operator_call(database, await resolve_organization(database, ORGANIZATION), settings)
        operations = BesideDatabase(call)
        for token in (await run_all_pages(operations, list_tokens, ListTokens(USER))).body["tokens"]:
            if token["name"] == TOKEN:
                await operations.run(revoke_token, RevokeToken(UUID(token["id"])))
        return (await create_token(call, CreateToken(USER, TOKEN))).secret


def _announcement(token: str, addresses: Addresses, public_url: str | None) -> str:
    body = f'{{"job_id": "{JOB}", "pipeline_ids": ["{PIPELINES[0]}", "{PIPELINES[1]}"]}}'
    pages = f"{public_url or addresses.api}"
    page, documents = f"{pages}/admin/", f"{pages}/docs"
    if addresses.api.startswith(UNIX) and public_url is None:
        page = documents = "by a proxy in front of that socket, whose address PUBLIC_URL says"
    return f"""
The Flow Pipeline service runs.

  API          {addresses.api}
  operations   {addresses.ops}/readyz
  admin page   {page}
  every call   {documents}
  token        {token}
               of {USER}, an administrator; shown here and nowhere again

List the pipelines:

  {_curl(addresses.api, token, "/api/v1/flow/pipeline")}

Put a job into two of them:

  {_curl(addresses.api, token, "/api/v1/jobs/pipelines", body)}

Read on in docs/tutorial/first-ten-minutes.md. Ctrl-C ends it; the data stay.
"""


UNIX: Final = "unix:"
"""The beginning of the address of a Unix socket, before its path."""


def _curl(api: str, token: str, path: str, body: str | None = None) -> str:
    """Return a call as a person can paste it into a shell."""
    words = ["curl", "-H", f"Authorization: Bearer {token}"]
    if body is not None:
        words += ["-d", body]
    if api.startswith(UNIX):
        return shlex.join([*words, "--unix-socket", api.removeprefix(UNIX), f"http://localhost{path}"])
    return shlex.join([*words, f"{api}{path}"])
