import pytest

from service.permissions import DELETE, EXECUTE, MANAGER, READ, WRITE
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World

FIVE = [
    "flow_pipeline:read",
    "flow_pipeline:execute",
    "flow_pipeline:delete",
    "flow_pipeline:manage_pipelines",
    "flow_pipeline:write",
]


@pytest.mark.parametrize("role", ["admin", "pipeline_admin"])
async def test_create_pipeline_whole_answer(client: Client, world: World, role: str) -> None:
    call = As.member(client, await world.user(role=role))

    made = await call("POST", "/flow/pipeline", {"name": " Invoices ", "description": "all"})

    pipeline = made.body["pipeline"]
    assert made.status == 201
    assert made.headers["Location"] == f"/api/v1/flow/pipeline/{pipeline['id']}"
    assert {**pipeline, "id": 0, "created_at": 0, "updated_at": 0} == {
        "id": 0,
        "name": "Invoices",
        "description": "all",
        "permissions": FIVE,
        "is_manager": True,
        "created_at": 0,
        "updated_at": 0,
    }
    assert pipeline["created_at"].endswith("Z")
    assert (await call.get(made.headers["Location"])).body == made.body


async def test_create_pipeline_makes_its_creator_the_manager(client: Client, world: World) -> None:
    grace = await world.user(role="pipeline_admin")
    made = await As.member(client, grace)("POST", "/flow/pipeline", {"name": "x"})
    await world.raw.execute("UPDATE users SET role = 'member' WHERE id = $1", grace.id)

    kept = await As.member(client, grace).get(f"/flow/pipeline/{made.body['pipeline']['id']}")

    assert kept.body["pipeline"]["is_manager"] is True


@pytest.mark.parametrize("name", ["", "   ", "x" * 256, "a\nb", "a\x00b", 1, None, ["a"]])
async def test_create_pipeline_malformed_name(client: Client, world: World, name: object) -> None:
    made = await As.member(client, await world.user(role="admin"))("POST", "/flow/pipeline", {"name": name})

    assert (made.status, made.code) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(("first", "second"), [("Invoices", "iNVOICES"), ("Straße", "STRASSE"), ("Ärger", "ÄRGER")])
async def test_create_pipeline_names_are_unique_regardless_of_case(
    client: Client, world: World, first: str, second: str
) -> None:
    call = As.member(client, await world.user(role="admin"))
    await call("POST", "/flow/pipeline", {"name": first})

    again = await call("POST", "/flow/pipeline", {"name": second})

    assert (again.status, again.code) == (409, "ALREADY_EXISTS")
    other = As.member(client, await (await World.create(world.raw)).user(role="admin"))
    assert (await other("POST", "/flow/pipeline", {"name": second})).status == 201


