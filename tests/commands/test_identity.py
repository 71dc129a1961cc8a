"""The command `identity`: people of an identity provider are linked to users, beside the database alone."""

import json
from uuid import UUID

import pytest

from service.commands.pipeline import _path
from service.http.routes import ROUTES
from tests.commands.forked import run_each
from tests.commands.test_administration import Shell
from tests.factories import World

ISSUER = "https://id.example.com/realms/acme"
WHO = ("--issuer", ISSUER, "--subject", "248 of Acme")
ONE = {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": "flow-pipelines"}


async def test_identity_is_linked_listed_and_unlinked(dsn: str, world: World) -> None:
    await world.user("ada")
    await world.user("bob")
    shell = Shell(dsn, "--organization", str(world.id))

    calls = [
        ("identity", "link", "ADA", *WHO),
        ("identity", "list"),
        ("identity", "list", "--user", "ada", "--json"),
        ("identity", "list", "--user", "bob"),
        ("identity", "link", "bob", *WHO),
        ("identity", "unlink", *WHO, "--yes"),
        ("identity", "unlink", *WHO, "--yes"),
        ("identity", "list"),
        ("identity", "link", "nobody", *WHO),
        ("identity", "list", "--user", "nobody"),
        ("identity", "link", "ada", "--subject", "248"),
    ]
    made, listed, of_ada, of_bob, again, gone, unknown, none, *strangers, without = run_each(
        [(*call, *shell.options) for call in calls], DATABASE_URL=dsn
    )

    assert made.stdout == f"Linked 248 of Acme of {ISSUER} to user ada.\n"
    assert [line.split()[:3] for line in listed.stdout.splitlines()] == [
        ["USER", "ISSUER", "SUBJECT"],
        ["ada", ISSUER, "248"],
    ]
    (link,) = json.loads(of_ada.stdout)["links"]
    assert (link["username"], link["issuer"], link["subject"]) == ("ada", ISSUER, "248 of Acme")
    assert link["last_used_at"] is None
    assert of_bob.stdout == none.stdout == "There is none: `identity link` makes one.\n"
    assert again.returncode == 1
    assert "is linked to a user already: unlink them first." in again.stderr
    assert gone.stdout == f"Unlinked 248 of Acme of {ISSUER} from user ada.\n"
    assert unknown.returncode == 1
    assert f"248 of Acme of {ISSUER} is linked to no user." in unknown.stderr
    assert [(each.returncode, "User nobody does not exist." in each.stderr) for each in strangers] == [(1, True)] * 2
    assert without.returncode == 64
    assert "Say by --issuer which identity provider" in without.stderr
    rows = await world.raw.fetch(
        "SELECT action, target, actor, before, after FROM audit WHERE organization_id = $1 ORDER BY id", world.id
    )
    state = {"id": link["id"], "issuer": ISSUER, "subject": "248 of Acme"}
    assert [(row["action"], row["target"], row["actor"]) for row in rows] == [
        ("user.link", "user:ada", "command line"),
        ("user.unlink", "user:ada", "command line"),
    ]
    assert [json.loads(rows[0]["after"]), json.loads(rows[1]["before"])] == [state, state]


async def provisioned(world: World) -> dict[str, UUID]:
    """Return users and a group as provisioning has left them: ada and bob are managed, eve is no more."""
    ids = {name: (await world.user(name)).id for name in ("ada", "bob", "eve")}
    group = await world.group(name="team")
    await world.raw.executemany(
        "INSERT INTO provisioned_users (organization_id, user_id, external_id, gives_role, deprovisioned)"
        " VALUES ($1, $2, $3, true, $4)",
        [(world.id, ids[name], f"{name}@id", name == "eve") for name in ids],
    )
    await world.raw.execute(
        "INSERT INTO provisioned_groups (organization_id, group_id) VALUES ($1, $2)", world.id, group
    )
    return {**ids, "team": group}


async def test_identity_releases_what_provisioning_manages(dsn: str, world: World) -> None:
    ids = await provisioned(world)
    stranger = await World.create(world.raw)
    await provisioned(stranger)
    shell = Shell(dsn, "--organization", str(world.id), "--yes")
    calls = [
        ("identity", "release", "ADA"),
        ("identity", "release", "ada"),
        ("identity", "release", "eve"),
        ("identity", "release", "--group", "team", "--json"),
        ("identity", "release", "--group", "team"),
        ("identity", "release", "--all"),
        ("identity", "release", "nobody"),
        ("identity", "release"),
        ("identity", "release", "ada", "--all"),
    ]

    ada, again, eve, team, again_team, rest, nobody, *unclear = run_each(
        [(*call, *shell.options) for call in calls], DATABASE_URL=dsn
    )

    assert ada.stdout == "Released 1 user and 0 groups.\n"
    for each in (again, eve, again_team):
        assert (each.returncode, "is not managed by provisioning (SCIM)" in each.stderr) == (1, True), each
    assert json.loads(team.stdout) == {"status": "OK", "users": 0, "groups": 1}
    assert rest.stdout == "Released 1 user and 0 groups.\n"
    assert (nobody.returncode, "User nobody does not exist." in nobody.stderr) == (1, True)
    assert [(each.returncode, "Say one of USERNAME, --group and --all." in each.stderr) for each in unclear] == [
        (64, True)
    ] * 2
    left = "SELECT user_id FROM provisioned_users WHERE organization_id = $1"
    assert [row[0] for row in await world.raw.fetch(left, world.id)] == [ids["eve"]]
    assert len(await world.raw.fetch(left, stranger.id)) == 3
    rows = await world.raw.fetch(
        "SELECT action, target, before, after FROM audit WHERE organization_id = $1 ORDER BY id", world.id
    )
    user = {"role": "member", "disabled": False}
    assert [(row["action"], row["target"], json.loads(row["before"]), json.loads(row["after"])) for row in rows] == [
        ("user.update", "user:ada", {**user, "provisioned": True, "external_id": "ada@id"}, user),
        ("group.update", "group:team", {"name": "team", "provisioned": True}, {"name": "team"}),
        ("user.update", "user:bob", {**user, "provisioned": True, "external_id": "bob@id"}, user),
    ]


async def test_identity_takes_the_only_issuer_of_the_settings_and_no_server(dsn: str, world: World) -> None:
    """Whoever could link themselves to another user by the API would be that user."""
    await world.user("ada")
    link = ("identity", "link", "ada", "--subject", "248", "--organization", str(world.id), "--json")

    linked, refused = run_each([link, ("--server", "http://127.0.0.1:1", "identity", "list")], DATABASE_URL=dsn, **ONE)

    assert json.loads(linked.stdout)["link"]["issuer"] == ISSUER
    assert refused.returncode == 64
    assert "The command identity takes no --server and no --context." in refused.stderr
    assert not [route for route in ROUTES if "ident" in route.path or "link" in route.path]


@pytest.mark.parametrize(
    ("through", "name", "claimed", "words"),
    [
        ("group", "reviewers", None, "group reviewers (as manager)"),
        ("group", "reviewers", "/r", "the identity provider's group /r, mapped to reviewers (as manager)"),
        ("role", "admin", "boss", "the identity provider's role boss, mapped to admin (as manager)"),
    ],
)
def test_reason_of_access_says_what_it_is_mapped_from(through: str, name: str, claimed: str | None, words: str) -> None:
    reason = {"through": through, "name": name, "as_manager": True, "expires_at": None}

    assert _path(reason | ({"mapped_from": claimed} if claimed else {})) == words
