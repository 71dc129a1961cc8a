"""The output of every command, whatever the names are and whatever it goes to."""

import ast
import json
import os
import re
import stat
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from service.__main__ import commands
from service.telemetry.terminal import escape, escape_cell
from tests.commands.forked import run, run_unmeasured
from tests.factories import World
from tests.process.running import ROOT, environment

HOSTILE = "\x1b]0;x\x07\x9b2K\r\n\u2028\u202e\u200b  \\ Łódź 日本\u0301"
"""A name that would set the terminal's title, hide its line, and forge another one."""
OF_PIPELINES = "".join(character for character in HOSTILE if character >= " ") + "!"
"""The most hostile one that the database takes for a pipeline."""
SILENT: set[tuple[str, ...]] = {
    ("serve",),
    ("demo",),
    ("migrate",),
    ("doctor",),
    ("import",),
    ("export",),
    ("login",),
    ("logout",),
}
SILENT |= {("audit", word) for word in ("archive", "verify")}
SILENT |= {("context", word) for word in ("list", "current", "use", "unset", "rename", "delete")}
"""Commands that print no names."""


def leaves(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command."""
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from leaves(each, *path, name)
    else:
        yield path


PRINTING = re.compile(
    r"print|pprint|input|os\.write|(sys\.)?__?std(out|err)__?\..*|sys\.std(out|err)\.(?!flush$|isatty$).*"
    r"|(click\.)?(echo|secho|prompt|progressbar|echo_via_pager|style|clear)|click\.confirm"
)
"""Calls that write to a terminal."""


def test_only_one_module_of_the_commands_prints() -> None:
    found = [
        f"{path.name}:{node.lineno} {ast.unparse(node.func)}"
        for path in [*(ROOT / "service/commands").glob("*.py"), ROOT / "service/__main__.py"]
        if path.name != "output.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and PRINTING.fullmatch(ast.unparse(node.func))
    ]

    assert found == []


def is_safe(output: str) -> bool:
    return all(unicodedata.category(character)[0] not in "CZ" or character in " \n" for character in output)


async def hostile_world(world: World) -> dict[str, str]:
    """Fill an organization with names that no check of today would let in; return what commands are to name."""
    await world.raw.execute("UPDATE organizations SET name = $2 WHERE id = $1", world.id, HOSTILE)
    ada, group = await world.user("ada", role="admin"), await world.group(name="g")
    await world.user("bob")
    pipeline, forced = await world.pipeline(OF_PIPELINES), await world.pipeline("forced")
    for each in (ada, group):
        await world.grant(pipeline, each, 63 if each is ada else 1)
    await world.join(ada, group)
    await world.job(ada, pipeline, job_id="j")
    await world.raw.execute("UPDATE jobs SET name = $2 WHERE organization_id = $1", world.id, HOSTILE)
    await world.raw.execute("UPDATE tokens SET name = $2 WHERE organization_id = $1", world.id, HOSTILE)
    insert = """
        INSERT INTO audit (organization_id, actor, action, target, after)
        VALUES ($1, $2, $2, $2, jsonb_build_object($2::text, $2))
    """
    await world.raw.execute(insert, world.id, HOSTILE)
    token = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", ada.id)
    return {"pipeline": str(pipeline), "forced": str(forced), "token": str(token)}


def calls(ids: dict[str, str]) -> dict[tuple[str, ...], tuple[list[str], int | None, bool]]:
    """Return for each command its arguments, its exit code, and whether a hostile name is in what it prints.

    The code is None where it is for others to say whether a name is taken.
    """
    pipeline = ids["pipeline"]
    return {
        ("organization", "create"): ([HOSTILE], None, True),
        ("organization", "list"): ([], 0, True),
        ("identity", "link"): (["ada", "--issuer", "https://id.example.com", "--subject", HOSTILE], None, True),
        ("identity", "unlink"): (["--issuer", "https://id.example.com", "--subject", HOSTILE, "--yes"], None, True),
        ("identity", "list"): ([], 0, False),
        ("identity", "release"): ([HOSTILE, "--yes"], 64, False),
        ("user", "create"): ([HOSTILE], 64, False),
        ("user", "list"): (["--name", HOSTILE], None, False),
        ("user", "role"): (["ada", HOSTILE], 64, True),
        ("user", "disable"): ([HOSTILE, "--yes"], 64, False),
        ("user", "enable"): (["bob"], 0, False),
        ("group", "create"): ([HOSTILE], 64, False),
        ("group", "list"): ([], 0, False),
        ("group", "members"): (["g"], 0, False),
        ("group", "add"): (["g", "bob"], 0, False),
        ("group", "remove"): (["g", "bob", "--yes"], 0, False),
        ("group", "delete"): ([HOSTILE], 64, False),
        ("token", "create"): (["ada", "--name", HOSTILE, "--json"], None, True),
        ("token", "list"): (["ada"], 0, True),
        ("token", "rotate"): ([HOSTILE], 64, True),
        ("token", "revoke"): ([ids["token"], "--yes"], 0, False),
        ("pipeline", "create"): ([HOSTILE], None, True),
        ("pipeline", "list"): ([], 0, True),
        ("pipeline", "jobs"): ([pipeline], 0, True),
        ("pipeline", "access"): ([OF_PIPELINES], 0, False),
        ("pipeline", "why"): ([HOSTILE, "ada"], 1, True),
        ("pipeline", "delete"): ([OF_PIPELINES], 1, True),
        ("grant", "set"): ([HOSTILE, "--user", "ada"], 1, True),
        ("grant", "list"): ([pipeline], 0, False),
        ("grant", "revoke"): ([HOSTILE, "--user", "ada"], 1, True),
        ("job", "put"): (["j", "--pipeline", pipeline, "--name", HOSTILE], None, True),
        ("job", "show"): (["j"], 0, True),
        ("job", "delete"): ([HOSTILE, "--yes"], None, True),
        ("audit", "tail"): (["-n", "1000"], 0, True),
        ("apply",): (["--file", "tests/commands/declared.json", "--yes"], 0, False),
        ("group", "show"): (["g"], 0, False),
        ("group", "rename"): (["g", HOSTILE], 64, False),
        ("job", "list"): (["--pipeline", pipeline], 0, True),
        ("job", "move"): (["j", "--to", ids["forced"]], 0, True),
        ("pipeline", "show"): ([pipeline], 0, True),
        ("pipeline", "edit"): ([pipeline, "--description", HOSTILE], 0, True),
        ("user", "show"): (["ada"], 0, False),
        ("user", "edit"): (["ada", "--display-name", HOSTILE], 64, False),
        ("user", "delete"): (["ada", "--jobs-to", HOSTILE, "--yes"], 64, False),
        ("token", "inventory"): ([], 0, True),
        ("whoami",): ([], 0, True),
    }


async def test_every_command_escapes_what_others_have_named(dsn: str, world: World) -> None:
    called = calls(await hostile_world(world))
    assert called.keys() | SILENT == {*leaves(commands)}

    of = ["--organization", str(world.id)]
    lines = [[*words, *call[0], *(of if words[0] != "organization" else [])] for words, call in called.items()]
    for done, (command, (_, code, named)) in zip(run_unmeasured(lines, DATABASE_URL=dsn), called.items(), strict=True):
        output = done.stdout + done.stderr
        assert done.returncode in ({0, 1, 64} if code is None else {code}), (command, output)
        assert is_safe(output), command
        assert not named or (code is None and done.returncode) or "\\u202e" in output, (command, output)


async def test_tables_keep_their_columns_with_wide_and_hostile_names(dsn: str, world: World) -> None:
    names = ["plain", "日本語", "\uff37ide", "e\u0301", OF_PIPELINES, "a  00000000-0000-0000-0000-000000000000"]
    for name in names:
        await world.pipeline(name)
    of = ("--organization", str(world.id))

    table = run("pipeline", "list", *of, DATABASE_URL=dsn).stdout.splitlines()
    in_ascii = run("pipeline", "list", *of, DATABASE_URL=dsn, PYTHONIOENCODING="ascii").stdout.splitlines()

    assert len(table) == len(in_ascii) == len(names) + 1
    assert {line.split("  ")[0].rstrip() for line in table[1:]} == {escape_cell(name) for name in names}
    assert len({columns_of(line[: line.rindex("  ")]) for line in table[1:]}) == 1
    assert len({line.rindex("  ") for line in in_ascii[1:]}) == 1


def columns_of(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


async def test_json_is_parseable_whatever_the_names_and_the_encoding(dsn: str, world: World) -> None:
    pipeline = await world.pipeline(OF_PIPELINES)
    command = ("pipeline", "list", "--json", "--organization", str(world.id))

    for encoding in ("utf-8", "ascii", "latin-1"):
        done = run(*command, DATABASE_URL=dsn, PYTHONIOENCODING=encoding)
        assert json.loads(done.stdout)["pipelines"][0] | {"permissions": []} == {
            "name": OF_PIPELINES,
            "id": str(pipeline),
            "permissions": [],
            "is_manager": True,
        }
        assert is_safe(done.stdout)


def into(
    *arguments: str, output: Any = subprocess.PIPE, wrapped: str = "", **settings: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command with its output elsewhere, or by a line of shell, in which "$@" is the command."""
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(
        ["bash", "-c", wrapped, "-", *command] if wrapped else command,
        cwd=ROOT,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        encoding=settings.get("PYTHONIOENCODING", "utf-8"),
        timeout=60,
        check=False,
    )


def make_device(path: Path, minor: int) -> Path:
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        path.open("wb").close()
    except PermissionError:
        pytest.skip("devices can't be made here")
    return path


@pytest.fixture(name="full")
def _full(tmp_path: Path) -> Path:
    """A device that is always full, made for the test."""
    return make_device(tmp_path / "full", 7)


TO_PRINT = [["--help"], ["--version"], ["token", "create", "--help"], ["organization", "list"], ["migrate", "--check"]]


@pytest.mark.parametrize("arguments", TO_PRINT)
def test_output_that_is_full(dsn: str, full: Path, arguments: list[str]) -> None:
    with full.open("wb") as output:
        done = into(*arguments, output=output, DATABASE_URL=dsn)

    sentence = "flow-pipelines: Standard output can't be written: No space left on device.\n"
    assert (done.returncode, done.stderr) == (2, sentence)


@pytest.mark.parametrize("arguments", TO_PRINT)
def test_output_that_is_closed(dsn: str, arguments: list[str]) -> None:
    done = into(*arguments, wrapped='"$@" >&-', DATABASE_URL=dsn)

    sentence = "flow-pipelines: Standard output can't be written: Bad file descriptor.\n"
    assert (done.returncode, done.stderr) == (2, sentence)


@pytest.mark.parametrize("arguments", TO_PRINT)
def test_output_whose_reader_has_gone(dsn: str, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = into(*arguments, output=writing, DATABASE_URL=dsn)
    os.close(writing)

    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("redirected", ["2>&-", "<&-", "<&- 2>&-"])
async def test_commands_without_the_other_streams(dsn: str, world: World, redirected: str) -> None:
    listed = into("organization", "list", wrapped=f'"$@" {redirected}', DATABASE_URL=dsn)
    asked = into("group", "delete", "g", wrapped=f'"$@" {redirected}', DATABASE_URL=dsn)

    assert (listed.returncode, listed.stderr, asked.returncode) == (0, "", 1)
    assert listed.stdout.startswith(("NAME", "There is none"))
    assert "Traceback" not in asked.stderr


@pytest.mark.parametrize("arguments", [["serve", "--help"], ["user", "list", "--name"], ["import"], ["nothing"]])
def test_arguments_that_are_no_text(arguments: list[str]) -> None:
    done = run(*arguments, os.fsdecode(b"caf\xe9\x1b"))

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"flow-pipelines: Argument {len(arguments) + 1} is not valid UTF-8: caf\\udce9\\x1b.")


@pytest.mark.parametrize("settings", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}])
async def test_encodings_that_lack_characters(dsn: str, world: World, settings: dict[str, str]) -> None:
    await world.raw.execute("UPDATE organizations SET name = '日本' WHERE id = $1", world.id)

    made = into("organization", "create", "Łódź 日本", DATABASE_URL=dsn, **settings)
    listed = into("organization", "list", DATABASE_URL=dsn, **settings)
    refused = into("grant", "list", "日本", "--organization", str(world.id), DATABASE_URL=dsn, **settings)

    encoding = settings["PYTHONIOENCODING"]
    assert made.stdout.startswith(f"Made organization {escape('Łódź 日本', encoding)}, ")
    assert (listed.returncode, refused.returncode) == (0, 1)
    assert f"{escape('日本', encoding)}" in refused.stderr


async def test_token_that_could_not_be_shown_is_not_made(dsn: str, full: Path, world: World) -> None:
    ada = await world.user("ada")
    token = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", ada.id)
    of = ("--organization", str(world.id))

    for arguments in (["create", "ada"], ["create", "ada", "--json"], ["rotate", str(token)]):
        with full.open("wb") as output:
            done = into("token", *arguments, *of, output=output, DATABASE_URL=dsn)
        assert done.returncode == 2
        assert "No space left on device. No token was made, as it could not be shown." in done.stderr
    assert await world.raw.fetchval("SELECT count(*) FROM tokens WHERE organization_id = $1", world.id) == 1
