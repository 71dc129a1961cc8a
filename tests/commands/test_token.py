"""The command `token`."""

import json

import pytest

from tests.commands.forked import run
from tests.factories import World


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


async def test_token_create_for_an_unknown_user(dsn: str, world: World) -> None:
    refused = run("token", "create", "nobody", "--organization", str(world.id), DATABASE_URL=dsn)

    assert (refused.returncode, refused.stderr) == (1, "flow-pipelines: User nobody does not exist.\n")


@pytest.mark.parametrize("duration", ["1", "0d", "h", "-1d", "1w"])
def test_token_create_with_a_bad_duration(duration: str) -> None:
    refused = run("token", "create", "ada", f"--expires-in={duration}")

    assert (refused.returncode, "give a number of minutes, hours or days" in refused.stderr) == (64, True)


@pytest.mark.parametrize("command", [("token", "create", "ada"), ("grant", "set", "p", "--user", "ada")])
def test_duration_beyond_the_last_year(command: tuple[str, ...]) -> None:
    refused = run(*command, "--expires-in=999999d")

    assert (refused.returncode, "that is beyond the year 2199" in refused.stderr) == (64, True)


async def test_token_create_without_the_organization_it_takes(dsn: str, world: World) -> None:
    await World.create(world.raw)

    refused = run("token", "create", "ada", DATABASE_URL=dsn)
    named = run("token", "create", "ada", "--organization", "Acme", DATABASE_URL=dsn)
    unknown = run("token", "create", "ada", "--organization", "nothing", DATABASE_URL=dsn)
    empty = run("token", "create", "ada", "--organization", "", DATABASE_URL=dsn)

    assert refused.stderr == "flow-pipelines: There is more than one organization: say which by --organization.\n"
    assert named.stderr == "flow-pipelines: There is more than one organization called Acme: say which by its id.\n"
    assert unknown.stderr == "flow-pipelines: There is no organization nothing.\n"
    assert "The name of the organization is empty" in empty.stderr


async def token_id_of(world: World, secret: str) -> str:
    found = await world.raw.fetchval("SELECT id FROM tokens WHERE digest = sha256($1::bytea)", secret.encode())
    return str(found)


async def test_token_rotate_and_revoke(dsn: str, world: World) -> None:
    ada = await world.user("ada")
    old = await token_id_of(world, ada.token)
    of = ("--organization", str(world.id))

    made = run("token", "rotate", old, "--overlap", "60", *of, DATABASE_URL=dsn)
    again = run("token", "rotate", old, *of, DATABASE_URL=dsn)
    revoked = run("token", "revoke", old, "--yes", *of, DATABASE_URL=dsn)

    assert made.stdout.startswith("fp_")
    assert made.stderr.startswith("This token of ada is shown here and nowhere again. The old one is good until ")
    assert (again.returncode, "was rotated before" in again.stderr) == (1, True)
    assert revoked.stdout == f"Revoked token {old}, and 1 made with it.\n"


async def test_token_revoke_alone(dsn: str, world: World) -> None:
    ada = await world.user("ada")
    old = await token_id_of(world, ada.token)
    child = await token_id_of(world, await world.token(ada.id))
    await world.raw.execute("UPDATE tokens SET parent_id = $2::uuid WHERE id = $1::uuid", child, old)
    options = ["--organization", str(world.id), "--yes", "--keep-descendants", "--json"]

    revoked = run("token", "revoke", old, *options, DATABASE_URL=dsn)

    assert json.loads(revoked.stdout) == {"status": "OK", "revoked": 1}
    assert await world.raw.fetchval("SELECT count(*) FROM tokens WHERE revoked_at IS NULL AND parent_id IS NULL") >= 1


async def test_token_create_within_the_longest_lifetime(dsn: str, world: World) -> None:
    await world.user("ada")
    create = ["token", "create", "ada", "--organization", str(world.id)]

    unasked = run(*create, "--json", DATABASE_URL=dsn, TOKEN_MAX_LIFETIME="3600")
    longer = run(*create, "--expires-in", "2h", DATABASE_URL=dsn, TOKEN_MAX_LIFETIME="3600")

    assert json.loads(unasked.stdout)["token"]["expires_at"] is not None
    assert (longer.returncode, "no new token may live longer here" in longer.stderr) == (1, True)
