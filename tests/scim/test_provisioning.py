"""What provisioning does by the service's own rules: authority, audit, freshness, and what it manages."""

import io
import json
from dataclasses import replace
from uuid import uuid4

import pytest

from service.permissions import EVERY_PERMISSION, SCOPE_ADMIN
from tests.api.calls import As
from tests.commands.test_administration import Shell
from tests.conftest import Client
from tests.factories import World
from tests.scim.conftest import GROUP, PATCH, USER, Scim


async def admin(service: Client, world: World) -> As:
    return As.member(service, await world.user("other-chief", role="admin"))


async def audited(world: World, target: str) -> list[tuple[str, str, object]]:
    rows = await world.raw.fetch(
        "SELECT action, actor, after FROM audit WHERE organization_id = $1 AND target = $2 ORDER BY id",
        world.id,
        target,
    )
    return [(row["action"], row["actor"], row["after"] and json.loads(row["after"])) for row in rows]


# ---- authority


@pytest.mark.parametrize("body", [b"{", None, {"userName": 1}], ids=["no JSON", "none", "invalid"])
async def test_caller_is_refused_before_the_body_is_looked_at(scim: Scim, world: World, body: object) -> None:
    member = await world.user()
    narrow = await world.token(scim.owner.id, scopes=SCOPE_ADMIN | EVERY_PERMISSION)

    unknown = await replace(scim, token="fp_none")("POST", "/Users", body)
    of_member = await replace(scim, token=member.token)("POST", "/Users", body)
    without_scope = await replace(scim, token=narrow)("POST", "/Users", body)

    assert (unknown.status, of_member.status, without_scope.status) == (401, 403, 403)
    assert "invalid_token" in unknown.headers["WWW-Authenticate"]
    assert without_scope.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="scim"'
    assert unknown.body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert (unknown.body["status"], set(unknown.body)) == ("401", {"schemas", "status", "detail"})
    assert (await scim("POST", "/Users", body)).status == 400


async def test_scope_scim_gives_nothing_elsewhere(service: Client, scim: Scim) -> None:
    call = As(service, scim.token)

    assert (await call("POST", "/users", {"username": "ada"})).code == "PERMISSION_DENIED"
    assert (await call.get("/flow/pipeline")).body["pipelines"] == []


# ---- audit


async def test_changes_are_audited_as_the_provisioning_token(scim: Scim, world: World) -> None:
    ada = await scim.new_user("ada", externalId="7", displayName="Ada")
    group = await scim.new_group("team", ada["id"])
    await scim.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "roles", "value": [{"value": "admin"}]})
    await scim("DELETE", f"/Users/{ada['id']}")
    await scim("DELETE", f"/Groups/{group['id']}")

    of_user = await audited(world, "user:ada")
    assert [each[:2] for each in of_user] == [
        ("user.create", "provisioner"),
        ("user.update", "provisioner"),
        ("user.update", "provisioner"),
    ]
    known = {"display_name": "Ada", "provisioned": True, "external_id": "7"}
    assert of_user[0][2] == {"role": "member", "disabled": False, **known}
    assert of_user[1][2] == {"role": "admin", "disabled": False, **known}
    assert of_user[2][2] == {"role": "admin", "disabled": True, "display_name": "Ada"}
    assert [(action, after) for action, _, after in await audited(world, "group:team")] == [
        ("group.create", {"name": "team", "provisioned": True}),
        ("group.add_member", {"member": "ada"}),
        ("group.remove_member", None),
        ("group.delete", None),
    ]
    tokens = await world.raw.fetch("SELECT DISTINCT token_id FROM audit WHERE organization_id = $1", world.id)
    digest = "SELECT id FROM tokens WHERE digest = sha256(convert_to($1, 'UTF8'))"
    assert [row["token_id"] for row in tokens] == [await world.raw.fetchval(digest, scim.token)]


