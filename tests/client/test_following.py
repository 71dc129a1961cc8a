"""The audit trail as it goes on, from a server that is asked for its last entries again and again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.client import server
from service.client.answer import Answer
from service.client.server import OVERLAP, OnServer
from service.schemas.audit import ListAudit

START = datetime(2026, 1, 1, tzinfo=UTC)


class Trail(OnServer):
    """A server that has a list of entries, of which others may come before the last one."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.asked: list[ListAudit] = []

    def add(self, number: int, seconds: float) -> None:
        self.entries.append({"id": number, "at": (START + timedelta(seconds=seconds)).isoformat()})

    async def run(self, operation: object, request: Any) -> Answer:
        self.asked.append(request)
        found = [
            each
            for each in sorted(self.entries, key=lambda each: -each["id"])
            if request.since is None or datetime.fromisoformat(each["at"]) >= request.since
        ]
        return Answer({"status": "OK", "audit": found[: request.page_size]})


async def test_each_entry_is_told_once_also_one_that_is_committed_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FOLLOW_PAUSE", 0)
    trail = Trail()
    trail.add(1, 0)
    trail.add(3, 10)
    follower = await trail.follow_audit(ListAudit(action="grant.set"))

    told = [await follower.read()]
    trail.add(5, 20)
    trail.add(4, 15)
    told.append(await follower.read())
    trail.add(2, 5)
    told += [await follower.read(), await follower.read()]

    assert [[each["id"] for each in entries] for entries in told] == [[], [4, 5], [2], []]
    assert {request.action for request in trail.asked} == {"grant.set"}
    assert trail.asked[-1].since == START + timedelta(seconds=20) - OVERLAP


async def test_first_entry_of_a_trail_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FOLLOW_PAUSE", 0)
    trail = Trail()
    follower = await trail.follow_audit(ListAudit())
    trail.add(1, 0)

    assert [each["id"] for each in await follower.read()] == [1]
    assert await follower.read() == []
