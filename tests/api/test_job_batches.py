"""Updates of many jobs in one call: a verdict for each, or all or nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from service.app import BODIES
from service.operations import job_batches
from service.permissions import EXECUTE, READ
from service.repositories import job_updates, jobs
from service.schemas.jobs import MAX_IDS, MAX_PIPELINES, MAX_UPDATES
from tests.api.calls import Answer, As
from tests.conftest import Client
from tests.factories import Member, World

BATCH = "/jobs/pipelines/batch"
atomically = pytest.mark.parametrize("atomic", [False, True], ids=["each", "all or nothing"])


def update(job: str, *pipelines: UUID) -> dict[str, Any]:
    return {"job_id": job, "pipeline_ids": [*map(str, pipelines)]}


async def send(call: As, *updates: Any, atomic: bool | None = None) -> Answer:
    return await call("POST", BATCH, {"updates": [*updates], **({} if atomic is None else {"atomic": atomic})})


async def audited(world: World) -> list[tuple[str, list[str], list[str]]]:
    rows = await world.raw.fetch(
        "SELECT target, before, after FROM audit WHERE organization_id = $1 AND action = 'job.update_pipelines'"
        " ORDER BY id",
        world.id,
    )
    states = [(each["target"], orjson.loads(each["before"]), orjson.loads(each["after"])) for each in rows]
    return [(target, before["pipeline_ids"], after["pipeline_ids"]) for target, before, after in states]


@asynccontextmanager
async def locked(dsn: str, table: str, key: object) -> AsyncIterator[None]:
    """Lock a row, as a change of it that takes its time."""
    holder = await asyncpg.connect(dsn)
    async with holder.transaction():
        await holder.execute(f"SELECT FROM {table} WHERE id = $1 FOR UPDATE", key)
        yield
    await holder.close()


async def places(world: World, *holders: Member, access: int = READ | EXECUTE) -> list[UUID]:
    made = [await world.pipeline(f"pipeline {number}") for number in range(3)]
    for place in made:
        for holder in holders:
            await world.grant(place, holder, access)
    return made


@atomically
async def test_batch_answers_each_update_in_order_as_a_lone_one_and_audits_it(
    client: Client, world: World, atomic: bool
) -> None:
    ada = await world.user()
    a, b, c = await places(world, ada)
    own, others = await world.job(ada, a), await world.job(await world.user(), b)
    unchanged = await world.job(ada, c)

    answer = await send(
        As.member(client, ada), update(own, b, a, b), update(others), update(unchanged, c), atomic=atomic
    )

    named = [
        {"flowPipelineName": "pipeline 1", "flowPipelineId": str(b)},
        {"flowPipelineName": "pipeline 0", "flowPipelineId": str(a)},
    ]
    assert (answer.status, answer.body["status"]) == (200, "OK")
    assert answer.body["results"] == [
        {"job_id": own, "status": "OK", "updated_pipelines": named},
        {"job_id": others, "status": "OK", "updated_pipelines": []},
        {
            "job_id": unchanged,
            "status": "OK",
            "updated_pipelines": [{"flowPipelineName": "pipeline 2", "flowPipelineId": str(c)}],
        },
    ]
    assert [await world.pipelines_of(job) for job in (own, others, unchanged)] == [[b, a], [], [c]]
    assert sorted(await audited(world)) == sorted(
        [(f"job:{own}", [str(a)], [str(b), str(a)]), (f"job:{others}", [str(b)], [])]
    )
    rows = await world.raw.fetch(
        "SELECT actor_id, token_id, request_id FROM audit WHERE organization_id = $1", world.id
    )
    assert {tuple(row) for row in rows} == {
        (ada.id, await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", ada.id), rows[0]["request_id"])
    }


async def test_batch_refuses_each_update_for_itself(client: Client, world: World) -> None:
    ada, bob = await world.user(), await world.user()
    a, b, c = await places(world, ada)
    await world.raw.execute("UPDATE user_grants SET access = $2 WHERE pipeline_id = $1", c, READ)
    hidden = await world.pipeline("hidden")
    own, unseen, in_hidden = await world.job(ada, a), await world.job(bob), await world.job(bob, b, hidden)
    updates = [
        update(own, b),
        update("nothing", b),
        update(unseen, b),
        update(own, hidden),
        update(own, c),
        update(in_hidden, b),
        update(in_hidden),
        {"job_id": own, "pipeline_ids": ["x"]},
        {"job_id": own, "pipeline_ids": [str(uuid4())] * (MAX_PIPELINES + 1)},
        {"job_id": own},
        {"job_id": own, "pipeline_ids": [], "unknown": 1},
        update(own, a),
    ]
    call = As.member(client, ada)

    answer = await send(call, *updates)

    results = answer.body["results"]
    assert [result["job_id"] for result in results] == [each["job_id"] for each in updates]
    assert [result.get("code", "OK") for result in results] == [
        *("OK", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "PERMISSION_DENIED", "NOT_FOUND", "NOT_FOUND"),
        *(["INVALID_ARGUMENT"] * 4),
        "OK",
    ]
    for sent, result in zip(updates[1:-1], results[1:-1], strict=True):
        alone = await call("POST", "/jobs/pipelines", sent)
        assert (result["code"], result["msg"]) == (alone.code, alone.body["msg"])
    assert await world.pipelines_of(own) == [a]
    assert await world.pipelines_of(in_hidden) == [b, hidden]
    assert len(await audited(world)) == 2


async def test_batch_that_is_all_or_nothing_names_the_first_refusal_and_changes_nothing(
    client: Client, world: World
) -> None:
    ada = await world.user()
    a, b, c = await places(world, ada)
    await world.raw.execute("UPDATE user_grants SET access = $2 WHERE pipeline_id = $1", c, READ)
    job = await world.job(ada, a)
    call = As.member(client, ada)

    denied = await send(call, update(job, b), update(job, c), update("nothing"), atomic=True)
    unknown = await send(call, update("nothing"), update(job, c), atomic=True)
    malformed = await send(call, update("nothing"), {"job_id": job, "pipeline_ids": ["x"]}, atomic=True)

    assert (denied.code, denied.body["details"]) == ("PERMISSION_DENIED", {"index": ["1"]})
    assert denied.body["msg"].startswith("Update 1 of the batch, counted from 0: You may not put jobs into")
    assert (unknown.code, unknown.body["details"]["index"]) == ("NOT_FOUND", ["0"])
    assert (malformed.code, malformed.body["details"]["index"]) == ("INVALID_ARGUMENT", ["1"])
    assert malformed.body["details"]["pipeline_ids.0"] == ["Not a valid UUID."]
    assert (await world.pipelines_of(job), await audited(world)) == ([a], [])


@atomically
async def test_batch_updates_a_job_that_is_named_again_in_order(client: Client, world: World, atomic: bool) -> None:
    ada = await world.user()
    a, b, c = await places(world, ada)
    one, two = await world.job(ada), await world.job(ada)
    updates = [update(one, a), update(two, b), update(one, b), update(one, b), update(two, b, c), update(one, c)]

    answer = await send(As.member(client, ada), *updates, atomic=atomic)

    found = [[each["flowPipelineId"] for each in result["updated_pipelines"]] for result in answer.body["results"]]
    assert found == [each["pipeline_ids"] for each in updates]
    assert (await world.pipelines_of(one), await world.pipelines_of(two)) == ([c], [b, c])
    of_one = [(before, after) for target, before, after in await audited(world) if target == f"job:{one}"]
    assert of_one == [([], [str(a)]), ([str(a)], [str(b)]), ([str(b)], [str(c)])]


async def test_batch_that_is_all_or_nothing_judges_a_job_by_what_it_has_made_of_it(
    client: Client, world: World
) -> None:
    """The owner takes a job out of a pipeline without execute there, and can't put it in again."""
    ada, bob = await world.user(), await world.user()
    a, b, _ = await places(world, ada, access=READ)
    job, other = await world.job(ada, a), await world.job(bob, b)

    answer = await send(As.member(client, ada), update(job), update(job, a), update(other), atomic=True)

    assert (answer.code, answer.body["details"]["index"]) == ("PERMISSION_DENIED", ["1"])
    assert await world.pipelines_of(job) == [a]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "updates"),
        ({"updates": None}, "updates"),
        ({"updates": {}}, "updates"),
        ({"updates": [update("7")] * (MAX_UPDATES + 1)}, "updates"),
        ({"updates": [update("7", *[UUID(int=1)] * 1000)] * 5 + [update("7", UUID(int=1))]}, "updates"),
        ({"updates": [update("7"), 1]}, "updates.1"),
        ({"updates": [[]]}, "updates.0"),
        ({"updates": [{"pipeline_ids": []}]}, "updates.0.job_id"),
        ({"updates": [{"job_id": 7, "pipeline_ids": []}]}, "updates.0.job_id"),
        ({"updates": [update("a b")]}, "updates.0.job_id"),
        ({"updates": [], "atomic": "true"}, "atomic"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_batch_that_is_no_list_of_updates_is_refused_whole(
    client: Client, world: World, body: Any, field: str
) -> None:
    answer = await As.member(client, await world.user())("POST", BATCH, body)

    assert (answer.status, answer.code, [*answer.body["details"]]) == (400, "INVALID_ARGUMENT", [field])


async def test_batch_may_be_as_large_as_is_said(client: Client, world: World) -> None:
    ada = await world.user()
    made = [await world.job(ada) for _ in range(MAX_UPDATES)]
    spread = [await world.pipeline() for _ in range(20)]
    for place in spread:
        await world.grant(place, ada)
    updates = [
        update(job, *(spread[(number + each) % 20] for each in range(MAX_IDS // MAX_UPDATES)))
        for number, job in enumerate(made)
    ]
    call = As.member(client, ada)

    for atomic, wanted in ((False, updates), (True, [update(job) for job in made])):
        answer = await send(call, *wanted, atomic=atomic)
        assert [len(each["updated_pipelines"]) for each in answer.body["results"]] == [
            len(each["pipeline_ids"]) for each in wanted
        ]
    assert len(await audited(world)) == 2 * MAX_UPDATES


async def test_batch_of_no_updates_does_nothing(client: Client, world: World) -> None:
    for atomic in (False, True):
        answer = await send(As.member(client, await world.user()), atomic=atomic)
        assert answer.body == {"status": "OK", "results": []}


@pytest.mark.parametrize("role", ["pipeline_admin", "admin"])
async def test_batch_by_a_role_updates_jobs_of_others(client: Client, world: World, role: str) -> None:
    """A pipeline administrator sees jobs of others only where these are, so that none is pre-authorized."""
    pam, bob = await world.user(role=role), await world.user()
    a, b, _ = await places(world)
    queued, hidden = await world.job(bob, a), await world.job(bob)

    answer = await send(As.member(client, pam), update(queued, b), update(hidden, b))

    seen = role == "admin"
    assert [each["status"] for each in answer.body["results"]] == ["OK", "OK" if seen else "ERROR"]
    assert (await world.pipelines_of(queued), await world.pipelines_of(hidden)) == ([b], [b] if seen else [])


@pytest.mark.parametrize("limit", [1, 2, 5000])
async def test_batch_reads_as_many_pipelines_of_jobs_at_once_as_fit(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(jobs, "MAX_PIPELINES_OF_JOBS", limit)
    monkeypatch.setattr(job_batches, "SLICE", 1)
    pam, bob = await world.user(role="pipeline_admin"), await world.user()
    a, b, c = await places(world)
    made = [await world.job(bob, *places_of) for places_of in ([a, b, c], [a], [b, c], [c])]
    call = As.member(client, pam)

    for atomic, place in ((False, a), (True, b)):
        answer = await send(call, *(update(job, place) for job in made), update("nothing"), atomic=False)
        assert [each["status"] for each in answer.body["results"]] == [*["OK"] * 4, "ERROR"]
        answer = await send(call, *(update(job, c, place) for job in made), atomic=atomic)
        assert [await world.pipelines_of(job) for job in made] == [[c, place]] * 4


async def test_batch_leaves_alone_what_is_locked_and_makes_the_others(client: Client, world: World, dsn: str) -> None:
    ada = await world.user()
    a, b, _ = await places(world, ada)
    held, free = await world.job(ada, a), await world.job(ada, a)

    async with locked(dsn, "jobs", held):
        answer = await send(As.member(client, ada), update(held, b), update(free, b))

    assert [each.get("code", "OK") for each in answer.body["results"]] == ["ABORTED", "OK"]
    assert (await world.pipelines_of(held), await world.pipelines_of(free)) == ([a], [b])


async def test_batch_waits_a_while_for_what_is_locked(client: Client, world: World, dsn: str) -> None:
    ada = await world.user()
    a, b, _ = await places(world, ada)
    held = await world.job(ada, a)
    for atomic in (False, True):
        async with locked(dsn, "jobs", held):
            sending = asyncio.create_task(
                send(As.member(client, ada), update(held, b if atomic else a, b), atomic=atomic)
            )
            await asyncio.sleep(0.2)
            assert not sending.done()
        assert (await sending).body["results"][0]["status"] == "OK"


@atomically
async def test_update_in_a_batch_is_decided_as_it_is_alone(client: Client, world: World, atomic: bool) -> None:
    """By a token that only reads, too: a set that stays as it is takes no more, alone or among others."""
    ada = await world.user()
    a, b, hidden = *(await places(world, ada))[:2], await world.pipeline()
    call = As(client, await world.token(ada.id, scopes=READ))
    in_a, in_none = await world.job(ada, a), await world.job(ada)
    updates = [update(in_a, a), update(in_none), update(in_a, a, b), update(in_a), update(in_none, hidden)]

    alone = [await call("POST", "/jobs/pipelines", each) for each in updates]
    assert [each.code for each in alone] == ["OK", "OK", "PERMISSION_DENIED", "PERMISSION_DENIED", "NOT_FOUND"]

    if not atomic:
        results = (await send(call, *updates)).body["results"]
        assert [each.get("code", "OK") for each in results] == [each.code for each in alone]
        assert [each.get("msg") for each in results] == [each.body.get("msg") for each in alone]
    for sent, told in zip(updates, alone, strict=True):
        answer = await send(call, sent, atomic=atomic)
        result = answer.body if atomic else answer.body["results"][0]
        assert result.get("code", "OK") == told.code
        if atomic:
            assert answer.headers.get("WWW-Authenticate") == told.headers.get("WWW-Authenticate")
    assert await audited(world) == []


async def test_batch_that_is_refused_reads_the_same_of_what_is_hidden_and_what_is_not_there(
    client: Client, world: World
) -> None:
    ada, bob = await world.user(), await world.user()
    hidden = await world.pipeline("Whispered")
    job, own = await world.job(bob, hidden), await world.job(ada)
    call = As.member(client, ada)

    results = (await send(call, update(job), update("nothing"), update(own, hidden), update(own, uuid4()))).body[
        "results"
    ]

    texts = [str(each).replace(job, "X").replace("nothing", "X") for each in results[:2]]
    assert texts[0] == texts[1]
    assert {each["code"] for each in results} == {"NOT_FOUND"}
    assert "Whispered" not in str(results)


async def test_batch_is_decided_again_after_a_concurrent_revocation(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await world.user()
    a, b, _ = await places(world, ada)
    job = await world.job(ada, a)
    update_each = job_updates.update_each

    async def revoked_meanwhile(*arguments: Any) -> Any:
        await world.raw.execute("DELETE FROM user_grants WHERE user_id = $1 AND pipeline_id = $2", ada.id, b)
        return await update_each(*arguments)

    monkeypatch.setattr(job_updates, "update_each", revoked_meanwhile)

    answer = await send(As.member(client, ada), update(job, b))

    assert [each["code"] for each in answer.body["results"]] == ["NOT_FOUND"]
    assert await world.pipelines_of(job) == [a]


async def test_batch_takes_room_among_bodies_until_it_is_answered(client: Client, world: World, dsn: str) -> None:
    """What it was parsed as takes twice as much as the body."""
    ada = await world.user()
    a, b, _ = await places(world, ada)
    job = await world.job(ada, a)
    assert client.app is not None
    bodies = client.app[BODIES]

    async with locked(dsn, "jobs", job):
        sending = asyncio.create_task(send(As.member(client, ada), update(job, *[b] * (MAX_PIPELINES - 1))))
        await asyncio.sleep(0.2)
        assert bodies.bytes > 20_000
    assert (await sending).body["results"][0]["status"] == "OK"
    assert (await send(As.member(client, ada), update(job, *[b] * (MAX_PIPELINES + 1)))).code == "OK"
    assert (await send(As.member(client, ada), *[1] * 20_000)).code == "INVALID_ARGUMENT"
    assert bodies.bytes == 0
