"""Freed memory is given back after many bytes of large bodies, whether they are taken or refused."""

from collections.abc import AsyncIterator
from io import BytesIO

import pytest

from service.app import BODIES
from service.http import freed_memory
from service.http.freed_memory import COUNTED
from tests.conftest import Client
from tests.factories import World


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 4_096):
        yield body[start : start + 4_096]


@pytest.mark.parametrize("chunked", [True, False], ids=["in chunks", "whole"])
@pytest.mark.parametrize("size", [COUNTED + 1, 2**20 + 1], ids=["taken", "too large"])
async def test_large_bodies_have_freed_memory_given_back(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, size: int, *, chunked: bool
) -> None:
    ada, body, trimmed = await world.user(), b" " * size, list[int]()
    monkeypatch.setattr(freed_memory, "_trim", trimmed.append)
    monkeypatch.setattr(freed_memory, "PER_TRIM", 2 * COUNTED)
    monkeypatch.setattr(client.app[BODIES].freed, "_read", 0)
    headers = {**ada.headers, "Content-Type": "application/json"}

    for _ in range(4):
        data = in_chunks(body) if chunked else BytesIO(body)
        async with client.post("/api/v1/jobs/pipelines", data=data, headers=headers) as answer:
            assert answer.status in {400, 413}

    refused_by_its_length = size > 2**20 and not chunked
    assert trimmed == ([] if refused_by_its_length else [0, 0] if size < 2**20 else [0] * 4)