async def test_changes_of_nothing_are_not_audited(scim: Scim, world: World) -> None:
    ada = await scim.new_user("ada", displayName="Ada")
    group = await scim.new_group("team", ada["id"])
    before = await audited(world, "user:ada"), await audited(world, "group:team")

    await scim("PUT", f"/Users/{ada['id']}", ada)
    await scim.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": ada["id"]}]})
    await scim.patch(f"/Groups/{group['id']}", {"op": "remove", "path": f'members[value eq "{scim.owner.id}"]'})

    assert (await audited(world, "user:ada"), await audited(world, "group:team")) == before


# ---- freshness


async def test_deprovisioning_holds_from_the_next_request_on(service: Client, scim: Scim, world: World) -> None:
    ada = await scim.new_user("ada")
    call = As(service, await world.token(ada["id"]))
    for end in (
        scim.patch(f"/Users/{ada['id']}", {"op": "Replace", "path": "active", "value": "False"}),
        scim("PUT", f"/Users/{ada['id']}", {"schemas": [USER], "userName": "ada", "active": False}),
        scim("DELETE", f"/Users/{ada['id']}"),
    ):
        assert (await call.get("/flow/pipeline")).status == 200
        assert (await end).status in (200, 204)
        assert (await call.get("/flow/pipeline")).status == 401
        await scim.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "active", "value": True})
    assert (await scim("GET", f"/Users/{ada['id']}")).status == 404


async def test_role_and_groups_hold_from_the_next_request_on(service: Client, scim: Scim, world: World) -> None:
    ada = await scim.new_user("ada", roles=[{"value": "pipeline_admin"}])
    call = As(service, await world.token(ada["id"]))
    pipeline = await world.pipeline()
    group = await scim.new_group("team")

    async def sees() -> bool:
        return bool((await call.get("/flow/pipeline")).body["pipelines"])

    assert await sees()
    await scim.patch(f"/Users/{ada['id']}", {"op": "Remove", "path": "roles"})
    assert not await sees()
    group_id = await world.raw.fetchval("SELECT id FROM groups WHERE organization_id = $1", world.id)
    await world.grant(pipeline, group_id)
    assert not await sees()
    await scim.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": ada["id"]}]})
    assert await sees()
    await scim.patch(f"/Groups/{group['id']}", {"op": "remove", "path": "members", "value": [{"value": ada["id"]}]})
    assert not await sees()
    await scim("PUT", f"/Users/{ada['id']}", {"schemas": [USER], "userName": "ada", "roles": [{"value": "admin"}]})
    assert await sees()
    await scim("PUT", f"/Users/{ada['id']}", {"schemas": [USER], "userName": "ada"})
    assert await sees(), "a body without roles says nothing of them"
    await scim("PUT", f"/Users/{ada['id']}", {"schemas": [USER], "userName": "ada", "roles": [{"value": "member"}]})
    assert not await sees()


async def test_last_administrator_stays(service: Client, world: World) -> None:
    owner = await world.user("provisioner", role="admin")
    scim = Scim(service, owner.token, owner)

    for answer in (
        await scim.patch(f"/Users/{owner.id}", {"op": "replace", "path": "active", "value": False}),
        await scim.patch(f"/Users/{owner.id}", {"op": "remove", "path": "roles"}),
        await scim("DELETE", f"/Users/{owner.id}"),
    ):
        assert answer.status == 400
        assert "last administrator" in answer.body["detail"]


# ---- what is managed


