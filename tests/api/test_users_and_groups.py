import asyncio

import pytest

from service.permissions import READ, SCOPE_ADMIN
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World


async def test_create_user_and_get_user(client: Client, world: World) -> None:
    admin = As.member(client, await world.user(role="admin"))

    made = await admin("POST", "/users", {"username": "bob", "role": "pipeline_admin"})

    assert (made.status, made.headers["Location"]) == (201, "/api/v1/users/bob")
    assert {**made.body["user"], "created_at": 0} == {
        "username": "bob",
        "role": "pipeline_admin",
        "disabled": False,
        "created_at": 0,
        "display_name": None,
        "email": None,
    }
    assert (await admin.get("/users/BOB")).body == made.body
    assert (await admin("POST", "/users", {"username": "BOB"})).code == "ALREADY_EXISTS"
    assert (await admin.get("/users/nobody")).code == "NOT_FOUND"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": ""},
        {"username": "a b"},
        {"username": "x" * 101},
        {"username": "ME"},
        {"username": "a", "role": "boss"},
    ],
    ids=str,
)
async def test_create_user_malformed(client: Client, world: World, body: dict[str, str]) -> None:
    assert (await As.member(client, await world.user(role="admin"))("POST", "/users", body)).code == "INVALID_ARGUMENT"


@pytest.mark.parametrize("role", ["member", "pipeline_admin"])
async def test_user_and_group_operations_show_members_only_names(client: Client, world: World, role: str) -> None:
    bob = await world.user("bob", role=role)
    await world.group(bob, name="reviewers")
    call = As.member(client, bob)

    assert (await call.get("/users")).body["users"] == [{"username": "bob"}]
    assert (await call.get("/users/bob")).body["user"] == {"username": "bob"}
    assert (await call.get("/groups")).body["groups"] == [{"name": "reviewers"}]
    assert (await call.get("/groups/reviewers")).body["group"] == {"name": "reviewers"}
    assert (await call.get("/groups/reviewers/members")).code == "PERMISSION_DENIED"
    assert (await call("POST", "/users", {"username": "x"})).code == "PERMISSION_DENIED"
    assert (await call("POST", "/groups", {"name": "x"})).code == "PERMISSION_DENIED"
    assert (await call("PATCH", "/users/bob", {"role": "admin"})).code == "PERMISSION_DENIED"
    assert (await call.get("/audit")).code == "PERMISSION_DENIED"


async def test_get_me(client: Client, world: World) -> None:
    bob = await world.user("bob")
    await world.group(bob, name="zoo")
    await world.group(bob, name="Ants")
    narrow = As(client, await world.token(bob.id, scopes=READ | SCOPE_ADMIN))

    me, scoped = await As.member(client, bob).get("/users/me"), await narrow.get("/users/me")

    assert {**me.body["user"], "created_at": 0} == {
        "username": "bob",
        "role": "member",
        "disabled": False,
        "created_at": 0,
        "display_name": None,
        "email": None,
        "groups": ["Ants", "zoo"],
        "scopes": None,
    }
    assert scoped.body["user"]["scopes"] == ["flow_pipeline:read", "admin"]


async def test_update_user_holds_from_the_next_request(client: Client, world: World) -> None:
    bob = await world.user("bob")
    await world.pipeline()
    admin, call = As.member(client, await world.user(role="admin")), As.member(client, bob)

    async def sees() -> int:
        answer = await call.get("/flow/pipeline")
        return len(answer.body["pipelines"]) if answer.status == 200 else answer.status

    assert await sees() == 0
    promoted = await admin("PATCH", "/users/bob", {"role": "pipeline_admin"})
    assert (promoted.body["user"]["role"], await sees()) == ("pipeline_admin", 1)
    disabled = await admin("PATCH", "/users/bob", {"disabled": True})
    assert (disabled.body["user"]["disabled"], await sees()) == (True, 401)
    await admin("PATCH", "/users/bob", {"disabled": False, "role": "member"})
    assert await sees() == 0


@pytest.mark.parametrize("change", [{"role": "member"}, {"disabled": True}], ids=str)
async def test_update_user_never_removes_the_last_administrator(
    client: Client, world: World, change: dict[str, object]
) -> None:
    admin = await world.user("root", role="admin")
    gone = await world.user(role="admin")
    await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", gone.id)
    call = As.member(client, admin)

    refused = await call("PATCH", "/users/root", change)

    assert (refused.status, refused.code) == (400, "FAILED_PRECONDITION")
    await world.user(role="admin")
    assert (await call("PATCH", "/users/root", change)).code == "OK"


