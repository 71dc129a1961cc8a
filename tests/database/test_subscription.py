"""What a subscription of logical replication brings: rows with new revisions, and a trail whose seals hold."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from service.audit.archives.verifying import Archives, TrailVerification
from service.database.migrations import migrate
from service.database.pool import Connection
from service.database.triggers import list_faults
from service.repositories import pipelines
from tests.factories import Member, World
from tests.faults.harness.processes import Postgres
from tests.faults.harness.replication import FAST

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Seen: TypeAlias = tuple[frozenset[str], tuple[int, ...]]

PEOPLE: Final = ("organizations", "users", "groups", "tokens")
"""Tables that no subscription of the test brings, so that none brings a revision with its rows either."""
THINGS: Final = ("pipelines", "user_grants", "group_grants", "memberships")


@dataclass(frozen=True)
class Stage:
    """A publisher, on which everything is changed, and a subscriber, on which a user and an administrator list."""

    publisher: Raw
    subscriber: Raw
    world: World
    member: Member
    admin: Member
    group: UUID
    pipeline: UUID

    async def copy_people(self) -> None:
        for table in PEOPLE:
            rows = [tuple(row) for row in await self.publisher.fetch(f"SELECT * FROM {table}")]
            await self.subscriber.copy_records_to_table(table, records=rows)

    async def follow(self) -> None:
        """Wait until the subscriber has all that the publisher has."""
        position = await self.publisher.fetchval("SELECT pg_current_wal_insert_lsn()")
        behind = "SELECT count(*) FROM pg_replication_slots WHERE confirmed_flush_lsn < $1"
        copying = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'"
        async with asyncio.timeout(30):
            while await self.publisher.fetchval(behind, position) or await self.subscriber.fetchval(copying):  # noqa: ASYNC110 - the server's
                await asyncio.sleep(0.01)

    async def seen(self) -> tuple[Seen, Seen]:
        """Return the names that the member and the administrator see, and at which revisions."""
        connection = Connection(self.subscriber)
        granted = await pipelines.list_granted(connection, self.world.id, self.member.id)
        every = await pipelines.list_all(connection, self.world.id, self.admin.id)
        return tuple((frozenset(p.name for p in read.pipelines), read.version.revisions) for read in (granted, every))  # type: ignore[return-value] # of two

    async def subscribe(self, tables: Sequence[str] = THINGS) -> None:
        """Let the subscriber have what is there already, and then what comes."""
        place = await self.publisher.fetchrow("SELECT current_database(), current_setting('unix_socket_directories')")
        assert place
        await self.publisher.execute(
            f"CREATE PUBLICATION things FOR TABLE {', '.join(tables)} WITH (publish_via_partition_root = true)"
        )
        # Made first, as a subscription to another database of the same server would wait for itself.
        await self.publisher.execute("SELECT pg_create_logical_replication_slot('things', 'pgoutput')")
        source = f"dbname={place[0]} host={place[1].strip(chr(34))} user=postgres"
        await self.subscriber.execute(
            f"CREATE SUBSCRIPTION things CONNECTION '{source}' PUBLICATION things WITH (create_slot = false)"
        )
        await self.follow()


@pytest.fixture(name="stage")
async def _stage(tmp_path: Path) -> AsyncIterator[Stage]:
    server = Postgres(tmp_path, *FAST, "-c", "wal_level=logical")
    server.start()
    try:
        await migrate(server.dsn)
        publisher = await asyncpg.connect(server.dsn)
        world = await World.create(publisher)
        member, admin = await world.user(), await world.user(role="admin")
        group, pipeline = await world.group(member), await world.pipeline("first")
        await publisher.execute("CREATE DATABASE subscriber")
        dsn = server.dsn.replace("/flow_pipelines?", "/subscriber?")
        await migrate(dsn)
        subscriber = await asyncpg.connect(dsn)
        yield Stage(publisher, subscriber, world, member, admin, group, pipeline)
        for raw in (subscriber, publisher):
            await raw.close()
    finally:
        server.stop()


async def test_whatever_a_subscription_brings_has_new_revisions(stage: Stage) -> None:
    await stage.world.grant(stage.pipeline, stage.group)
    await stage.copy_people()
    seen = [await stage.seen()]
    await stage.subscribe()
    changes = {
        "the first copy": "SELECT 1",
        "a grant to a group taken back": "DELETE FROM group_grants",
        "a grant to a user": "INSERT INTO user_grants (organization_id, user_id, pipeline_id, access)"
        " SELECT u.organization_id, u.id, p.id, 3 FROM users u JOIN pipelines p USING (organization_id)",
        "a name": "UPDATE pipelines SET name = 'other', name_key = 'other'",
        "a grant to a user taken back": "DELETE FROM user_grants",
        "a pipeline": "INSERT INTO pipelines (organization_id, id, name, name_key)"
        " SELECT id, gen_random_uuid(), 'second', 'second' FROM organizations",
        "a grant to a group": "INSERT INTO group_grants (organization_id, group_id, pipeline_id, access)"
        " SELECT g.organization_id, g.id, p.id, 3 FROM groups g JOIN pipelines p USING (organization_id)",
        "a group left": "DELETE FROM memberships",
        "a group joined": "INSERT INTO memberships (organization_id, group_id, user_id)"
        " SELECT g.organization_id, g.id, u.id FROM groups g JOIN users u USING (organization_id)",
        "a pipeline deleted": "DELETE FROM pipelines WHERE name = 'second'",
        "all grants truncated": "TRUNCATE group_grants",
    }
    for name, statement in changes.items():
        await stage.publisher.execute(statement)
        await stage.follow()
        seen.append(await stage.seen())
        for before, after in zip(*seen[-2:], strict=True):
            assert before[0] == after[0] or before[1] != after[1], f"stale after {name}: {before}, {after}"

    assert sum(before[0][0] != after[0][0] for before, after in pairwise(seen)) == 10


async def test_a_long_transaction_of_a_subscription_draws_few_revisions(stage: Stage) -> None:
    """Each version of a row would be looked through for the next, so that they must not be as many as what came."""
    drawn = (
        "SELECT pg_stat_get_xact_tuples_updated(t.oid) FROM unnest($1::text[]) n JOIN pg_class t ON t.oid = n::regclass"
    )
    await stage.copy_people()
    async with stage.subscriber.transaction():
        await stage.subscriber.execute("SET LOCAL session_replication_role = replica")
        await stage.subscriber.execute(
            """
            INSERT INTO pipelines (organization_id, id, name, name_key)
            SELECT o.id, gen_random_uuid(), n, n FROM organizations o, generate_series(1, 500) n
            """
        )
        await stage.subscriber.execute(
            """
            INSERT INTO user_grants (organization_id, user_id, pipeline_id, access)
            SELECT u.organization_id, u.id, p.id, 3 FROM users u JOIN pipelines p USING (organization_id) ORDER BY 2
            """
        )
        counts = [row[0] for row in await stage.subscriber.fetch(drawn, ["organizations", "users"])]

    assert await stage.subscriber.fetchval("SELECT count(*) FROM user_grants") == 1000
    assert counts == [2, 4], "once by the statement, and once by its rows"


async def test_a_database_moves_by_a_subscription_with_its_trail(stage: Stage) -> None:
    """As docs/how-to/back-up.md says: its seals hold, and new entries follow them."""
    published = """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname NOT IN ('schema_migrations', 'timelines')
    """
    first = await stage.world.sealed_entry()
    await stage.subscribe([row[0] for row in await stage.publisher.fetch(published)])
    last = await stage.world.sealed_entry()
    await stage.world.grant(stage.pipeline, stage.group)
    await stage.follow()
    await stage.subscriber.execute(
        "ALTER SUBSCRIPTION things DISABLE; ALTER SUBSCRIPTION things SET (slot_name = NONE); DROP SUBSCRIPTION things"
    )
    await stage.subscriber.execute("SELECT setval('audit_id_seq', max(id)) FROM audit")
    moved = World(stage.subscriber, stage.world.id)
    assert first < last < await moved.sealed_entry()

    trail = TrailVerification(Archives.open([]), None)
    assert [each async for each in trail.verify(Connection(stage.subscriber))] == []
    assert trail.verification.sealed == 3
    assert await list_faults(Connection(stage.subscriber)) == []
    assert [seen[0] for seen in await stage.seen()] == [{"first"}, {"first"}]
