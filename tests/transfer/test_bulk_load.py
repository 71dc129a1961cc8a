"""Foreign keys, indexes and triggers deferred while an empty database is filled: afterwards all are as they were."""

import asyncio
import re
from typing import Any

import asyncpg
import pytest

from service.database.migrations import migrate
from service.transfer import bulk_load, importing
from service.transfer.importing import ImportRefused, import_records
from tests.transfer.files import Record, lines, whole

KEYS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
    FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
    UNION ALL
    SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid
    FROM pg_index JOIN pg_class ON oid = indexrelid
    WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(t.oid) || tgenabled::text, tgenabled <> 'D'
    FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal
    ORDER BY 1, 2
"""


UNIQUE = "CREATE UNIQUE INDEX"
TRIGGERS = 10
"""Those that an insert fires, but for one each of organizations and of the audit trail."""


async def keys(dsn: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(KEYS)]
    finally:
        await connection.close()


async def test_deferred_indexes_are_restored_after_an_import(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[Any] = []
    restore = bulk_load.restore_indexes

    async def noted(connection: Any, those: Any) -> None:
        dropped.append(len(those))
        await restore(connection, those)

    monkeypatch.setattr(importing, "restore_indexes", noted)
    await migrate(empty_dsn)
    before = await keys(empty_dsn)
    await import_records(empty_dsn, lines(*whole().values()))

    assert await keys(empty_dsn) == before
    definitions = [
        definition for _, _, definition, _ in before if not re.search(r"ON (ONLY )?public\.audit", definition)
    ]  # refers to none
    kept = (UNIQUE, "CREATE TRIGGER")
    assert dropped == [len([each for each in definitions if not each.startswith(kept)]) + TRIGGERS]

    await import_records(empty_dsn, lines(*whole().values()))
    assert dropped[1:] == [0], "in a database with rows they stay"


@pytest.mark.parametrize(
    "last",
    [
        lambda found: {**found["assignment"], "job_id": "nothing"},
        lambda found: {**found["membership"], "group_id": found["user"]["id"]},
    ],
)
async def test_deferred_foreign_keys_refuse_an_orphan_by_its_line(empty_dsn: str, last: Any) -> None:
    await migrate(empty_dsn)
    before, found = await keys(empty_dsn), whole()
    bad: Record = last(found)

    with pytest.raises(ImportRefused, match=f"^line {len(found) + 1}: .*no such"):
        await import_records(empty_dsn, lines(*found.values(), bad))

    assert await keys(empty_dsn) == before
    connection = await asyncpg.connect(empty_dsn)
    assert await connection.fetchval("SELECT count(*) FROM organizations") == 0
    await connection.close()


async def test_deferred_indexes_of_two_imports_at_once_are_restored(empty_dsn: str) -> None:
    await migrate(empty_dsn)
    before = await keys(empty_dsn)

    await asyncio.gather(*(import_records(empty_dsn, lines(*whole().values())) for _ in range(2)))

    assert await keys(empty_dsn) == before
    connection = await asyncpg.connect(empty_dsn)
    assert await connection.fetchval("SELECT count(*) FROM organizations") == 2
    await connection.close()


async def test_triggers_that_an_operator_has_added_stay_on(empty_dsn: str) -> None:
    await migrate(empty_dsn)
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute("""
        CREATE TABLE noted (id uuid);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN INSERT INTO public.noted VALUES (NEW.id); RETURN NEW; END';
        CREATE TRIGGER note_on_insert AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION note();
    """)

    await import_records(empty_dsn, lines(*whole().values()))

    assert await connection.fetchval("SELECT count(*) FROM noted") == 1
    await connection.close()


async def test_revisions_of_a_bulk_load_differ_and_go_on_by_triggers(empty_dsn: str) -> None:
    """Caches compare revisions; so no two are alike, and each later change draws another."""
    await migrate(empty_dsn)
    await import_records(empty_dsn, lines(*whole().values(), *whole().values()))
    connection = await asyncpg.connect(empty_dsn)
    revisions = "SELECT revision FROM {} ORDER BY id"
    before = [
        row[0]
        for table in ("organizations", "users", "groups")
        for row in await connection.fetch(revisions.format(table))
    ]

    await connection.execute("DELETE FROM memberships; DELETE FROM group_grants; DELETE FROM pipelines")

    after = [
        row[0]
        for table in ("organizations", "users", "groups")
        for row in await connection.fetch(revisions.format(table))
    ]
    assert len({*before, *after}) == len(before) + len(after) == 12
    await connection.close()
