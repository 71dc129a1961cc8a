from uuid import uuid4

import pytest

from service.permissions import DELETE, EXECUTE, MANAGE_PIPELINES, MANAGER, READ, SCOPE_ADMIN, WRITE
from tests.conftest import Client
from tests.factories import PAST, Member, World, bearer

PATHS = ["/api/v1/flow/pipeline", "/api/v1/jobs/pipelines"]


async def listed(client: Client, headers: dict[str, str], path: str = PATHS[0]) -> dict[str, list[str]]:
    """Return the permissions by name of pipeline, in the order of the answer."""
    answer = await client.get(path, headers=headers)
    assert answer.status == 200
    return {pipeline["name"]: pipeline["permissions"] for pipeline in (await answer.json())["pipelines"]}


@pytest.mark.parametrize("path", PATHS)
async def test_list_pipelines_whole_answer(client: Client, world: World, path: str) -> None:
    ada = await world.user()
    invoices = await world.pipeline("Invoices")
    await world.grant(invoices, ada, MANAGER)

    answer = await client.get(path, headers=ada.headers)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert await answer.json() == {
        "status": "OK",
        "pipelines": [
            {
                "name": "Invoices",
                "id": str(invoices),
                "permissions": [
                    "flow_pipeline:read",
                    "flow_pipeline:execute",
                    "flow_pipeline:delete",
                    "flow_pipeline:manage_pipelines",
                    "flow_pipeline:write",
                ],
                "is_manager": True,
            }
        ],
    }


async def test_list_pipelines_both_paths_answer_the_same_bytes(client: Client, world: World) -> None:
    ada = await world.user()
    for access in (READ, WRITE, EXECUTE | DELETE, MANAGE_PIPELINES, MANAGER):
        await world.grant(await world.pipeline(), ada, access)

    first, second = [await (await client.get(path, headers=ada.headers)).read() for path in PATHS]

    assert first == second
    assert first.count(b"flow_pipeline:read") == 5


@pytest.mark.parametrize("role", ["member", "admin"])
async def test_list_pipelines_both_paths_answer_the_same_pages(client: Client, world: World, role: str) -> None:
    ada = await world.user(role=role)
    for number in range(5):
        await world.grant(await world.pipeline(f"p{number}"), ada, MANAGER)
    query = {"page_size": "2", "name": "p", "is_manager": "true"}

    for turn in range(3):
        answers = [await client.get(path, params=query, headers=ada.headers) for path in PATHS]
        first, second = [await answer.read() for answer in answers]
        assert first == second
        assert answers[0].headers["ETag"] == answers[1].headers["ETag"]
        token = (await answers[turn % 2].json()).get("next_page_token")  # that of either is good for both
        query["page_token"] = token or ""
    assert token is None


async def test_list_pipelines_of_a_newcomer_is_empty(client: Client, world: World) -> None:
    await world.pipeline()
    ada = await world.user()

    assert await listed(client, ada.headers) == {}


async def test_list_pipelines_is_the_union_of_user_and_groups(client: Client, world: World) -> None:
    ada = await world.user()
    pipeline = await world.pipeline("p")
    await world.grant(pipeline, ada, WRITE)
    await world.grant(pipeline, await world.group(ada), EXECUTE)
    await world.grant(pipeline, await world.group(ada), DELETE)
    await world.grant(pipeline, await world.group(), MANAGE_PIPELINES)

    assert await listed(client, ada.headers) == {
        "p": ["flow_pipeline:read", "flow_pipeline:execute", "flow_pipeline:delete", "flow_pipeline:write"]
    }


async def test_list_pipelines_expired_grants_give_nothing(client: Client, world: World) -> None:
    ada = await world.user()
    await world.grant(await world.pipeline("gone"), ada, MANAGER, expires_at=PAST)
    await world.grant(await world.pipeline("gone too"), await world.group(ada), MANAGER, expires_at=PAST)
    kept = await world.pipeline("kept")
    await world.grant(kept, ada, EXECUTE, expires_at=PAST)
    await world.grant(kept, await world.group(ada), READ)

    assert await listed(client, ada.headers) == {"kept": ["flow_pipeline:read"]}


@pytest.mark.parametrize("role", ["admin", "pipeline_admin"])
async def test_list_pipelines_administrators_manage_every_pipeline(client: Client, world: World, role: str) -> None:
    ada = await world.user(role=role)
    await world.pipeline("b")
    await world.pipeline("a")

    answer = await (await client.get(PATHS[0], headers=ada.headers)).json()

    assert [(p["name"], len(p["permissions"]), p["is_manager"]) for p in answer["pipelines"]] == [
        ("a", 5, True),
        ("b", 5, True),
    ]


async def test_list_pipelines_by_name_then_id(client: Client, world: World) -> None:
    ada = await world.user()
    for name in ("b", "Ä", "a", "C", "ab", "A b"):
        await world.grant(await world.pipeline(name), ada)

    assert list(await listed(client, ada.headers)) == ["A b", "C", "a", "ab", "b", "Ä"]


