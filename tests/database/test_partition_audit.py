"""The trail becomes partitioned while the version before writes into it, however many entries it has."""

import asyncio
import os
from time import perf_counter
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.database.migrations import load_migrations, migrate
from service.embedded.cluster import SERVICE_ROLE
from tests.factories import World

ROWS: Final = int(os.environ.get("AUDIT_ROWS", "3000"))
"""Entries of the database that is migrated: AUDIT_ROWS=10000000 takes minutes, and some gigabytes."""
BEFORE: Final = 18
"""The last migration of the version before."""
FILL: Final = """
    INSERT INTO audit (organization_id, at, actor, action, target, before, after, request_id)
    SELECT $1, now() - (random() * interval '90 days'), 'ada', 'job.update_pipelines', 'job:' || n % 100000,
           '{"pipelines": ["8c400d55-15d4-41f9-b306-ec2836898d83"]}', '{"pipelines": []}', gen_random_uuid()::text
    FROM generate_series(1, $2::int) n
"""
WRITE: Final = """
    INSERT INTO audit (organization_id, actor_id, actor, token_id, action, target) VALUES ($1, $2, '', $3, 'a', $4)
"""
DIGEST: Final = """
    SELECT count(*) AS count,
           sum(hashtextextended(row(a.id, a.at, a.target, a.transaction_id, a.after)::text, 0)) AS hash
    FROM audit a WHERE a.id <= $1
"""

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def write_until(done: asyncio.Event, dsn: str, world: World, user_id: UUID) -> tuple[int, float]:
    """Write as the version before does, by the service's role; return how often, and the longest time that it took."""
    token_id = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", user_id)
    service = await asyncpg.connect(dsn.replace("//postgres@", f"//{SERVICE_ROLE}@"))
    written, longest = 0, 0.0
    while not done.is_set():
        begun = perf_counter()
        await service.execute(WRITE, world.id, user_id, token_id, f"job:{written}")
        written, longest = written + 1, max(longest, perf_counter() - begun)
        await asyncio.sleep(0.001)
    await service.close()
    return written, longest


async def list_partitions(raw: Raw) -> list[str]:
    rows = await raw.fetch(
        "SELECT i.inhrelid::regclass::text AS name FROM pg_inherits i WHERE i.inhparent = 'audit'::regclass"
    )
    return sorted(row["name"] for row in rows)


@pytest.fixture(name="world")
async def _world(empty_dsn: str) -> Any:
    """Create an organization in a database of the version before, with entries of months, and of clocks gone wrong."""
    await migrate(empty_dsn, migrations=load_migrations()[:BEFORE])
    raw = await asyncpg.connect(empty_dsn)
    world = await World.create(raw)
    await raw.execute(
        f"GRANT INSERT, SELECT ON audit TO {SERVICE_ROLE}; GRANT SELECT ON users, tokens TO {SERVICE_ROLE}"
    )
    await raw.execute(FILL, world.id, ROWS, timeout=3600)
    yield world
    await raw.close()


async def test_trail_is_partitioned_while_the_version_before_writes(empty_dsn: str, world: World) -> None:
    raw, ada = world.raw, await world.user("ada")
    for at in ("infinity", "2999-01-01", "-infinity"):
        await raw.execute(
            f"INSERT INTO audit (organization_id, at, actor, action, target) VALUES ($1, '{at}', 'x', 'y', 'odd')",
            world.id,
        )
    last = await raw.fetchval("SELECT max(id) FROM audit")
    before = await raw.fetchrow(DIGEST, last)
    took: dict[str, float] = {}
    done = asyncio.Event()
    writing = asyncio.create_task(write_until(done, empty_dsn, world, ada.id))
    await asyncio.sleep(0.05)

    await migrate(empty_dsn, lambda migration, seconds: took.update({migration.name: seconds}))
    await asyncio.sleep(0.05)
    done.set()
    written, longest = await writing

    print(f"{ROWS:,} entries, {written:,} written meanwhile, the slowest in {longest * 1000:.0f} ms:", took)
    assert await raw.fetchrow(DIGEST, last) == before
    meanwhile = await raw.fetch("SELECT target FROM audit WHERE id > $1 ORDER BY id", last)
    assert [row["target"] for row in meanwhile] == [f"job:{number}" for number in range(written)]
    assert await raw.fetchval("SELECT count(DISTINCT id) FROM audit") == ROWS + 3 + written
    assert await raw.fetchval("SELECT count(*) FROM audit_later") == 2
    assert await raw.fetchval("SELECT count(*) FROM audit_earlier WHERE target = 'odd'") == 1
    assert len(await list_partitions(raw)) >= 3


async def test_rights_on_the_trail_are_those_on_the_whole(empty_dsn: str, world: World) -> None:
    """Whoever could read it can still, such as a role of a report; and no partition is written by itself."""
    role = f"report_{uuid4().hex}"
    await world.raw.execute(
        f"CREATE ROLE {role}; GRANT SELECT (actor, at) ON audit TO {role}; GRANT DELETE ON audit TO {role}"
    )
    try:
        await migrate(empty_dsn)

        rights = (
            "SELECT ARRAY[has_column_privilege($1, $2, 'actor', 'SELECT'),"
            " has_column_privilege($1, $2, 'target', 'SELECT'), has_table_privilege($1, $2, 'DELETE')]"
        )
        assert await world.raw.fetchval(rights, role, "audit") == [True, False, True]
        held = "SELECT has_any_column_privilege($1, $2, 'SELECT,INSERT,UPDATE')"
        for partition in await list_partitions(world.raw):
            assert await world.raw.fetchval(rights, role, partition) == [False, False, False]
            assert await world.raw.fetchval(held, SERVICE_ROLE, partition) is False
    finally:
        await world.raw.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
