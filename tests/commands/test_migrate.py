"""The command `migrate`."""

import json

import pytest

from service.database.migrations import load_migrations
from tests.commands.forked import run
from tests.database.test_fold_names import old_world


def test_migrate(empty_dsn: str) -> None:
    names = [migration.name for migration in load_migrations()]
    assert run("migrate", "--check", DATABASE_URL=empty_dsn).stdout.splitlines() == [
        f"pending  {name}" for name in names
    ]
    first = run("migrate", DATABASE_URL=empty_dsn)
    assert first.stdout.startswith("applied  0001_create_tables.sql  (")
    again = run("migrate", DATABASE_URL=empty_dsn)
    assert again.stdout == f"Nothing to do: the database has every migration up to {names[-1]}.\n"
    checked = run("migrate", "--check", "--json", DATABASE_URL=empty_dsn)
    assert (checked.returncode, json.loads(checked.stdout)) == (0, {"pending": []})


def test_migrate_check_with_pending_migrations(empty_dsn: str) -> None:
    assert run("migrate", "--check", DATABASE_URL=empty_dsn).returncode == 1


@pytest.mark.parametrize("as_json", [False, True])
async def test_migrate_tells_what_a_migration_warns_of(empty_dsn: str, as_json: bool) -> None:
    """In the words of the migration alone, whatever the role wants to be told of; as JSON where a program reads it."""
    world = await old_world(empty_dsn)
    database = await world.raw.fetchval("SELECT current_database()")
    await world.raw.execute(f"ALTER DATABASE {database} SET client_min_messages = 'error'")
    await world.raw.close()

    done = run("migrate", *(["--json"] if as_json else []), DATABASE_URL=empty_dsn)
    told = done.stderr.splitlines()

    assert (done.returncode, len(told)) == (0, 7)
    if as_json:
        warnings = [json.loads(line) for line in told]
        assert {warning["status"] for warning in warnings} == {"WARNING"}
        assert all(warning["msg"].startswith(("Pipeline ", "Organization ")) for warning in warnings)
        assert "0010_fold_names.sql" in json.loads(done.stdout)["applied"]
    else:
        assert all(line.startswith(("warning  Pipeline ", "warning  Organization ")) for line in told)
