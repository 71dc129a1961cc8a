"""The months of the audit trail: made ahead, by the service's role, without failing a change."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from service.audit.months import AuditMonths
from service.database.migrations import migrate
from service.database.pool import Connection, open_database
from service.embedded.cluster import SERVICE_ROLE
from service.repositories import audit_months
from service.settings import Settings
from tests.audit_months import Raw, present
from tests.factories import World

LOSE = """
    -- As if nobody had made months for some time: the last partition begins with the present month.
    DO $$
    DECLARE
        each record;
        first text := to_char(date_trunc('month', now() AT TIME ZONE 'UTC'), 'YYYY-MM-DD') || 'T00:00:00Z';
    BEGIN
        ALTER TABLE audit DETACH PARTITION audit_later;
        FOR each IN SELECT p.name FROM audit_partitions() p WHERE p.begins >= first::timestamptz LOOP
            EXECUTE format('DROP TABLE %I', each.name);
        END LOOP;
        EXECUTE format('ALTER TABLE audit ATTACH PARTITION audit_later FOR VALUES FROM (%L) TO (MAXVALUE)', first);
    END $$
"""
INSERT = """
    INSERT INTO audit (organization_id, at, actor, action, target) VALUES ($1, $2, 'a', 'b', 'c')
    RETURNING tableoid::regclass::text
"""


def as_service(dsn: str) -> str:
    return dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")


async def months_of(raw: Raw) -> list[str]:
    return [each.name for each in await audit_months.list_partitions(Connection(raw))]


async def test_present_month_and_the_next_two_are_made_by_the_migration(raw: Raw) -> None:
    names = [f"audit_{month.year}_{month.month:02}" for month in (present().plus(ahead) for ahead in range(3))]

    assert {*names, "audit_earlier", "audit_later"} <= {*await months_of(raw)}


async def test_missing_month_fails_no_change_and_is_made_by_the_service(empty_dsn: str, settings: Settings) -> None:
    await migrate(empty_dsn)
    raw = await asyncpg.connect(empty_dsn)
    world = await World.create(raw)
    await raw.execute(LOSE)
    now = datetime.now(UTC)
    times = (now, present().plus(1).begin, datetime(2199, 1, 1, tzinfo=UTC))
    placed = [await raw.fetchval(INSERT, world.id, at) for at in times]
    before = await raw.fetch("SELECT * FROM audit ORDER BY id")

    async with open_database(as_service(empty_dsn), settings) as database:
        months = AuditMonths(database)
        assert [await AuditMonths(database).make() for _ in range(2)] == [3, 0]
        assert await months.make() == 0

    assert placed == ["audit_later"] * 3
    assert months.ahead == 2
    assert [metric.samples[0].value for metric in months.collect()] == [2]
    assert await raw.fetch("SELECT * FROM audit ORDER BY id") == before
    assert await raw.fetchval("SELECT count(*) FROM audit_later") == 1
    rows = await raw.fetch("SELECT tgenabled FROM pg_trigger WHERE tgname = 'attest_on_insert'")
    assert [row["tgenabled"] for row in rows] == [b"A"] * 6
    assert await raw.fetchval(INSERT, world.id, now) == f"audit_{now:%Y_%m}"
    await raw.close()


async def test_months_are_made_later_where_the_trail_is_in_use(
    empty_dsn: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(empty_dsn)
    raw = await asyncpg.connect(empty_dsn)
    await raw.execute(LOSE)
    monkeypatch.setattr("service.audit.months.FIRST", 0.0)
    monkeypatch.setattr("service.audit.months.RETRY", 0.01)
    async with open_database(as_service(empty_dsn), settings) as database:
        months = AuditMonths(database)
        reading = raw.transaction()
        await reading.start()
        await raw.fetch("SELECT FROM audit")
        making = asyncio.create_task(months.make_forever())
        await asyncio.sleep(0.5)
        assert months.ahead is None
        await reading.rollback()
        while months.ahead is None:  # noqa: ASYNC110 - the task is not told of
            await asyncio.sleep(0.01)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making

    assert months.ahead == 2
    await raw.close()
