import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.batching.job_updates import JobUpdateBatcher
from service.permissions import EXECUTE, MANAGER, READ
from service.repositories import job_updates, jobs
from service.telemetry.request_record import RequestRecord
from tests.conftest import Client
from tests.factories import Member, World, bearer

PATH = "/api/v1/jobs/pipelines"


async def update(
    client: Client, headers: dict[str, str], job_id: str, *pipeline_ids: UUID
) -> tuple[int, dict[str, Any]]:
    body = {"job_id": job_id, "pipeline_ids": [str(pipeline_id) for pipeline_id in pipeline_ids]}
    answer = await client.post(PATH, json=body, headers=headers)
    return answer.status, await answer.json()


async def code(client: Client, who: Member, job_id: str, *pipeline_ids: UUID) -> str:
    status, body = await update(client, who.headers, job_id, *pipeline_ids)
    return "OK" if status == 200 else str(body["code"])


async def test_update_job_pipelines_whole_answer_in_the_order_of_the_request(client: Client, world: World) -> None:
    ada = await world.user()
    a, b, old = await world.pipeline("a"), await world.pipeline("b"), await world.pipeline("old")
    for pipeline in (a, b, old):
        await world.grant(pipeline, ada)
    job = await world.job(ada, old)

    answer = await update(client, ada.headers, job, b, a, b)

    assert answer == (
        200,
        {
            "status": "OK",
            "updated_pipelines": [
                {"flowPipelineName": "b", "flowPipelineId": str(b)},
                {"flowPipelineName": "a", "flowPipelineId": str(a)},
            ],
        },
    )
    assert await world.pipelines_of(job) == [b, a]


async def test_update_job_pipelines_to_nothing_deletes_no_pipeline(client: Client, world: World) -> None:
    ada = await world.user()
    a = await world.pipeline()
    await world.grant(a, ada)
    job = await world.job(ada, a)

    assert await update(client, ada.headers, job) == (200, {"status": "OK", "updated_pipelines": []})
    assert await world.pipelines_of(job) == []
    assert await world.raw.fetchval("SELECT count(*) FROM pipelines WHERE id = $1", a) == 1


async def test_update_job_pipelines_ids_in_upper_case_are_the_same_ids(client: Client, world: World) -> None:
    ada = await world.user()
    a = await world.pipeline("a")
    await world.grant(a, ada)
    job = await world.job(ada)

    answer = await client.post(
        PATH, json={"job_id": job, "pipeline_ids": [str(a).upper(), str(a)]}, headers=ada.headers
    )

    assert (await answer.json())["updated_pipelines"] == [{"flowPipelineName": "a", "flowPipelineId": str(a)}]


async def test_update_job_pipelines_retained_pipelines_keep_their_place_in_the_queue(
    client: Client, world: World
) -> None:
    ada = await world.user()
    kept, added = await world.pipeline(), await world.pipeline()
    for pipeline in (kept, added):
        await world.grant(pipeline, ada)
    job = await world.job(ada, kept)
    queued = "SELECT assigned_at FROM assignments WHERE job_id = $1 AND pipeline_id = $2"
    before = await world.raw.fetchval(queued, job, kept)

    await update(client, ada.headers, job, added, kept)

    assert await world.raw.fetchval(queued, job, kept) == before
    assert await world.pipelines_of(job) == [added, kept]


# ---- permissions


async def test_update_job_pipelines_adding_needs_execute(client: Client, world: World) -> None:
    ada = await world.user()
    readable, hidden = await world.pipeline(), await world.pipeline()
    await world.grant(readable, ada, READ)
    job = await world.job(ada)

    assert await code(client, ada, job, readable) == "PERMISSION_DENIED"
    assert await code(client, ada, job, hidden) == "NOT_FOUND"
    assert await code(client, ada, job, readable, hidden) == "NOT_FOUND"
    assert await world.pipelines_of(job) == []


