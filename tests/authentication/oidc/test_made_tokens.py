"""Tokens that are made by calls with an identity provider's token: they outlive neither that nor its link."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.pool import Database, open_database
from service.health import Health
from service.identity import operator
from service.operations.call import Call
from service.operations.identities import IdentityRef, unlink_identity
from service.settings import Settings
from service.values.identity_providers import Provider
from tests.api.calls import Answer, As
from tests.authentication.oidc.conftest import Serve, link
from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider
from tests.conftest import Client
from tests.factories import Member, World

TOKENS = "/tokens"
LATER = (datetime.now(UTC) + timedelta(days=90)).isoformat()
"""Beyond what any token of the provider's lives."""


@pytest.fixture
async def ada(world: World, provider: IdentityProvider) -> Member:
    member = await world.user("ada", role="admin")
    await link(world, member, provider, "ada-there")
    return member


def there(client: Client, provider: IdentityProvider, subject: str = "ada-there", **claims: Any) -> As:
    return As(client, provider.token(subject, **claims))


async def alive(client: Client, answer: Answer) -> bool:
    return (await As(client, answer.body["secret"]).get("/users/me")).status == 200


def ends(answer: Answer) -> datetime:
    return datetime.fromisoformat(answer.body["token"]["expires_at"])


async def unlink(dsn: str, settings: Settings, world: World, provider: IdentityProvider) -> None:
    async with open_database(dsn, settings) as owners:
        await unlink_identity(Call(operator(world.id), owners), IdentityRef(provider.issuer, "ada-there"))


async def test_made_token_ends_with_the_token_that_makes_it(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    client, exp = await serve(), int(datetime.now(UTC).timestamp()) + 200
    caller = there(client, provider, exp=exp)

    made = await caller("POST", TOKENS, {"name": "mine"})
    of_another = await caller("POST", TOKENS, {"name": "theirs", "username": (await world.user("bob")).username})
    longer = await caller("POST", TOKENS, {"name": "mine", "expires_at": LATER})
    child = await As(client, made.body["secret"])("POST", TOKENS, {"name": "child", "expires_at": LATER})

    assert {ends(made).timestamp(), ends(of_another).timestamp()} == {exp}
    assert (longer.status, child.status) == (403, 403)
    assert "or have OIDC_TOKEN_LIFETIME set" in longer.body["msg"]
    assert await alive(client, made)


async def test_made_token_ends_in_the_last_year_at_the_latest(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    made = await there(await serve(), provider, exp=2**33 - 1)("POST", TOKENS, {"name": "mine"})

    assert (made.status, ends(made).year) == (201, 2199)


async def test_endless_token_is_not_rotated_by_one_that_ends(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    client = await serve()
    own = await As(client, ada.token).get(TOKENS)

    answer = await there(client, provider)("POST", f"{TOKENS}/{own.body['tokens'][0]['id']}/rotate", {})

    assert answer.status == 403


async def test_made_token_goes_with_the_link(
    serve: Serve, settings: Settings, dsn: str, provider: IdentityProvider, world: World, ada: Member
) -> None:
    """With what was made with it, what took its place, and what was kept when it was revoked; and nothing else."""
    client = await serve()
    caller, admin = there(client, provider), As(client, ada.token)
    made = [await caller("POST", TOKENS, {"name": name}) for name in "abcd"]
    child = await As(client, made[0].body["secret"])("POST", TOKENS, {"name": "child"})
    by_itself = await As(client, made[1].body["secret"])("POST", f"{TOKENS}/{made[1].body['token']['id']}/rotate", {})
    by_caller = await caller("POST", f"{TOKENS}/{made[2].body['token']['id']}/rotate", {})
    kept = await As(client, made[3].body["secret"])("POST", TOKENS, {"name": "kept"})
    revoked = await admin("DELETE", f"{TOKENS}/{made[3].body['token']['id']}?keep_descendants=true")
    other = await admin("POST", TOKENS, {"name": "of another"})
    going = [made[0], made[2], child, by_itself, by_caller, kept]
    assert revoked.status == 200
    assert [await alive(client, each) for each in (*going, other)] == [True] * 7

    await unlink(dsn, settings, world, provider)

    assert [await alive(client, each) for each in going] == [False] * 6
    assert await alive(client, other)
    assert (await caller.get("/users/me")).status == 401
    rows = await world.raw.fetch(
        "SELECT target FROM audit WHERE organization_id = $1 AND action = 'token.revoke'", world.id
    )
    assert {f"token:{each.body['token']['id']}" for each in going} <= {row["target"] for row in rows}


async def test_token_made_for_another_user_goes_with_its_maker(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    client, boss = await serve(), await world.user("boss", role="admin")
    made = await there(client, provider)("POST", TOKENS, {"name": "theirs", "username": "boss"})
    assert await alive(client, made)

    deleted = await As(client, boss.token)("DELETE", "/users/ada")

    assert (deleted.status, await alive(client, made)) == (200, False)
    lost = await world.raw.fetchval(
        "SELECT before -> 'tokens' @> jsonb_build_array(jsonb_build_object('id', $2::text)) FROM audit"
        " WHERE organization_id = $1 AND action = 'user.delete'",
        *(world.id, made.body["token"]["id"]),
    )
    assert lost


async def test_role_of_a_claim_makes_no_token_that_lives_on(
    serve: Serve, provider: IdentityProvider, world: World
) -> None:
    """An administrator by a claim alone, who makes tokens of an administrator's: these end with the claim."""
    await link(world, await world.user("mo"), provider, "mo-there")
    await world.user("boss", role="admin")
    client = await serve(roles=(("admins", "admin"),), roles_claim="groups")
    made = await there(client, provider, "mo-there", groups=["admins"])(
        "POST", TOKENS, {"name": "theirs", "username": "boss"}
    )
    longer = await there(client, provider, "mo-there", groups=["admins"])(
        "POST", TOKENS, {"name": "theirs", "username": "boss", "expires_at": LATER}
    )

    assert (made.status, longer.status) == (201, 403)
    assert ends(made) < datetime.now(UTC) + timedelta(hours=1, minutes=1)


async def test_made_token_lives_as_long_as_the_installation_lets_it(
    settings: Settings, dsn: str, provider: IdentityProvider, world: World, database: Database, ada: Member
) -> None:
    trusted = Provider(provider.issuer, AUDIENCE, organization=world.id)
    lasting = replace(settings, providers=(trusted,), oidc_token_lifetime=100 * 86_400)
    async with TestClient[Any, Any](TestServer(create_app(lasting, database, Health(database, 1)))) as client:
        caller = there(client, provider)
        for_a_program = await caller("POST", TOKENS, {"name": "runner", "expires_at": LATER})
        narrow = there(client, provider, scope="tokens")
        too_wide = await narrow("POST", TOKENS, {"name": "wide"})

        await unlink(dsn, settings, world, provider)

        assert (for_a_program.status, too_wide.status) == (201, 403)
        assert not await alive(client, for_a_program)
