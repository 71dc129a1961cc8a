"""A database whose data was copied as files: both servers have the same numbers, and go on to different histories."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from service.database.migrations import migrate
from service.embedded.cluster import DATABASE, SERVICE_ROLE
from tests.factories import World
from tests.faults.harness.replication import Node
from tests.faults.test_feed_failover import PATIENCE, Stage, Told
from tests.process.running import running_service

WRITE_AHEAD = "SELECT pg_logical_emit_message(false, '', repeat('x', 1000000)) FROM generate_series(1, 5)"
"""A statement that makes the log longer, and is no transaction."""
CUT = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{SERVICE_ROLE}'"


@dataclass
class Divided:
    """Two servers, and a name that leads to one of them."""

    name: Path
    one: Node
    two: Node

    def lead_to(self, node: Node) -> None:
        """Lead the name to a server whose log is longer, and end the connections to the other."""
        node.run(WRITE_AHEAD)
        self.name.unlink(missing_ok=True)
        self.name.symlink_to(node.host)
        (self.one if node is self.two else self.two).run(CUT)


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[tuple[Divided, Stage]]:
    one, two = Node(directory / "one"), Node(directory / "two")
    with ExitStack() as stack:
        for node in (one, two):
            stack.callback(node.stop)
        one.start()
        await migrate(one.dsn)
        raw = await asyncpg.connect(one.dsn)
        world = await World.create(raw)
        root = await world.user("root", role="admin")
        await raw.close()
        one.stop()
        shutil.copytree(one.directory / "postgres", two.directory / "postgres", symlinks=True)
        owner = (one.directory / "postgres").stat()
        for path in ((two.directory / "postgres"), *(two.directory / "postgres").rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        one.start()
        two.start()
        divided = Divided(directory / "name", one, two)
        divided.lead_to(one)
        address = f"postgresql://{SERVICE_ROLE}@/{DATABASE}?host={divided.name}"
        service = stack.enter_context(running_service(directory, address))
        async with aiohttp.ClientSession(headers=root.headers) as session:
            yield divided, Stage(one, two, session, service.api, root, world)


@pytest.mark.slow
async def test_feed_ends_places_of_the_other_history_and_goes_on_with_common_ones(tmp_path: Path) -> None:
    async with running(tmp_path) as (divided, stage):
        common, told = await stage.cursor(), Told()
        following = asyncio.create_task(stage.follow(told))
        await told.begun.wait()
        await stage.write(divided.one, *(f"one {number}" for number in range(20)))
        await told.until(20)
        of_one = await stage.cursor()

        divided.lead_to(divided.two)
        new = [f"two {number}" for number in range(20)]
        await stage.write(divided.two, *new)
        await asyncio.wait_for(following, PATIENCE)
        status, _ = await stage.get(after=of_one)
        assert (told.refused, status, await stage.told(common)) == (410, 410, new)
        of_two = await stage.cursor()

        divided.lead_to(divided.one)
        await stage.write(divided.one, "one 20")
        status, _ = await stage.get(after=of_two)
        assert (status, await stage.told(of_one)) == (410, ["one 20"])
