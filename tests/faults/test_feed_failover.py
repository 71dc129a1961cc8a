"""Places in the feed at a failover: those that have seen what is lost end, all others go on, with nothing missed."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson
import pytest

from service.audit.timelines import carry_over
from service.database.migrations import migrate
from service.database.pool import Connection
from service.embedded.cluster import SERVICE_ROLE
from service.repositories import audit_feed
from service.values.ids import NO_ID
from tests.factories import Member, World
from tests.faults.controls import without_reach
from tests.faults.harness.replication import Node, dsn, primary_and_standby
from tests.process.running import running_service

PATIENCE = 20.0
CHANGES = "/api/v1/changes"
INSERT = "INSERT INTO audit (organization_id, actor, action, target) VALUES ($1, 'command line', 'test', $2)"


@dataclass
class Told:
    """What a client of a stream was told, also once it has come back with its cursor."""

    targets: list[str] = field(default_factory=list)
    refused: int | None = None
    ends: list[str] = field(default_factory=list)
    """The reasons for which streams have ended; the same one goes on where there is none."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, count: int) -> None:
        """Wait until so many changes have come."""
        async with asyncio.timeout(PATIENCE):
            while len(self.targets) < count:  # noqa: ASYNC110 - the stream's
                await asyncio.sleep(0.01)


@dataclass
class Stage:
    """A service that is configured with a primary and its asynchronous standby."""

    primary: Node
    standby: Node
    session: aiohttp.ClientSession
    api: str
    root: Member
    world: World

    async def get(self, **query: str) -> tuple[int, Any]:
        async with self.session.get(self.api + CHANGES, params={"all": "true", **query}) as response:
            return response.status, await response.json()

    async def cursor(self) -> str:
        status, body = await self.get()
        assert status == 200, body
        return str(body["next_cursor"])

    async def told(self, after: str) -> list[str]:
        """Return what comes behind a cursor, in pages of two."""
        found: list[str] = []
        while True:
            status, body = await self.get(after=after, page_size="2")
            assert status == 200, body
            found += [each["target"] for each in body["changes"]]
            if not body["changes"]:
                return found
            after = body["next_cursor"]

    async def write(self, node: Node, *targets: str) -> None:
        raw = await asyncpg.connect(node.dsn)
        for target in targets:  # each in a transaction of its own
            await raw.execute(INSERT, self.world.id, target)
        await raw.close()

    async def replicated(self) -> None:
        """Wait until the standby has replayed all that the primary has written."""
        there, here = await asyncpg.connect(self.standby.dsn), await asyncpg.connect(self.primary.dsn)
        written = await here.fetchval("SELECT pg_current_wal_insert_lsn()::text")
        async with asyncio.timeout(PATIENCE):
            while not await there.fetchval(  # noqa: ASYNC110 - another process's
                "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written
            ):
                await asyncio.sleep(0.01)
        await there.close()
        await here.close()

    async def fail_over(self) -> None:
        """Kill the primary and promote the standby; return once the service answers again."""
        self.primary.kill()
        self.standby.promote()
        async with asyncio.timeout(PATIENCE):
            while (await self.get())[0] != 200:  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.05)

    async def follow(self, told: Told) -> None:
        """Follow by a stream, again with the last cursor when it ends, until it is refused."""
        cursor = ""
        headers = {"Accept": "text/event-stream"}
        while told.refused is None:
            last = {"Last-Event-ID": cursor} if cursor else {}
            async with self.session.get(self.api + CHANGES, params={"all": "true"}, headers=headers | last) as response:
                if response.status != 200:
                    told.refused = response.status if response.status < 500 else None
                    continue
                async for line in response.content:
                    if line.startswith(b"id: "):
                        told.begun.set()
                        cursor = line[4:-1].decode()
                    elif line.startswith(b'data: {"cursor'):
                        told.targets.append(orjson.loads(line[6:])["target"])
                    elif line.startswith(b"data: "):
                        told.ends.append(orjson.loads(line[6:])["reason"])


@asynccontextmanager
async def running(directory: Path, module: str = "service") -> AsyncIterator[Stage]:
    with primary_and_standby(directory, synchronous=False) as (primary, standby):
        await migrate(primary.dsn)
        raw = await asyncpg.connect(primary.dsn)
        world = await World.create(raw)
        root = await world.user("root", role="admin")
        with running_service(directory, dsn(SERVICE_ROLE, primary, standby), module=module) as service:
            async with aiohttp.ClientSession(headers=root.headers) as session:
                stage = Stage(primary, standby, session, service.api, root, world)
                async with asyncio.timeout(PATIENCE):  # by the service
                    while not await raw.fetchval("SELECT count(*) FROM timelines"):  # noqa: ASYNC110 - likewise
                        await asyncio.sleep(0.05)
                raw.terminate()
                yield stage


async def cut_off(standby: Node) -> None:
    """Let a standby get nothing any more, while it runs."""
    standby.run("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
    raw = await asyncpg.connect(standby.dsn)
    async with asyncio.timeout(PATIENCE):
        while await raw.fetchval("SELECT count(*) FROM pg_stat_wal_receiver"):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.01)
    await raw.close()


@pytest.mark.slow
async def test_feed_goes_on_behind_a_failover_but_for_places_that_have_seen_what_is_lost(tmp_path: Path) -> None:
    async with running(tmp_path) as stage:
        begin, told = await stage.cursor(), Told()
        following = asyncio.create_task(stage.follow(told))
        await told.begun.wait()
        await stage.write(stage.primary, "a", "b", "c")
        _, body = await stage.get(after=begin, page_size="2")
        amid, kept = body["next_cursor"], await stage.cursor()
        await told.until(3)
        await stage.replicated()
        await stage.fail_over()
        behind = await stage.cursor()
        await stage.write(stage.standby, "d", "e")
        await told.until(5)

        assert [await stage.told(each) for each in (begin, amid, kept, behind)] == [
            ["a", "b", "c", "d", "e"],
            ["c", "d", "e"],
            ["d", "e"],
            ["d", "e"],
        ]
        assert (told.targets, told.refused) == (["a", "b", "c", "d", "e"], None)
        assert "changed_over" not in told.ends
        following.cancel()


