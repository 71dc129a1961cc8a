"""The audit trail as it goes on, from a server: by its feed, and by its last entries where a cursor has ended."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flow_pipelines_client.feed import MIN_WAIT, WAIT
from service.client import following
from service.client.answer import Answer
from service.client.following import OVERLAP
from service.client.server import OnServer
from service.errors import FailedPrecondition
from service.operations.changes import list_changes
from service.schemas.audit import ListAudit

START = datetime(2026, 1, 1, tzinfo=UTC)


class Trail(OnServer):
    """A server that has entries, in the order in which they are committed."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.asked: list[Any] = []
        self.epoch = 0

    def add(self, number: int, seconds: float, **other: str) -> None:
        at = (START + timedelta(seconds=seconds)).isoformat()
        self.entries.append({"id": number, "at": at, "actor": "ada", "action": "grant.set", "target": "t"} | other)

    async def run(self, operation: object, request: Any) -> Answer:
        self.asked.append(request)
        if operation is list_changes:
            return self._follow(request.after)
        found = [
            each
            for each in sorted(self.entries, key=lambda each: -each["id"])
            if request.since is None or datetime.fromisoformat(each["at"]) >= request.since
        ]
        return Answer({"status": "OK", "audit": found[: request.page_size]})

    def _follow(self, after: str | None) -> Answer:
        epoch, place = map(int, after.split("/")) if after else (self.epoch, len(self.entries))
        if epoch != self.epoch:
            raise FailedPrecondition("The database has changed over.")
        changes = [{"entry": each} for each in self.entries[place : place + 2]]
        return Answer({"status": "OK", "changes": changes, "next_cursor": f"{epoch}/{place + len(changes)}"})


async def read(follower: Any) -> list[int]:
    return [each["id"] for each in await follower.read()]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses between calls, and make none."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(f"{following.__name__}.asyncio.sleep", sleep)
    return made


async def test_server_that_does_not_wait_is_not_asked_all_the_time(pauses: list[float]) -> None:
    trail = Trail()
    follower = await trail.follow_audit(ListAudit())

    await read(follower)
    trail.add(1, 0)
    await read(follower)

    assert len(pauses) == 1
    assert 0 < pauses[0] <= MIN_WAIT


async def test_each_entry_is_told_once_also_one_that_is_committed_late() -> None:
    trail = Trail()
    trail.add(1, 0)
    trail.add(3, 10)
    follower = await trail.follow_audit(ListAudit())

    told = [await read(follower)]
    for number in (5, 4, 2):
        trail.add(number, number)
    told += [await read(follower), await read(follower), await read(follower)]

    assert told == [[], [5, 4], [2], []]
    assert (trail.asked[-1].wait, trail.asked[-1].all) == (WAIT, True)


@pytest.mark.parametrize(
    ("wanted", "other"),
    [
        (ListAudit(actor="ADA"), {"actor": "eve"}),
        (ListAudit(action="grant.set"), {"action": "grant.revoke"}),
        (ListAudit(target="t"), {"target": "T"}),
    ],
    ids=["actor", "action", "target"],
)
async def test_entries_that_fit_are_told(wanted: ListAudit, other: dict[str, str]) -> None:
    trail = Trail()
    follower = await trail.follow_audit(wanted)
    trail.add(1, 0)
    trail.add(2, 0, **other)

    assert await read(follower) == [1]


async def test_entries_around_a_cursor_that_has_ended_are_told_once() -> None:
    trail = Trail()
    trail.add(1, 0)
    follower = await trail.follow_audit(ListAudit())
    trail.add(2, 90)
    assert await read(follower) == [2]
    trail.add(3, 91)
    trail.epoch += 1
    told = [await read(follower)]
    since = trail.asked[-1].since
    trail.add(4, 92)
    told.append(await read(follower))

    assert told == [[3], [4]]
    assert since == START + timedelta(seconds=90) - OVERLAP


async def test_first_entry_of_a_trail_is_told() -> None:
    trail = Trail()
    follower = await trail.follow_audit(ListAudit())
    trail.add(1, 0)
    trail.epoch += 1

    assert await read(follower) == [1]
    assert await read(follower) == []
