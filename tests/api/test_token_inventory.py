"""The inventory of tokens: everybody's, and those that somebody should look at."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.permissions import READ, SCOPE_ADMIN, SCOPE_BITS, SCOPE_TOKENS, scope_set
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World

EVERY = scope_set(SCOPE_BITS)


async def names(call: As, **query: str) -> list[str]:
    answer = await call.get("/tokens", **query)
    assert answer.status == 200, answer.body
    return sorted(token["name"] for token in answer.body["tokens"])


async def token(world: World, username: str, name: str, **columns: Any) -> None:
    """Make a token of a user, as old as it is said."""
    fields = {"name": name, **columns}
    places = ", ".join(f"${number}" for number in range(3, 3 + len(fields)))
    await world.raw.execute(
        f"""
        INSERT INTO tokens (organization_id, id, user_id, digest, {", ".join(fields)})
        SELECT $1, gen_random_uuid(), u.id, sha256(gen_random_uuid()::text::bytea), {places}
        FROM users u WHERE u.organization_id = $1 AND u.username = $2
        """,
        world.id,
        username,
        *fields.values(),
    )


async def test_administrators_list_everybodys_tokens_with_their_owners(client: Client, world: World, raw: Any) -> None:
    ada, root = await world.user("ada"), await world.user("root", role="admin")
    await world.token(ada.id, revoked_at=datetime.now(UTC))
    elsewhere = await World.create(raw)
    await elsewhere.user("eve")
    admin = As.member(client, root)

    answer = await admin.get("/tokens", all="true", total="true")

    assert sorted(each["username"] for each in answer.body["tokens"]) == ["ada", "root"]
    assert answer.body["total_size"] == 2
    assert all("digest" not in each and "secret" not in each for each in answer.body["tokens"])
    assert [each["username"] for each in (await admin.get("/tokens")).body["tokens"]] == ["root"]
    assert [each["username"] for each in (await admin.get("/tokens", all="false")).body["tokens"]] == ["root"]
    ordered = (await admin.get("/tokens", all="true", order_by="-username")).body["tokens"]
    assert [each["username"] for each in ordered] == ["root", "ada"]


async def test_everybodys_tokens_are_for_administrators(client: Client, world: World) -> None:
    ada, root = await world.user("ada"), await world.user("root", role="admin")
    pam = await world.user("pam", role="pipeline_admin")
    tokens = [ada.token, pam.token]
    tokens += [await world.token(root.id, scopes=scopes) for scopes in (EVERY & ~SCOPE_ADMIN, EVERY & ~SCOPE_TOKENS)]
    for secret in tokens:
        assert (await As(client, secret).get("/tokens", all="true")).code == "PERMISSION_DENIED"
    assert (
        await As(client, await world.token(root.id, scopes=SCOPE_ADMIN | SCOPE_TOKENS)).get("/tokens", all="true")
    ).code == "OK"
    both = await As.member(client, root).get("/tokens", all="true", username="ada")
    assert (both.code, [*both.body["details"]]) == ("INVALID_ARGUMENT", ["username"])


async def test_tokens_are_found_by_use_end_and_scopes(client: Client, world: World) -> None:
    await world.user("ada")
    admin = As.member(client, await world.user("root", role="admin"))
    await world.raw.execute("DELETE FROM tokens t USING users u WHERE u.id = t.user_id AND u.username = 'ada'")
    await world.raw.execute("UPDATE tokens SET name = 'mine' WHERE organization_id = $1", world.id)
    now = datetime.now(UTC)
    old, day = now - timedelta(days=100), timedelta(days=1)
    await token(world, "ada", "old and unused", created_at=old, scopes=READ)
    await token(
        world, "ada", "old and used", created_at=old, last_used_at=now - day / 2, expires_at=now + day, scopes=READ
    )
    await token(world, "ada", "used long ago", created_at=old, last_used_at=now - 95 * day, expires_at=now + 9 * day)

    assert await names(admin, all="true") == ["mine", "old and unused", "old and used", "used long ago"]
    assert await names(admin, all="true", unused_for="90d") == ["old and unused", "used long ago"]
    assert await names(admin, all="true", unused_for="97d") == ["old and unused"]
    assert await names(admin, all="true", unused_for="11h") == ["old and unused", "old and used", "used long ago"]
    soon = (now + 2 * day).isoformat()
    assert await names(admin, all="true", expires_before=soon) == ["old and used"]
    assert await names(admin, all="true", expires_after=soon) == ["used long ago"]
    assert await names(admin, all="true", scopes="none") == ["mine", "used long ago"]
    assert await names(admin, all="true", scopes="none", unused_for="90d") == ["used long ago"]
    assert await names(admin, username="ada", unused_for="97d") == ["old and unused"]
    assert await names(admin, all="true", expires="never") == ["mine", "old and unused"]
    assert await names(admin, all="true", expires="never", expires_after=soon) == []
    assert await names(admin, all="true", of_disabled="true") == []
    await world.raw.execute(
        "UPDATE users SET disabled = true WHERE organization_id = $1 AND username = 'ada'", world.id
    )
    assert await names(admin, all="true", of_disabled="true", expires="never") == ["old and unused"]
    assert await names(admin, all="true", of_disabled="false", expires="never") == ["mine", "old and unused"]
    assert await names(admin, unused_for="1h") == []
    paged = await admin.get("/tokens", all="true", unused_for="90d", page_size="1", total="true")
    rest = await admin.get(
        "/tokens", all="true", unused_for="90d", page_size="1", page_token=paged.body["next_page_token"]
    )
    assert (paged.body["total_size"], "next_page_token" in rest.body) == (2, False)
    other = await admin.get("/tokens", all="true", unused_for="91d", page_token=paged.body["next_page_token"])
    assert other.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("unused_for", value)
            for value in ("", "90", "d", "0d", "0h", "3651d", "87601h", "1.5d", "-1d", "9999999d", "90D", "1w", "٣d")
        ),
        *(("expires_after", value) for value in ("", "soon", "2030-01-01")),
        ("expires_before", "infinity"),
        *(("scopes", value) for value in ("", "all", "flow_pipeline:read")),
        *(("expires", value) for value in ("", "soon")),
        ("of_disabled", "1"),
        *(("all", value) for value in ("", "1", "True")),
    ],
    ids=ascii,
)
async def test_list_tokens_malformed(client: Client, world: World, field: str, value: str) -> None:
    answer = await As.member(client, await world.user(role="admin")).get("/tokens", **{field: value})

    assert (answer.code, [*answer.body["details"]]) == ("INVALID_ARGUMENT", [field])