async def test_provisioned_users_and_groups_are_changed_by_provisioning_alone(
    service: Client, scim: Scim, world: World
) -> None:
    ada, bob = await scim.new_user("ada", displayName="Ada"), await world.user("bob")
    await scim.new_group("team", ada["id"])
    local = await world.group(name="local")
    call = await admin(service, world)

    assert (await call.get("/users/ada")).body["user"]["provisioned"] is True
    assert "provisioned" not in (await call.get("/users/bob")).body["user"]
    listed = {each["name"]: each.get("provisioned") for each in (await call.get("/groups")).body["groups"]}
    assert listed == {"team": True, "local": None}
    for method, path, body in (
        ("PATCH", "/users/ada", {"disabled": True}),
        ("PATCH", "/users/ada", {"display_name": None}),
        ("PATCH", "/users/ada", {"email": "ada@example.com"}),
        ("DELETE", "/users/ada", None),
        ("PATCH", "/groups/team", {"new_name": "crew"}),
        ("DELETE", "/groups/team", None),
        ("PUT", "/groups/team/members/bob", None),
        ("DELETE", "/groups/team/members/ada", None),
        ("PATCH", "/groups/team/members", {"add": ["bob"]}),
        ("POST", "/apply", {"groups": [{"name": "team", "members": ["bob"]}]}),
    ):
        answer = await call(method, path, body, {"If-Match": '"another"'})
        assert (answer.status, answer.code) == (403, "PERMISSION_DENIED"), (method, path)
        assert "is managed by provisioning (SCIM)" in answer.body["msg"]
        assert "identity provider" in answer.body["msg"]
    assert bob.username not in await scim.members({"id": str(local)})
    assert (await call("PUT", "/groups/local/members/ada", None)).code == "OK"
    assert (await call("PATCH", "/users/ada", {"role": "pipeline_admin"})).code == "OK", "nobody has given them one"
    await scim.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "roles", "value": [{"value": "admin"}]})
    assert "The role of user ada" in (await call("PATCH", "/users/ada", {"role": "member"})).body["msg"]


async def test_users_of_before_are_managed_from_their_first_change_on(
    service: Client, scim: Scim, world: World
) -> None:
    ada = await world.user("ada")
    call = await admin(service, world)

    found = await scim("GET", "/Users", filter='userName eq "ada"')
    assert [each["id"] for each in found.body["Resources"]] == [str(ada.id)]
    assert (await scim("POST", "/Users", {"schemas": [USER], "userName": "ADA"})).body["scimType"] == "uniqueness"
    assert "provisioned" not in (await call.get("/users/ada")).body["user"]
    answer = await scim.patch(f"/Users/{ada.id}", {"op": "add", "path": "externalId", "value": "7"})
    assert answer.body["externalId"] == "7"
    assert (await call.get("/users/ada")).body["user"]["provisioned"] is True


async def test_deleted_user_is_an_administrators_again(service: Client, scim: Scim, world: World) -> None:
    ada = await scim.new_user("ada", externalId="7")
    team, local = await scim.new_group("team", ada["id"]), await world.group(name="local")
    call = await admin(service, world)
    await call("PUT", "/groups/local/members/ada", None)

    assert (await scim("DELETE", f"/Users/{ada['id']}")).status == 204

    gone = [
        await scim(method, f"/Users/{ada['id']}", {"schemas": [USER], "userName": "ada"}) for method in ("GET", "PUT")
    ]
    assert [each.status for each in (*gone, await scim("DELETE", f"/Users/{ada['id']}"))] == [404, 404, 404]
    assert (await scim("GET", "/Users", filter='userName eq "ada"')).body["totalResults"] == 0
    assert await scim.members(team) == set()
    assert await scim.members({"id": str(local)}) == set(), "they are no user to whom provisioning sees"
    unknown = await scim.patch(
        f"/Groups/{team['id']}", {"op": "add", "path": "members", "value": [{"value": ada["id"]}]}
    )
    assert (unknown.status, unknown.body["scimType"]) == (400, "invalidValue")
    shown = (await call.get("/users/ada")).body["user"]
    assert (shown["disabled"], "provisioned" in shown) == (True, False)
    assert (await call("PATCH", "/users/ada", {"display_name": "Ada"})).code == "OK"

    again = await scim.new_user("ada", externalId="8")
    assert again["id"] == ada["id"], "they are who they were"
    await scim("DELETE", f"/Users/{ada['id']}")
    assert (await call("DELETE", "/users/ada", None)).code == "OK"
    reserved = await scim("POST", "/Users", {"schemas": [USER], "userName": "ada"})
    assert (reserved.status, reserved.body["scimType"]) == (409, "uniqueness")


