from typing import Any
from uuid import uuid4

import pytest

from service.database.pool import Connection
from service.permissions import EXECUTE, READ
from service.repositories import jobs
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World


async def test_put_job_whole_answer(client: Client, world: World) -> None:
    ada, a, b = await world.user("ada"), await world.pipeline("a"), await world.pipeline("b")
    for pipeline in (a, b):
        await world.grant(pipeline, ada)
    call = As.member(client, ada)

    made = await call("PUT", "/jobs/4711", {"name": "batch 1", "pipeline_ids": [str(b), str(a)]})

    assert (made.status, made.headers["Location"]) == (201, "/api/v1/jobs/4711")
    assert {**made.body["job"], "created_at": 0} == {
        "id": "4711",
        "name": "batch 1",
        "owner": "ada",
        "created_at": 0,
        "flow_pipeline_infos": [{"id": str(b), "name": "b"}, {"id": str(a), "name": "a"}],
    }
    assert (await call.get("/jobs/4711")).body == made.body
    again = await call("PUT", "/jobs/4711", {"name": "batch 1", "pipeline_ids": [str(b), str(a)]})
    assert (again.status, again.body) == (200, made.body)
    assert await world.raw.fetchval("SELECT count(*) FROM audit WHERE organization_id = $1", world.id) == 2


async def test_put_job_into_a_forbidden_pipeline_registers_nothing(client: Client, world: World) -> None:
    ada, hidden, readable = await world.user(), await world.pipeline(), await world.pipeline()
    await world.grant(readable, ada, READ)
    call = As.member(client, ada)

    assert (await call("PUT", "/jobs/j", {"pipeline_ids": [str(hidden)]})).code == "NOT_FOUND"
    assert (await call("PUT", "/jobs/j", {"pipeline_ids": [str(readable)]})).code == "PERMISSION_DENIED"
    assert (await call.get("/jobs/j")).code == "NOT_FOUND"


