"""Many members of a group in one call, all or nothing."""

from typing import Any

import orjson
import pytest

from service.operations import groups, parts
from service.schemas.groups import MAX_NAMES
from tests.api.calls import Answer, As
from tests.conftest import Client
from tests.factories import Member, World


async def change(call: As, **body: Any) -> Answer:
    return await call("PATCH", "/groups/reviewers/members", body)


async def members(call: As) -> list[str]:
    return [each["username"] for each in (await call.get("/groups/reviewers/members")).body["members"]]


async def audited(world: World) -> list[tuple[Any, ...]]:
    rows = await world.raw.fetch(
        "SELECT action, target, before, after FROM audit WHERE organization_id = $1 ORDER BY id", world.id
    )
    return [(*row[:2], *(orjson.loads(state) if state else None for state in row[2:])) for row in rows]


async def stage(client: Client, world: World) -> tuple[As, dict[str, Member]]:
    """Return an administrator, and users of whom bob and cy are reviewers."""
    admin = As.member(client, await world.user("root", role="admin"))
    users = {name: await world.user(name) for name in ("ada", "bob", "cy", "Dee")}
    await world.group(users["bob"], users["cy"], name="Reviewers")
    return admin, users


async def test_members_come_and_go_in_one_call_audited_each(client: Client, world: World) -> None:
    admin, _ = await stage(client, world)

    answer = await change(admin, add=["ada", "DEE", "bob", "Ada"], remove=["CY"])

    assert (answer.status, answer.body) == (200, {"status": "OK", "added": ["ada", "Dee"], "removed": ["cy"]})
    assert await members(admin) == ["ada", "bob", "Dee"]
    assert await audited(world) == [
        ("group.add_member", "group:Reviewers", None, {"member": "ada"}),
        ("group.add_member", "group:Reviewers", None, {"member": "Dee"}),
        ("group.remove_member", "group:Reviewers", {"member": "cy"}, None),
    ]


async def test_members_as_they_are_to_be_stay_so_and_nothing_is_written(client: Client, world: World) -> None:
    admin, users = await stage(client, world)
    before = await world.raw.fetchval("SELECT revision FROM users WHERE id = $1", users["bob"].id)

    bodies: list[dict[str, list[str]]] = [{"add": ["bob"], "remove": ["ada"]}, {}, {"add": [], "remove": []}]
    for body in bodies:
        assert (await change(admin, **body)).body == {"status": "OK", "added": [], "removed": []}

    assert (await members(admin), await audited(world)) == (["bob", "cy"], [])
    assert await world.raw.fetchval("SELECT revision FROM users WHERE id = $1", users["bob"].id) == before


async def test_members_stay_as_they_are_where_a_name_is_unknown(client: Client, world: World) -> None:
    admin, _ = await stage(client, world)

    answer = await change(admin, add=["ada", "eve", "mallory"], remove=["bob", "trudy"])

    assert answer.code == "NOT_FOUND"
    assert answer.body["msg"] == "User eve does not exist (and 2 more, see details)."
    assert answer.body["details"] == {
        "add": ["User eve does not exist.", "User mallory does not exist."],
        "remove": ["User trudy does not exist."],
    }
    assert (await members(admin), await audited(world)) == (["bob", "cy"], [])


async def test_members_that_are_unknown_are_all_told(client: Client, world: World) -> None:
    admin, _ = await stage(client, world)
    names = [f"nobody-{number}" for number in range(MAX_NAMES)]

    answer = await change(admin, add=names)

    assert [sentence.split()[1] for sentence in answer.body["details"]["add"]] == names


