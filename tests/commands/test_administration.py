"""Administration at the command line: the story of docs/how-to/set-up.md, and the output of each command."""

import json
import re
from typing import Any

import pytest

from service.database.migrations import migrate
from service.permissions import MANAGER
from tests.commands.forked import run
from tests.factories import World


class Shell:
    """Commands on one database."""

    def __init__(self, dsn: str, *options: str) -> None:
        self.dsn = dsn
        self.options = options

    def __call__(self, *arguments: str, code: int = 0, given: str = "") -> str:
        done = run(*arguments, *self.options, given=given, DATABASE_URL=self.dsn)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))


async def test_commands_of_a_day(empty_dsn: str) -> None:
    await migrate(empty_dsn)
    shell = Shell(empty_dsn)

    assert re.fullmatch(r"Made organization Acme, [0-9a-f-]{36}\.\n", shell("organization", "create", "Acme"))
    assert shell("organization", "list").splitlines()[0].split() == ["NAME", "ID"]
    assert shell("user", "create", "ada", "--role", "admin") == "Made user ada, admin.\n"
    assert shell("user", "create", "bob") == "Made user bob, member.\n"
    assert shell("group", "create", "reviewers") == "Made group reviewers.\n"
    assert shell("group", "add", "reviewers", "bob") == "bob is now in group reviewers.\n"
    assert shell("group", "add", "reviewers", "bob") == "bob is already in group reviewers.\n"
    assert shell("pipeline", "create", " Invoices ", "--manager", "ada").startswith("Made pipeline Invoices, ")
    assert shell("grant", "set", "invoices", "--group", "reviewers", "--permission", "execute") == (
        "Granted read, execute to group reviewers.\n"
    )
    assert shell("job", "put", "4711", "--owner", "bob", "--name", "batch", "--pipeline", "Invoices") == (
        "Job 4711 (batch) of bob is in Invoices.\n"
    )
    assert shell("pipeline", "jobs", "Invoices").splitlines()[1].split()[:3] == ["4711", "batch", "bob"]
    assert shell("pipeline", "why", "Invoices", "bob").splitlines() == [
        "read              yes, by group reviewers",
        "execute           yes, by group reviewers",
        "delete            no: Neither the user nor a group of theirs is granted flow_pipeline:delete.",
        "manage_pipelines  no: Neither the user nor a group of theirs is granted flow_pipeline:manage_pipelines.",
        "write             no: Neither the user nor a group of theirs is granted flow_pipeline:write.",
    ]
    assert [line.split()[0] for line in shell("pipeline", "access", "Invoices").splitlines()] == [
        "USERNAME",
        "ada",
        "bob",
    ]
    assert shell("grant", "list", "Invoices").splitlines()[1].split("  ")[0] == "group reviewers"
    assert shell("grant", "revoke", "Invoices", "--group", "reviewers", "--yes") == (
        "Took back what was granted to group reviewers.\n"
    )
    trail = [line.split("  ")[1:4] for line in shell("audit", "tail").splitlines()]
    assert [actor for actor, _, _ in trail] == ["command line"] * len(trail)
    assert [action for _, action, _ in trail] == [
        *("organization.create", "user.create", "user.create", "group.create", "group.add_member"),
        *("pipeline.create", "grant.set", "grant.set", "job.create", "job.update_pipelines", "grant.revoke"),
    ]