async def test_things_of_other_organizations_are_not_there(scim: Scim, world: World) -> None:
    other = await World.create(world.raw)
    user, group = await other.user("theirs"), await other.group(name="their-group")
    mine = await scim.new_group("team")

    for path in (f"/Users/{user.id}", f"/Groups/{group}"):
        for method, body in (("GET", None), ("DELETE", None), ("PUT", {"schemas": [USER], "userName": "x"})):
            answer = await scim(method, path, body)
            nothing = await scim(method, path.rpartition("/")[0] + f"/{uuid4()}", body)
            assert (answer.status, answer.body) == (404, nothing.body)
    assert (await scim("GET", "/Users", filter='userName eq "theirs"')).body["totalResults"] == 0
    operation = {"op": "add", "path": "members", "value": [{"value": str(user.id)}]}
    assert (await scim.patch(f"/Groups/{mine['id']}", operation)).status == 400


# ---- lists, versions, bounds


async def test_lists_are_paged_by_index(scim: Scim) -> None:
    for name in ("u1", "u2", "u3"):
        await scim.new_user(name)

    async def page(**query: str) -> tuple[list[str], int, int]:
        body = (await scim("GET", "/Users", None, None, **query)).body
        assert body["itemsPerPage"] == len(body["Resources"])
        return [each["userName"] for each in body["Resources"]], body["totalResults"], body["startIndex"]

    assert await page(startIndex="1", count="2") == (["chief", "provisioner"], 5, 1)
    assert await page(startIndex="3", count="2") == (["u1", "u2"], 5, 3)
    assert await page(startIndex="5", count="1000") == (["u3"], 5, 5)
    assert await page(startIndex="9") == ([], 5, 9)
    assert await page(count="0", startIndex="-3") == ([], 5, 1)
    searched = await scim(
        "POST", "/Users/.search", {"filter": 'userName eq "u1"', "attributes": ["userName"], "count": 1}
    )
    assert [set(each) for each in searched.body["Resources"]] == [{"schemas", "id", "userName"}]


