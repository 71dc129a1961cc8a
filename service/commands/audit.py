"""The command `audit`: the trail of changes."""

import asyncio
from collections.abc import Set
from dataclasses import replace
from typing import Any, Final

import click

from service.client.answer import Follower, Operations
from service.commands.audit_archives import archive_command, verify_command
from service.commands.listing import CommandGroup
from service.commands.options import json_option
from service.commands.output import instant, say_fields, show_json, shown, tell
from service.commands.place import Place, place_options
from service.errors import DeadlineExceeded, Unavailable
from service.http.responses import encode
from service.operations.audit import list_audit
from service.schemas.audit import ListAudit

RETRY_PAUSE: Final = 1.0
"""Seconds until what could not be had is asked for again."""


@click.group("audit", cls=CommandGroup)
def audit_commands() -> None:
    """Read the audit trail, archive months of it, and prove that nothing was altered."""


audit_commands.add_command(archive_command)
audit_commands.add_command(verify_command)


@audit_commands.command("tail")
@click.option(
    "-n", "--lines", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many to begin with."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--actor", help="Only by this user.")
@click.option("--action", help="Only this, such as grant.set.")
@click.option("--target", help="Only of this, such as job:4711.")
@place_options
@json_option
def tail(
    lines: int,
    follow: bool,
    actor: str | None,
    action: str | None,
    target: str | None,
    place: Place,
    as_json: bool,
) -> None:
    """Print the last changes, oldest first, one a line; with --json one JSON object a line."""
    request = ListAudit(actor, action, target)

    async def work(operations: Operations) -> None:
        follower = await operations.follow_audit(request) if follow else None
        last = await _list_last(operations, request, lines)
        for entry in last:
            _print(entry, as_json)
        if follower is not None:
            await _follow(follower, {entry["id"] for entry in last}, as_json)

    place.run(work)


async def _list_last(operations: Operations, request: ListAudit, lines: int) -> list[dict[str, Any]]:
    """List the last entries, oldest first, over as many pages as they take."""
    found: list[dict[str, Any]] = []
    while True:
        page = (await operations.run(list_audit, replace(request, page_size=lines - len(found)))).body
        found += page["audit"]
        if "next_page_token" not in page or len(found) >= lines:
            return found[::-1]
        request = replace(request, page_token=page["next_page_token"])


async def _follow(follower: Follower, printed: Set[int], as_json: bool) -> None:
    """Print what is new for ever, and go on where the database or the server was away.

    Args:
        follower: from before the last entries were listed.
        printed: the ids of those, which may be new to it.
        as_json: print JSON objects.
    """
    away = False
    while True:
        try:
            entries = await follower.read()
        except (Unavailable, DeadlineExceeded) as error:
            if not away:
                tell(f"{error.message} Nothing is missed: this goes on when the database is back.")
            away = True
            await asyncio.sleep(RETRY_PAUSE)
            continue
        away = False
        for entry in entries:
            if entry["id"] not in printed:
                _print(entry, as_json)


def _print(entry: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(entry)
    else:
        say_fields(*_fields(entry))


def _fields(entry: dict[str, Any]) -> list[str]:
    before = "" if entry["before"] is None else encode(entry["before"]).decode()
    after = "" if entry["after"] is None else encode(entry["after"]).decode()
    change = f"{before} -> {after}" if before and after else before or after
    gone = " (was)" if before and not after else ""
    return [shown(instant(entry["at"])), entry["actor"], entry["action"], entry["target"], f"{change}{gone}"]
