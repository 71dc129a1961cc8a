"""The command `migrate`."""

import json

from service.database.migrations import load_migrations
from tests.commands.test_commands import run


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
