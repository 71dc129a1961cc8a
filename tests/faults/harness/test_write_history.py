"""The history reports no violation of an intact database, and each kind of lost write."""

import asyncio
from typing import Any, TypeAlias

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.faults.harness.writers import Writers

Client = TestClient[web.Request, web.Application]
Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

DUPLICATE_ROWS = """
    INSERT INTO audit (organization_id, actor, action, target, before, after, request_id)
    SELECT organization_id, actor, action, target, before, after, request_id FROM audit WHERE organization_id = $1
"""


@pytest.fixture(name="writers")
async def _writers(raw: Raw, client: Client) -> Writers:
    """Return writers that have written for half a second, and longer where the machine is busy."""
    writers, until = await Writers.create(raw, writers=3), asyncio.Event()
    writing = asyncio.create_task(writers.write(lambda: str(client.make_url("")).rstrip("/"), until))
    async with asyncio.timeout(30):
        await asyncio.sleep(0.5)
        while writers.history.acknowledged < 25:  # noqa: ASYNC110 - the writers tell nobody
            await asyncio.sleep(0.1)
    until.set()
    await writing
    return writers


async def test_history_of_an_intact_database_has_no_violations(raw: Raw, writers: Writers) -> None:
    assert await writers.history.violations(raw, writers.world) == []
    assert set(writers.history.statuses()) <= {200, 201}
    assert writers.history.acknowledged > 20


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit WHERE organization_id = $1)", "0 audit rows"),
        ("DELETE FROM assignments WHERE organization_id = $1", "audited last"),
        ("UPDATE user_grants SET access = 63 WHERE organization_id = $1", "audited last"),
        ("UPDATE audit SET before = after WHERE organization_id = $1 AND action = 'job.update_pipelines'", "was there"),
        (DUPLICATE_ROWS, "2 audit rows"),
    ],
)
async def test_history_reports_each_kind_of_lost_write(raw: Raw, writers: Writers, loss: str, expected: str) -> None:
    await raw.execute(loss, writers.world.id)

    violations: list[Any] = await writers.history.violations(raw, writers.world)

    assert any(expected in violation for violation in violations), violations
