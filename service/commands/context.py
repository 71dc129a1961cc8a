"""The context that commands work in: the database, and a call by the operator.

Commands run the operations of the API, by an operator who acts as an administrator: there is no second set of rules,
and the audit trail says "command line".
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final, TypeVar
from uuid import UUID

from service.database.connector import connect
from service.database.errors import NoConnection
from service.database.migrations import compare, list_applied, listed, load_migrations
from service.database.pool import Connection, Database, open_database
from service.embedded.cluster import database_url
from service.errors import NotFound, StartupError
from service.identity import operator
from service.operations.call import Call
from service.operations.pipelines import list_pipelines
from service.repositories import organizations
from service.repositories.organizations import Organization
from service.schemas.pages import Page
from service.schemas.pipelines import ListPipelines
from service.settings import Settings, read_settings
from service.values.ids import parse_uuid
from service.values.names import name_key

Result = TypeVar("Result")
Item = TypeVar("Item")

_LARGEST_PAGE: Final = 1000


def run_with_database(work: Callable[[Database], Awaitable[Result]], settings: Settings | None = None) -> Result:
    """Run a command's work on the database, once that is known to be there and migrated.

    Raises:
        StartupError: the database can't be reached or used.
    """
    settings = settings or read_settings()

    async def run(dsn: str) -> Result:
        await require_migrated(dsn, settings)
        async with open_database(dsn, settings) as database:
            try:
                return await work(database)
            except NoConnection as error:
                raise StartupError(database.describe(error)) from error

    with database_url(settings) as dsn:
        return asyncio.run(run(dsn))


async def require_migrated(dsn: str, settings: Settings) -> None:
    """Require a database that can be reached and has every migration, by the sentences of `migrate` and `serve`.

    Raises:
        StartupError: it can't be reached, lacks a migration, or is too new.
    """
    connection = await connect(dsn, plaintext=settings.database_plaintext, statement_cache_size=0)  # for a pooler
    try:
        missing = compare(await list_applied(Connection(connection)), load_migrations())
    finally:
        await connection.close()
    if missing:
        raise StartupError(f"The database lacks {listed(missing)}: run `migrate`.")


def run_as_operator(organization: str | None, work: Callable[[Call], Awaitable[Result]]) -> Result:
    """Run operations in an organization as its operator."""
    settings = read_settings()

    async def run(database: Database) -> Result:
        call = operator_call(database, await resolve_organization(database, organization), settings)
        return await database.run(lambda: work(call), only_reads=False)

    return run_with_database(run, settings)


def operator_call(database: Database, organization: Organization, settings: Settings) -> Call:
    """Make a call by the operator: an administrator of the organization who is no user of it."""
    return Call(operator(organization.id), database, token_max_lifetime=settings.token_max_lifetime)


async def fetch_all_pages(
    operation: Callable[[Call, Any], Awaitable[Page[Item]]], call: Call, request: Any
) -> Page[Item]:
    """Fetch all pages of a list as one."""
    items: list[Item] = []
    request = replace(request, page_size=_LARGEST_PAGE)
    while True:
        page = await operation(call, request)
        items += page.items
        if page.next_page_token is None:
            return Page(items)
        request = replace(request, page_token=page.next_page_token)


async def resolve_organization(database: Database, name_or_id: str | None) -> Organization:
    """Find the organization that a person means; the only one if they name none.

    Raises:
        NotFound: there is none, or it takes a name or an id to tell which.
    """
    async with database.connection() as connection:
        found = await organizations.find(connection, name_or_id, limit=2)
    if not found and name_or_id:
        raise NotFound(f"There is no organization {name_or_id}.")
    if not found:
        raise NotFound("There is no organization yet: `organization create` makes one, and `import` can.")
    if len(found) > 1 and name_or_id:
        raise NotFound(f"There is more than one organization called {name_or_id}: say which by its id.")
    if len(found) > 1:
        raise NotFound("There is more than one organization: say which by --organization.")
    return found[0]


async def resolve_pipeline(call: Call, name_or_id: str) -> UUID:
    """Find the pipeline that a person means by its id, or by its name regardless of case.

    Raises:
        NotFound: there is none of that name.
    """
    if found := parse_uuid(name_or_id):
        return found
    for pipeline in (await fetch_all_pages(list_pipelines, call, ListPipelines(name=name_key(name_or_id)))).items:
        if name_key(pipeline.name) == name_key(name_or_id):
            return pipeline.id
    raise NotFound(f"There is no pipeline called {name_or_id}.")