async def test_user_of_another_organization_is_unknown(client: Client, world: World) -> None:
    admin, _ = await stage(client, world)
    await (await World.create(world.raw)).user("eve")

    assert (await change(admin, add=["eve"])).body["details"] == {"add": ["User eve does not exist."]}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"add": ["ada"], "remove": ["ADA"]}, ["add"]),
        ({"add": ["x"] * (MAX_NAMES + 1)}, ["add"]),
        ({"add": ["x"] * MAX_NAMES, "remove": ["y"]}, ["add", "remove"]),
        ({"add": "ada"}, ["add"]),
        ({"add": None}, ["add"]),
        ({"remove": [7]}, ["remove.0"]),
        ({"remove": ["a b"]}, ["remove.0"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
async def test_members_that_can_not_be_are_refused(client: Client, world: World, body: Any, fields: list[str]) -> None:
    admin, _ = await stage(client, world)

    answer = await change(admin, **body)

    assert (answer.status, answer.code, [*answer.body["details"]]) == (400, "INVALID_ARGUMENT", fields)


async def test_members_and_group_are_for_administrators(client: Client, world: World) -> None:
    _, users = await stage(client, world)

    assert (await change(As.member(client, users["bob"]), add=["bob"])).code == "PERMISSION_DENIED"
    admin = As.member(client, await world.user(role="admin"))
    assert (await admin("PATCH", "/groups/nothing/members", {"add": ["ada"]})).code == "NOT_FOUND"


async def test_thousand_members_come_and_see_what_the_group_is_granted(client: Client, world: World) -> None:
    admin, users = await stage(client, world)
    pipeline = await world.pipeline("Invoices")
    await world.grant(pipeline, await world.raw.fetchval("SELECT id FROM groups WHERE organization_id = $1", world.id))
    ada = As.member(client, users["ada"])
    assert (await ada.get("/flow/pipeline")).body["pipelines"] == []
    rows = [f"user-{number}" for number in range(MAX_NAMES - 1)]
    await world.raw.execute(
        "INSERT INTO users (organization_id, id, username) SELECT $1, gen_random_uuid(), unnest($2::text[])",
        world.id,
        rows,
    )

    answer = await change(admin, add=["ada", *rows])

    assert answer.body["added"] == ["ada", *rows]
    assert [each["name"] for each in (await ada.get("/flow/pipeline")).body["pipelines"]] == ["Invoices"]
    await change(admin, remove=["ada", *rows])
    assert (await ada.get("/flow/pipeline")).body["pipelines"] == []


WAYS: list[tuple[str, str, dict[str, Any]]] = [
    ("PUT", "/groups/reviewers/members/ada", {}),
    ("PATCH", "/groups/reviewers/members", {"add": ["bob", "Dee", "ada"]}),
    ("POST", "/apply", {"groups": [{"name": "reviewers", "members": ["ada"]}]}),
]


@pytest.mark.parametrize(("method", "path", "body"), WAYS)
async def test_user_in_as_many_groups_as_may_be_is_put_into_no_other(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: dict[str, Any]
) -> None:
    """An import may have put them into more: they stay in these, may be put in once more, and may leave."""
    monkeypatch.setattr(groups, "MAX_GROUPS_OF_USER", 2)
    admin, users = await stage(client, world)
    for name in ("one", "two", "three"):
        await world.group(users["ada"], name=name)

    refused = await admin(method, path, body)
    again = await admin("PUT", "/groups/one/members/ada", {})
    left = [(await admin("DELETE", f"/groups/{name}/members/ada")).status for name in ("one", "two")]

    assert (refused.status, refused.body["code"]) == (400, "FAILED_PRECONDITION")
    assert refused.body["msg"].endswith(
        "User ada is in 2 groups or more, and nobody is put into another one: take them out of a group first."
    )
    assert again.status == 200
    assert left == [200, 200]
    assert (await admin(method, path, body)).status in (200, 201)
    assert "ada" in await members(admin)
    assert not [row for row in await audited(world) if row[3] == {"member": "Dee"}] or method == "PATCH"


async def test_users_in_too_many_groups_are_counted(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MAX_GROUPS_OF_USER", 0)
    admin, _ = await stage(client, world)

    refused = await change(admin, add=["ada", "Dee"])

    assert refused.body["msg"].startswith("User ada is in 0 groups or more (as are 1 more of these users), and")
    assert await members(admin) == ["bob", "cy"]
    assert await audited(world) == []


async def test_group_of_very_many_members_is_deleted_in_parts(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no transaction holds the rows of more users than others wait for."""
    monkeypatch.setattr(groups, "MAX_TAKEN_OUT", 2)
    admin, users = await stage(client, world)
    everybody = await world.group(*users.values(), name="everybody")
    pipeline = await world.pipeline()
    await world.grant(pipeline, everybody)
    monkeypatch.setattr(parts, "PARTS_SECONDS", -1)

    first = await admin("DELETE", "/groups/everybody")
    second = await admin("DELETE", "/groups/everybody")

    assert (first.status, first.body["code"], first.headers["Retry-After"]) == (409, "ABORTED", "1")
    assert "ask again, and it goes on" in first.body["msg"]
    assert second.status == 200
    assert (await admin.get("/groups/everybody")).status == 404
    taken, (action, target, before, _) = (rows := await audited(world))[:2], rows[2]
    assert [row[:2] for row in taken] == [("group.remove_member", "group:everybody")] * 2
    assert (action, target, len(before["members"]), len(before["grants"])) == ("group.delete", "group:everybody", 2, 1)
    assert {row[2]["member"] for row in taken} | {*before["members"]} == {*users}


async def test_declared_state_deletes_a_group_of_many_members_at_once(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MAX_TAKEN_OUT", 1)
    admin, _ = await stage(client, world)

    assert (await admin("POST", "/apply", {"groups": [], "prune": True})).status == 200
    assert [row[0] for row in await audited(world)] == ["group.delete"]