async def test_members_bound_how_many_groups_an_answer_has(scim: Scim, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [(await scim.new_user(name))["id"] for name in ("ada", "bob", "eve")]
    first = await scim.new_group("a", *ids[:2])
    await scim.new_group("b", ids[0])
    monkeypatch.setattr("service.operations.provisioned_groups.MAX_LISTED", 2)

    found = (await scim("GET", "/Groups")).body
    assert ([each["displayName"] for each in found["Resources"]], found["totalResults"]) == (["a"], 2)
    assert (await scim("GET", "/Groups", startIndex="2")).body["itemsPerPage"] == 1
    monkeypatch.setattr("service.operations.provisioned_groups.MAX_LISTED", 1)
    answer = await scim("GET", f"/Groups/{first['id']}")
    assert (answer.status, answer.body["scimType"]) == (400, "tooMany")
    assert "excludedAttributes=members" in answer.body["detail"]
    assert (await scim("GET", f"/Groups/{first['id']}", excludedAttributes="members")).status == 200


async def test_changes_of_members_are_bounded(scim: Scim, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [(await scim.new_user(name))["id"] for name in ("ada", "bob")]
    group = await scim.new_group("team", *ids)
    monkeypatch.setattr("service.operations.provisioned_groups.MAX_CHANGED", 1)

    answer = await scim.patch(f"/Groups/{group['id']}", {"op": "remove", "path": "members"})

    assert (answer.status, "in parts" in answer.body["detail"]) == (400, True)
    assert await scim.members(group) == set(ids)


@pytest.mark.parametrize("kind", ["Users", "Groups"])
async def test_versions_guard_reads_and_changes(scim: Scim, kind: str) -> None:
    made = await scim.new_user("ada") if kind == "Users" else await scim.new_group("team")
    path, version = f"/{kind}/{made['id']}", made["meta"]["version"]
    operation = {"op": "replace", "path": "externalId", "value": "1"}

    async def patch(tag: str) -> int:
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}
        return (await scim("PATCH", path, body, {"If-Match": tag})).status

    assert version.startswith('W/"')
    assert (await scim("GET", path, None, {"If-None-Match": version})).status == 304
    assert [await patch(tag) for tag in ('W/"other"', "", " ", ",")] == [412] * 4
    assert (await scim("PUT", path, b"{", {"If-Match": 'W/"other"'})).status == 400
    assert await patch(f'"other", {version}, "another"') == 200
    version = (await scim("GET", path)).body["meta"]["version"]
    operation["value"] = "2"
    assert await patch(version) == 200
    assert await patch(version) == 412
    assert (await scim("DELETE", path, None, {"If-Match": version})).status == 412
    assert (await scim("GET", path, None, {"If-None-Match": version})).status == 200
    assert (await scim("DELETE", path, None, {"If-Match": "*"})).status == 204


async def test_version_of_a_group_follows_its_members(scim: Scim) -> None:
    ada = await scim.new_user("ada")
    group = await scim.new_group("team")
    changed = await scim.patch(
        f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": ada["id"]}]}
    )

    listed = (await scim("GET", "/Groups")).body["Resources"][0]["meta"]["version"]
    assert changed.headers["ETag"] == listed == (await scim("GET", f"/Groups/{group['id']}")).headers["ETag"]
    assert listed != group["meta"]["version"]


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        ("POST", "/Users", {"schemas": [USER], "userName": "no spaces"}, "invalidValue"),
        ("POST", "/Users", {"schemas": [USER], "userName": "me"}, "invalidValue"),
        ("POST", "/Users", {"schemas": [USER]}, "invalidValue"),
        ("POST", "/Users", {"schemas": [USER], "userName": "x", "displayName": "x" * 256}, "invalidValue"),
        ("POST", "/Users", {"schemas": [USER], "userName": "x", "externalId": "x" * 256}, "invalidValue"),
        ("POST", "/Users", {"schemas": [USER], "userName": "x", "emails": [{"value": "none"}]}, "invalidValue"),
        ("POST", "/Users", {"schemas": [USER], "userName": "x", "roles": [{"value": "root"}]}, "invalidValue"),
        ("POST", "/Users", {"schemas": [USER], "userName": "x", "emails": [{"value": "a"}] * 300}, "tooMany"),
        ("POST", "/Groups", {"schemas": [GROUP], "displayName": "a b"}, "invalidValue"),
        ("POST", "/Groups", {"schemas": [GROUP], "displayName": "x", "members": [{"value": "me"}]}, "invalidValue"),
        ("PUT", "/Users/ID", {"schemas": [USER], "userName": "other"}, "mutability"),
        ("PATCH", "/Users/ID", {"Operations": []}, "invalidSyntax"),
        ("PATCH", "/Users/ID", {"Operations": [{"op": "move", "path": "active"}]}, "invalidValue"),
        ("PATCH", "/Users/ID", {"Operations": [{"op": "replace", "path": "userName", "value": "other"}]}, "mutability"),
        ("PATCH", "/Users/ID", {"Operations": [{"op": "add", "path": "x" * 201, "value": ""}]}, "invalidPath"),
        ("PATCH", "/Users/ID", {"Operations": [{"op": "add", "path": "x" * 200, "value": ""}] * 11}, "invalidPath"),
        ("PATCH", "/Groups/ID", {"Operations": [{"op": "add", "path": f"a[{'(' * 200}", "value": ""}]}, "invalidPath"),
        ("PATCH", "/Groups/ID", {"Operations": [{"op": "move", "path": "members"}]}, "invalidSyntax"),
        ("PATCH", "/Groups/ID", {"Operations": [{"op": "add", "path": "members", "value": "x"}]}, "invalidValue"),
        ("PATCH", "/Groups/ID", {"Operations": [{"op": "replace", "path": 'members[value eq "x"]'}]}, "mutability"),
        ("GET", '/Users?filter=userName co "a"', None, "invalidFilter"),
        ("GET", '/Users?filter=userName eq "a" or userName eq "b"', None, "invalidFilter"),
        ("GET", '/Users?filter=meta.created eq "2026-01-01T00:00:00Z"', None, "invalidFilter"),
        ("GET", "/Users?filter=((((", None, "invalidFilter"),
        ("GET", f"/Users?filter={'x' * 1001}", None, "invalidFilter"),
        ("GET", "/Users?count=1&count=2", None, "invalidSyntax"),
        ("GET", "/Users?startIndex=99999999999999999999", None, "invalidValue"),
    ],
)
async def test_refusals_say_what_is_wrong_in_the_form_of_scim(
    scim: Scim, method: str, path: str, body: dict[str, object] | None, kind: str
) -> None:
    made = await scim.new_user("ada") if "Users" in path else await scim.new_group("team")
    sent = body if body is None or "Operations" not in body else {"schemas": [PATCH], **body}

    answer = await scim(method, path.replace("ID", made["id"]), sent)

    assert (answer.status, answer.body.get("scimType")) == (400, kind), answer.body
    assert answer.body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert len(answer.body["detail"]) <= 400


