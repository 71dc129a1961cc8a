"""What it costs to tell changes of jobs in very many pipelines: one look at each id, and pauses for everything else."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid4

import pytest

from service.feed import sending
from service.feed.cursor import Cursor
from service.feed.meaning import tell
from service.feed.sight import Sight
from service.identity import Caller
from service.permissions import Role
from service.repositories.audit import Entry
from service.repositories.audit_epochs import Epoch

MANY = [uuid4() for _ in range(1_000)]
PLACE = Cursor(Epoch(1, 2, 3, 4, 5, 6), "700:800:")
MOMENT = datetime(2026, 11, 27, tzinfo=UTC)


def moved(number: int, before: list[UUID], after: list[UUID]) -> Entry:
    """Return the entry of an update of a job's pipelines."""
    was, now = ({"pipeline_ids": [str(each) for each in state]} for state in (before, after))
    return Entry(number, MOMENT, "ada", None, "job.update_pipelines", "job:j", was, now, None)


def sight(role: Role) -> Sight:
    caller = Caller(role, None, UUID(int=7), uuid4(), "ada", uuid4(), b"", (), MOMENT)
    return Sight(caller, {}, {}, {})


def test_ids_of_both_states_are_not_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a thousand that left held the loop for a second."""
    compared = count()
    equal = UUID.__eq__

    def counted(one: UUID, other: object) -> bool:
        next(compared)
        return equal(one, other)

    monkeypatch.setattr(UUID, "__eq__", counted)
    (told,) = tell(moved(1, MANY, MANY[:-1]), sight(Role.ADMIN))

    assert told.data == {"added": [], "removed": [MANY[-1]]}
    assert next(compared) < 2 * len(MANY)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER], ids=["told", "not told"])
async def test_loop_goes_on_between_entries_that_name_many_ids(role: Role) -> None:
    """What a caller may not be told takes as long, and there is no change after which to pause."""
    entries = [moved(number, MANY, []) for number in range(1, 11)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    changes = await sending.tell_each(entries, sight(role), PLACE, every=False)
    beside.cancel()

    assert len(changes) == (10 if role is Role.ADMIN else 0)
    assert turns >= len(entries)
