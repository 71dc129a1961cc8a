import asyncio
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import pytest

from service.database.pool import Database
from service.permissions import MANAGER
from service.repositories.audit_lists import LARGEST
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World

FAR: Final = datetime(2100, 1, 1, tzinfo=UTC)


async def entries(admin: As, **query: str) -> list[tuple[str, str, Any, Any]]:
    answer = await admin.get("/audit", **query)
    assert answer.status == 200, answer.body
    return [(e["action"], e["target"], e["before"], e["after"]) for e in answer.body["audit"]]


async def test_list_audit_has_a_row_for_each_change_with_before_and_after(client: Client, world: World) -> None:
    bob = await world.user("bob")
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

    execute = {
        "permissions": ["flow_pipeline:read", "flow_pipeline:execute"],
        "is_manager": False,
        "expires_at": None,
        "to_id": str(bob.id),
    }
    five = [
        *("flow_pipeline:read", "flow_pipeline:execute", "flow_pipeline:delete"),
        *("flow_pipeline:manage_pipelines", "flow_pipeline:write"),
    ]
    to_root = {"to": "user:root", "to_id": str(root.id)}
    lost = [{**to_root, "permissions": five, "is_manager": True, "expires_at": None}]
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
        (
            "pipeline.delete",
            f"pipeline:{pipeline}",
            {"name": "q", "description": "", "jobs": 0, "grants": lost, "job_ids": []},
            None,
        ),
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


async def test_audit_of_a_deleted_group_has_what_went_with_it(client: Client, world: World) -> None:
    root, bob = await world.user("root", role="admin"), await world.user("bob")
    group, pipeline = await world.group(bob, name="g"), await world.pipeline("p")
    await world.grant(pipeline, group, MANAGER, FAR)
    admin = As.member(client, root)

    assert (await admin("DELETE", "/groups/g")).status == 200

    granted = {
        "permissions": ["flow_pipeline:read"],
        "is_manager": True,
        "expires_at": "2100-01-01T00:00:00.000000+00:00",
    }
    lost = {"pipeline": {"id": str(pipeline), "name": "p"}, **granted}
    assert await entries(admin) == [
        ("group.delete", "group:g", {"name": "g", "members": ["bob"], "grants": [lost]}, None)
    ]


async def test_audit_of_a_deleted_pipeline_has_its_jobs_and_grants_complete_however_many(
    client: Client, world: World
) -> None:
    """No row has more than some hundred of them: those that follow have the rest."""
    root, ada = await world.user("root", role="admin"), await world.user("ada")
    pipeline, jobs = await world.pipeline("p"), [f"job-{number:04}" for number in range(2500)]
    await world.raw.execute(
        "INSERT INTO jobs (organization_id, id, owner_id) SELECT $1, unnest($2::text[]), $3", world.id, jobs, ada.id
    )
    await world.raw.execute(
        "INSERT INTO assignments (organization_id, job_id, pipeline_id, position) SELECT $1, unnest($2::text[]), $3, 1",
        world.id,
        jobs,
        pipeline,
    )
    names = [f"user-{number:04}" for number in range(1200)]
    await world.raw.execute(
        """
        WITH made AS (
            INSERT INTO users (organization_id, id, username)
            SELECT $1, gen_random_uuid(), unnest($2::text[]) RETURNING organization_id, id
        ) INSERT INTO user_grants (organization_id, user_id, pipeline_id, access)
        SELECT organization_id, id, $3, 5 FROM made
        """,
        world.id,
        names,
        pipeline,
    )
    await world.grant(pipeline, await world.group(name="g"))
    admin = As.member(client, root)

    assert (await admin("DELETE", f"/flow/pipeline/{pipeline}", force="true")).status == 200

    rows = (await entries(admin))[::-1]
    assert {(action, target) for action, target, _, _ in rows} == {("pipeline.delete", f"pipeline:{pipeline}")}
    assert (rows[0][2]["jobs"], rows[0][2]["name"]) == (2500, "p")
    assert (
        max(len(found) for _, _, before, _ in rows for found in before.values() if isinstance(found, list)) == LARGEST
    )
    assert [job_id for _, _, before, _ in rows for job_id in before.get("job_ids", ())] == jobs
    lost = [grant for _, _, before, _ in rows for grant in before.get("grants", ())]
    assert [grant["to"] for grant in lost] == ["group:g", *(f"user:{name}" for name in names)]
    assert lost[-1] == {
        "to": "user:user-1199",
        "to_id": lost[-1]["to_id"],
        "permissions": ["flow_pipeline:read", "flow_pipeline:execute"],
        "is_manager": False,
        "expires_at": None,
    }


async def test_deletions_and_grants_at_once_never_wait_for_each_other_in_a_circle(
    client: Client, world: World, database: Database
) -> None:
    """Pipelines, organizations, groups, users: whatever goes with a deletion is locked in that order too."""
    admin = As.member(client, await world.user("root", role="admin"))
    members = [await world.user() for _ in range(3)]
    before = database.retries["conflict"]
    for _ in range(15):
        name = f"g-{uuid4().hex}"
        group, pipelines = await world.group(*members, name=name), [await world.pipeline() for _ in range(4)]
        for pipeline in pipelines:
            await world.grant(pipeline, group)
            for member in members:
                await world.grant(pipeline, member)
        await asyncio.gather(
            *(admin("DELETE", f"/flow/pipeline/{pipeline}") for pipeline in pipelines[:2]),
            admin(
                "PUT", f"/flow/pipeline/{pipelines[2]}/grants/groups/{name}", {"permissions": ["flow_pipeline:write"]}
            ),
            admin("DELETE", f"/flow/pipeline/{pipelines[3]}/grants/groups/{name}"),
            admin("DELETE", f"/groups/{name}"),
        )

    assert database.retries["conflict"] == before
