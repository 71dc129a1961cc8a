"""Users with very many tokens are deleted all the same, part by part, and no token survives what made it."""

from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from service.operations import parts, user_deletion
from service.repositories import user_deletion as stored
from tests.api.calls import As
from tests.api.test_token_trees import VIOLATIONS, Made, make, root
from tests.conftest import Client
from tests.factories import Member, World


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make three tokens many, and end each call behind one part."""
    monkeypatch.setattr(user_deletion, "MAX_TOKENS", 3)
    monkeypatch.setattr(parts, "PARTS_SECONDS", -1)


@pytest.fixture
async def chief(client: Client, world: World) -> As:
    return As.member(client, await world.user("chief", role="admin"))


async def tokens_of(client: Client, world: World, ada: Member, count: int = 25) -> list[Made]:
    """Make tokens of a user's, in generations, of which some end before they are deleted."""
    made = [await root(client, world, ada)]
    for number in range(count):
        made.append(await make(made[number // 3].call))
    await world.raw.execute("UPDATE tokens SET revoked_at = now() WHERE id = $1", UUID(made[-1].id))
    await world.raw.execute("UPDATE tokens SET expires_at = now() WHERE id = $1", UUID(made[-2].id))
    return made


async def left(world: World, made: list[Made]) -> set[str]:
    rows = await world.raw.fetch("SELECT id FROM tokens WHERE id = ANY ($1)", [UUID(each.id) for each in made])
    return {str(row["id"]) for row in rows}


async def told(world: World, action: str) -> list[str]:
    """Return the tokens that the trail names in rows of an action, in their order."""
    statement = "SELECT before -> 'tokens' FROM audit WHERE organization_id = $1 AND action = $2 ORDER BY id"
    rows = await world.raw.fetch(statement, world.id, action)
    return [each["id"] for row in rows if row[0] is not None for each in orjson.loads(row[0])]


async def test_user_with_very_many_tokens_is_deleted_in_several_calls(client: Client, world: World, chief: As) -> None:
    ada = await world.user("ada")
    made = await tokens_of(client, world, ada)
    beside = await root(client, world, await world.user("bob"))

    calls = 0
    while (answer := await chief("DELETE", "/users/ada")).status == 409:
        calls += 1
        assert (answer.code, answer.headers["Retry-After"]) == ("ABORTED", "1")
        assert "ask again, and it goes on" in answer.body["msg"]
        assert await world.raw.fetch(VIOLATIONS, world.id) == []

    assert (answer.status, calls >= 5, await left(world, made)) == (200, True, set())
    assert await beside.works()
    listed = await told(world, "user.delete_tokens") + await told(world, "user.delete")
    assert len(listed) == len({*listed})
    assert {each.id for each in made[:-1]} < {*listed}, "all that was not revoked, and the member's own"
    assert made[-1].id not in listed


async def test_deletion_in_parts_shuts_the_user_out_with_the_first_one(client: Client, world: World, chief: As) -> None:
    """And comes by no other way, so that nothing is added to what is to go."""
    ada = await world.user("ada")
    made = await tokens_of(client, world, ada)
    seen = (await chief.get("/users/ada")).headers["ETag"]

    first = await chief("DELETE", "/users/ada", None, {"If-Match": seen})
    refused = [
        (await each.call("POST", "/tokens", {})).status for each in made[:-2] if each.id in await left(world, made)
    ]

    assert (first.status, {*refused}) == (409, {401})
    assert "they are disabled" in first.body["msg"]
    user = (await chief.get("/users/ada")).body["user"]
    trail = (await chief.get("/audit", action="user.update")).body["audit"]
    assert (user["disabled"], [(each["before"]["disabled"], each["after"]["disabled"]) for each in trail]) == (
        True,
        [(False, True)],
    )


async def test_condition_holds_for_all_parts_of_a_deletion(
    client: Client, world: World, chief: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PARTS_SECONDS", 3600)
    made = await tokens_of(client, world, await world.user("ada"))
    seen = (await chief.get("/users/ada")).headers["ETag"]

    stale = await chief("DELETE", "/users/ada", None, {"If-Match": '"other"'})
    answer = await chief("DELETE", "/users/ada", None, {"If-Match": seen})

    assert (stale.status, answer.status, await left(world, made)) == (412, 200, set())


async def test_tokens_of_others_made_with_the_users_are_deleted_first(client: Client, world: World, chief: As) -> None:
    """And by a token among them: it stays until the end, with what it was made with."""
    ada, boss = await world.user("ada", role="admin"), await world.user("boss", role="admin")
    top = await root(client, world, ada)
    caller = await make(top.call, username="boss")
    children = [await make(caller.call) for _ in range(5)]
    others = [await make(top.call, username="boss") for _ in range(5)]

    answers = [await caller.call("DELETE", "/users/ada")]
    while answers[-1].status == 409:
        answers.append(await caller.call("DELETE", "/users/ada"))

    assert (answers[-1].status, len(answers) > 2) == (200, True)
    assert await left(world, [top, caller, *children, *others]) == set()
    assert (await As.member(client, boss).get("/users/me")).status == 200


async def test_tokens_made_by_a_users_links_are_deleted_with_them(world: World, chief: As) -> None:
    ada, bob, link = await world.user("ada"), await world.user("bob"), uuid4()
    await world.raw.execute(
        "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject) VALUES ($1, $2, $3, 'i', $4)",
        world.id,
        link,
        ada.id,
        str(link),
    )
    made = "INSERT INTO tokens (organization_id, id, user_id, digest, link_id) VALUES ($1, $2, $3, $4, $5)"
    for _ in range(25):
        await world.raw.execute(made, world.id, uuid4(), bob.id, uuid4().bytes * 2, link)

    while (answer := await chief("DELETE", "/users/ada")).status == 409:
        pass

    assert answer.status == 200
    assert await world.raw.fetchval("SELECT count(*) FROM tokens WHERE link_id = $1", link) == 0
    assert len({*await told(world, "user.delete_tokens"), *await told(world, "user.delete")}) == 26


async def test_chain_deeper_than_one_statement_goes_is_deleted(world: World, chief: As) -> None:
    ada, parent = await world.user("ada"), None
    made = "INSERT INTO tokens (organization_id, id, user_id, digest, parent_id) VALUES ($1, $2, $3, $4, $5)"
    for _ in range(40):
        child = uuid4()
        await world.raw.execute(made, world.id, child, ada.id, child.bytes * 2, parent)
        parent = child

    while (answer := await chief("DELETE", "/users/ada")).status == 409:
        assert await world.raw.fetch(VIOLATIONS, world.id) == []

    assert answer.status == 200


async def test_deletion_that_fails_between_two_parts_goes_on(
    client: Client, world: World, chief: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PARTS_SECONDS", 3600)
    made = await tokens_of(client, world, await world.user("ada"))
    delete, calls = stored.delete_tokens, 0

    async def fail(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        await delete(*arguments)
        if calls == 2:
            raise RuntimeError("The process ends.")

    with monkeypatch.context() as patched:
        patched.setattr(stored, "delete_tokens", fail)
        assert (await chief("DELETE", "/users/ada")).status == 500
    assert 0 < len(made) - len(await left(world, made)) <= 3

    assert (await chief("DELETE", "/users/ada")).status == 200
    assert await left(world, made) == set()


async def test_function_of_the_role_that_serves_deletes_no_token_with_which_others_were_made(
    client: Client, world: World
) -> None:
    top = await root(client, world, await world.user())
    child = await make(top.call)

    await world.raw.execute("SELECT delete_tokens($1, $2)", world.id, [UUID(top.id)])
    assert await left(world, [top, child]) == {top.id, child.id}
    await world.raw.execute("SELECT delete_tokens($1, $2)", world.id, [UUID(top.id), UUID(child.id)])
    assert await left(world, [top, child]) == {top.id}
