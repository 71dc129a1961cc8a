from typing import Any

import pytest

from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World


async def entries(admin: As, **query: str) -> list[tuple[str, str, Any, Any]]:
    answer = await admin.get("/audit", **query)
    assert answer.status == 200, answer.body
    return [(e["action"], e["target"], e["before"], e["after"]) for e in answer.body["audit"]]


async def test_list_audit_has_a_row_for_each_change_with_before_and_after(client: Client, world: World) -> None:
    await world.user("bob")
    root = await world.user("root", role="admin")
    admin = As.member(client, root)
    made = await admin("POST", "/flow/pipeline", {"name": "p"})
    pipeline = made.body["pipeline"]["id"]
    where = f"/flow/pipeline/{pipeline}"
    await admin("PATCH", where, {"name": "q"})
    await admin("PATCH", where, {"name": "q"})
    await admin("PUT", f"{where}/grants/users/bob", {"permissions": ["flow_pipeline:execute"]})
    await admin("PUT", f"{where}/grants/users/bob", {"permissions": ["flow_pipeline:execute"]})
    await admin("DELETE", f"{where}/grants/users/bob")
    await admin("PUT", "/jobs/j", {"name": "n"})
    await admin("DELETE", "/jobs/j")
    await admin("POST", "/groups", {"name": "g"})
    await admin("PUT", "/groups/g/members/bob")
    await admin("DELETE", "/groups/g/members/bob")
    await admin("PATCH", "/users/bob", {"role": "admin"})
    await admin("DELETE", where)

    execute = {"permissions": ["flow_pipeline:read", "flow_pipeline:execute"], "is_manager": False, "expires_at": None}
    five = [
        *("flow_pipeline:read", "flow_pipeline:execute", "flow_pipeline:delete"),
        *("flow_pipeline:manage_pipelines", "flow_pipeline:write"),
    ]
    lost = [{"to": "user:root", "permissions": five, "is_manager": True, "expires_at": None}]
    assert (await entries(admin))[::-1] == [
        ("pipeline.create", f"pipeline:{pipeline}", None, {"name": "p", "description": "", "manager": "root"}),
        (
            "pipeline.update",
            f"pipeline:{pipeline}",
            {"name": "p", "description": ""},
            {"name": "q", "description": ""},
        ),
        ("grant.set", f"grant:{pipeline}/user:bob", None, execute),
        ("grant.revoke", f"grant:{pipeline}/user:bob", execute, None),
        ("job.create", "job:j", None, {"name": "n", "owner": "root"}),
        ("job.delete", "job:j", {"name": "n", "owner": "root", "pipeline_ids": []}, None),
        ("group.create", "group:g", None, {"name": "g"}),
        ("group.add_member", "group:g", None, {"member": "bob"}),
        ("group.remove_member", "group:g", {"member": "bob"}, None),
        (
            "user.update",
            "user:bob",
            {"role": "member", "disabled": False},
            {"role": "admin", "disabled": False},
        ),
        ("pipeline.delete", f"pipeline:{pipeline}", {"name": "q", "description": "", "jobs": 0, "grants": lost}, None),
    ]


async def test_list_audit_names_actor_token_request_and_time(client: Client, world: World) -> None:
    root = await world.user("root", role="admin")
    admin = As.member(client, root)
    await admin("POST", "/groups", {"name": "g"}, {"X-Request-Id": "r-1"})

    (entry,) = (await admin.get("/audit")).body["audit"]

    token = await world.raw.fetchval("SELECT id::text FROM tokens WHERE user_id = $1", root.id)
    assert (entry["actor"], entry["token_id"], entry["request_id"]) == ("root", token, "r-1")
    assert entry["at"].endswith("Z")


async def test_list_audit_has_no_row_for_a_refused_change(client: Client, world: World) -> None:
    admin = As.member(client, await world.user("root", role="admin"))
    await world.pipeline("taken")

    assert (await admin("POST", "/flow/pipeline", {"name": "Taken"})).code == "ALREADY_EXISTS"
    assert (await admin("PATCH", "/users/root", {"disabled": True})).code == "FAILED_PRECONDITION"
    assert await entries(admin) == []


async def test_list_audit_contains_no_secret(client: Client, world: World) -> None:
    admin = As.member(client, await world.user(role="admin"))
    made = await admin("POST", "/tokens", {"name": "n"})

    assert made.body["secret"] not in str((await admin.get("/audit")).body)


async def test_list_audit_filters(client: Client, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob", role="admin")
    await As.member(client, ada)("POST", "/groups", {"name": "a"})
    middle = await world.raw.fetchval("SELECT clock_timestamp()")
    await As.member(client, bob)("POST", "/groups", {"name": "b"})
    await As.member(client, bob)("DELETE", "/groups/a")
    admin = As.member(client, ada)
    when = middle.isoformat()

    async def found(**query: str) -> list[str]:
        return [f"{action} {target}" for action, target, _, _ in await entries(admin, **query)]

    assert await found(actor="ADA") == ["group.create group:a"]
    assert await found(action="group.create") == ["group.create group:b", "group.create group:a"]
    assert await found(target="group:a") == ["group.delete group:a", "group.create group:a"]
    assert await found(since=when) == ["group.delete group:a", "group.create group:b"]
    assert await found(until=when) == ["group.create group:a"]
    assert await found(actor="bob", action="group.delete", since=when) == ["group.delete group:a"]


@pytest.mark.parametrize("query", [{"since": "x"}, {"until": "2020-01-01"}, {"before": "1"}], ids=str)
async def test_list_audit_malformed_filter_is_refused(client: Client, world: World, query: dict[str, str]) -> None:
    assert (await As.member(client, await world.user(role="admin")).get("/audit", **query)).code == "INVALID_ARGUMENT"


async def test_list_audit_is_limited_to_the_callers_organization(client: Client, world: World) -> None:
    other = await World.create(world.raw)
    await As.member(client, await other.user(role="admin"))("POST", "/groups", {"name": "theirs"})

    assert await entries(As.member(client, await world.user(role="admin"))) == []