async def test_update_job_pipelines_removing_needs_execute_unless_the_caller_owns_the_job(
    client: Client, world: World
) -> None:
    ada, owner = await world.user(), await world.user()
    readable = await world.pipeline()
    await world.grant(readable, ada, READ)
    job = await world.job(owner, readable)

    assert await code(client, ada, job) == "PERMISSION_DENIED"
    assert await world.pipelines_of(job) == [readable]
    assert await code(client, owner, job) == "OK"
    assert await world.pipelines_of(job) == []


async def test_update_job_pipelines_removing_a_hidden_pipeline_is_not_found(client: Client, world: World) -> None:
    ada, owner = await world.user(), await world.user()
    mine, hidden = await world.pipeline(), await world.pipeline("secret")
    await world.grant(mine, ada)
    job = await world.job(owner, mine, hidden)

    status, body = await update(client, ada.headers, job, mine)

    assert (status, body["code"]) == (404, "NOT_FOUND")
    assert "secret" not in str(body)
    assert str(hidden) not in str(body)


async def test_update_job_pipelines_retaining_needs_read_alone(client: Client, world: World) -> None:
    owner = await world.user()
    kept, added = await world.pipeline("kept"), await world.pipeline("added")
    await world.grant(kept, owner, READ)
    await world.grant(added, owner)
    job = await world.job(owner, kept)

    status, body = await update(client, owner.headers, job, kept, added)

    assert (status, [p["flowPipelineName"] for p in body["updated_pipelines"]]) == (200, ["kept", "added"])


async def test_update_job_pipelines_of_a_job_visible_through_a_pipeline(client: Client, world: World) -> None:
    ada, owner = await world.user(), await world.user()
    mine, other = await world.pipeline(), await world.pipeline()
    for pipeline in (mine, other):
        await world.grant(pipeline, await world.group(ada), EXECUTE)
    job = await world.job(owner, mine)

    assert await code(client, ada, job, other) == "OK"
    assert await code(client, ada, job) == "OK"
    assert await code(client, ada, job, mine) == "NOT_FOUND", "out of every pipeline, the job is out of sight"


@pytest.mark.parametrize(
    ("role", "verdict"), [("admin", "OK"), ("pipeline_admin", "NOT_FOUND"), ("member", "NOT_FOUND")]
)
async def test_update_job_pipelines_administrators_may_always(
    client: Client, world: World, role: str, verdict: str
) -> None:
    ada = await world.user(role=role)
    job = await world.job(await world.user())

    assert await code(client, ada, job, await world.pipeline()) == verdict


async def test_update_job_pipelines_missing_scope_is_challenged(client: Client, world: World) -> None:
    ada = await world.user()
    a = await world.pipeline()
    await world.grant(a, ada, MANAGER)
    job = await world.job(ada)
    token = await world.token(ada.id, scopes=READ)

    answer = await client.post(PATH, json={"job_id": job, "pipeline_ids": [str(a)]}, headers=bearer(token))

    assert answer.status == 403
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="flow_pipeline:execute"'


async def test_update_job_pipelines_hidden_answers_exactly_like_absent(client: Client, world: World) -> None:
    ada = await world.user()
    mine = await world.job(ada)
    hidden_job = await world.job(await world.user())
    hidden_pipeline = await world.pipeline()

    async def told(job_id: str, pipeline_id: UUID) -> tuple[int, str, dict[str, str]]:
        body = {"job_id": job_id, "pipeline_ids": [str(pipeline_id)]}
        answer = await client.post(PATH, json=body, headers={**ada.headers, "X-Request-Id": "same"})
        text = (await answer.text()).replace(job_id, "JOB").replace(str(pipeline_id), "PIPELINE")
        return answer.status, text, {name: value for name, value in answer.headers.items() if name != "Date"}

    assert await told(hidden_job, hidden_pipeline) == await told(str(uuid4()), uuid4())
    assert await told(mine, hidden_pipeline) == await told(mine, uuid4())
    assert (await told(mine, hidden_pipeline))[0] == 404


