"""The command line, as a person or a script meets it."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest

from service.__main__ import commands
from tests.commands.forked import run
from tests.process.running import ROOT, environment

GROUPS = [name for name, command in commands.commands.items() if isinstance(command, click.Group)]


def test_help_names_every_command() -> None:
    said = run("--help").stdout

    assert all(f"\n  {command} " in said for command in ("demo", "import", "migrate", "serve", "token"))


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["import"], ["token"], ["token", "create"], ["demo"]])
def test_help_of_a_command(command: list[str]) -> None:
    helped = run(*command, "--help")

    assert (helped.returncode, helped.stdout.startswith("Usage: flow-pipelines")) == (0, True)
    assert len(helped.stdout.splitlines()) > 5


@pytest.mark.parametrize("group", [[], *([name] for name in GROUPS)])
def test_help_of_a_group_has_the_first_sentence_of_each_command_whole(group: list[str]) -> None:
    listed = run(*group, "--help").stdout.partition("\nCommands:\n")[2]

    assert listed
    assert "..." not in listed


def test_reference_lists_every_command() -> None:
    reference = (ROOT / "docs/reference/commands.md").read_text()
    listed = re.findall(r"^  (\w+)  ", run("--help").stdout, re.MULTILINE)

    assert len(listed) == 20
    assert [name for name in listed if f"## `{name}`\n" not in reference] == []


def test_wheel_from_any_directory(empty_dsn: str, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("command", [["user", "list"], ["migrate"], ["doctor"], ["serve"], ["demo"], ["export", "-"]])
def test_a_command_tells_all_wrong_settings(command: list[str]) -> None:
    done = run(*command, HTTP_PORT="x", LOG_LEVEL="loud", MAX_REQUESTS="0")

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "flow-pipelines: 3 settings are wrong:",
        "flow-pipelines: HTTP_PORT is 'x', but must be a whole number from 1 to 65535.",
        "flow-pipelines: LOG_LEVEL is 'loud', but allowed are DEBUG, INFO, WARNING, ERROR.",
        "flow-pipelines: MAX_REQUESTS is '0', but must be a whole number from 1 to 1000000.",
    ]


def test_a_command_tells_of_an_unknown_setting() -> None:
    done = run("migrate", "--check", DATABASE_URL="postgresql://127.0.0.1:1/x", DATABASE_POOL_SIZES="secret")

    assert done.stderr.splitlines()[0] == (
        "flow-pipelines: DATABASE_POOL_SIZES is no setting, and ignored; did you mean DATABASE_POOL_SIZE?"
    )
    assert "secret" not in done.stderr
