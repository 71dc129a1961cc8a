"""The end of every command: exit codes, and failures in a sentence or as JSON."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import click
import pytest

from service.__main__ import commands
from service.commands.ending import ExitCode
from service.database.migrations import migrate
from service.database.sql_files import sql_directory
from tests.commands.forked import run, run_each, run_unmeasured
from tests.commands.test_output import into, leaves
from tests.factories import World
from tests.process.running import ROOT, environment, wait_for

UNREACHABLE = "postgresql://me:secret@127.0.0.1:1/db"
ID = "00000000-0000-0000-0000-000000000000"
CALLS = {
    ("demo",): [],
    ("migrate",): [],
    ("doctor",): [],
    ("import",): [str(sql_directory() / "demo.ndjson")],
    ("export",): ["-"],
    ("organization", "create"): ["Acme"],
    ("organization", "list"): [],
    ("identity", "link"): ["ada", "--issuer", "https://id.example.com", "--subject", "ada-there"],
    ("identity", "unlink"): ["--issuer", "https://id.example.com", "--subject", "ada-there", "--yes"],
    ("identity", "list"): [],
    ("identity", "release"): ["ada", "--yes"],
    ("user", "create"): ["ada"],
    ("user", "list"): [],
    ("user", "role"): ["ada", "admin"],
    ("user", "disable"): ["ada", "--yes"],
    ("user", "enable"): ["ada"],
    ("group", "create"): ["g"],
    ("group", "list"): [],
    ("group", "delete"): ["g", "--yes"],
    ("group", "members"): ["g"],
    ("group", "add"): ["g", "ada"],
    ("group", "remove"): ["g", "ada", "--yes"],
    ("token", "create"): ["ada"],
    ("token", "list"): ["ada"],
    ("token", "rotate"): [ID],
    ("token", "revoke"): [ID, "--yes"],
    ("pipeline", "create"): ["p"],
    ("pipeline", "list"): [],
    ("pipeline", "delete"): ["p", "--yes"],
    ("pipeline", "jobs"): ["p"],
    ("pipeline", "access"): ["p"],
    ("pipeline", "why"): ["p", "ada"],
    ("grant", "set"): ["p", "--user", "ada"],
    ("grant", "list"): ["p"],
    ("grant", "revoke"): ["p", "--user", "ada", "--yes"],
    ("job", "put"): ["j", "--owner", "ada"],
    ("job", "show"): ["j"],
    ("job", "delete"): ["j", "--yes"],
    ("audit", "tail"): [],
    ("audit", "archive"): ["--before", "2026-01", "--to", "archive"],
    ("audit", "verify"): [],
    ("apply",): ["--file", "tests/commands/declared.json", "--yes"],
    ("group", "show"): ["g"],
    ("group", "rename"): ["g", "h"],
    ("job", "list"): [],
    ("job", "move"): ["j", "--to", "p"],
    ("pipeline", "show"): ["p"],
    ("pipeline", "edit"): ["p", "--name", "q"],
    ("user", "show"): ["ada"],
    ("user", "edit"): ["ada", "--email", ""],
    ("user", "delete"): ["ada", "--yes"],
    ("token", "inventory"): [],
    ("whoami",): [],
}
"""Arguments of every command that takes a database, but of `serve`, which begins without one and waits for it."""
OF_CONTEXTS: dict[tuple[str, ...], list[str]] = {
    ("login",): ["http://127.0.0.1:1"],
    ("logout",): [],
    ("context", "list"): [],
    ("context", "current"): [],
    ("context", "use"): ["c"],
    ("context", "unset"): [],
    ("context", "rename"): ["c", "d"],
    ("context", "delete"): ["c", "--yes"],
}
"""Likewise of the commands that take none."""


def takes_json(words: tuple[str, ...]) -> bool:
    command: click.Command = commands
    for word in words:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    return any("--json" in parameter.opts for parameter in command.params)


def in_json(line: str) -> dict[str, object]:
    answer = json.loads(line)
    assert {"status", "msg", "code"} <= answer.keys() <= {"status", "msg", "code", "details"}
    assert answer["status"] == "ERROR"
    return dict(answer)


def test_calls_have_every_command() -> None:
    assert {*CALLS, *OF_CONTEXTS, ("serve",)} == {*leaves(commands)}


def test_every_command_names_a_database_that_can_not_be_reached() -> None:
    """With exit code 2; `doctor`, which reports on it, has 1."""
    said = "The database 127.0.0.1:1/db can't be reached: "
    for done, words in zip(
        run_unmeasured([[*w, *a] for w, a in CALLS.items()], DATABASE_URL=UNREACHABLE), CALLS, strict=True
    ):
        if words == ("doctor",):
            assert (done.returncode, said in done.stdout) == (1, True)
        else:
            assert (done.returncode, done.stdout) == (2, ""), (words, done)
            assert done.stderr.startswith(f"flow-pipelines: {said}"), (words, done)
            assert done.stderr.count("\n") == 1
        assert "secret" not in done.stdout + done.stderr

    with_json = [[*words, *arguments, "--json"] for words, arguments in CALLS.items() if takes_json(words)]
    for done in run_unmeasured(with_json, DATABASE_URL=UNREACHABLE):
        if done.args[0] != "doctor":
            failure = in_json(done.stderr)
            assert (done.returncode, done.stdout, failure["code"]) == (2, "", "UNAVAILABLE")
            assert str(failure["msg"]).startswith(said)


async def test_every_command_says_that_a_database_is_not_migrated(empty_dsn: str) -> None:
    calls = {words: arguments for words, arguments in CALLS.items() if words not in {("demo",), ("migrate",)}}

    for done in run_unmeasured([[*words, *arguments] for words, arguments in calls.items()], DATABASE_URL=empty_dsn):
        output = done.stdout if done.args[0] == "doctor" else done.stderr
        assert done.returncode == (1 if done.args[0] == "doctor" else 2), done
        assert re.search(r"lacks \d+ migrations|[Rr]un `migrate`", output), done
        assert "Traceback" not in done.stderr
    assert run("migrate", "--check", DATABASE_URL=empty_dsn).returncode == 1


async def test_commands_on_a_database_that_lacks_the_last_migration(empty_dsn: str) -> None:
    await migrate(empty_dsn)
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute(
        "DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)"
    )
    await connection.close()

    for done in run_unmeasured([["user", "list"], ["export", "-"]], DATABASE_URL=empty_dsn):
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(
            r"flow-pipelines: The database lacks 1 migration, 00\S+\.sql: run `migrate`\.\n", done.stderr
        )


async def test_commands_on_a_database_that_only_reads_do_not_say_that_it_was_lost(empty_dsn: str) -> None:
    await migrate(empty_dsn)
    connection = await asyncpg.connect(empty_dsn)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute("INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'Acme')")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.close()

    calls = [["user", "create", "ada"], ["import", "/dev/null"], ["doctor"]]
    created, imported, examined = run_unmeasured(calls, DATABASE_URL=empty_dsn)

    said = "flow-pipelines: The database only reads now: `doctor` says what helps.\n"
    assert [(each.returncode, each.stderr) for each in (created, imported)] == [(2, said)] * 2
    assert "reset default_transaction_read_only" in examined.stdout


async def test_commands_that_the_role_may_not_run_name_the_role_to_take(service_dsn: str, world: World) -> None:
    """As in a pod of the service on Kubernetes, where that role is the one at hand."""
    await world.user("mary")
    said = (
        r"flow-pipelines: The role of DATABASE_URL may not do this \(.+\): let it name the role that `migrate` runs as"
    )
    here = ["--organization", str(world.id)]
    calls = (
        ["organization", "create", "Acme"],
        ["user", "create", "ada", *here],
        ["token", "create", "mary", *here],
        ["job", "put", "4711", "--owner", "mary", *here],
    )

    for done in run_unmeasured([*calls], DATABASE_URL=service_dsn):
        assert (done.returncode, done.stdout) == (2, "")
        assert re.match(said, done.stderr), done.stderr
    for done in run_unmeasured([[*words, "--json"] for words in calls], DATABASE_URL=service_dsn):
        assert in_json(done.stderr)["code"] == "FAILED_PRECONDITION"


WRONG: tuple[list[str], ...] = (
    *(["nothing"], ["user"], ["user", "list", "--nothing"], ["user", "create"], ["user", "list", "more"], []),
)


def test_usage_errors_have_an_exit_code_of_their_own() -> None:
    of_each = [[*words, "--nothing\x1b"] for words in leaves(commands)]

    for done in run_unmeasured([*of_each, *WRONG]):
        assert (done.returncode, done.stdout) == (ExitCode.USAGE, ""), done
        assert done.stderr.splitlines()[-1].startswith("flow-pipelines: "), done
        assert "\x1b" not in done.stderr
    for done in run_unmeasured([[*arguments, "--json"] for arguments in WRONG if arguments]):
        assert in_json(done.stderr)["code"] == "INVALID_ARGUMENT"


async def test_refusals_as_json(dsn: str, world: World) -> None:
    ada = await world.user("ada", role="admin")
    pipeline = await world.pipeline("p")
    await world.job(ada, pipeline)
    of = ["--organization", str(world.id), "--json"]

    refused = run_each(
        [
            ["user", "create", "ADA", *of],
            ["user", "role", "nobody", "admin", *of],
            ["user", "role", "ada", "member", *of],
            ["pipeline", "delete", "p", "--yes", *of],
            ["group", "delete", "g", *of],
            ["import", "/none/f\x1b", "--json"],
        ],
        DATABASE_URL=dsn,
    )
    found = [(done.returncode, in_json(done.stderr.splitlines()[-1])["code"]) for done in refused]

    assert [done.stdout for done in refused] == [""] * len(refused)
    assert found == [
        (1, "ALREADY_EXISTS"),
        (1, "NOT_FOUND"),
        (1, "FAILED_PRECONDITION"),
        (1, "FAILED_PRECONDITION"),
        (1, "ABORTED"),
        (2, "FAILED_PRECONDITION"),
    ]


def test_outputs_that_fail_as_json(dsn: str, tmp_path: Path) -> None:
    """They are no matter of the database, whatever the system's error is."""
    full = tmp_path / "full"
    os.mknod(full, 0o600 | stat.S_IFCHR, os.makedev(1, 7))
    for arguments, redirected in (
        (["organization", "list"], f"> {full}"),
        (["migrate"], ">&-"),
        (["doctor"], f"> {full}"),
    ):
        done = into(*arguments, "--json", wrapped=f'"$@" {redirected}', DATABASE_URL=dsn)
        assert (done.returncode, in_json(done.stderr)["code"]) == (2, "FAILED_PRECONDITION"), arguments


