"""Commands on a server, as the user of a token: what they do and say is what they do and say beside the database."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.commands.forked import run, run_each, run_unmeasured
from tests.factories import World
from tests.process.running import free_port, running_service, start, wait_for

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
    ["token", "inventory", "--unused-for", "1h"],
    ["token", "inventory", "--never-expires", "--expires-within", "1d"],
    ["token", "inventory", "--never-expires", "--of-disabled"],
    ["token", "inventory", "--unused-for", "1x"],
    ["user", "create", "dave", "--display-name", "Dave \u00e9", "--email", "dave@example.com"],
    ["user", "list", "--search", "EXAMPLE"],
    ["user", "edit", "dave", "--display-name", ""],
    ["user", "show", "dave"],
    ["user", "edit", "dave"],
    ["user", "delete", "bob", "--yes"],
    ["user", "delete", "dave", "--jobs-to", "dave", "--yes"],
    ["user", "delete", "dave", "--yes"],
    ["user", "create", "dave"],
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
    local = run_unmeasured([[*words, "--organization", beside] for words in calls], DATABASE_URL=dsn)

    for remote, known in zip(on_server, local, strict=True):
        assert plain(remote.stdout) == plain(known.stdout), remote
        assert plain(remote.stderr) == plain(known.stderr), remote
        assert remote.returncode == known.returncode
    actors = await world.raw.fetch("SELECT DISTINCT actor FROM audit WHERE organization_id = $1", world.id)
    assert [row["actor"] for row in actors] == ["ada"]


READING = {"inventory", "list", "show", "access", "why", "jobs", "members", "tail"}


def home(path: Path) -> dict[str, str]:
    """Return settings by which contexts are kept in a folder."""
    return {"XDG_CONFIG_HOME": str(path), "DATABASE_URL": "none:"}


def kept(path: Path) -> Path:
    return path / "flow-pipelines/contexts.json"


def keep(path: Path, server: str, token: str, *names: str) -> None:
    """Write a file of contexts, of which the first is the current one."""
    kept(path).parent.mkdir(mode=0o700)
    contexts = {name: {"server": server, "username": "ada", "token": token} for name in names}
    kept(path).touch(0o600)
    kept(path).write_text(json.dumps({"current": names[0], "contexts": contexts}))


async def test_login_keeps_the_token_for_its_user_alone(world: World, server: str, tmp_path: Path) -> None:
    token = await filled(world)
    host = server.removeprefix("http://")

    done = run("login", server, given=f"{token}\n", **home(tmp_path))
    listed, said, in_json = run_each([["pipeline", "list"], ["whoami"], ["whoami", "--json"]], **home(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Logged in to {server} as ada, admin. The token is kept in {kept(tmp_path)}; ")
    assert (stat.S_IMODE(kept(tmp_path).stat().st_mode), token in kept(tmp_path).read_text()) == (0o600, True)
    assert stat.S_IMODE(kept(tmp_path).parent.stat().st_mode) == 0o700
    assert "Invoices" in listed.stdout
    works = f"Commands work on {server} (context {host}), as the current context says."
    assert said.stdout == f"You are ada, admin.\n{works}\n"
    assert json.loads(in_json.stdout)["user"]["username"] == "ada"


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604])
def test_token_that_others_can_read_or_put_there_is_not_sent(tmp_path: Path, mode: int) -> None:
    keep(tmp_path, "http://127.0.0.1:1", NOBODY, "c")
    kept(tmp_path).chmod(mode)
    (done,) = run_each([["pipeline", "list"]], **home(tmp_path))

    assert (done.returncode, "others can read or change it" in done.stderr) == (2, True)
    assert NOBODY not in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "No token was given"),
        ("two words", "is no token"),
        (NOBODY, "The token is unknown, expired or revoked"),
    ],
)
def test_login_keeps_no_token_that_is_none(server: str, tmp_path: Path, given: str, said: str) -> None:
    done = run("login", server, given=given, **home(tmp_path))

    assert (done.returncode in {1, 2}, said in done.stderr, kept(tmp_path).exists()) == (True, True, False)
    assert not given or given not in done.stdout + done.stderr


NOWHERE = {
    "": "The address of the server is empty",
    "http://example.com": "is not encrypted",
    "https://me:secret@example.com": "an address has no user or password",
    "https://me:sec ret@example.com": "is no address of a server",
    "ftp://example.com": "is no address of a server",
    "https://": "is no address of a server",
    "https://example.com:x": "is no address of a server",
    "https://example.com/?a=b": "is no address of a server",
    "https://host.invalid": "can't be reached: the name of its host is not known",
    "http://127.0.0.1:1": "can't be reached: nothing accepts connections there",
    "https://127.0.0.1:1": "can't be reached: nothing accepts connections there",
}


def test_addresses_that_lead_nowhere(tmp_path: Path) -> None:
    calls = [["user", "list", "--server", url] for url in NOWHERE]

    for done, said in zip(
        run_unmeasured(calls, FLOW_PIPELINES_TOKEN=NOBODY, **home(tmp_path)), NOWHERE.values(), strict=True
    ):
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
        assert said in done.stderr
        assert not any(each in done.stderr for each in ("secret", "sec ret", NOBODY))


async def test_server_in_force_is_the_first_that_is_said(dsn: str, world: World, server: str, tmp_path: Path) -> None:
    token, other = await filled(world), f"http://127.0.0.1:{free_port()}"
    keep(tmp_path, server, token, "here")
    calls = [["context", "current", "--json", *more] for more in ([], ["--server", other], ["--context", "here"])]
    of = ["--organization", str(world.id)]
    settings = {**home(tmp_path), "DATABASE_URL": dsn}

    in_force = [
        (found["server"], found["source"])
        for more in ({}, {"FLOW_PIPELINES_SERVER": other})
        for done in run_unmeasured([*calls, ["context", "current", "--json", "--local"]], **settings, **more)
        for found in [json.loads(done.stdout)]
    ]
    codes = [
        done.returncode
        for done in run_each(
            [
                ["--server", other, "user", "list"],
                ["--local", "user", "list", *of],
                ["user", "list"],
                ["user", "list", "--server", other, "--local"],
                ["user", "list", *of],
                ["--server", other, "migrate"],
            ],
            **settings,
        )
    ]

    assert in_force == [
        (server, "the current context"),
        (other, "--server"),
        (server, "--context"),
        (None, "the database"),
        (other, "FLOW_PIPELINES_SERVER"),
        (other, "--server"),
        (server, "--context"),
        (None, "the database"),
    ]
    assert codes == [2, 0, 0, 64, 64, 64]


def test_contexts_are_listed_renamed_and_deleted(server: str, tmp_path: Path) -> None:
    keep(tmp_path, server, NOBODY, "one", "two")
    calls = {
        ("context", "use", "two"): (0, f"Commands work on {server} from now on.\n"),
        ("context", "rename", "two", "one"): (2, ""),
        ("context", "rename", "two", "last"): (0, "Context two is called last now.\n"),
        ("context", "list"): (
            0,
            f"CURRENT  NAME  SERVER{' ' * (len(server) - 6)}  USER\nyes      last  {server}  ada\n",
        ),
        ("logout",): (0, f"Forgot the token of ada for {server}.\n"),
        ("user", "list"): (2, ""),
        ("context", "unset"): (0, "Commands work beside the database from now on.\n"),
        ("context", "delete", "last"): (1, ""),
        ("context", "delete", "last", "--yes"): (0, "Deleted context last.\n"),
        ("context", "use", "last"): (1, ""),
        ("context", "use", "a b"): (64, ""),
    }

    for done, (code, said) in zip(run_each([*calls], **home(tmp_path)), calls.values(), strict=True):
        assert (done.returncode, done.stdout) == (code, said) or done.args[1] == "list", done
        assert NOBODY not in done.stdout + done.stderr
    assert json.loads(kept(tmp_path).read_text())["contexts"].keys() == {"one"}
    assert stat.S_IMODE(kept(tmp_path).stat().st_mode) == 0o600


STUB = """
import json, os, pathlib
PLACE = pathlib.Path(os.environ["KEYRING_PLACE"])
class Keyring:
    priority = 5
