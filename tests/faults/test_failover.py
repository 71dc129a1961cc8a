"""The short form: a primary and its standby without Patroni, and this test in its place."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from service.database.migrations import migrate
from service.database.pool import Database, open_database
from service.embedded.cluster import SERVICE_ROLE
from service.errors import DeadlineExceeded
from service.settings import Settings
from tests.faults.controls import plain_asyncpg
from tests.faults.harness.replication import Node, dsn, primary_and_standby
from tests.faults.harness.write_history import Ledger
from tests.faults.harness.writers import Writers
from tests.faults.scenarios.failover import acknowledged
from tests.process.running import Service, running_service


class Load:
    """Writers at work, on a service that knows both nodes."""

    def __init__(self, primary: Node, standby: Node, writers: Writers, service: Service) -> None:
        self.primary = primary
        self.standby = standby
        self.writers = writers
        self._until = asyncio.Event()
        self._writing = asyncio.create_task(writers.write(lambda: service.api, self._until, 0.01))

    @property
    def ledger(self) -> Ledger:
        return self.writers.ledger

    async def some(self, within: float = 30) -> None:
        """Until a write is acknowledged that was so after now."""
        await acknowledged(self.ledger, time.monotonic(), within)

    async def refused(self) -> None:
        """Until a write fails."""
        seen = len(self.ledger.writes)
        async with asyncio.timeout(30):
            while all(write.acknowledged for write in self.ledger.writes[seen:]):  # noqa: ASYNC110 - the service's
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        self._until.set()
        await self._writing

    async def breaches(self) -> list[str]:
        """What the standby lacks once all have ended."""
        await self.end()
        raw = await asyncpg.connect(self.standby.dsn)
        try:
            return await self.ledger.breaches(raw, self.writers.world)
        finally:
            await raw.close()


@asynccontextmanager
async def load(directory: Path, *, synchronous: bool = True, module: str = "service") -> AsyncIterator[Load]:
    with primary_and_standby(directory, synchronous=synchronous) as (primary, standby):
        await migrate(primary.dsn)
        raw = await asyncpg.connect(primary.dsn)
        writers = await Writers.create(raw, writers=2)
        raw.terminate()
        hasty = {"STATEMENT_TIMEOUT": "0.2", "REQUEST_TIMEOUT": "1.5"}
        with running_service(directory, dsn(SERVICE_ROLE, primary, standby), module=module, **hasty) as service:
            made = Load(primary, standby, writers, service)
            try:
                await made.some()
                yield made
                assert service.process.poll() is None
            finally:
                await made.end()


async def _fail_over_behind(made: Load) -> None:
    """Kill the primary when it has worked on while the standby did not."""
    made.standby.stop()
    await asyncio.sleep(0.3)
    made.primary.kill()
    made.standby.start()
    made.standby.promote()
    await made.some()


async def test_no_acknowledged_write_is_lost(tmp_path: Path) -> None:
    async with load(tmp_path) as made:
        await _fail_over_behind(made)

        assert await made.breaches() == []


async def test_without_synchronous_replication_the_ledger_finds_what_was_lost(tmp_path: Path) -> None:
    async with load(tmp_path, synchronous=False) as made:
        await _fail_over_behind(made)

        assert any("0 audit rows" in breach for breach in await made.breaches())


async def _fail_over_from_frozen(made: Load) -> None:
    made.primary.freeze()
    await made.refused()
    made.standby.promote()


async def test_a_frozen_primary_hides_no_new_one_and_gets_nothing_when_it_thaws(tmp_path: Path) -> None:
    async with load(tmp_path) as made:
        await _fail_over_from_frozen(made)
        await made.some()
        made.primary.thaw()
        await made.some()

        assert await made.breaches() == []
        await _nobody_left(made.primary)


async def _nobody_left(node: Node) -> None:
    """Until a node has no connection of the service, but for those that wait for its standby and for nothing else."""
    raw = await asyncpg.connect(node.dsn)
    left = """
        SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event IS DISTINCT FROM 'SyncRep'
    """
    async with asyncio.timeout(10):
        while await raw.fetchval(left, SERVICE_ROLE):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.01)
    await raw.close()


async def test_a_frozen_primary_hides_the_new_one_from_asyncpg_alone(tmp_path: Path) -> None:
    async with load(tmp_path, module=plain_asyncpg.MODULE) as made:
        await _fail_over_from_frozen(made)

        with pytest.raises(TimeoutError):
            await made.some(within=2)


async def test_a_write_that_was_given_up_stays_unseen_until_the_standby_has_it(
    tmp_path: Path, settings: Settings
) -> None:
    """Were its wait for the standby cancelled, it would be seen, relied upon, and then lost with the primary."""
    with primary_and_standby(tmp_path) as (primary, standby):
        raw = await asyncpg.connect(primary.dsn)
        await raw.execute("CREATE TABLE made (id int)")
        standby.stop()
        async with open_database(primary.dsn, replace(settings, statement_timeout=0.1)) as database:
            with pytest.raises(DeadlineExceeded):  # after a second
                await _write(database)
            giving_up = asyncio.create_task(_write(database))
            await _wait_for_commits(raw, 2)
            giving_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await giving_up

        await _wait_for_commits(raw, 2)
        assert await raw.fetchval("SELECT count(*) FROM made") == 0
        standby.start()
        await _wait_for_commits(raw, 0)
        assert await raw.fetchval("SELECT count(*) FROM made") == 2
        await raw.close()


async def _write(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("test", "INSERT INTO made VALUES (1)")


async def _wait_for_commits(raw: "asyncpg.Connection[asyncpg.Record]", number: int) -> None:
    """Until so many wait for the standby."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    async with asyncio.timeout(10):
        while await raw.fetchval(waiting) != number:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.01)
