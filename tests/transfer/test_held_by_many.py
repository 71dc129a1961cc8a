"""The import of another name for a pipeline that very many hold: one new revision stands for all of theirs."""

import asyncio
from typing import Any

import asyncpg
import pytest

from service.transfer.importing import import_records
from tests.factories import World
from tests.transfer.files import lines

MAX_HOLDERS = 3


@pytest.mark.parametrize("kind", ["user", "group"])
async def test_import_that_renames_what_very_many_hold_locks_none_of_them(dsn: str, world: World, kind: str) -> None:
    raw: Any = await asyncpg.connect(dsn)
    kept = await raw.fetchval("SELECT pg_get_functiondef('max_holders_bumped'::regproc)")
    await raw.execute(
        f"CREATE OR REPLACE FUNCTION max_holders_bumped() RETURNS bigint LANGUAGE sql STABLE RETURN {MAX_HOLDERS}"
    )
    pipelines = [await world.pipeline(name) for name in ("first", "second")]
    for number in range(MAX_HOLDERS + 1):  # more than that hold the two together
        holder = await (world.user() if kind == "user" else world.group())
        await world.grant(pipelines[number % 2], holder)
    named = {"type": "pipeline", "organization_id": str(world.id), "name": "new"}
    records = [{**named, "id": str(each), "name": f"new {each}"} for each in pipelines]
    revisions = f"SELECT id, revision FROM {kind}s WHERE organization_id = $1 ORDER BY 1"
    before = await raw.fetch(revisions, world.id)
    members = "SELECT members_revision FROM organizations WHERE id = $1"
    of_members = await raw.fetchval(members, world.id)
    try:
        async with raw.transaction():
            await raw.execute(f"SELECT FROM {kind}s WHERE organization_id = $1 FOR UPDATE", world.id)
            async with asyncio.timeout(30):
                result = await import_records(dsn, lines(*records))
    finally:
        await raw.execute(kept)
    after = await raw.fetch(revisions, world.id), await raw.fetchval(members, world.id)
    await raw.close()

    assert result.written == {"pipelines": 2}
    assert after[0] == before
    assert after[1] != of_members