async def test_put_job_leaves_omitted_fields_unchanged(client: Client, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline()
    await world.grant(pipeline, ada)
    call = As.member(client, ada)
    await call("PUT", "/jobs/j", {"name": "first", "pipeline_ids": [str(pipeline)]})

    renamed = await call("PUT", "/jobs/j", {"name": "second"})
    emptied = await call("PUT", "/jobs/j", {"pipeline_ids": []})

    assert (renamed.body["job"]["name"], len(renamed.body["job"]["flow_pipeline_infos"])) == ("second", 1)
    assert (emptied.body["job"]["name"], len(emptied.body["job"]["flow_pipeline_infos"])) == ("second", 0)


async def test_put_job_audits_the_name_and_owner_before_and_after(client: Client, world: World) -> None:
    await world.user("bob")
    call = As.member(client, await world.user("ada", role="admin"))
    await call("PUT", "/jobs/j", {"name": "first"})

    await call("PUT", "/jobs/j", {"name": "second", "owner": "bob"})

    (entry,) = (await call.get("/audit?action=job.update")).body["audit"]
    assert entry["before"] == {"name": "first", "owner": "ada"}
    assert entry["after"] == {"name": "second", "owner": "bob"}


async def test_put_job_for_another_owner_takes_an_administrator(client: Client, world: World) -> None:
    ada, bob, admin = await world.user(), await world.user("bob"), await world.user(role="admin")

    assert (await As.member(client, ada)("PUT", "/jobs/j", {"owner": "bob"})).code == "PERMISSION_DENIED"
    made = await As.member(client, admin)("PUT", "/jobs/j", {"owner": "BOB"})
    assert made.body["job"]["owner"] == "bob"
    assert (await As.member(client, bob)("DELETE", "/jobs/j")).code == "OK"
    assert (await As.member(client, admin)("PUT", "/jobs/j", {"owner": "nobody"})).code == "NOT_FOUND"


async def test_put_and_delete_job_that_is_only_visible_are_denied(client: Client, world: World) -> None:
    owner, ada, pipeline = await world.user(), await world.user(), await world.pipeline()
    await world.grant(pipeline, ada, EXECUTE)
    job = await world.job(owner, pipeline)
    call = As.member(client, ada)

    assert (await call("PUT", f"/jobs/{job}", {"name": "mine"})).code == "PERMISSION_DENIED"
    assert (await call("DELETE", f"/jobs/{job}")).code == "PERMISSION_DENIED"
    assert (await call("PUT", f"/jobs/{job}", {"pipeline_ids": []})).code == "OK", "its pipelines go by their own rules"


async def test_put_job_with_the_id_of_a_hidden_job_conflicts(client: Client, world: World) -> None:
    job = await world.job(await world.user())
    call = As.member(client, await world.user())

    taken = await call("PUT", f"/jobs/{job}", {"name": "mine"})

    assert (taken.status, taken.code) == (409, "ALREADY_EXISTS")
    assert (await call.get(f"/jobs/{job}")).code == "NOT_FOUND"
    assert (await call("DELETE", f"/jobs/{job}")).code == "NOT_FOUND"


async def test_put_job_of_an_id_taken_before_is_told_or_taken_over(client: Client, world: World) -> None:
    """Whoever knows the ids to come can register them first, and would decide about the runner's jobs."""
    mo, pam = await world.user("mo"), await world.user("pam", role="pipeline_admin")
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline()
    squatter, runner, narrow = As.member(client, mo), As.member(client, ada), As.member(client, pam)
    queued = {"pipeline_ids": [str(pipeline)]}
    await world.grant(pipeline, mo)
    await squatter("PUT", "/jobs/run-1", queued)

    told = await runner("PUT", "/jobs/run-1", queued)
    assert (told.status, told.code) == (409, "ALREADY_EXISTS")
    assert told.body["msg"].startswith("Job run-1 was registered by mo. To change its pipelines, send")
    assert (await narrow("PUT", "/jobs/run-1", queued)).code == "ALREADY_EXISTS"
    refused = await runner("PUT", "/jobs/run-1", queued, {"If-None-Match": "*"})
    assert (refused.status, refused.body["msg"]) == (412, "It is there already.")
    assert (await narrow("PUT", "/jobs/run-1", {**queued, "owner": "pam"})).code == "PERMISSION_DENIED"
    seen = (await runner.get("/jobs/run-1")).headers["ETag"]
    assert (await runner("PUT", "/jobs/run-1", queued, {"If-Match": seen})).body["job"]["owner"] == "mo"
    taken_over = await runner("PUT", "/jobs/run-1", {**queued, "owner": "ada"})
    assert (taken_over.status, taken_over.body["job"]["owner"]) == (200, "ada")
    assert (await squatter("DELETE", "/jobs/run-1")).code == "PERMISSION_DENIED"


async def test_get_job_shows_only_readable_pipelines(client: Client, world: World) -> None:
    owner, shown, hidden = await world.user(), await world.pipeline("shown"), await world.pipeline("hidden")
    await world.grant(shown, owner, READ)
    job = await world.job(owner, hidden, shown)

    infos = (await As.member(client, owner).get(f"/jobs/{job}")).body["job"]["flow_pipeline_infos"]

    assert infos == [{"id": str(shown), "name": "shown"}]


@pytest.mark.parametrize("role", ["member", "admin"])
async def test_delete_job(client: Client, world: World, role: str) -> None:
    owner, pipeline = await world.user(), await world.pipeline()
    job = await world.job(owner, pipeline)
    who = owner if role == "member" else await world.user(role="admin")

    assert (await As.member(client, who)("DELETE", f"/jobs/{job}")).body == {"status": "OK"}
    assert (await As.member(client, who).get(f"/jobs/{job}")).code == "NOT_FOUND"
    assert await world.pipelines_of(job) == []


async def test_list_jobs_shows_visible_jobs_newest_first(client: Client, world: World) -> None:
    ada, bob, pipeline = await world.user("ada"), await world.user("bob"), await world.pipeline()
    await world.grant(pipeline, ada, READ)
    mine = await world.job(ada)
    seen = await world.job(bob, pipeline)
    unseen = await world.job(bob)
    call, admin = As.member(client, ada), As.member(client, await world.user(role="admin"))

    async def ids(caller: As, **query: str) -> list[str]:
        return [job["id"] for job in (await caller.get("/jobs", **query)).body["jobs"]]

    assert await ids(call) == [seen, mine]
    assert await ids(admin) == [unseen, seen, mine]
    assert await ids(call, owner="ADA") == [mine]
    assert await ids(call, pipeline_id=str(pipeline)) == [seen]
    assert await ids(As.member(client, await world.user(role="pipeline_admin"))) == [seen]
    assert (await call.get("/jobs", owner="nobody")).code == "NOT_FOUND"
    hidden = await world.pipeline()
    assert (await call.get("/jobs", pipeline_id=str(hidden))).code == "NOT_FOUND"


@pytest.mark.parametrize("job_id", ["a b", "x" * 129, "ä", "a%2Fb", "a%00"])
async def test_put_job_malformed_id(client: Client, world: World, job_id: str) -> None:
    call = As.member(client, await world.user())

    assert (await call("PUT", f"/jobs/{job_id}", {})).code == "INVALID_ARGUMENT"


async def test_put_job_named_pipelines_is_not_allowed(client: Client, world: World) -> None:
    answer = await As.member(client, await world.user())("PUT", "/jobs/pipelines", {})

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST")


async def test_put_job_inserted_meanwhile_is_that_one(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, job, find, missing = await world.user(), str(uuid4()), jobs.find, [True]

    async def find_nothing_at_first(connection: Connection, *arguments: Any) -> jobs.Job | None:
        if missing.pop() if missing else False:
            await world.job(owner, job_id=job)
            return None
        return await find(connection, *arguments)

    monkeypatch.setattr(jobs, "find", find_nothing_at_first)
    answer = await As.member(client, owner)("PUT", f"/jobs/{job}", {"name": "anew"})

    assert (answer.status, answer.body["job"]["name"]) == (200, "anew")


async def test_put_job_deleted_meanwhile_registers_it_anew(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is deleted after it was found, and before it was locked: so it is registered anew."""
    owner = await world.user()
    job = await world.job(owner)
    find = jobs.find

    async def find_then_deleted(connection: Connection, *arguments: Any) -> jobs.Job | None:
        found = await find(connection, *arguments)
        if found:
            await world.raw.execute("DELETE FROM jobs WHERE organization_id = $1 AND id = $2", world.id, job)
        return found

    monkeypatch.setattr(jobs, "find", find_then_deleted)
    answer = await As.member(client, owner)("PUT", f"/jobs/{job}", {"name": "anew"})

    assert (answer.status, answer.body["job"]["name"]) == (201, "anew")


async def test_administrators_token_without_the_scope_admin_acts_on_jobs_as_a_members(
    client: Client, world: World
) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    seen, hidden = await world.job(bob, await world.pipeline()), await world.job(bob)
    narrow = As(client, await world.token(ada.id, scopes=READ | EXECUTE))

    mine = await narrow("PUT", "/jobs/mine", {"name": "new"})
    assert mine.code == "OK"
    for method, path, body in (
        ("PUT", "/jobs/new", {"owner": "bob"}),
        ("PUT", "/jobs/mine", {"owner": "bob"}),
        ("PUT", f"/jobs/{seen}", {"name": "other"}),
        ("DELETE", f"/jobs/{seen}", None),
    ):
        refused = await narrow(method, path, body)
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="admin"', (method, path)
    assert (await narrow.get(f"/jobs/{hidden}")).code == "NOT_FOUND"
    assert {job["id"] for job in (await narrow.get("/jobs")).body["jobs"]} == {"mine", seen}