async def test_absent_things_are_told_in_the_form_of_scim(scim: Scim) -> None:
    for method, path, status in (
        ("GET", "/Devices", 404),
        ("GET", "/Users/none", 404),
        ("GET", f"/Groups/{uuid4()}", 404),
        ("PUT", "/Users", 405),
        ("POST", "/.search", 501),
        ("POST", "/Bulk", 501),
        ("GET", "/Me", 501),
        ("GET", "/Users?sortBy=userName", 501),
        ("GET", '/Schemas?filter=id eq "x"', 403),
    ):
        answer = await scim(method, path, {} if method in ("POST", "PUT") else None)
        assert (answer.status, answer.body["status"]) == (status, str(status)), path
        assert answer.headers["Content-Type"].startswith("application/scim+json")
        assert "X-Request-ID" in answer.headers


async def test_body_is_bounded(scim: Scim) -> None:
    body = io.BytesIO(b'{"x": "' + b"x" * 2_000_000 + b'"}')
    answer = await scim("POST", "/Users", body)

    assert (answer.status, answer.body["status"]) == (413, "413")


async def test_a_thousand_members_are_changed_at_once(scim: Scim, world: World) -> None:
    await world.raw.execute(
        "INSERT INTO users (organization_id, id, username)"
        " SELECT $1, gen_random_uuid(), 'many-' || n FROM generate_series(1, 1000) n",
        world.id,
    )
    rows = await world.raw.fetch("SELECT id FROM users WHERE organization_id = $1 AND username LIKE 'many-%'", world.id)
    ids = [str(row["id"]) for row in rows]
    group = await scim.new_group("team", *ids)

    removed = await scim.patch(
        f"/Groups/{group['id']}", {"op": "Remove", "path": "members", "value": [{"value": each} for each in ids[1:]]}
    )

    assert (len(group["members"]), removed.status) == (1000, 200)
    assert await scim.members(group) == {ids[0]}


async def test_commands_say_what_is_provisioned_and_leave_it_alone(scim: Scim, world: World, dsn: str) -> None:
    ada = await scim.new_user("ada")
    await scim.new_group("team", ada["id"])
    shell = Shell(dsn, "--organization", str(world.id))

    assert "provisioned   yes" in shell("user", "show", "ada")
    assert "managed by provisioning (SCIM)" in shell("group", "show", "team")
    assert "is managed by provisioning (SCIM)" in shell("user", "disable", "ada", "--yes", code=1)


async def test_member_of_as_many_groups_as_may_be_is_put_into_no_other(
    scim: Scim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.operations.groups.MAX_GROUPS_OF_USER", 1)
    ada = (await scim.new_user("ada"))["id"]
    await scim.new_group("one", ada)
    two = await scim.new_group("two")

    created = await scim("POST", "/Groups", {"schemas": [GROUP], "displayName": "x", "members": [{"value": ada}]})
    added = await scim.patch(f"/Groups/{two['id']}", {"op": "add", "path": "members", "value": [{"value": ada}]})

    for answer in (created, added):
        assert (answer.status, "is in 1 groups or more" in answer.body["detail"]) == (400, True)
    assert await scim.members(two) == set()
