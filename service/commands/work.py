"""What commands that work on the database share.

They run the very operations of the API, by an operator who acts as an administrator: there is no second set of rules,
and the audit trail says "command line".
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar
from uuid import UUID

import click

from service.database.pool import Database, open_database
from service.embedded.cluster import database_url
from service.errors import NotFound, ServiceError
from service.http.responses import encode
from service.identity import operator
from service.operations.call import Call
from service.repositories import organizations
from service.repositories.organizations import Organization
from service.schemas.pages import Page
from service.settings import read_settings

Result = TypeVar("Result")
Item = TypeVar("Item")
Command = TypeVar("Command", bound=Callable[..., Any])

_LARGEST_PAGE: Final = 1000


def organization_option(command: Command) -> Command:
    """--organization, for those who have more than one."""
    said = "The organization; not needed where there is just one."
    return click.option("--organization", metavar="NAME|ID", help=said)(command)


def json_option(command: Command) -> Command:
    """--json: what the API would answer."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object, as the API answers it.")(
        command
    )


def yes_option(command: Command) -> Command:
    """--yes, for what asks first."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def confirm(yes: bool, question: str) -> None:
    """Ask, unless that was answered beforehand; a no ends the command with exit code 1."""
    if not yes:
        click.confirm(question, abort=True, err=True)


def run_with_database(work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Do a command's work; what it refuses is one sentence on standard error, and exit code 1."""
    settings = read_settings()

    async def run(dsn: str) -> Result:
        async with open_database(dsn, settings) as database:
            return await work(database)

    try:
        with database_url(settings) as dsn:
            return asyncio.run(run(dsn))
    except ServiceError as error:
        cause = f" ({error.__cause__})" if error.service_fault and error.__cause__ else ""
        click.echo(f"flow-pipelines: {error.message}{cause}", err=True)
        sys.exit(1)


def run_as_operator(organization: str | None, work: Callable[[Call], Awaitable[Result]]) -> Result:
    """Run operations in an organization as its operator."""

    async def run(database: Database) -> Result:
        call = operator_call(database, await resolve_organization(database, organization))
        return await database.run(lambda: work(call), only_reads=False)

    return run_with_database(run)


def operator_call(database: Database, organization: Organization) -> Call:
    """A call by the operator: an administrator of the organization who is no user of it."""
    return Call(operator(organization.id), database)


async def fetch_all_pages(
    operation: Callable[[Call, Any], Awaitable[Page[Item]]], call: Call, request: Any
) -> Page[Item]:
    """All pages of a list as one."""
    items: list[Item] = []
    request = replace(request, page_size=_LARGEST_PAGE)
    while True:
        page = await operation(call, request)
        items += page.items
        if page.next_page_token is None:
            return Page(items)
        request = replace(request, page_token=page.next_page_token)


async def resolve_organization(database: Database, name_or_id: str | None) -> Organization:
    """The organization a person means; the only one if they name none.

    Raises:
        NotFound: there is none, or it takes a name or an id to tell which.
    """
    async with database.connection() as connection:
        found = await organizations.find(connection, name_or_id, 2)
    if not found and name_or_id:
        raise NotFound(f"There is no organization {name_or_id}.")
    if not found:
        raise NotFound("There is no organization yet: `organization create` makes one, and `import` can.")
    if len(found) > 1 and name_or_id:
        raise NotFound(f"There is more than one organization called {name_or_id}: say which by its id.")
    if len(found) > 1:
        raise NotFound("There is more than one organization: say which by --organization.")
    return found[0]


def show_json(answer: dict[str, Any]) -> None:
    """Print what the API would answer."""
    click.echo(encode(answer))


def show_table(heads: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Print rows below their heads, in columns as wide as they need to be; a sentence if there are none."""
    if not rows:
        click.echo(empty)
        return
    texts = [[*heads], *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(heads))]
    for row in texts:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _text(cell: object) -> str:
    """A cell as a person reads it: never, yes and no, and times to the second."""
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if hasattr(cell, "strftime"):
        return str(cell.strftime("%Y-%m-%d %H:%M:%SZ"))
    return str(cell)


def short_permission_names(permissions: Sequence[str]) -> str:
    """Names of permissions without what all of them begin with."""
    return ", ".join(name.removeprefix("flow_pipeline:") for name in permissions)


def as_uuid(text: str) -> UUID | None:
    """A text as a UUID, None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