def test_all_that_is_told_with_json_is_json(empty_dsn: str) -> None:
    """Warnings before a failure, too, each on a line."""
    done = run("user", "list", "--json", DATABASE_POOL_SIZES="3", DATABASE_URL=empty_dsn)

    warning, failure = done.stderr.splitlines()
    assert json.loads(warning) == {
        "status": "WARNING",
        "msg": "DATABASE_POOL_SIZES is no setting, and ignored; did you mean DATABASE_POOL_SIZE?",
    }
    assert in_json(failure)["code"] == "FAILED_PRECONDITION"


def test_names_of_files_that_are_empty(dsn: str) -> None:
    for done in run_unmeasured([["export", ""], ["import", ""]], DATABASE_URL=dsn):
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(r"flow-pipelines: The name of the file to \w+( to)? is empty: .*\.\n", done.stderr)


def test_import_refused_as_json(dsn: str) -> None:
    done = run("import", "-", "--json", given='{"type": "user"}', DATABASE_URL=dsn)

    assert (done.returncode, done.stdout) == (1, "")
    assert str(in_json(done.stderr)["msg"]).startswith("line 1: ")


def test_bad_setting_as_json() -> None:
    done = run("user", "list", "--json", HTTP_PORT="x")

    assert (done.returncode, in_json(done.stderr)["code"]) == (2, "FAILED_PRECONDITION")


