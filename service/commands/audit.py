"""The command `audit`: the trail of changes."""

import asyncio
from collections.abc import Set
from dataclasses import replace
from typing import Any, Final

import click

from service.commands.context import run_as_operator
from service.commands.options import json_option, organization_option
from service.commands.output import say_fields, show_json, tell
from service.errors import DeadlineExceeded, Unavailable
from service.http.responses import encode
from service.operations.audit import begin_to_follow, follow_audit, list_audit
from service.operations.call import Call
from service.repositories.audit import Entry
from service.repositories.audit_feed import FeedCursor
from service.schemas.audit import ListAudit

FOLLOW_PAUSE: Final = 1.0
"""Seconds between two looks for what is new."""


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
    request = ListAudit(actor, action, target)

    async def work(call: Call) -> None:
        cursor = await begin_to_follow(call) if follow else None
        last = await _list_last(call, request, lines)
        for entry in last:
            _print(entry, as_json)
        if cursor is not None:
            await _follow(call, request, cursor, {entry.id for entry in last}, as_json)

    run_as_operator(organization, work)


async def _list_last(call: Call, request: ListAudit, lines: int) -> list[Entry]:
    """List the last entries, oldest first, over as many pages as they take."""
    found: list[Entry] = []
    while True:
        page = await list_audit(call, replace(request, page_size=lines - len(found)))
        found += page.items
        if page.next_page_token is None or len(found) >= lines:
            return found[::-1]
        request = replace(request, page_token=page.next_page_token)


async def _follow(call: Call, request: ListAudit, cursor: FeedCursor, printed: Set[int], as_json: bool) -> None:
    """Print what is new since a place for ever, and go on where the database was away.

    Args:
        call: by an operator.
        request: the filters.
        cursor: the place, from before the last entries were listed.
        printed: the ids of those, which may be new since that place.
        as_json: print JSON objects.
    """
    away = False
    while True:
        if cursor.target is None:
            await asyncio.sleep(FOLLOW_PAUSE)
        try:
            entries, cursor = await follow_audit(call, request, cursor)
        except (Unavailable, DeadlineExceeded) as error:
            if not away:
                tell(f"{error.message} Nothing is missed: this goes on when the database is back.")
            away = True
            await asyncio.sleep(FOLLOW_PAUSE)
            continue
        away = False
        for entry in entries:
            if entry.id not in printed:
                _print(entry, as_json)


def _print(entry: Entry, as_json: bool) -> None:
    if as_json:
        show_json(_named(entry))
    else:
        say_fields(*_fields(entry))


def _named(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__dataclass_fields__}


def _fields(entry: Entry) -> list[str]:
    before = "" if entry.before is None else encode(entry.before).decode()
    after = "" if entry.after is None else encode(entry.after).decode()
    change = f"{before} -> {after}" if before and after else before or after
    gone = " (was)" if before and not after else ""
    return [f"{entry.at:%Y-%m-%d %H:%M:%SZ}", entry.actor, entry.action, entry.target, f"{change}{gone}"]
