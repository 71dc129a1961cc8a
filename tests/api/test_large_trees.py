"""Tokens that have made very many others are revoked all the same, part by part, and none survives what made it."""

import random
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.operations import parts, token_revocation, tokens
from service.repositories import token_trees
from service.repositories import tokens as stored
from tests.api.calls import Answer, As
from tests.api.test_token_trees import VIOLATIONS, Made, make, parent_of, root
from tests.conftest import Client
from tests.factories import World


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make three tokens many, and end each call behind one part."""
    monkeypatch.setattr(token_trees, "MAX_TOGETHER", 3)
    monkeypatch.setattr(token_revocation, "MAX_TOGETHER", 3)
    monkeypatch.setattr(token_revocation, "MAX_AT_ONCE", 3)
    monkeypatch.setattr(parts, "PARTS_SECONDS", -1)


async def tree(client: Client, world: World) -> tuple[As, list[Made]]:
    """Make a token with ten descendants, in three generations, and one beside it."""
    member = await world.user("ada")
    beside, top = await root(client, world, member), await root(client, world, member)
    made = [top]
    for parent in (0, 0, 0, 1, 1, 2, 4, 4, 4, 6):
        made.append(await make(made[parent].call))
    return beside.call, made


async def good(world: World, made: list[Made]) -> set[str]:
    ids = [UUID(each.id) for each in made]
    rows = await world.raw.fetch("SELECT id FROM tokens WHERE id = ANY ($1) AND revoked_at IS NULL", ids)
    return {str(row["id"]) for row in rows}


async def audited(world: World, action: str) -> list[str]:
    statement = "SELECT target FROM audit WHERE organization_id = $1 AND action = $2 ORDER BY id"
    return [row["target"] for row in await world.raw.fetch(statement, world.id, action)]


async def until_done(world: World, call: As, path: str, **query: str) -> list[Answer]:
    """Ask until the answer is another than ABORTED, and look behind each whether a token has survived its maker."""
    answers = []
    while True:
        answers.append(await call("DELETE", path, None, None, **query))
        assert await world.raw.fetch(VIOLATIONS, world.id) == []
        if answers[-1].status != 409:
            return answers
        assert len(answers) < 20


async def test_revocation_of_very_many_tokens_takes_several_calls(client: Client, world: World) -> None:
    beside, made = await tree(client, world)

    *begun, done = await until_done(world, beside, made[0].path)

    assert [(answer.code, answer.headers["Retry-After"]) for answer in begun] == [("ABORTED", "1")] * len(begun)
    assert "3 of them are revoked by now: ask again, and it goes on." in begun[0].body["msg"]
    assert (done.status, await good(world, made)) == (200, set())
    told = await audited(world, "token.revoke")
    assert sorted(told) == sorted(f"token:{each.id}" for each in made)
    assert f"token:{made[0].id}" in told[-done.body["revoked"] :]


async def test_revocation_in_parts_tells_how_many_went_in_one_call(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PARTS_SECONDS", 3600)
    beside, made = await tree(client, world)

    assert (await beside("DELETE", made[0].path)).body["revoked"] == len(made)


async def test_tokens_made_between_two_parts_are_revoked(client: Client, world: World) -> None:
    beside, made = await tree(client, world)
    assert (await beside("DELETE", made[0].path)).code == "ABORTED"
    made += [await make(made[0].call), await make(made[0].call)]

    await until_done(world, beside, made[0].path)

    assert await good(world, made) == set()


async def test_token_that_revokes_its_own_tree_goes_with_the_last_part(client: Client, world: World) -> None:
    _, made = await tree(client, world)
    caller = made[10]

    *begun, done = await until_done(world, caller.call, made[0].path)

    assert (len(begun) > 1, done.status, await good(world, made)) == (True, 200, set())
    assert not await caller.works()


async def test_condition_is_compared_before_the_first_part(client: Client, world: World) -> None:
    beside, made = await tree(client, world)
    seen = (await beside.get(made[0].path)).headers["ETag"]
    await world.raw.execute("UPDATE tokens SET name = 'other' WHERE id = $1", UUID(made[0].id))

    refused = await beside("DELETE", made[0].path, None, {"If-Match": seen})
    assert (refused.status, len(await good(world, made))) == (412, len(made))
    seen = (await beside.get(made[0].path)).headers["ETag"]
    begun = await beside("DELETE", made[0].path, None, {"If-Match": seen})
    assert (begun.code, len(await good(world, made))) == ("ABORTED", len(made) - 3)


async def test_condition_holds_for_all_parts_of_a_call(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PARTS_SECONDS", 3600)
    beside, made = await tree(client, world)
    seen = (await beside.get(made[0].path)).headers["ETag"]

    done = await beside("DELETE", made[0].path, None, {"If-Match": seen})

    assert (done.status, await good(world, made)) == (200, set())


async def test_revocation_that_fails_between_two_parts_goes_on(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PARTS_SECONDS", 3600)
    beside, made = await tree(client, world)
    revoke, calls = stored.revoke, 0

    async def fail(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        await revoke(*arguments)
        if calls == 2:
            raise RuntimeError("The process ends.")

    with monkeypatch.context() as patched:
        patched.setattr(stored, "revoke", fail)
        assert (await beside("DELETE", made[0].path)).status == 500
    assert len(await good(world, made)) == len(made) - 3 == len(made) - len(await audited(world, "token.revoke"))
    assert await world.raw.fetch(VIOLATIONS, world.id) == []

    assert (await beside("DELETE", made[0].path)).body["revoked"] == len(made) - 3
    assert sorted(await audited(world, "token.revoke")) == sorted(f"token:{each.id}" for each in made)


async def test_chain_of_rotations_goes_before_what_it_came_from(client: Client, world: World) -> None:
    """More of them than one statement goes down, which have ended but for the last one; what it made is good, too."""
    beside, made = await tree(client, world)
    parent = UUID(made[3].id)
    chain = [parent, *(uuid4() for _ in range(40))]
    for former, later in pairwise(chain):
        await world.raw.execute(
            """
            INSERT INTO tokens (organization_id, id, user_id, digest, expires_at)
            SELECT $1, $3, user_id, sha256($3::uuid::text::bytea), CASE WHEN $3 = $4 THEN NULL ELSE now() END
            FROM tokens WHERE id = $2
            """,
            world.id,
            former,
            later,
            chain[-1],
        )
        await world.raw.execute("UPDATE tokens SET replaced_by_id = $2 WHERE id = $1", former, later)
    children = [uuid4() for _ in range(7)]
    for child in children:
        await world.raw.execute(
            "INSERT INTO tokens (organization_id, id, user_id, digest, parent_id)"
            " SELECT $1, $3, user_id, sha256($3::uuid::text::bytea), id FROM tokens WHERE id = $2",
            world.id,
            chain[-1],
            child,
        )

    while (answer := await beside("DELETE", made[0].path)).status == 409:
        ended = {row[0] for row in await world.raw.fetch("SELECT id FROM tokens WHERE revoked_at IS NOT NULL")}
        assert not ended & {parent, UUID(made[0].id)} or {chain[-1], *children} <= ended
        assert chain[-1] not in ended or {*children} <= ended

    assert (answer.status, await good(world, made)) == (200, set())
    left = "SELECT count(*) FROM tokens WHERE id = ANY ($1) AND revoked_at IS NULL"
    assert await world.raw.fetchval(left, [chain[-1], *children]) == 0


@pytest.mark.parametrize("seed", range(6))
async def test_any_tree_ends_from_its_last_tokens(client: Client, world: World, seed: int) -> None:
    """With rotations in between, by tokens of the tree and by others."""
    chance, member = random.Random(seed), await world.user("ada")  # noqa: S311 - to make trees, no secrets
    beside = await root(client, world, member)
    made = [await root(client, world, member)]
    for _ in range(25):
        by = chance.choice(made)
        if chance.random() < 0.3:
            overlap = {"overlap_seconds": chance.choice([0, 600])}
            other = chance.choice([by, by, chance.choice(made)])
            answer = await other.call("POST", f"{by.path}/rotate", overlap)
        else:
            answer = await by.call("POST", "/tokens", {})
        if answer.status == 201:
            made.append(Made(As(client, answer.body["secret"]), answer.body["token"]["id"], answer.body["secret"]))
    expected = {made[0].id, *map(str, await descendants(client, world, made[0]))}

    await until_done(world, beside.call, made[0].path)

    assert {each.removeprefix("token:") for each in await audited(world, "token.revoke")} == expected


async def descendants(client: Client, world: World, token: Made) -> list[UUID]:
    """Return those of the token that are good, from a plain walk over all tokens."""
    statement = """
        SELECT id, parent_id, replaced_by_id, revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS good
        FROM tokens WHERE organization_id = $1
    """
    rows = {row["id"]: row for row in await world.raw.fetch(statement, world.id)}
    found, left = {UUID(token.id)}, [UUID(token.id)]
    while left:
        each = left.pop()
        more = {row["id"] for row in rows.values() if row["parent_id"] == each and row["good"]}
        if (later := rows[each]["replaced_by_id"]) is not None:
            more.add(later)
        left += more - found
        found |= more
    return [each for each in found if rows[each]["good"]]


async def test_very_many_tokens_are_kept_in_parts(client: Client, world: World) -> None:
    beside, made = await tree(client, world)
    made += [await make(made[1].call) for _ in range(5)]
    children = [made[4], made[5], *made[11:]]

    *begun, done = await until_done(world, beside, made[1].path, keep_descendants="true")

    assert [answer.code for answer in begun] == ["ABORTED"] * 2
    assert "3 of them are not its any more by now" in begun[0].body["msg"]
    assert (done.body["revoked"], await good(world, made)) == (1, {each.id for each in made} - {made[1].id})
    assert {await parent_of(world, each) for each in children} == {made[0].id}
    assert sorted(await audited(world, "token.keep")) == sorted(f"token:{each.id}" for each in children)


async def test_token_with_too_many_children_is_not_rotated(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_MOVED", 3)
    _, made = await tree(client, world)
    assert (await made[4].call("POST", f"{made[4].path}/rotate", {})).status == 201
    made.append(await make(made[0].call))

    refused = await made[0].call("POST", f"{made[0].path}/rotate", {})

    assert (refused.code, "more than 3 tokens" in refused.body["msg"]) == ("FAILED_PRECONDITION", True)
    assert await made[0].works()
    assert await parent_of(world, made[1]) == made[0].id


async def test_descendants_are_counted_up_to_a_limit(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_trees, "MAX_TOGETHER", 4)
    _, made = await tree(client, world)

    counts = [(await made[0].call.get(each.path)).body["descendants"] for each in (made[0], made[4], made[10])]

    assert counts == [4, 3, 0]