# ---- malformed requests


BAD_BODIES = {
    "empty": b"",
    "not JSON": b"{",
    "not UTF-8": b'{"job_id": "\xff", "pipeline_ids": []}',
    "a list": b"[]",
    "null": b"null",
    "a string": b'"x"',
    "nothing in it": b"{}",
    "no job_id": b'{"pipeline_ids": []}',
    "job_id null": b'{"job_id": null, "pipeline_ids": []}',
    "job_id a number": b'{"job_id": 1, "pipeline_ids": []}',
    "job_id empty": b'{"job_id": "", "pipeline_ids": []}',
    "job_id too long": json.dumps({"job_id": "x" * 129, "pipeline_ids": []}).encode(),
    "job_id reserved": b'{"job_id": "pipelines", "pipeline_ids": []}',
    "job_id with a line break": b'{"job_id": "JOB\\n", "pipeline_ids": []}',
    "no pipeline_ids": b'{"job_id": "JOB"}',
    "pipeline_ids null": b'{"job_id": "JOB", "pipeline_ids": null}',
    "pipeline_ids a bare string": b'{"job_id": "JOB", "pipeline_ids": "PIPELINE"}',
    "pipeline_ids an object": b'{"job_id": "JOB", "pipeline_ids": {"0": "PIPELINE"}}',
    "an id null": b'{"job_id": "JOB", "pipeline_ids": [null]}',
    "an id a number": b'{"job_id": "JOB", "pipeline_ids": [1]}',
    "an id a list": b'{"job_id": "JOB", "pipeline_ids": [["PIPELINE"]]}',
    "an id no UUID": b'{"job_id": "JOB", "pipeline_ids": ["PIPELINE", "x"]}',
    "an id without dashes": b'{"job_id": "JOB", "pipeline_ids": ["8c400d5515d441f9b306ec2836898d83"]}',
    "an id in braces": b'{"job_id": "JOB", "pipeline_ids": ["{8c400d55-15d4-41f9-b306-ec2836898d83}"]}',
    "an id as a URN": b'{"job_id": "JOB", "pipeline_ids": ["urn:uuid:8c400d55-15d4-41f9-b306-ec2836898d83"]}',
    "more than 1000 ids": json.dumps({"job_id": "JOB", "pipeline_ids": [str(uuid4()) for _ in range(1001)]}).encode(),
    "an unknown key": b'{"job_id": "JOB", "pipeline_ids": [], "force": true}',
    "a key twice": b'{"job_id": "JOB", "pipeline_ids": [], "pipeline_ids": []}',
    "NaN": b'{"job_id": "JOB", "pipeline_ids": NaN}',
    "Infinity": b'{"job_id": "JOB", "pipeline_ids": [-Infinity]}',
    "a lone surrogate": b'{"job_id": "JOB", "pipeline_ids": ["\\ud800"]}',
    "a NUL": b'{"job_id": "JOB\\u0000", "pipeline_ids": []}',
    "a NUL in a key": b'{"job_id": "JOB", "pipeline_ids": [], "\\u0000": 1}',
    "nested too deeply": b"[" * 100_000,
    "a number too long": b'{"job_id": ' + b"1" * 10_000 + b"}",
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_update_job_pipelines_malformed_body_changes_nothing(client: Client, world: World, body: bytes) -> None:
    ada = await world.user()
    pipeline = await world.pipeline()
    await world.grant(pipeline, ada)
    job = await world.job(ada, pipeline)
    sent = body.replace(b"JOB", job.encode()).replace(b"PIPELINE", str(pipeline).encode())

    answer = await client.post(PATH, data=sent, headers=ada.headers)

    told = await answer.json()
    assert (answer.status, told["status"], told["code"]) == (400, "ERROR", "INVALID_ARGUMENT")
    assert await world.pipelines_of(job) == [pipeline]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", None])
async def test_update_job_pipelines_ignores_the_content_type(
    client: Client, world: World, content_type: str | None
) -> None:
    ada = await world.user()
    job = await world.job(ada)
    headers = ada.headers | ({"Content-Type": content_type} if content_type else {})

    answer = await client.post(
        PATH,
        data=json.dumps({"job_id": job, "pipeline_ids": []}).encode(),
        headers=headers,
        skip_auto_headers=["Content-Type"],
    )

    assert await answer.json() == {"status": "OK", "updated_pipelines": []}


async def test_update_job_pipelines_accepts_1000_ids(client: Client, world: World) -> None:
    ada = await world.user(role="admin")
    ids = [await world.pipeline() for _ in range(3)]
    job = await world.job(ada)

    status, body = await update(client, ada.headers, job, *(ids * 333), ids[0])

    assert (status, len(body["updated_pipelines"])) == (200, 3)


async def test_update_job_pipelines_names_errors_by_field(client: Client, world: World) -> None:
    ada = await world.user()

    answer = await client.post(PATH, json={"pipeline_ids": [str(uuid4()), "x"]}, headers=ada.headers)

    body = await answer.json()
    assert body["details"] == {
        "job_id": ["Missing data for required field."],
        "pipeline_ids.1": ["Not a valid UUID."],
    }
    assert body["msg"].startswith("The request is not valid: ")


async def test_update_job_pipelines_fields_in_the_query_are_refused(client: Client, world: World) -> None:
    ada = await world.user()

    answer = await client.post(f"{PATH}?job_id=x", json={"pipeline_ids": []}, headers=ada.headers)

    assert (answer.status, (await answer.json())["details"]) == (400, {"job_id": ["Belongs in the body."]})


# ---- audit trail


async def test_update_job_pipelines_is_audited_in_one_row(client: Client, world: World) -> None:
    ada = await world.user("ada")
    old, new = await world.pipeline(), await world.pipeline()
    await world.grant(new, ada)
    job = await world.job(ada, old)

    await update(client, ada.headers | {"X-Request-Id": "request-1"}, job, new)

    rows = await world.raw.fetch("SELECT * FROM audit WHERE organization_id = $1", world.id)
    assert len(rows) == 1
    row = dict(rows[0])
    assert (row["actor_id"], row["actor"], row["action"], row["target"], row["request_id"]) == (
        ada.id,
        "ada",
        "job.update_pipelines",
        f"job:{job}",
        "request-1",
    )
    assert json.loads(row["before"]) == {"pipeline_ids": [str(old)]}
    assert json.loads(row["after"]) == {"pipeline_ids": [str(new)]}
    assert row["token_id"] == await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", ada.id)


async def test_update_job_pipelines_unchanged_or_refused_leaves_no_audit_row(client: Client, world: World) -> None:
    ada = await world.user()
    a = await world.pipeline()
    await world.grant(a, ada)
    job = await world.job(ada, a)

    assert await code(client, ada, job, a) == "OK"
    assert await code(client, ada, job, uuid4()) == "NOT_FOUND"
    assert await world.raw.fetchval("SELECT count(*) FROM audit WHERE organization_id = $1", world.id) == 0


# ---- pre-authorized updates


async def test_update_job_pipelines_by_a_recent_caller_takes_one_statement(
    client: Client, world: World, records: list[RequestRecord]
) -> None:
    owner, reviewer, outsider = [await world.user() for _ in range(3)]
    a, b, c = [await world.pipeline() for _ in range(3)]
    for pipeline in (a, b):
        await world.grant(pipeline, owner)
        await world.grant(pipeline, reviewer)
    await world.grant(b, outsider)
    job = await world.job(owner, a)
    for who in (owner, reviewer, outsider):
        await code(client, who, str(uuid4()), b)  # the first update of each caches their executable pipelines

    answers = [await code(client, who, job, b) for who in (owner, reviewer, outsider)]
    answers += [await code(client, owner, job, b, c)]

    assert answers == ["OK", "OK", "OK", "NOT_FOUND"]
    taken = [record.statements for record in records[-4:]]
    assert taken[:3] == [1, 1, 1]
    assert taken[3] > 2, "what is refused is refused after a look at the job"


async def test_update_job_pipelines_is_decided_again_after_a_concurrent_revocation(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, pipeline = await world.user(), await world.pipeline()
    await world.grant(pipeline, ada)
    job = await world.job(ada)
    update_each = job_updates.update_each

    async def revoked_meanwhile(*arguments: Any) -> Any:
        await world.raw.execute("DELETE FROM user_grants WHERE user_id = $1", ada.id)
        return await update_each(*arguments)

    monkeypatch.setattr(job_updates, "update_each", revoked_meanwhile)

    assert await code(client, ada, job, pipeline) == "NOT_FOUND"
    assert await world.pipelines_of(job) == []


async def test_update_job_pipelines_by_an_expired_grant_is_not_found(client: Client, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline()
    soon = await world.raw.fetchval("SELECT clock_timestamp()") + timedelta(seconds=2)
    await world.grant(pipeline, ada, EXECUTE, soon)
    job = await world.job(ada)

    assert await code(client, ada, job, pipeline) == "OK"
    await asyncio.sleep(2.1)
    assert await code(client, ada, job) == "OK"
    assert await code(client, ada, job, pipeline) == "NOT_FOUND"


async def test_update_job_pipelines_of_a_locked_job_waits_without_delaying_others(
    client: Client, world: World, dsn: str
) -> None:
    ada, pipeline, other = await world.user(), await world.pipeline(), await world.pipeline()
    for key in (pipeline, other):
        await world.grant(key, ada)
    job, free = await world.job(ada), await world.job(ada)
    holding = await asyncpg.connect(dsn)
    transaction = holding.transaction()
    await transaction.start()
    await holding.execute("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", job)

    waiting = asyncio.create_task(code(client, ada, job, pipeline))
    assert await asyncio.wait_for(code(client, ada, free, pipeline), 5) == "OK", "others need not wait"
    assert not waiting.done()
    await transaction.rollback()
    await holding.close()

    assert await waiting == "OK"
    assert await world.pipelines_of(job) == [pipeline]


# ---- concurrent updates


async def mixes_seen(client: Client, replica: Client, world: World, times: int) -> int:
    """Count the pairs of concurrent updates, through two replicas, that leave a set that neither asked for."""
    ada = await world.user(role="admin")
    old, first, second = [[await world.pipeline() for _ in range(5)] for _ in range(3)]
    mixes = 0
    for _ in range(times):
        job = await world.job(ada, *old)
        answers = await asyncio.gather(
            update(client, ada.headers, job, *first), update(replica, ada.headers, job, *second)
        )
        assert [status for status, _ in answers] == [200, 200]
        mixes += set(await world.pipelines_of(job)) not in ({*first}, {*second})
    return mixes


@pytest.fixture
def job_is_seen_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable pre-authorization, so that every update reads its job before it is decided."""

    async def decide_nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(JobUpdateBatcher, "update", decide_nothing)


async def test_update_job_pipelines_twice_at_once_never_mixes(client: Client, replica: Client, world: World) -> None:
    assert await mixes_seen(client, replica, world, 30) == 0


@pytest.mark.usefixtures("job_is_seen_first")
async def test_update_job_pipelines_twice_at_once_never_mixes_without_preauthorization(
    client: Client, replica: Client, world: World
) -> None:
    assert await mixes_seen(client, replica, world, 30) == 0


@pytest.mark.usefixtures("job_is_seen_first")
async def test_update_job_pipelines_twice_at_once_mixes_without_the_lock(
    client: Client, replica: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it shows that the tests above can fail."""
    monkeypatch.setattr(jobs, "find_for_update", jobs.find)

    assert await mixes_seen(client, replica, world, 30) > 0
