"""Commands on a server, as the user of a token: what they do and say is what they do and say beside the database."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.forked import run_each
from tests.commands.test_commands import run
from tests.factories import World
from tests.process.running import free_port, running_service

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z")
SECRET = re.compile(r"fp_\w+")
NOBODY = f"fp_{'0' * 64}"


@pytest.fixture(name="server", scope="module")
def _server(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_service(tmp_path_factory.mktemp("server"), dsn) as service:
        yield service.api


async def filled(world: World) -> str:
    """Fill an organization, and return the token of its administrator ada."""
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    group = await world.group(bob, name="reviewers")
    invoices, _ = await world.pipeline("Invoices"), await world.pipeline("Returns")
    await world.grant(invoices, bob, 63)
    await world.grant(invoices, group, 3)
    await world.job(bob, invoices, job_id="job-1")
    return ada.token


DONE = (
    ["pipeline", "list"],
    ["pipeline", "list", "--name", "inv o&i=%+ces"],
    ["pipeline", "show", "invoices"],
    ["pipeline", "access", "Invoices"],
    ["pipeline", "access", "Invoices", "--permission", "write"],
    ["pipeline", "why", "Invoices", "bob"],
    ["pipeline", "jobs", "Invoices"],
    ["pipeline", "create", " New ", "--description", "of März\n"],
    ["pipeline", "create", "Managed", "--manager", "bob"],
    ["pipeline", "create", "Left alone", "--manager", "nobody"],
    ["pipeline", "create", "invoices"],
    ["pipeline", "create", "\x1b"],
    ["pipeline", "list", "--name", "Left alone"],
    ["pipeline", "edit", "New", "--name", "Newer", "--description", ""],
    ["pipeline", "edit", "Newer", "--name", "Invoices"],
    ["pipeline", "edit", "Newer"],
    ["pipeline", "delete", "Invoices", "--yes"],
    ["pipeline", "delete", "Newer", "--yes"],
    ["pipeline", "delete", "Newer", "--yes"],
    ["pipeline", "show", "00000000-0000-0000-0000-000000000000"],
    ["pipeline", "show", "\u0130" * 300],
    ["grant", "list", "Invoices"],
    ["grant", "set", "Invoices", "--user", "bob", "--permission", "write"],
    ["grant", "set", "Invoices", "--user", "bob", "--permission", "write"],
    ["grant", "set", "Invoices", "--group", "reviewers", "--manager", "--expires-in", "9d"],
    ["grant", "set", "Returns", "--user", "bob", "--permission", "execute"],
    ["grant", "set", "Returns", "--user", "nobody"],
    ["grant", "set", "None", "--user", "bob"],
    ["grant", "revoke", "Invoices", "--group", "reviewers", "--yes"],
    ["grant", "revoke", "Invoices", "--group", "reviewers", "--yes"],
    ["pipeline", "edit", "Returns", "--description", "None \u202e yet"],
    ["pipeline", "show", "Returns"],
    ["group", "show", "reviewers"],
    ["group", "show", "none"],
    ["group", "add", "reviewers", "bob", "ada"],
    ["group", "remove", "reviewers", "bob", "ada", "nobody", "--yes"],
    ["group", "remove", "reviewers", "bob", "ada", "--yes"],
    ["group", "rename", "reviewers", "readers"],
    ["group", "rename", "none", "readers"],
    ["group", "rename", "readers", "reviewers"],
    ["group", "list"],
    ["group", "create", "auditors"],
    ["group", "create", "Auditors"],
    ["group", "create", "me"],
    ["group", "add", "auditors", "bob"],
    ["group", "add", "auditors", "bob"],
    ["group", "add", "auditors", "nobody"],
    ["group", "members", "auditors"],
    ["group", "members", "none"],
    ["group", "remove", "auditors", "bob", "--yes"],
    ["group", "remove", "auditors", "bob", "--yes"],
    ["group", "delete", "auditors", "--yes"],
    ["user", "list"],
    ["user", "show", "bob"],
    ["user", "show", "me"],
    ["user", "show", "nobody"],
    ["user", "list", "--name", "x" * 300],
    ["user", "create", "carol", "--role", "pipeline_admin"],
    ["user", "create", "carol"],
    ["user", "role", "bob", "admin"],
    ["user", "role", "bob", "member", "--withdraw-grants"],
    ["user", "role", "nobody", "member"],
    ["user", "disable", "bob", "--yes"],
    ["user", "enable", "bob"],
    ["job", "put", "job-1", "--name", "one", "--pipeline", "Returns", "--pipeline", "invoices"],
    ["job", "put", "job-2", "--owner", "carol", "--no-pipelines"],
    ["job", "put", "job-2", "--pipeline", "Nowhere"],
    ["job", "put", "a/b", "--owner", "carol"],
    ["job", "list"],
    ["job", "list", "--pipeline", "returns", "--owner", "bob"],
    ["job", "list", "--pipeline", "none"],
    ["job", "move", "job-1", "--from", "Returns"],
    ["job", "move", "job-1", "--from", "Invoices", "--to", "Returns"],
    ["job", "move", "job-1", "--to", "00000000-0000-0000-0000-000000000000"],
    ["job", "move", "job-1"],
    ["job", "show", "job-1"],
    ["job", "show", "job-3"],
    ["job", "delete", "job-1", "--yes"],
    ["job", "delete", "job-1", "--yes"],
    ["token", "create", "bob", "--name", "ci", "--scope", "flow_pipeline:read", "--expires-in", "90d"],
    ["token", "create", "nobody"],
    ["token", "list", "bob"],
    ["token", "rotate", "00000000-0000-0000-0000-000000000000"],
    ["token", "revoke", "00000000-0000-0000-0000-000000000000", "--yes"],
    ["apply", "-f", "tests/commands/declared.json", "--dry-run"],
    ["apply", "-f", "tests/commands/declared.json"],
    ["apply", "-f", "tests/commands/declared.json", "--yes"],
    ["apply", "-f", "tests/commands/declared.json", "--prune", "--yes"],
    ["apply", "-f", "package.json", "--yes"],
    ["apply", "-f", "README.md", "--yes"],
    ["group", "list"],
    ["audit", "tail", "-n", "3", "--action", "group.create"],
)
"""Commands one after the other; each is run both ways, in organizations that are alike."""


def plain(text: str) -> str:
    """Return what was printed without what differs from one organization to another."""
    text = ID.sub("ID", SECRET.sub("SECRET", TIME.sub("TIME", text)))
    text = re.sub(r'"(id|request_id|token_id)":("\w+"|null|\d+)', r'"\1":0', text)
    return re.sub("command line|ada", "WHO", text)


async def test_commands_do_and_say_on_a_server_what_they_do_and_say_beside_the_database(
    dsn: str, world: World, server: str
) -> None:
    other = await World.create(world.raw)
    beside, token = str(other.id), await filled(world)
    await filled(other)
    calls = [[*words, *more] for words in DONE for more in ([], ["--json"]) if not more or words[1] in READING]

    on_server = run_each(calls, FLOW_PIPELINES_SERVER=server, FLOW_PIPELINES_TOKEN=token, DATABASE_URL="none:")
    local = run_each([[*words, "--organization", beside] for words in calls], DATABASE_URL=dsn)

    for remote, known in zip(on_server, local, strict=True):
        assert plain(remote.stdout) == plain(known.stdout), remote
        assert plain(remote.stderr) == plain(known.stderr), remote
        assert remote.returncode == known.returncode
    actors = await world.raw.fetch("SELECT DISTINCT actor FROM audit WHERE organization_id = $1", world.id)
    assert [row["actor"] for row in actors] == ["ada"]


READING = {"list", "show", "access", "why", "jobs", "members", "tail"}


def home(path: Path) -> dict[str, str]:
    """Return settings by which contexts are kept in a folder."""
    return {"XDG_CONFIG_HOME": str(path), "DATABASE_URL": "none:"}


def kept(path: Path) -> Path:
    return path / "flow-pipelines/contexts.json"


async def test_login_keeps_the_token_for_its_user_alone(world: World, server: str, tmp_path: Path) -> None:
    token = await filled(world)
    host = server.removeprefix("http://")

    done = run("login", server, given=f"{token}\n", **home(tmp_path))
    listed = run("pipeline", "list", **home(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Logged in to {server} as ada, admin. The token is kept in {kept(tmp_path)}; ")
    assert (stat.S_IMODE(kept(tmp_path).stat().st_mode), token in kept(tmp_path).read_text()) == (0o600, True)
    assert stat.S_IMODE(kept(tmp_path).parent.stat().st_mode) == 0o700
    assert "Invoices" in listed.stdout
    said = run("whoami", **home(tmp_path)).stdout
    assert said == f"You are ada, admin.\nCommands work on {server} (context {host}), as the current context says.\n"
    assert json.loads(run("whoami", "--json", **home(tmp_path)).stdout)["user"]["username"] == "ada"

    kept(tmp_path).chmod(0o640)
    refused = run("pipeline", "list", **home(tmp_path))
    assert (refused.returncode, "others can read" in refused.stderr, token in refused.stderr) == (2, True, False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "No token was given"),
        ("two words", "is no token"),
        (NOBODY, "The token is unknown, expired or revoked"),
        ("\x00", "is no token"),
    ],
)
def test_login_keeps_no_token_that_is_none(server: str, tmp_path: Path, given: str, said: str) -> None:
    done = run("login", server, given=given, **home(tmp_path))

    assert (done.returncode in {1, 2}, said in done.stderr, kept(tmp_path).exists()) == (True, True, False)
    assert not given.strip("\x00") or given not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com", "is not encrypted"),
        ("https://me:secret@example.com", "an address has no user or password"),
        ("https://me:sec ret@example.com", "no address of a server"),
        ("ftp://example.com", "no address of a server"),
        ("https://", "no address of a server"),
        ("https://example.com:x", "no address of a server"),
        ("https://example.com/?a=b", "no address of a server"),
        ("https://host.invalid", "can't be reached: the name of its host is not known"),
        ("http://127.0.0.1:1", "can't be reached: nothing accepts connections there"),
        ("https://127.0.0.1:1", "can't be reached: nothing accepts connections there"),
    ],
)
def test_addresses_that_lead_nowhere(tmp_path: Path, url: str, said: str) -> None:
    done = run("user", "list", "--server", url, FLOW_PIPELINES_TOKEN=NOBODY, **home(tmp_path))

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr
    assert "secret" not in done.stderr.replace("me:sec ret", "")
    assert NOBODY not in done.stderr


async def test_server_in_force_is_the_first_that_is_said(dsn: str, world: World, server: str, tmp_path: Path) -> None:
    token = await filled(world)
    other = f"http://127.0.0.1:{free_port()}"
    settings = home(tmp_path)
    run("login", server, "--context", "here", given=token, **settings)
    database = {**settings, "DATABASE_URL": dsn}

    def in_force(*arguments: str, **more: str) -> tuple[object, object]:
        done = json.loads(run("context", "current", "--json", *arguments, **{**database, **more}).stdout)
        return done["server"], done["source"]

    assert in_force() == (server, "the current context")
    assert in_force(FLOW_PIPELINES_SERVER=other) == (other, "FLOW_PIPELINES_SERVER")
    assert in_force("--server", other, FLOW_PIPELINES_SERVER=server) == (other, "--server")
    assert in_force("--context", "here", FLOW_PIPELINES_SERVER=other) == (server, "--context")
    assert in_force("--local", FLOW_PIPELINES_SERVER=other) == (None, "the database")
    assert run("--server", other, "user", "list", **database).returncode == 2
    assert run("--local", "user", "list", "--organization", str(world.id), **database).returncode == 0
    assert run("user", "list", "--server", other, "--local", **database).returncode == 64
    assert run("user", "list", "--organization", str(world.id), **database).returncode == 64
    assert run("--server", other, "migrate", **database).returncode == 64
    run("context", "unset", **database)
    assert in_force() == (None, "the database")


async def test_contexts_are_listed_renamed_and_deleted(world: World, server: str, tmp_path: Path) -> None:
    token, settings = await filled(world), home(tmp_path)
    run("login", server, "--context", "one", given=token, **settings)
    run("login", server, "--context", "two", given=token, **settings)

    assert run("context", "use", "one", **settings).stdout == f"Commands work on {server} from now on.\n"
    assert run("context", "rename", "one", "two", **settings).returncode == 2
    assert run("context", "rename", "one", "first", **settings).returncode == 0
    listed = json.loads(run("context", "list", "--json", **settings).stdout)["contexts"]
    assert [(each["name"], each["current"], each["username"]) for each in listed] == [
        ("first", True, "ada"),
        ("two", False, "ada"),
    ]
    assert "token" not in listed[0]
    assert run("logout", **settings).stdout == f"Forgot the token of ada for {server}.\n"
    refused = run("user", "list", **settings)
    assert (refused.returncode, "`login http" in refused.stderr) == (2, True)
    assert run("login", "--context", "first", given=token, **settings).returncode == 0
    assert run("context", "delete", "first", "--yes", **settings).returncode == 0
    assert json.loads(run("context", "current", "--json", **settings).stdout)["server"] is None
    assert run("context", "use", "first", **settings).returncode == 1