async def test_get_pipeline_needs_read(client: Client, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline()

    assert (await As.member(client, ada).get(f"/flow/pipeline/{pipeline}")).code == "NOT_FOUND"
    await world.grant(pipeline, ada, READ)
    assert (await As.member(client, ada).get(f"/flow/pipeline/{pipeline}")).code == "OK"


@pytest.mark.parametrize("pipeline_id", ["x", "8c400d5515d441f9b306ec2836898d83", "%00"])
async def test_get_pipeline_malformed_id(client: Client, world: World, pipeline_id: str) -> None:
    call = As.member(client, await world.user())

    assert (await call.get(f"/flow/pipeline/{pipeline_id}")).code == "INVALID_ARGUMENT"


async def test_update_pipeline_needs_write(client: Client, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline("old")
    await world.grant(pipeline, ada, EXECUTE | DELETE)
    call, path = As.member(client, ada), f"/flow/pipeline/{pipeline}"

    assert (await call("PATCH", path, {"name": "new"})).code == "PERMISSION_DENIED"
    await world.raw.execute("UPDATE user_grants SET access = $1 WHERE user_id = $2", READ | WRITE, ada.id)
    changed = await call("PATCH", path, {"description": "said"})
    assert (changed.body["pipeline"]["name"], changed.body["pipeline"]["description"]) == ("old", "said")
    renamed = await call("PATCH", path, {"name": "OLD"})
    assert (renamed.body["pipeline"]["name"], renamed.body["pipeline"]["description"]) == ("OLD", "said")
    assert (await call.get(path)).body == renamed.body


async def test_update_pipeline_to_a_name_that_is_taken(client: Client, world: World) -> None:
    pipeline, _ = await world.pipeline("a"), await world.pipeline("b")

    changed = await As.member(client, await world.user(role="admin"))(
        "PATCH", f"/flow/pipeline/{pipeline}", {"name": "B"}
    )

    assert changed.code == "ALREADY_EXISTS"


async def test_delete_pipeline_needs_delete(client: Client, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline()
    await world.grant(pipeline, ada, WRITE | EXECUTE)
    call, path = As.member(client, ada), f"/flow/pipeline/{pipeline}"

    assert (await call("DELETE", path)).code == "PERMISSION_DENIED"
    await world.raw.execute("UPDATE user_grants SET access = $1 WHERE user_id = $2", READ | DELETE, ada.id)
    deleted = await call("DELETE", path)
    assert (deleted.status, deleted.body) == (200, {"status": "OK"})
    assert (await call("DELETE", path)).code == "NOT_FOUND"


async def test_delete_pipeline_with_jobs_is_refused_unless_forced(client: Client, world: World) -> None:
    admin = await world.user(role="admin")
    pipeline = await world.pipeline()
    job = await world.job(admin, pipeline)
    await world.job(admin, pipeline)
    call, path = As.member(client, admin), f"/flow/pipeline/{pipeline}"

    refused = await call("DELETE", path)

    assert (refused.status, refused.code) == (400, "FAILED_PRECONDITION")
    assert refused.body["msg"] == "2 jobs are in this pipeline: take them out first, or delete with force=true."
    assert (await call("DELETE", path, None, None, force="maybe")).code == "INVALID_ARGUMENT"
    assert (await call("DELETE", path, None, None, force="true")).code == "OK"
    assert await world.pipelines_of(job) == []
    assert (await call.get(f"/jobs/{job}")).body["job"]["flow_pipeline_infos"] == []


async def test_list_pipeline_jobs_oldest_first(client: Client, world: World) -> None:
    owner, reader, pipeline = await world.user("owner"), await world.user(), await world.pipeline()
    await world.grant(pipeline, reader, READ)
    queued = [await world.job(owner, pipeline) for _ in range(3)]
    call, path = As.member(client, reader), f"/flow/pipeline/{pipeline}/jobs"

    whole = await call.get(path)

    assert [(job["id"], job["owner"]) for job in whole.body["jobs"]] == [(job, "owner") for job in queued]
    assert (await As.member(client, owner).get(path)).code == "NOT_FOUND"


# ---- filters of the documented lists


async def names(call: As, **query: str) -> list[str]:
    answer = await call.get("/flow/pipeline", **query)
    assert answer.status == 200, answer.body
    return [pipeline["name"] for pipeline in answer.body["pipelines"]]


@pytest.mark.parametrize("role", ["member", "admin"])
async def test_list_pipelines_filters(client: Client, world: World, role: str) -> None:
    ada = await world.user(role=role)
    call = As.member(client, ada)
    for name, access in (("Invoices", READ), ("Old invoices", EXECUTE), ("Orders", MANAGER), ("STRASSE", WRITE)):
        await world.grant(await world.pipeline(name), ada, access)
    everyone = ["Invoices", "Old invoices", "Orders", "STRASSE"]
    of_member = {
        "execute": ["Old invoices", "Orders"],
        "managed": ["Orders"],
        "other": ["Invoices", "Old invoices", "STRASSE"],
    }
    expected = of_member if role == "member" else {"execute": everyone, "managed": everyone, "other": []}

    assert await names(call, name="INVOICE") == ["Invoices", "Old invoices"]
    assert await names(call, name="straße") == ["STRASSE"]
    assert await names(call, name="nothing") == []
    assert await names(call, permission="flow_pipeline:execute") == expected["execute"]
    assert await names(call, is_manager="true") == expected["managed"]
    assert await names(call, is_manager="false") == expected["other"]
    assert await names(call, name="o", permission="flow_pipeline:execute", is_manager="true", page_size="1") == (
        ["Orders"] if role == "member" else ["Invoices"]
    )


async def test_list_pipelines_filters_under_scopes(client: Client, world: World) -> None:
    ada = await world.user()
    await world.grant(await world.pipeline("managed"), ada, MANAGER)
    narrow = As(client, await world.token(ada.id, scopes=READ | EXECUTE))

    assert await names(narrow, permission="flow_pipeline:execute") == ["managed"]
    assert await names(narrow, permission="flow_pipeline:write") == []
    assert await names(narrow, is_manager="true") == []
    assert await names(narrow, is_manager="false") == ["managed"]


async def test_list_job_pipelines_filters(client: Client, world: World) -> None:
    ada = await world.user()
    ids = [await world.pipeline(name) for name in ("a1", "a2", "b")]
    for pipeline, access in zip(ids, (READ, MANAGER, EXECUTE), strict=True):
        await world.grant(pipeline, ada, access)
    job = await world.job(ada, *ids)
    call = As.member(client, ada)

    async def found(**query: str) -> list[str]:
        answer = await call.get("/jobs/pipelines", job_id=job, **query)
        return [pipeline["name"] for pipeline in answer.body["pipelines"]]

    assert await found(name="A") == ["a1", "a2"]
    assert await found(permission="flow_pipeline:execute") == ["a2", "b"]
    assert await found(is_manager="true") == ["a2"]
    first = await call.get("/jobs/pipelines", job_id=job, page_size="2")
    second = await call.get("/jobs/pipelines", job_id=job, page_size="2", page_token=first.body["next_page_token"])
    assert [p["name"] for answer in (first, second) for p in answer.body["pipelines"]] == ["a1", "a2", "b"]
    assert "next_page_token" not in second.body


@pytest.mark.parametrize(
    "query",
    [
        {"permission": "read"},
        {"is_manager": "yes"},
        {"page_size": "0"},
        {"page_size": "1001"},
        {"page_size": "1.5"},
        {"page_size": "x"},
        {"page_token": "x"},
        {"name": "\0"},
    ],
    ids=str,
)
async def test_list_pipelines_malformed_filters(client: Client, world: World, query: dict[str, str]) -> None:
    call = As.member(client, await world.user())

    assert (await call.get("/flow/pipeline", **query)).code == "INVALID_ARGUMENT"
