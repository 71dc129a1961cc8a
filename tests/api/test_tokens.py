import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.app import TOKEN_USE, create_app
from service.authentication import last_use
from service.authentication.last_use import TokenUse
from service.database.pool import Database
from service.errors import Unavailable
from service.health import Health
from service.identity import Caller
from service.permissions import EXECUTE, READ, SCOPE_TOKENS, Role
from service.repositories import tokens
from service.settings import Settings
from tests.api.calls import As
from tests.conftest import Client, write_token_use_forever
from tests.factories import World


def rfc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)


async def test_create_token_shows_the_secret_once(client: Client, world: World) -> None:
    bob = await world.user("bob")
    call = As.member(client, bob)

    made = await call(
        "POST", "/tokens", {"name": "ci", "scopes": ["flow_pipeline:read", "tokens"], "expires_at": rfc(LATER)}
    )

    token = made.body["token"]
    assert (made.status, made.headers["Location"]) == (201, f"/api/v1/tokens/{token['id']}")
    assert {**token, "id": 0, "created_at": 0} == {
        "id": 0,
        "username": "bob",
        "name": "ci",
        "scopes": ["flow_pipeline:read", "tokens"],
        "expires_at": rfc(LATER),
        "created_at": 0,
        "last_used_at": None,
    }
    secret = made.body["secret"]
    assert secret.startswith("fp_")
    listed, read = await call.get("/tokens"), await call.get(f"/tokens/{token['id']}")
    assert (listed.body["tokens"][0], read.body["token"]) == (token, token)
    assert secret not in str((listed.body, read.body))
    used = As(client, secret)
    assert (await used.get("/users/me")).body["user"]["scopes"] == ["flow_pipeline:read", "tokens"]


async def test_revoke_token_holds_from_the_next_request(client: Client, world: World) -> None:
    call = As.member(client, await world.user())
    made = await call("POST", "/tokens", {})
    used, where = As(client, made.body["secret"]), f"/tokens/{made.body['token']['id']}"

    assert (await used.get("/users/me")).status == 200
    assert (await call("DELETE", where)).body == {"status": "OK", "revoked": 1}
    assert (await used.get("/users/me")).status == 401
    assert (await call("DELETE", where)).code == "NOT_FOUND"
    assert (await call.get(where)).code == "NOT_FOUND"
    assert len((await call.get("/tokens")).body["tokens"]) == 1


@pytest.mark.parametrize(
    ("mine", "wanted", "code"),
    [
        (SCOPE_TOKENS | READ, ["flow_pipeline:read"], "OK"),
        (SCOPE_TOKENS | READ, ["flow_pipeline:execute"], "PERMISSION_DENIED"),
        (SCOPE_TOKENS | READ, None, "PERMISSION_DENIED"),
        (READ | EXECUTE, ["flow_pipeline:read"], "PERMISSION_DENIED"),
        (None, None, "OK"),
    ],
)
async def test_create_token_never_widens_scopes(
    client: Client, world: World, mine: int | None, wanted: list[str] | None, code: str
) -> None:
    bob = await world.user()
    call = As(client, await world.token(bob.id, scopes=mine))

    assert (await call("POST", "/tokens", {"scopes": wanted} if wanted else {})).code == code


@pytest.mark.parametrize(
    ("wanted", "challenge"),
    [
        (
            ["flow_pipeline:read", "flow_pipeline:write", "admin"],
            'Bearer error="insufficient_scope", scope="flow_pipeline:write admin"',
        ),
        (None, 'Bearer error="insufficient_scope"'),
    ],
    ids=["two that it lacks", "all that the user may"],
)
async def test_create_token_beyond_its_scopes_is_challenged(
    client: Client, world: World, wanted: list[str] | None, challenge: str
) -> None:
    narrow = As(client, await world.token((await world.user()).id, scopes=SCOPE_TOKENS | READ))

    refused = await narrow("POST", "/tokens", {"scopes": wanted})

    assert (refused.status, refused.headers["WWW-Authenticate"]) == (403, challenge)


async def test_create_token_never_outlives_the_calling_token(client: Client, world: World) -> None:
    bob = await world.user()
    call = As(client, await world.token(bob.id, expires_at=LATER))

    assert (await call("POST", "/tokens", {})).body["token"]["expires_at"] == rfc(LATER)
    sooner = rfc(LATER - timedelta(days=1))
    assert (await call("POST", "/tokens", {"expires_at": sooner})).body["token"]["expires_at"] == sooner
    assert (await call("POST", "/tokens", {"expires_at": rfc(LATER + timedelta(days=1))})).code == "PERMISSION_DENIED"


