"""What commands that work on the database share: getting at it, and finding what a person names."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import click

from service.database import Connection, Database, open_database
from service.embedded import database_url
from service.errors import NotFound, ServiceError
from service.repositories import organizations, users
from service.repositories.organizations import Organization
from service.repositories.users import User
from service.settings import read_settings


def work_on_database(work: Callable[[Database], Awaitable[None]]) -> None:
    """Run a command's work; what it refuses is one sentence on standard error, and exit code 1."""
    settings = read_settings()

    async def run(dsn: str) -> None:
        async with open_database(dsn, settings) as database:
            await work(database)

    try:
        with database_url(settings) as dsn:
            asyncio.run(run(dsn))
    except ServiceError as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        click.echo(f"flow-pipelines: {error.message}{cause}", err=True)
        sys.exit(1)


async def the_organization(connection: Connection, name_or_id: str | None) -> Organization:
    """The organization a person means; the only one if they name none.

    Raises:
        NotFound: there is none, or it takes a name or an id to tell which.
    """
    found = await organizations.find(connection, name_or_id, 2)
    if not found:
        raise NotFound(
            f"There is no organization {name_or_id}." if name_or_id else "There is no organization yet: import one."
        )
    if len(found) > 1:
        how = "by its id" if name_or_id else "by --organization"
        raise NotFound(
            f"There is more than one organization{f' called {name_or_id}' if name_or_id else ''}: say which {how}."
        )
    return found[0]


async def the_user(connection: Connection, organization: Organization, username: str) -> User:
    """The user a person means.

    Raises:
        NotFound: the organization has none of that name.
    """
    user = await users.find_by_name(connection, organization.id, username)
    if user is None:
        raise NotFound(f"Organization {organization.name} has no user {username}.")
    return user
