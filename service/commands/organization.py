"""The command `organization`: the tenants of an installation."""

from uuid import uuid4

import click

from service.commands.context import run_with_database
from service.commands.listing import CommandGroup
from service.commands.options import Ruled, json_option
from service.commands.output import say, show_json, show_table
from service.database.pool import Database
from service.identity import operator
from service.repositories import audit, organizations
from service.repositories.organizations import Organization
from service.values.names import ORGANIZATION_NAME


@click.group("organization", cls=CommandGroup)
def organization_commands() -> None:
    """Make and list organizations."""


@organization_commands.command("create")
@click.argument("name", type=Ruled("the name of an organization", ORGANIZATION_NAME))
@json_option
def create(name: str, as_json: bool) -> None:
    """Make an organization called NAME, without any users yet."""

    async def work(database: Database) -> Organization:
        organization = Organization(uuid4(), name)
        async with database.transaction() as connection:
            await organizations.insert(connection, organization.id, organization.name)
            target = f"organization:{organization.id}"
            after = {"name": organization.name}
            await audit.insert(connection, operator(organization.id), "organization.create", target, None, after)
        return organization

    made = run_with_database(work)
    if as_json:
        show_json({"status": "OK", "organization": made})
    else:
        say(f"Made organization {made.name}, {made.id}.")


@organization_commands.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List the organizations."""

    async def work(database: Database) -> list[Organization]:
        async with database.connection() as connection:
            return await organizations.find(connection, None)

    found = run_with_database(work)
    if as_json:
        show_json({"status": "OK", "organizations": found})
    else:
        none = "There is no organization: `organization create` makes one."
        show_table(["NAME", "ID"], [(each.name, each.id) for each in found], none)