async def test_feed_ends_places_that_have_seen_what_a_failover_has_lost(tmp_path: Path) -> None:
    async with running(tmp_path) as stage:
        told = Told()
        following = asyncio.create_task(stage.follow(told))
        await told.begun.wait()
        await stage.write(stage.primary, "a")
        kept = await stage.cursor()
        await stage.replicated()
        await cut_off(stage.standby)
        idle = await stage.get(after=kept)
        await stage.write(stage.primary, *(f"lost {number}" for number in range(50)))
        await told.until(51)
        _, body = await stage.get(after=kept, page_size="2")
        lost = await stage.cursor()
        await stage.fail_over()
        await stage.write(stage.standby, *(f"new {number}" for number in range(50)))
        new = [f"new {number}" for number in range(50)]
        await asyncio.wait_for(following, PATIENCE)

        assert told.refused == 410
        for cursor in (lost, body["next_cursor"], body["changes"][0]["cursor"]):
            status, answer = await stage.get(after=cursor)
            assert (status, "changed over" in answer["msg"]) == (410, True)
        assert [await stage.told(each) for each in (kept, idle[1]["next_cursor"])] == [new, new]


@pytest.mark.slow
async def test_a_control_that_goes_on_with_every_cursor_is_detected(tmp_path: Path) -> None:
    async with running(tmp_path, without_reach.MODULE) as stage:
        await stage.replicated()
        await cut_off(stage.standby)
        await stage.write(stage.primary, *(f"lost {number}" for number in range(50)))
        lost = await stage.cursor()
        await stage.fail_over()
        new = [f"new {number}" for number in range(50)]
        await stage.write(stage.standby, *new)

        assert len(await stage.told(lost)) < len(new)


async def note(node: Node) -> tuple[int, str | None]:
    """Note the timeline of a node; return it and what is noted as its begin."""
    raw = await asyncpg.connect(node.dsn)
    noted = await note_within(raw)
    await raw.close()
    return noted


@pytest.mark.slow
async def test_begin_of_a_timeline_is_noted_until_the_server_has_crashed(tmp_path: Path) -> None:
    """Behind a crash, a server tells how far that was recovered from: it would let all places survive."""
    with primary_and_standby(tmp_path, synchronous=False) as (primary, standby):
        await migrate(primary.dsn)
        assert await note(primary) == (1, None)
        await cut_off(standby)
        raw = await asyncpg.connect(standby.dsn)
        replayed = await raw.fetchval("SELECT pg_last_wal_replay_lsn()::text")
        primary.kill()
        standby.promote()
        standby.run("CHECKPOINT", "CREATE TABLE later (id int)", "CHECKPOINT")
        undone = raw.transaction()
        await undone.start()
        assert await note_within(raw) == (2, replayed)
        await undone.rollback()
        standby.kill()
        standby.start()

        assert await note(standby) == (2, None)


async def note_within(raw: "asyncpg.Connection[asyncpg.Record]") -> tuple[int, str | None]:
    await raw.execute("SELECT note_timeline()")
    row = await raw.fetchrow("SELECT timeline, begins::text FROM timelines ORDER BY timeline DESC LIMIT 1")
    assert row is not None
    return row["timeline"], row["begins"]


@pytest.mark.slow
async def test_place_before_the_point_of_a_recovery_goes_on_and_one_behind_it_ends(tmp_path: Path) -> None:
    server = Node(tmp_path / "server")
    server.start()
    try:
        await migrate(server.dsn)
        await note(server)
        archive = tmp_path / "server" / "archive"
        archive.mkdir()
        os.chown(archive, server.directory.stat().st_uid, server.directory.stat().st_gid)
        server.run(f"ALTER SYSTEM SET archive_command = 'cp %p {archive}/%f'", "ALTER SYSTEM SET archive_mode = on")
        server.stop()
        data, copy = server.directory / "postgres", server.directory / "copy"
        shutil.copytree(data, copy, symlinks=True)
        server.start()
        raw = await asyncpg.connect(server.dsn)
        before = (await audit_feed.read_state(Connection(raw), NO_ID)).epoch
        await raw.execute("CREATE TABLE kept (id int)")
        point = await raw.fetchval("SELECT pg_current_wal_insert_lsn()::text")
        await raw.execute("CREATE TABLE lost (id int)")
        behind = (await audit_feed.read_state(Connection(raw), NO_ID)).epoch
        await raw.execute("SELECT pg_switch_wal()")
        await raw.close()
        server.stop()
        shutil.rmtree(data)
        copy.rename(data)
        (data / "recovery.signal").touch()
        with (data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_lsn = '{point}'\n")
            settings.write("recovery_target_action = 'promote'\n")
        os.chown(data / "recovery.signal", data.stat().st_uid, data.stat().st_gid)
        server.start()
        raw = await asyncpg.connect(server.dsn)
        async with asyncio.timeout(PATIENCE):
            while await raw.fetchval("SELECT pg_is_in_recovery()"):  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.05)
        now = await audit_feed.read_state(Connection(raw), NO_ID)
        carried = [await carry_over(Connection(raw), each, now) for each in (before, behind)]
        await raw.close()

        assert now.epoch.timeline == 2
        assert [each and each.timeline for each in carried] == [2, None]
    finally:
        server.stop()
