"""What is large in members or groups is ended by provisioning all the same, part by part."""

from uuid import UUID

import pytest

from service.operations import groups, parts, provisioned_users
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World
from tests.scim.conftest import Scim


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make two many, and end each call behind one part."""
    monkeypatch.setattr(groups, "MAX_TAKEN_OUT", 2)
    monkeypatch.setattr(provisioned_users, "MAX_LEFT", 2)
    monkeypatch.setattr(parts, "PARTS_SECONDS", -1)


async def audited(world: World, action: str) -> list[str]:
    rows = await world.raw.fetch(
        "SELECT before ->> 'member' FROM audit WHERE organization_id = $1 AND action = $2 ORDER BY id", world.id, action
    )
    return [row[0] for row in rows]


async def test_group_of_very_many_members_is_deleted_in_parts(scim: Scim, world: World) -> None:
    users = [(await scim.new_user(name))["id"] for name in ("ada", "bob", "cy", "dee", "eve")]
    group = await scim.new_group("team", *users)
    path = f"/Groups/{group['id']}"
    tag = (await scim("GET", path)).headers["ETag"]

    stale = await scim("DELETE", path, None, {"If-Match": 'W/"other"'})
    first = await scim("DELETE", path, None, {"If-Match": tag})
    members = await scim.members(group)
    rest = [(await scim("DELETE", path)).status for _ in range(2)]

    assert (stale.status, first.status, first.headers["Retry-After"]) == (412, 409, "1")
    assert "Some are out of it by now: ask again" in first.body["detail"]
    assert (len(members), rest) == (3, [409, 204])
    assert len(await audited(world, "group.remove_member")) == 4
    assert len(await audited(world, "group.delete")) == 1
    assert (await scim("GET", path)).status == 404


async def test_user_in_very_many_groups_is_ended_in_parts(scim: Scim, world: World) -> None:
    user = await scim.new_user("ada")
    made = [await scim.new_group(f"team-{number}", user["id"]) for number in range(5)]
    path = f"/Users/{user['id']}"
    tag = (await scim("GET", path)).headers["ETag"]

    stale = await scim("DELETE", path, None, {"If-Match": 'W/"other"'})
    first = await scim("DELETE", path, None, {"If-Match": tag})
    left = "SELECT count(*) FROM memberships WHERE user_id = $1"
    before = await world.raw.fetchval(left, UUID(user["id"]))
    rest = [(await scim("DELETE", path)).status for _ in range(2)]

    assert (stale.status, first.status, before, rest) == (412, 409, 3, [409, 204])
    assert [await scim.members(group) for group in made] == [set()] * 5
    assert await audited(world, "group.remove_member") == ["ada"] * 5
    assert (await scim("GET", path)).status == 404


async def test_deletion_in_parts_shuts_the_user_out_with_the_first_one(
    client: Client, scim: Scim, world: World
) -> None:
    user = await scim.new_user("ada")
    for number in range(5):
        await scim.new_group(f"team-{number}", user["id"])
    token = As(client, await world.token(UUID(user["id"])))
    assert (await token.get("/users/me")).status == 200

    first = await scim("DELETE", f"/Users/{user['id']}")

    assert (first.status, (await token.get("/users/me")).status) == (409, 401)
    assert "They are disabled" in first.body["detail"]
    assert (await scim("GET", f"/Users/{user['id']}")).body["active"] is False
    changes = await world.raw.fetch(
        "SELECT before ->> 'disabled', after ->> 'disabled' FROM audit"
        " WHERE organization_id = $1 AND action = 'user.update' ORDER BY id",
        world.id,
    )
    assert [tuple(change) for change in changes] == [("false", "true")]


async def test_parts_of_one_call_need_the_condition_to_hold_once(scim: Scim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PARTS_SECONDS", 3600)
    user = await scim.new_user("ada")
    for number in range(5):
        await scim.new_group(f"team-{number}", user["id"])
    tag = (await scim("GET", f"/Users/{user['id']}")).headers["ETag"]

    assert (await scim("DELETE", f"/Users/{user['id']}", None, {"If-Match": tag})).status == 204
