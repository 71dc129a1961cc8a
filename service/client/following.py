"""The audit trail as it goes on, from a server: by the feed of changes, which has every entry for an administrator."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final, Protocol

from flow_pipelines_client.feed import MIN_WAIT, WAIT
from service.client.answer import Answer, Operation, run_all_pages
from service.errors import FailedPrecondition
from service.operations.audit import list_audit
from service.operations.changes import list_changes
from service.schemas.audit import ListAudit
from service.schemas.changes import ListChanges

OVERLAP: Final = timedelta(seconds=60)
"""The time for which entries are looked for again where a cursor has ended: none is committed later than that."""


class _Running(Protocol):
    async def run(self, operation: Operation, request: Any) -> Answer:
        """Run an operation."""


class TrailFollower:
    """Follows the feed, and where a cursor ends, as with a failover, looks for what came between in the trail."""

    def __init__(self, operations: Any, request: ListAudit) -> None:
        """Follow what fits a request's actor, action and target."""
        self._operations: _Running = operations
        self._request = request
        self._cursor = ""
        self._recent: dict[int, datetime] = {}
        """The times of entries that were told, as far back as they might be found again."""
        self._newest: datetime | None = None

    async def begin(self) -> None:
        """Begin with what happens from now on."""
        answer = await self._operations.run(list_changes, ListChanges(all=True))
        self._cursor = answer.body["next_cursor"]
        newest = (await self._operations.run(list_audit, replace(self._request, page_size=1))).body["audit"]
        self._newest = datetime.fromisoformat(newest[0]["at"]) if newest else None

    async def read(self) -> list[dict[str, Any]]:
        """Return entries that are new since the last time; the server waits a while for some."""
        try:
            asked, begun = ListChanges(after=self._cursor, wait=WAIT, all=True), monotonic()
            body = (await self._operations.run(list_changes, asked)).body
        except FailedPrecondition:
            return await self._begin_anew()
        self._cursor = body["next_cursor"]
        if not body["changes"]:
            await asyncio.sleep(max(0.0, begun + MIN_WAIT - monotonic()))
        return self._new([each["entry"] for each in body["changes"] if self._fits(each["entry"])])

    async def _begin_anew(self) -> list[dict[str, Any]]:
        answer = await self._operations.run(list_changes, ListChanges(all=True))
        self._cursor = answer.body["next_cursor"]
        since = None if self._newest is None else self._newest - OVERLAP
        listed: Any = self._operations
        found = (await run_all_pages(listed, list_audit, replace(self._request, since=since))).body["audit"]
        return self._new(found[::-1])

    def _new(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return those that were not told yet, and remember them."""
        found = {each["id"]: each for each in entries if each["id"] not in self._recent}
        self._recent |= {number: datetime.fromisoformat(each["at"]) for number, each in found.items()}
        self._newest = max([*self._recent.values(), *([self._newest] if self._newest else [])], default=None)
        if self._newest is not None:
            begin = self._newest - OVERLAP
            self._recent = {number: at for number, at in self._recent.items() if at >= begin}
        return [*found.values()]

    def _fits(self, entry: dict[str, Any]) -> bool:
        """Return whether an entry is one that was asked for, as the list of the trail decides it."""
        wanted = self._request
        if wanted.actor is not None and entry["actor"].lower() != wanted.actor.lower():
            return False
        return wanted.action in (None, entry["action"]) and wanted.target in (None, entry["target"])