def popen(command: list[str], dsn: str, **streams: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, cwd=ROOT, env=environment(DATABASE_URL=dsn), **streams)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_command_ended_by_a_signal(dsn: str, world: World, number: signal.Signals) -> None:
    await world.raw.execute(
        "INSERT INTO audit (organization_id, actor, action, target) VALUES ($1, 'command line', 'test', 't')", world.id
    )
    command = [sys.executable, "-m", "service", "audit", "tail", "--follow", "--organization", str(world.id)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with popen(command, dsn, **streams) as process:
        assert process.stdout is not None
        assert b"  test  t" in process.stdout.readline()
        process.send_signal(number)
        output, said = process.communicate(timeout=30)

    assert (process.returncode, output, said.strip()) == (128 + number, b"", b"")


INTERRUPTING = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(5)"
LOOKING_UP = f"""
import sys

class Interrupting:
    @staticmethod
    def find_spec(name, *_):
        if name == "importlib.metadata":
            exec({INTERRUPTING!r})

sys.modules.pop("importlib.metadata", None)
sys.meta_path.insert(0, Interrupting)
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("click", INTERRUPTING),
        ("sitecustomize", LOOKING_UP),
        ("sitecustomize", f"import atexit; atexit.register(lambda: exec({INTERRUPTING!r}))"),
    ],
    ids=["at the begin", "while the version is looked up", "at the end"],
)
def test_command_interrupted_before_and_behind_its_work_tells_no_traceback(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / f"{name}.py").write_text(content)
    command = [sys.executable, "-m", "service", "context", "list"]
    settings = environment(PYTHONPATH=str(tmp_path))

    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


async def test_audit_tail_follows_what_commits_late(dsn: str, world: World, tmp_path: Path) -> None:
    insert = "INSERT INTO audit (organization_id, actor, action, target) VALUES ($1, 'command line', 'test', $2)"
    command = [sys.executable, "-m", "service", "audit", "tail", "-f", "--organization", str(world.id)]
    output = tmp_path / "output"
    await world.raw.execute(insert, world.id, "first")
    late = await asyncpg.connect(dsn)
    transaction = late.transaction()
    await transaction.start()
    await late.execute(insert, world.id, "late")
    await world.raw.execute(insert, world.id, "second")
    with output.open("wb") as file:
        process = popen(command, dsn, stdout=file)
    try:
        wait_for(lambda: output.read_text().count("\n") == 2, 30, "the last entries")
        os.kill(process.pid, signal.SIGSTOP)
        many = [f"many/{number}" for number in range(1500)]
        await world.raw.executemany(insert, [(world.id, target) for target in many])
        await transaction.commit()
        os.kill(process.pid, signal.SIGCONT)
        wait_for(lambda: output.read_text().count("\n") >= 1503, 30, "what came meanwhile")
        await world.raw.execute(insert, world.id, "last")
        wait_for(lambda: output.read_text().endswith("last\n"), 30, "the last one")
    finally:
        process.kill()
        process.wait()
        await late.close()

    shown = [line.split("  ")[-1].rstrip() for line in output.read_text().splitlines()]
    assert [target.strip() for target in shown] == ["first", "second", "late", *many, "last"]


async def test_audit_tail_of_large_entries_has_as_many_as_were_asked_for(dsn: str, world: World) -> None:
    insert = """
        INSERT INTO audit (organization_id, actor, action, target, after)
        SELECT $1, 'command line', 'test', 't' || n, jsonb_build_object('large', repeat('x', 80000))
        FROM generate_series(1, 40) n
    """
    await world.raw.execute(insert, world.id)

    done = run("audit", "tail", "-n", "30", "--json", "--organization", str(world.id), DATABASE_URL=dsn)

    assert [json.loads(line)["target"] for line in done.stdout.splitlines()] == [f"t{n}" for n in range(11, 41)]


def test_help_and_reference_tell_the_exit_codes() -> None:
    reference = (ROOT / "docs/reference/commands.md").read_text()
    said = " ".join(run("--help").stdout.split())

    for code in (*(int(each) for each in ExitCode), 130, 141):
        assert re.search(rf"\b{code}\b", said[said.index("Exit codes") :])
        assert re.search(rf"^\| {code} \| ", reference, re.MULTILINE)