async def test_list_pipelines_scopes_cut_down(client: Client, world: World) -> None:
    ada = await world.user()
    await world.grant(await world.pipeline("managed"), ada, MANAGER)
    await world.grant(await world.pipeline("read"), ada, READ)
    token = await world.token(ada.id, scopes=READ | EXECUTE)

    answer = await (await client.get(PATHS[0], headers=bearer(token))).json()

    assert [(p["name"], p["permissions"], p["is_manager"]) for p in answer["pipelines"]] == [
        ("managed", ["flow_pipeline:read", "flow_pipeline:execute"], False),
        ("read", ["flow_pipeline:read"], False),
    ]


async def test_list_pipelines_by_a_token_that_manages_nothing_lists_what_its_user_manages(
    client: Client, world: World
) -> None:
    ada = await world.user()
    await world.grant(await world.pipeline("managed"), ada, MANAGER)
    token = await world.token(ada.id, scopes=READ)

    managed = f"{PATHS[0]}?is_manager=false"

    assert list(await listed(client, bearer(token), managed)) == ["managed"]
    assert list(await listed(client, ada.headers, managed)) == []


async def test_list_pipelines_scopes_without_read_show_nothing(client: Client, world: World) -> None:
    ada = await world.user(role="admin")
    await world.pipeline()
    token = await world.token(ada.id, scopes=EXECUTE | SCOPE_ADMIN)

    assert await listed(client, bearer(token)) == {}


async def test_list_pipelines_ignores_a_body(client: Client, world: World) -> None:
    ada = await world.user()

    answer = await client.get(PATHS[1], headers=ada.headers, data=b"{not json")

    assert (answer.status, await answer.json()) == (200, {"status": "OK", "pipelines": []})


async def test_list_pipelines_unknown_query_is_refused(client: Client, world: World) -> None:
    ada = await world.user()

    answer = await client.get(PATHS[0], params={"nmae": "x"}, headers=ada.headers)

    body = await answer.json()
    assert (answer.status, body["code"], body["details"]) == (400, "INVALID_ARGUMENT", {"nmae": ["Unknown field."]})


async def test_list_pipelines_head_has_no_body(client: Client, world: World) -> None:
    ada = await world.user()

    answer = await client.head(PATHS[0], headers=ada.headers)

    assert (answer.status, await answer.read()) == (200, b"")


# ---- list_job_pipelines


async def of_job(client: Client, who: Member, job_id: str) -> tuple[int, list[str]]:
    answer = await client.get(PATHS[1], params={"job_id": job_id}, headers=who.headers)
    body = await answer.json()
    return answer.status, [pipeline["name"] for pipeline in body.get("pipelines", [])]


async def test_list_job_pipelines_shows_only_readable_pipelines(client: Client, world: World) -> None:
    ada, owner = await world.user(), await world.user()
    b, a, hidden = await world.pipeline("b"), await world.pipeline("a"), await world.pipeline("hidden")
    await world.grant(b, ada)
    await world.grant(a, await world.group(ada), WRITE)
    job = await world.job(owner, b, hidden, a)

    answer = await client.get(PATHS[1], params={"job_id": job}, headers=ada.headers)

    assert await answer.json() == {
        "status": "OK",
        "pipelines": [
            {
                "name": "a",
                "id": str(a),
                "permissions": ["flow_pipeline:read", "flow_pipeline:write"],
                "is_manager": False,
            },
            {
                "name": "b",
                "id": str(b),
                "permissions": ["flow_pipeline:read", "flow_pipeline:execute"],
                "is_manager": False,
            },
        ],
    }


async def test_list_job_pipelines_owner_sees_the_job_without_its_hidden_pipelines(client: Client, world: World) -> None:
    owner = await world.user()
    job = await world.job(owner, await world.pipeline())

    assert await of_job(client, owner, job) == (200, [])


async def test_list_job_pipelines_administrator_sees_a_job_in_no_pipeline(client: Client, world: World) -> None:
    job = await world.job(await world.user())

    assert await of_job(client, await world.user(role="admin"), job) == (200, [])


async def test_list_job_pipelines_hidden_answers_exactly_like_absent(client: Client, world: World) -> None:
    ada, owner = await world.user(), await world.user()
    hidden, absent = await world.job(owner, await world.pipeline()), str(uuid4())

    async def told(job_id: str) -> tuple[int, str, dict[str, str]]:
        answer = await client.get(PATHS[1], params={"job_id": job_id}, headers={**ada.headers, "X-Request-Id": "same"})
        kept = {name: value for name, value in answer.headers.items() if name != "Date"}
        return answer.status, (await answer.text()).replace(job_id, "JOB"), kept

    assert await told(hidden) == await told(absent)
    assert (await told(hidden))[0] == 404


@pytest.mark.parametrize("job_id", ["", "pipelines", "a b", "x" * 129, "ä", "a/b", "\0"])
async def test_list_job_pipelines_malformed_job_id(client: Client, world: World, job_id: str) -> None:
    ada = await world.user()

    answer = await client.get(PATHS[1], params={"job_id": job_id}, headers=ada.headers)

    assert (answer.status, (await answer.json())["code"]) == (400, "INVALID_ARGUMENT")


async def test_list_job_pipelines_job_id_twice(client: Client, world: World) -> None:
    ada = await world.user()

    answer = await client.get(f"{PATHS[1]}?job_id=a&job_id=b", headers=ada.headers)

    assert (answer.status, (await answer.json())["details"]) == (400, {"job_id": ["Given more than once."]})
