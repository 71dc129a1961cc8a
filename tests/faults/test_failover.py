"""The short form of `make faults FAULTS=failover`: a primary and its standby without Patroni, promoted by the test."""

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
from tests.faults.harness.write_history import WriteHistory
from tests.faults.harness.writers import Writers
from tests.faults.scenarios.failover import wait_for_acknowledgement
from tests.process.running import Service, running_service


class Load:
    """A load of writes on a service that is configured with both nodes."""

    def __init__(self, primary: Node, standby: Node, writers: Writers, service: Service) -> None:
        self.primary = primary
        self.standby = standby
        self.writers = writers
        self._until = asyncio.Event()
        self._writing = asyncio.create_task(writers.write(lambda: service.api, self._until, 0.01))

    @property
    def history(self) -> WriteHistory:
        return self.writers.history

    async def wait_for_write(self, within: float = 30) -> None:
        """Wait until a write is acknowledged from now on."""
        await wait_for_acknowledgement(self.history, time.monotonic(), within)

    async def wait_for_failure(self) -> None:
        """Wait until a write fails."""
        checked = len(self.history.writes)
        async with asyncio.timeout(30):
            while all(write.acknowledged for write in self.history.writes[checked:]):  # noqa: ASYNC110 - the service's
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        self._until.set()
        await self._writing

    async def violations(self) -> list[str]:
        """End the load; return what the standby lacks."""
        await self.end()
        raw = await asyncpg.connect(self.standby.dsn)
        try:
            return await self.history.violations(raw, self.writers.world)
        finally:
            await raw.close()


@asynccontextmanager
async def running_load(directory: Path, *, synchronous: bool = True, module: str = "service") -> AsyncIterator[Load]:
    with primary_and_standby(directory, synchronous=synchronous) as (primary, standby):
        await migrate(primary.dsn)
        raw = await asyncpg.connect(primary.dsn)
        writers = await Writers.create(raw, writers=2)
        raw.terminate()
        timeouts = {"STATEMENT_TIMEOUT": "0.2", "REQUEST_TIMEOUT": "1.5"}
        with running_service(directory, dsn(SERVICE_ROLE, primary, standby), module=module, **timeouts) as service:
            load = Load(primary, standby, writers, service)
            try:
                await load.wait_for_write()
                yield load
                assert service.process.poll() is None
            finally:
                await load.end()


async def _fail_over_behind(load: Load) -> None:
    """Kill the primary after it has served while the standby was stopped."""
    load.standby.stop()
    await asyncio.sleep(0.3)
    load.primary.kill()
    load.standby.start()
    load.standby.promote()
    await load.wait_for_write()


async def test_failover_loses_no_acknowledged_write(tmp_path: Path) -> None:
    async with running_load(tmp_path) as load:
        await _fail_over_behind(load)

        assert await load.violations() == []


async def test_a_control_without_synchronous_replication_is_detected(tmp_path: Path) -> None:
    async with running_load(tmp_path, synchronous=False) as load:
        await _fail_over_behind(load)

        assert any("0 audit rows" in violation for violation in await load.violations())


async def _fail_over_from_frozen(load: Load) -> None:
    load.primary.freeze()
    await load.wait_for_failure()
    load.standby.promote()


async def test_service_abandons_a_frozen_primary_for_the_new_one(tmp_path: Path) -> None:
    async with running_load(tmp_path) as load:
        await _fail_over_from_frozen(load)
        await load.wait_for_write()
        load.primary.thaw()
        await load.wait_for_write()

        assert await load.violations() == []
        await _wait_until_disconnected(load.primary)


async def _wait_until_disconnected(node: Node) -> None:
    """Wait until the service has no connections to a node, but for those that only wait for its standby."""
    raw = await asyncpg.connect(node.dsn)
    remaining = """
        SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event IS DISTINCT FROM 'SyncRep'
    """
    async with asyncio.timeout(10):
        while await raw.fetchval(remaining, SERVICE_ROLE):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.01)
    await raw.close()


@pytest.mark.slow
async def test_a_control_with_plain_asyncpg_misses_the_new_primary(tmp_path: Path) -> None:
    async with running_load(tmp_path, module=plain_asyncpg.MODULE) as load:
        await _fail_over_from_frozen(load)

        with pytest.raises(TimeoutError):
            await load.wait_for_write(within=2)


async def test_an_abandoned_write_stays_invisible_until_the_standby_has_it(tmp_path: Path, settings: Settings) -> None:
    """If its wait for the standby were cancelled, it would be visible, relied upon, and then lost with the primary."""
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
    """Wait until so many commits wait for the standby."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    async with asyncio.timeout(10):
        while await raw.fetchval(waiting) != number:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.01)