async def test_token_operations_on_another_user_take_an_administrator(client: Client, world: World) -> None:
    bob, ada, admin = await world.user("bob"), await world.user(), await world.user(role="admin")
    token = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", bob.id)
    member, administrator = As.member(client, ada), As.member(client, admin)
    narrow = As(client, await world.token(admin.id, scopes=SCOPE_TOKENS))

    assert (await member.get("/tokens", username="bob")).code == "PERMISSION_DENIED"
    assert (await member("POST", "/tokens", {"username": "bob"})).code == "PERMISSION_DENIED"
    assert (await member.get(f"/tokens/{token}")).code == "NOT_FOUND"
    assert (await member("DELETE", f"/tokens/{token}")).code == "NOT_FOUND"
    assert (await narrow("DELETE", f"/tokens/{token}")).code == "PERMISSION_DENIED"
    assert (await administrator.get("/tokens", username="BOB")).body["tokens"][0]["username"] == "bob"
    assert (await administrator("POST", "/tokens", {"username": "bob"})).body["token"]["username"] == "bob"
    assert (await administrator("DELETE", f"/tokens/{token}")).code == "OK"


@pytest.mark.parametrize(
    "body", [{"scopes": []}, {"scopes": ["all"]}, {"name": "x" * 256}, {"expires_at": "x"}], ids=str
)
async def test_create_token_malformed(client: Client, world: World, body: dict[str, object]) -> None:
    assert (await As.member(client, await world.user())("POST", "/tokens", body)).code == "INVALID_ARGUMENT"


async def test_token_use_waits_for_no_lock(client: Client, world: World, dsn: str) -> None:
    """Strangers' tokens share the statement."""
    bob, eve = await world.user(), await world.user()
    use = client.server.app[TOKEN_USE]  # type: ignore[attr-defined] # the server is a TestServer with its app
    await As.member(client, bob).get("/users/me")
    await As.member(client, eve).get("/users/me")
    holder = await asyncpg.connect(dsn)
    await holder.execute("BEGIN")
    await holder.execute("SELECT FROM tokens WHERE user_id = $1 FOR UPDATE", bob.id)

    await asyncio.wait_for(use.write(), timeout=1)

    await holder.close()
    used = "SELECT last_used_at IS NOT NULL FROM tokens WHERE user_id = $1"
    assert [await world.raw.fetchval(used, each.id) for each in (bob, eve)] == [False, True]


async def test_token_use_is_written_without_being_asked(
    settings: Settings, database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_use, "INTERVAL", 0.01)
    monkeypatch.setattr(TokenUse, "write_forever", write_token_use_forever)
    bob, used = await world.user(), "SELECT last_used_at FROM tokens WHERE user_id = $1"
    app = create_app(settings, database, Health(database, settings.ready_timeout))
    async with TestClient[web.Request, web.Application](TestServer(app)) as client:
        await As.member(client, bob).get("/users/me")

        async with asyncio.timeout(30):
            while await world.raw.fetchval(used, bob.id) is None:  # noqa: ASYNC110 - a row tells nobody
                await asyncio.sleep(0.01)


async def test_token_use_is_written_at_most_once_a_minute(client: Client, world: World) -> None:
    bob = await world.user()
    use = client.server.app[TOKEN_USE]  # type: ignore[attr-defined] # the server is a TestServer with its app
    call = As.member(client, bob)
    used = "SELECT last_used_at FROM tokens WHERE user_id = $1"

    await call.get("/users/me")
    assert await world.raw.fetchval(used, bob.id) is None, "not on the request path"
    await use.write()
    first = await world.raw.fetchval(used, bob.id)
    await call.get("/users/me")
    await use.write()
    assert first is not None
    assert await world.raw.fetchval(used, bob.id) == first
    await world.raw.execute("UPDATE tokens SET last_used_at = now() - interval '61 s' WHERE user_id = $1", bob.id)
    await call.get("/users/me")
    await use.write()
    assert await world.raw.fetchval(used, bob.id) > first - timedelta(seconds=1)


async def test_token_use_is_written_later_after_a_failure(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:

    async def fail(*_: object) -> None:
        raise Unavailable("gone")

    bob = await world.user()
    token = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", bob.id)
    use = TokenUse(database)
    use.note(Caller(Role.MEMBER, None, world.id, bob.id, bob.username, token, b"", (), datetime.now(UTC)))
    with monkeypatch.context() as patch:
        patch.setattr(tokens, "note_use", fail)
        await use.write()
    await use.write()

    assert await world.raw.fetchval("SELECT last_used_at FROM tokens WHERE id = $1", token) is not None


async def test_get_and_revoke_token_unknown_are_not_found(client: Client, world: World) -> None:
    admin = As.member(client, await world.user(role="admin"))

    assert (await admin.get(f"/tokens/{uuid4()}")).code == "NOT_FOUND"
    assert (await admin("DELETE", f"/tokens/{uuid4()}")).code == "NOT_FOUND"