async def test_commands_with_json_answer_like_the_api(dsn: str, world: World) -> None:
    shell = Shell(dsn, "--organization", str(world.id))
    await world.user("bob")

    assert shell.json("user", "list")["users"][0]["username"] == "bob"
    assert shell.json("user", "role", "bob", "pipeline_admin")["user"]["role"] == "pipeline_admin"
    assert shell.json("user", "disable", "bob", "--yes")["user"]["disabled"] is True
    assert shell.json("user", "enable", "bob")["user"]["disabled"] is False
    assert shell.json("group", "create", "g")["group"]["name"] == "g"
    assert shell.json("group", "list")["groups"][0]["name"] == "g"
    assert shell.json("group", "add", "g", "bob") == {"status": "OK"}
    assert shell.json("group", "members", "g")["members"][0]["username"] == "bob"
    assert shell.json("group", "remove", "g", "bob", "--yes") == {"status": "OK"}
    pipeline = shell.json("pipeline", "create", "p")["pipeline"]
    assert shell.json("pipeline", "list", "--name", "P")["pipelines"][0]["id"] == pipeline["id"]
    granted = shell.json("grant", "set", pipeline["id"], "--user", "bob", "--manager", "--expires-in", "2h")["grant"]
    assert (granted["username"], granted["is_manager"], granted["expires_at"] is None) == ("bob", True, False)
    assert shell.json("grant", "list", "p")["grants"] == [granted]
    assert shell.json("pipeline", "access", "p", "--permission", "write")["users"][0]["username"] == "bob"
    assert shell.json("pipeline", "why", "p", "bob")["access"]["is_manager"] is True
    assert shell.json("job", "put", "j", "--owner", "bob", "--pipeline", "p")["job"]["owner"] == "bob"
    assert shell.json("job", "show", "j")["job"]["flow_pipeline_infos"] == [{"id": pipeline["id"], "name": "p"}]
    assert shell.json("pipeline", "jobs", "p")["jobs"][0]["id"] == "j"
    token = shell.json("token", "create", "bob", "--name", "n")
    assert token["token"]["name"] == "n"
    assert [each["name"] for each in shell.json("token", "list", "bob")["tokens"]] == ["n", ""]
    assert shell.json("token", "revoke", token["token"]["id"], "--yes") == {"status": "OK", "revoked": 1}
    assert shell.json("grant", "revoke", "p", "--user", "bob", "--yes") == {"status": "OK"}
    assert json.loads(shell("audit", "tail", "-n", "1", "--json"))["action"] == "grant.revoke"
    assert shell.json("job", "delete", "j", "--yes") == {"status": "OK"}
    assert shell.json("pipeline", "delete", "p", "--yes") == {"status": "OK"}
    assert shell.json("group", "delete", "g", "--yes") == {"status": "OK"}


async def test_commands_without_json_print_tables_and_sentences(dsn: str, world: World) -> None:
    shell = Shell(dsn, "--organization", str(world.id))
    for command in (["user", "list"], ["group", "list"], ["pipeline", "list"]):
        assert shell(*command).startswith("There is none: `")
    await world.user("bob")
    await world.group(name="g")

    assert shell("user", "list").splitlines()[1].split()[:3] == ["bob", "member", "no"]
    assert shell("user", "role", "bob", "admin") == "Changed user bob, admin.\n"
    assert shell("group", "members", "g") == "Nobody is: `group add g USERNAME` puts somebody in.\n"
    assert shell("token", "list", "bob").splitlines()[0].split("  ")[0] == "ID"
    assert shell("pipeline", "create", "p").startswith("Made pipeline p, ")
    assert shell("pipeline", "jobs", "p") == "No job is in it.\n"
    assert shell("grant", "list", "p") == "Nothing is: `grant set` grants something.\n"
    assert shell("job", "put", "j", "--owner", "bob") == "Job j of bob is in no pipeline.\n"
    assert shell("job", "show", "j") == "Job j of bob is in no pipeline.\n"
    assert shell("job", "delete", "j", "--yes") == "Forgot job j.\n"
    assert shell("pipeline", "delete", "p", "--yes") == "Deleted pipeline p.\n"
    assert shell("group", "delete", "g", "--yes") == "Deleted group g.\n"


async def test_pipeline_create_with_a_manager_that_does_not_exist_makes_none(dsn: str, world: World) -> None:
    shell = Shell(dsn, "--organization", str(world.id))

    refused = shell("pipeline", "create", "X", "--manager", "nobody", code=1)

    assert refused == "flow-pipelines: User nobody does not exist.\n"
    assert shell.json("pipeline", "list")["pipelines"] == []
    assert await world.raw.fetchval("SELECT count(*) FROM audit WHERE organization_id = $1", world.id) == 0


async def test_job_put_leaves_what_is_not_said(dsn: str, world: World) -> None:
    shell = Shell(dsn, "--organization", str(world.id))
    ada, _ = await world.user("ada"), await world.user("bob")
    pipeline = await world.pipeline("X")
    await world.job(ada, job_id="4711")

    assert shell("job", "put", "4711", "--pipeline", "X") == "Job 4711 of ada is in X.\n"
    assert shell("job", "put", "4711", "--name", "batch") == "Job 4711 (batch) of ada is in X.\n"
    assert shell("job", "put", "4711", "--owner", "bob") == "Job 4711 (batch) of bob is in X.\n"
    assert shell("job", "put", "4711") == "Job 4711 (batch) of bob is in X.\n"
    assert shell("job", "put", "4711", "--no-pipelines") == "Job 4711 (batch) of bob is in no pipeline.\n"
    assert shell("job", "put", "4712", "--pipeline", str(pipeline), code=1) == (
        "flow-pipelines: Job 4712 is new: say by --owner whose it is.\n"
    )
    assert await world.raw.fetchval("SELECT count(*) FROM jobs WHERE id = '4712'") == 0


