"""One job into one pipeline, or out of it, whatever else it is in."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from service.operations import job_pipelines
from service.permissions import EXECUTE, READ
from tests.api.calls import Answer, As
from tests.conftest import Client
from tests.factories import Member, World


async def put(call: As, pipeline: object, job: str) -> Answer:
    return await call("PUT", f"/flow/pipeline/{pipeline}/jobs/{job}")


async def delete(call: As, pipeline: object, job: str) -> Answer:
    return await call("DELETE", f"/flow/pipeline/{pipeline}/jobs/{job}")


async def audited(world: World) -> list[tuple[str, str, Any, Any]]:
    rows = await world.raw.fetch(
        "SELECT action, target, before, after FROM audit WHERE organization_id = $1 ORDER BY id", world.id
    )
    return [(row[0], row[1], orjson.loads(row[2]), orjson.loads(row[3])) for row in rows]


def state(*pipelines: UUID) -> dict[str, list[str]]:
    return {"pipeline_ids": [*map(str, pipelines)]}


async def executor(world: World, *pipelines: UUID, access: int = READ | EXECUTE) -> Member:
    user = await world.user()
    for pipeline in pipelines:
        await world.grant(pipeline, user, access)
    return user


async def test_job_is_put_in_and_taken_out_beside_pipelines_that_the_caller_does_not_see(
    client: Client, world: World
) -> None:
    a, b, hidden = [await world.pipeline() for _ in range(3)]
    ada = await executor(world, a, b)
    job = await world.job(await world.user(), hidden, a)
    call = As.member(client, ada)

    answers = [await put(call, b, job), await put(call, b, job), await delete(call, a, job), await delete(call, a, job)]

    assert [(answer.status, answer.body) for answer in answers] == [
        (status, {"status": "OK"}) for status in (201, 200, 200, 200)
    ]
    assert answers[0].headers["Location"].endswith(f"/api/v1/flow/pipeline/{b}/jobs/{job}")
    assert await world.pipelines_of(job) == [hidden, b]
    assert await audited(world) == [
        ("job.update_pipelines", f"job:{job}", state(hidden, a), state(hidden, a, b)),
        ("job.update_pipelines", f"job:{job}", state(hidden, a, b), state(hidden, b)),
    ]


async def test_owner_takes_a_job_out_of_what_they_read_and_puts_it_into_what_they_execute(
    client: Client, world: World
) -> None:
    a, hidden = await world.pipeline(), await world.pipeline()
    ada = await executor(world, a, access=READ)
    job = await world.job(ada, a, hidden)
    call = As.member(client, ada)

    assert (await delete(call, a, job)).code == "OK"
    assert (await put(call, a, job)).code == "PERMISSION_DENIED"
    assert (await delete(call, hidden, job)).code == "NOT_FOUND"
    assert await world.pipelines_of(job) == [hidden]


@pytest.mark.parametrize("change", [put, delete], ids=["in", "out"])
async def test_job_or_pipeline_that_is_not_seen_is_answered_like_none(
    client: Client, world: World, change: Any
) -> None:
    a, hidden = await world.pipeline(), await world.pipeline()
    ada = await executor(world, a)
    unseen, own = await world.job(await world.user(), hidden), await world.job(ada)
    call = As.member(client, ada)

    def told(answer: Answer, *names: object) -> str:
        text = f"{answer.status} {answer.body['code']} {answer.body['msg']}"
        for name in names:
            text = text.replace(str(name), "X")
        return text

    absent = uuid4()
    assert told(await change(call, hidden, own), hidden) == told(await change(call, absent, own), absent)
    assert told(await change(call, a, unseen), unseen) == told(await change(call, a, "nothing"), "nothing")
    assert (await change(call, a, "nothing")).code == "NOT_FOUND"
    assert await audited(world) == []


@pytest.mark.parametrize("change", [put, delete], ids=["in", "out"])
@pytest.mark.parametrize("scopes", [READ, EXECUTE])
async def test_token_needs_both_scopes(client: Client, world: World, change: Any, scopes: int) -> None:
    a = await world.pipeline()
    ada = await executor(world, a)
    job = await world.job(ada, a)

    answer = await change(As(client, await world.token(ada.id, scopes=scopes)), a, job)

    assert answer.code == ("PERMISSION_DENIED" if scopes == READ else "NOT_FOUND")


async def test_job_may_be_in_no_more_pipelines_than_an_update_may_name(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_pipelines, "MAX_PIPELINES", 2)
    places = [await world.pipeline() for _ in range(3)]
    ada = await executor(world, *places)
    job = await world.job(ada, *places[:2])
    call = As.member(client, ada)

    answer = await put(call, places[2], job)

    assert answer.code == "FAILED_PRECONDITION"
    assert answer.body["msg"].startswith(f"Job {job} is in 2 pipelines, and may be in no more than 2: take it out")
    assert (await put(call, places[0], job)).status == 200
    assert (await delete(call, places[0], job)).status == 200
    assert (await put(call, places[2], job)).status == 201


async def test_jobs_put_in_at_once_are_all_there(client: Client, world: World) -> None:
    """What only one of them has seen is kept, too: each adds to what there is."""
    places = [await world.pipeline() for _ in range(8)]
    ada = await executor(world, *places)
    job = await world.job(ada)
    call = As.member(client, ada)

    answers = await asyncio.gather(*(put(call, place, job) for place in places))

    assert {answer.status for answer in answers} == {201}
    assert set(await world.pipelines_of(job)) == {*places}
    positions = await world.raw.fetch("SELECT position FROM assignments WHERE job_id = $1", job)
    assert len({row["position"] for row in positions}) == len(places)
    answers = await asyncio.gather(*(delete(call, place, job) for place in places))
    assert ({answer.status for answer in answers}, await world.pipelines_of(job)) == ({200}, [])


async def test_job_put_in_is_seen_by_an_update_under_way(client: Client, world: World) -> None:
    """Each change draws a new revision of the job, by which a pre-authorized update sees that it is outdated."""
    a, b = await world.pipeline(), await world.pipeline()
    ada = await executor(world, a, b)
    job = await world.job(ada)
    call = As.member(client, ada)
    seen = []
    for change in (put, delete):
        await change(call, a, job)
        seen.append(await world.raw.fetchval("SELECT revision FROM jobs WHERE id = $1", job))

    assert seen == [1, 2]
