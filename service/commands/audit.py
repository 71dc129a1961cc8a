"""The command `audit`: the trail of changes."""

import asyncio
from typing import Any

import click

from service.commands.context import run_as_operator
from service.commands.options import json_option, organization_option
from service.http.responses import encode
from service.operations.audit import list_audit
from service.operations.call import Call
from service.repositories.audit import Entry
from service.schemas.audit import ListAudit


@click.group("audit")
def audit_commands() -> None:
    """Read the audit trail."""


@audit_commands.command("tail")
@click.option(
    "-n", "--lines", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many to begin with."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--actor", help="Only by this user.")
@click.option("--action", help="Only this, such as grant.set.")
@click.option("--target", help="Only of this, such as job:4711.")
@organization_option
@json_option
def tail(
    lines: int,
    follow: bool,
    actor: str | None,
    action: str | None,
    target: str | None,
    organization: str | None,
    as_json: bool,
) -> None:
    """Print the last changes, oldest first, one a line; with --json one JSON object a line."""

    async def work(call: Call) -> None:
        seen, size = 0, lines
        while True:
            page = await list_audit(call, ListAudit(actor, action, target, page_size=size))
            for entry in reversed([entry for entry in page.items if entry.id > seen]):
                seen = entry.id
                click.echo(encode(_named(entry)) if as_json else _line(entry))
            if not follow:
                return
            size = 1000
            await asyncio.sleep(1)

    run_as_operator(organization, work)


def _named(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__dataclass_fields__}


def _line(entry: Entry) -> str:
    before = "" if entry.before is None else encode(entry.before).decode()
    after = "" if entry.after is None else encode(entry.after).decode()
    change = f"{before} -> {after}" if before and after else before or after
    gone = " (was)" if before and not after else ""
    return f"{entry.at:%Y-%m-%d %H:%M:%SZ}  {entry.actor}  {entry.action}  {entry.target}  {change}{gone}"