async def test_update_user_concurrent_demotions_leave_an_administrator(client: Client, world: World) -> None:
    for number in range(8):
        a, b = await world.user(f"a{number}", role="admin"), await world.user(f"b{number}", role="admin")
        await asyncio.gather(
            As.member(client, a)("PATCH", f"/users/{b.username}", {"role": "member"}),
            As.member(client, b)("PATCH", f"/users/{a.username}", {"role": "member"}),
        )
        left = "SELECT count(*) FROM users WHERE organization_id = $1 AND role = 'admin'"
        assert await world.raw.fetchval(left, world.id) >= 1
        await world.raw.execute("UPDATE users SET role = 'member' WHERE organization_id = $1", world.id)


async def test_create_user_needs_the_admin_scope(client: Client, world: World) -> None:
    admin = await world.user(role="admin")
    without = As(client, await world.token(admin.id, scopes=READ))
    with_it = As(client, await world.token(admin.id, scopes=SCOPE_ADMIN))

    refused = await without("POST", "/users", {"username": "x"})
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="admin"'
    assert (await with_it("POST", "/users", {"username": "x"})).code == "OK"


async def test_group_operations_from_create_to_delete(client: Client, world: World) -> None:
    bob = await world.user("bob")
    admin = As.member(client, await world.user(role="admin"))

    made = await admin("POST", "/groups", {"name": "Reviewers"})
    assert (made.status, made.headers["Location"]) == (201, "/api/v1/groups/Reviewers")
    assert (await admin("POST", "/groups", {"name": "REVIEWERS"})).code == "ALREADY_EXISTS"
    assert (await admin("POST", "/groups", {"name": "a b"})).code == "INVALID_ARGUMENT"
    joined = await admin("PUT", "/groups/reviewers/members/BOB")
    assert (joined.status, joined.body) == (201, {"status": "OK"})
    assert (await admin("PUT", "/groups/reviewers/members/bob")).status == 200
    assert [m["username"] for m in (await admin.get("/groups/reviewers/members")).body["members"]] == ["bob"]
    assert (await admin("PATCH", "/groups/reviewers", {"new_name": "Readers"})).body["group"]["name"] == "Readers"
    assert (await As.member(client, bob).get("/users/me")).body["user"]["groups"] == ["Readers"]
    assert (await admin("DELETE", "/groups/readers/members/bob")).code == "OK"
    assert (await admin("DELETE", "/groups/readers/members/bob")).code == "NOT_FOUND"
    assert (await admin("PUT", "/groups/readers/members/nobody")).code == "NOT_FOUND"
    assert (await admin("DELETE", "/groups/readers")).code == "OK"
    assert (await admin.get("/groups/readers")).code == "NOT_FOUND"


async def test_rename_group_to_its_own_name_changes_nothing(client: Client, world: World) -> None:
    await world.group(name="Reviewers")
    admin = As.member(client, await world.user(role="admin"))

    renamed = await admin("PATCH", "/groups/reviewers", {"new_name": "Reviewers"})

    assert renamed.body["group"]["name"] == "Reviewers"
    assert (await admin.get("/audit")).body["audit"] == []


async def test_rename_group_to_a_name_that_is_taken(client: Client, world: World) -> None:
    await world.group(name="a")
    await world.group(name="b")

    renamed = await As.member(client, await world.user(role="admin"))("PATCH", "/groups/a", {"new_name": "B"})

    assert renamed.code == "ALREADY_EXISTS"


async def test_delete_group_revokes_its_grants(client: Client, world: World) -> None:
    bob, pipeline = await world.user(), await world.pipeline()
    await world.grant(pipeline, await world.group(bob, name="g"), READ)
    admin = As.member(client, await world.user(role="admin"))

    assert len((await As.member(client, bob).get("/flow/pipeline")).body["pipelines"]) == 1
    await admin("DELETE", "/groups/g")
    assert (await As.member(client, bob).get("/flow/pipeline")).body["pipelines"] == []


async def test_list_users_and_list_groups_filter_by_a_part_of_the_name(client: Client, world: World) -> None:
    for name in ("ada.lovelace", "Adam", "bob"):
        await world.user(name)
        await world.group(name=name)
    call = As.member(client, await world.user("caller"))

    users = await call.get("/users", name="ADA")
    groups = await call.get("/groups", name="ADA")

    assert [user["username"] for user in users.body["users"]] == ["ada.lovelace", "Adam"]
    assert [group["name"] for group in groups.body["groups"]] == ["ada.lovelace", "Adam"]