async def test_grant_set_says_what_was_granted_before(dsn: str, world: World) -> None:
    shell = Shell(dsn, "--organization", str(world.id))
    await world.user("bob")
    await world.group(name="g")
    await world.pipeline("p")
    grant = ("grant", "set", "p", "--user", "bob")

    assert shell(*grant) == "Granted read to user bob.\n"
    assert shell(*grant) == "Nothing to do: read is what user bob was granted before.\n"
    assert re.fullmatch(
        r"Granted read, execute until [0-9-]{10} [0-9:]{8}Z to user bob, in the place of read\.\n",
        shell(*grant, "--permission", "execute", "--expires-in", "2h"),
    )
    replaced = shell.json(*grant, "--manager")
    assert (replaced["grant"]["is_manager"], replaced["former"]["is_manager"]) == (True, False)
    assert replaced["former"].keys() == replaced["grant"].keys()
    assert shell.json("grant", "set", "p", "--group", "g")["former"] is None


@pytest.mark.parametrize(
    ("command", "code", "sentence"),
    [
        (["user", "create", "BOB"], 1, "flow-pipelines: There is a user called BOB, regardless of case.\n"),
        (["user", "create", "a b"], 64, "a name is 1 to 100 characters"),
        (["user", "role", "bob", "boss"], 64, "'boss' is not one of"),
        (["user", "role", "root", "member"], 1, "root is the last administrator: make somebody else one first.\n"),
        (["user", "delete", "root", "--yes"], 1, "root is the last administrator: make somebody else one first.\n"),
        (["user", "disable", "nobody", "--yes"], 1, "User nobody does not exist.\n"),
        (["pipeline", "create", ""], 64, "Must be 1 to 255 characters"),
        (["pipeline", "jobs", "nothing"], 1, "There is no pipeline called nothing.\n"),
        (["grant", "set", "p"], 64, "Say either --user or --group."),
        (["grant", "set", "p", "--user", "a", "--group", "b"], 64, "Say either --user or --group."),
        (["grant", "set", "p", "--user", "bob", "--permission", "all"], 64, "'all' is not one of"),
        (["job", "put", "a b", "--owner", "bob"], 1, "The id of a job is 1 to 128 characters"),
        (["job", "put", "j", "--owner", "nobody"], 1, "User nobody does not exist.\n"),
        (["job", "put", "j", "--pipeline", "p", "--no-pipelines"], 64, "Say either --pipeline or --no-pipelines."),
        (["token", "revoke", "x", "--yes"], 64, "'x' is not a valid UUID"),
    ],
)
async def test_commands_refused(dsn: str, world: World, command: list[str], code: int, sentence: str) -> None:
    await world.user("bob")
    await world.user("root", role="admin")
    await world.pipeline("p")

    assert sentence in Shell(dsn, "--organization", str(world.id))(*command, code=code)


async def test_commands_that_delete_ask_first(dsn: str, world: World) -> None:
    await world.group(name="g")
    shell = Shell(dsn, "--organization", str(world.id))

    assert "Delete group g, and take from its members" in shell("group", "delete", "g", code=1, given="n\n")
    assert "Aborted!" in shell("group", "delete", "g", code=1)
    assert shell("group", "delete", "g", given="y\n") == "Deleted group g.\n"


async def test_user_role_lists_and_takes_back_what_they_granted_themselves(dsn: str, world: World) -> None:
    pam, of = await world.user("pam", role="pipeline_admin"), ("--organization", str(world.id))
    pipeline = await world.pipeline("Hers")
    await world.grant(pipeline, pam, MANAGER)
    await world.raw.execute(
        "INSERT INTO audit (organization_id, actor_id, actor, action, target) VALUES ($1, $2, 'pam', 'grant.set', $3)",
        world.id,
        pam.id,
        f"grant:{pipeline}/user:pam",
    )

    kept = run("user", "role", "pam", "member", *of, DATABASE_URL=dsn)
    taken = run("user", "role", "pam", "member", "--withdraw-grants", *of, DATABASE_URL=dsn)
    plain = run("user", "role", "pam", "admin", *of, DATABASE_URL=dsn)

    assert kept.stdout.splitlines()[0] == "Changed user pam, member."
    assert kept.stdout.splitlines()[2].split()[:2] == [str(pipeline), "Hers"]
    assert taken.stdout.splitlines() == ["Changed user pam, member.", "No grant is left to them."]
    assert plain.stdout == "Changed user pam, admin.\n"
