"""Freed memory is given back after many bytes of large messages, and never because of small ones."""

import pytest

from service.http import freed_memory
from service.http.freed_memory import COUNTED, PER_TRIM, FreedMemory
from tests.factories import World
from tests.grpc.conftest import Start


async def test_large_messages_have_freed_memory_given_back(
    start: Start, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    trimmed: list[int] = []
    monkeypatch.setattr(freed_memory, "_trim", trimmed.append)
    monkeypatch.setattr(freed_memory, "PER_TRIM", 2 * COUNTED)
    served, ada = await start(), await world.user()

    for _ in range(4):
        await served.rpcs("UpdateJobPipelines", {"job_id": "x" * COUNTED}, token=ada.token)

    assert trimmed == [0, 0]


def test_small_messages_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []
    monkeypatch.setattr(freed_memory, "_trim", trimmed.append)
    freed = FreedMemory()

    for _ in range(PER_TRIM // (COUNTED - 1) + 1):
        freed.note(COUNTED - 1)

    assert trimmed == []