def get_keyring():
    return Keyring()
def _all():
    return json.loads(PLACE.read_text()) if PLACE.exists() else {}
def set_password(service, name, secret):
    PLACE.write_text(json.dumps({**_all(), f"{service}/{name}": secret}))
def get_password(service, name):
    return _all().get(f"{service}/{name}")
def delete_password(service, name):
    PLACE.write_text(json.dumps({key: each for key, each in _all().items() if key != f"{service}/{name}"}))
"""


async def test_keyring_keeps_the_token_where_there_is_one(world: World, server: str, tmp_path: Path) -> None:
    token, place = await filled(world), tmp_path / "place.json"
    (tmp_path / "keyring.py").write_text(STUB)
    settings = {**home(tmp_path), "PYTHONPATH": str(tmp_path), "KEYRING_PLACE": str(place)}

    done = run("login", server, "--context", "a", given=token, **settings)
    with_it = json.loads(place.read_text())
    listed, _, renamed, _ = run_each(
        [["user", "list"], ["context", "rename", "a", "b"], ["user", "list"], ["logout"]], **settings
    )

    assert (done.returncode, "the system's keyring" in done.stdout) == (0, True)
    assert (with_it, token in kept(tmp_path).read_text()) == ({"flow-pipelines/a": token}, False)
    assert (listed.returncode, renamed.returncode, json.loads(place.read_text())) == (0, 0, {})


async def test_audit_tail_follows_by_the_feed_of_a_server(world: World, server: str, dsn: str, tmp_path: Path) -> None:
    token, output = await filled(world), tmp_path / "output"
    settings = {"FLOW_PIPELINES_SERVER": server, "FLOW_PIPELINES_TOKEN": token}
    insert = "INSERT INTO audit (organization_id, actor, action, target) VALUES ($1, 'command line', 'test', $2)"
    await world.raw.execute(insert, world.id, "first")
    late = await asyncpg.connect(dsn)
    transaction = late.transaction()
    await transaction.start()
    await late.execute(insert, world.id, "late")
    with output.open("wb") as file:
        process = start("audit", "tail", "-f", "--action", "test", output=file, **settings)
    try:
        wait_for(lambda: output.read_text().count("\n") == 1, 30, "the last entry")
        await world.raw.execute(insert, world.id, "next")
        wait_for(lambda: output.read_text().count("\n") == 2, 30, "the next one")
        await transaction.commit()
        wait_for(lambda: output.read_text().count("\n") == 3, 30, "what commits late")
    finally:
        process.kill()
        process.wait()
        await late.close()

    assert [line.split()[-1] for line in output.read_text().splitlines()] == ["first", "next", "late"]
