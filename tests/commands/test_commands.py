"""The command line, as a person or a script meets it."""

import json
import os
import pty
import subprocess
import sys
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest

from service.database.migrations import load_migrations
from tests.factories import World
from tests.process.running import ROOT, environment


def run(*arguments: str, given: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(**settings),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command() -> None:
    said = run("--help").stdout

    assert all(f"\n  {command} " in said for command in ("demo", "import", "migrate", "serve", "token"))


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["import"], ["token"], ["token", "create"], ["demo"]])
def test_every_command_has_help(command: list[str]) -> None:
    helped = run(*command, "--help")

    assert (helped.returncode, helped.stdout.startswith("Usage: flow-pipelines")) == (0, True)
    assert len(helped.stdout.splitlines()) > 5


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


def test_migrate_check_says_by_its_exit_code_that_something_is_pending(empty_dsn: str) -> None:
    assert run("migrate", "--check", DATABASE_URL=empty_dsn).returncode == 1


async def test_token_create(dsn: str, world: World) -> None:
    ada = await world.user("ada")

    made = run("token", "create", "ADA", "--organization", str(world.id), DATABASE_URL=dsn)

    assert made.stdout.startswith("fp_")
    assert made.stderr == "This token of ada is shown here and nowhere again.\n"
    row = await world.raw.fetchrow(
        "SELECT scopes, expires_at FROM tokens WHERE user_id = $1 AND digest = sha256($2::bytea)",
        ada.id,
        made.stdout.strip().encode(),
    )
    assert row is not None
    assert tuple(row) == (None, None)
    audited = await world.raw.fetchrow("SELECT actor, action FROM audit WHERE organization_id = $1", world.id)
    assert audited is not None
    assert tuple(audited) == ("command line", "token.create")


async def test_token_create_narrowed(dsn: str, world: World) -> None:
    ada = await world.user("ada")
    options = ["--scope", "flow_pipeline:read", "--scope", "admin", "--expires-in", "2h", "--json"]

    made = run("token", "create", "ada", "--organization", str(world.id), *options, DATABASE_URL=dsn)

    token = json.loads(made.stdout)
    assert (token["token"]["username"], token["secret"][:3]) == ("ada", "fp_")
    row = await world.raw.fetchrow(
        "SELECT scopes, expires_at - created_at > interval '1 hour' FROM tokens WHERE user_id = $1 AND id = $2",
        ada.id,
        token["token"]["id"],
    )
    assert row is not None
    assert tuple(row) == (1 | 32, True)


async def test_token_create_for_nobody(dsn: str, world: World) -> None:
    refused = run("token", "create", "nobody", "--organization", str(world.id), DATABASE_URL=dsn)

    assert (refused.returncode, refused.stderr) == (1, "flow-pipelines: User nobody does not exist.\n")


@pytest.mark.parametrize("duration", ["1", "0d", "h", "-1d", "1w"])
def test_token_create_for_no_duration(duration: str) -> None:
    refused = run("token", "create", "ada", f"--expires-in={duration}")

    assert (refused.returncode, "give a number of minutes, hours or days" in refused.stderr) == (2, True)


async def test_token_create_where_it_takes_an_organization(dsn: str, world: World) -> None:
    await World.create(world.raw)

    refused = run("token", "create", "ada", DATABASE_URL=dsn)
    named = run("token", "create", "ada", "--organization", "Acme", DATABASE_URL=dsn)
    unknown = run("token", "create", "ada", "--organization", "nothing", DATABASE_URL=dsn)

    assert refused.stderr == "flow-pipelines: There is more than one organization: say which by --organization.\n"
    assert named.stderr == "flow-pipelines: There is more than one organization called Acme: say which by its id.\n"
    assert unknown.stderr == "flow-pipelines: There is no organization nothing.\n"


async def test_import_from_standard_input(dsn: str, world: World) -> None:
    line = json.dumps({"type": "group", "id": str(world.id), "organization_id": str(world.id), "name": "g"})

    done = run("import", "-", given=line, DATABASE_URL=dsn)
    again = run("import", "-", "--json", given=line, DATABASE_URL=dsn)

    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "group                    1"
    assert done.stdout.splitlines()[-1] == "1 rows were new or changed."
    assert {key: value for key, value in json.loads(again.stdout).items() if key != "seconds"} == {
        "records": {"group": 1},
        "written": {},
    }


def test_import_refused(dsn: str) -> None:
    refused = run("import", "-", given='{"type": "user"}', DATABASE_URL=dsn)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == ("flow-pipelines: line 1: either role or is_admin must be given; nothing was changed\n")


def test_import_of_no_file(dsn: str) -> None:
    refused = run("import", "/nonexistent", DATABASE_URL=dsn)

    assert (refused.returncode, "No such file" in refused.stderr) == (2, True)


def test_wheel_works_from_any_directory(empty_dsn: str, tmp_path: Path) -> None:
    built = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            str(tmp_path),
            str(ROOT),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(tmp_path / "installed")
        names = content.namelist()

    assert "service/sql/migrations/0001_create_tables.sql" in names
    assert "service/sql/demo.ndjson" in names
    migrated = subprocess.run(
        [sys.executable, "-c", "from service.__main__ import main; main()", "migrate"],
        cwd=tmp_path,
        env=environment(DATABASE_URL=empty_dsn, PYTHONPATH=str(tmp_path / "installed")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert migrated.stdout.startswith("applied  0001_create_tables.sql"), migrated.stderr
    assert (
        "flow-pipelines = service.__main__:main"
        in (next((tmp_path / "installed").glob("*.dist-info")) / "entry_points.txt").read_text()
    )


def test_import_shows_a_person_how_far_it_is(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "data.ndjson"
    file.write_text(json.dumps({"type": "organization", "id": str(uuid4()), "name": "Progress"}) + "\n")

    for arguments, given, shown in ([str(file)], None, "100%"), (["-"], file.read_bytes(), "Importing  0 MB"):
        terminal, end = pty.openpty()
        command = [sys.executable, "-m", "service", "import", *arguments]
        settings = environment(DATABASE_URL=dsn)
        done = subprocess.run(
            command, cwd=ROOT, env=settings, input=given, stdout=subprocess.PIPE, stderr=end, check=False
        )
        os.close(end)
        said = os.read(terminal, 65536).decode()
        os.close(terminal)

        assert done.returncode == 0
        assert shown in said
