"""The ledger finds nothing where nothing happened, and each kind of loss where it did."""

import asyncio
from typing import Any, TypeAlias

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.faults.harness.writers import Writers

Client = TestClient[web.Request, web.Application]
Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

TWICE = """
    INSERT INTO audit (organization_id, actor, action, target, before, after, request_id)
    SELECT organization_id, actor, action, target, before, after, request_id FROM audit WHERE organization_id = $1
"""


@pytest.fixture(name="writers")
async def _writers(raw: Raw, client: Client) -> Writers:
    """Who have written for a moment."""
    writers, until = await Writers.create(raw, writers=3), asyncio.Event()
    writing = asyncio.create_task(writers.write(lambda: str(client.make_url("")).rstrip("/"), until))
    await asyncio.sleep(0.5)
    until.set()
    await writing
    return writers


async def test_where_nothing_happened_nothing_is_found(raw: Raw, writers: Writers) -> None:
    assert await writers.ledger.breaches(raw, writers.world) == []
    assert set(writers.ledger.statuses()) <= {200, 201}
    assert writers.ledger.acknowledged > 20


@pytest.mark.parametrize(
    ("loss", "sign"),
    [
        ("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit WHERE organization_id = $1)", "0 audit rows"),
        ("DELETE FROM assignments WHERE organization_id = $1", "audited last"),
        ("UPDATE user_grants SET access = 63 WHERE organization_id = $1", "audited last"),
        ("UPDATE audit SET before = after WHERE organization_id = $1 AND action = 'job.update_pipelines'", "was there"),
        (TWICE, "2 audit rows"),
    ],
)
async def test_every_kind_of_loss_is_found(raw: Raw, writers: Writers, loss: str, sign: str) -> None:
    await raw.execute(loss, writers.world.id)

    found: list[Any] = await writers.ledger.breaches(raw, writers.world)

    assert any(sign in breach for breach in found), found
