"""Conventions of every call: authentication, the shape of failures, request ids, and the vendor's 200s."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from service.app import create_app
from service.database.pool import Database
from service.health import Health
from service.http.routes import ROUTES
from service.settings import Settings
from tests.api.sample import sample_path
from tests.conftest import Client
from tests.factories import PAST, SOON, World, bearer

LIST = "/api/v1/flow/pipeline"
EVERY_ROUTE = [(route.method, sample_path(route.path)) for route in ROUTES]


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
async def test_call_without_credentials_is_unauthenticated(client: Client, method: str, path: str) -> None:
    answer = await client.request(method, path, headers={"X-Request-Id": "mine"})

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert await answer.json() == {
        "status": "ERROR",
        "msg": "A bearer token is needed: Authorization: Bearer <token>.",
        "code": "UNAUTHENTICATED",
        "request_id": "mine",
    }


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "fp_123"])
async def test_authorization_without_a_bearer_token_is_unauthenticated(client: Client, authorization: str) -> None:
    answer = await client.get(LIST, headers={"Authorization": authorization})

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
async def test_call_with_an_unknown_token_is_unauthenticated(client: Client, method: str, path: str) -> None:
    answer = await client.request(method, path, headers=bearer(f"fp_{'0' * 64}"))

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


@pytest.mark.parametrize("value", ["{x}", "%7Bx%7D", "a%2Fb", "%20", "*", "%C3%A4"])
async def test_whatever_stands_in_an_address_is_refused_to_a_caller_alone(
    client: Client, world: World, value: str
) -> None:
    ada = await world.user(role="admin")
    paths = [
        (route.method, sample_path(route.path, **{name: value}))
        for route in ROUTES
        for name in re.findall(r"\{(\w+)\}", route.path)
        if name != "id"  # of an entry of the audit trail: there is none of that number
    ]

    for method, path in paths:
        by_nobody = await client.request(method, URL(path, encoded=True), json={})
        by_somebody = await client.request(method, URL(path, encoded=True), json={}, headers=ada.headers)
        assert (by_nobody.status, by_somebody.status) == (401, 400), (method, path)


@pytest.mark.parametrize("token", ["x", "fp_ä", "a b", "\udcff", "x" * 4000])
async def test_authorization_with_a_strange_token_is_unauthenticated(client: Client, token: str) -> None:
    answer = await client.get(LIST, headers={"Authorization": f"Bearer {token}"})

    assert (answer.status, (await answer.json())["code"]) == (401, "UNAUTHENTICATED")


async def test_unusable_tokens_get_identical_answers(client: Client, world: World) -> None:
    ada, disabled = await world.user(), await world.user()
    await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", disabled.id)
    expired = await world.token(ada.id, expires_at=PAST)
    revoked = await world.token(ada.id, revoked_at=PAST)

    answers = [
        await client.get(LIST, headers={**bearer(token), "X-Request-Id": "same"})
        for token in (expired, revoked, disabled.token, f"fp_{'0' * 64}")
    ]

    assert {answer.status for answer in answers} == {401}
    assert len({await answer.text() for answer in answers}) == 1


async def test_token_before_its_expiry_is_accepted(client: Client, world: World) -> None:
    ada = await world.user()
    token = await world.token(ada.id, expires_at=datetime.now(UTC) + SOON)

    assert (await client.get(LIST, headers=bearer(token))).status == 200


async def test_token_revoked_is_refused_from_the_next_request(client: Client, world: World) -> None:
    ada = await world.user()
    before = (await client.get(LIST, headers=ada.headers)).status

    await world.raw.execute("UPDATE tokens SET revoked_at = now() WHERE user_id = $1", ada.id)

    assert (before, (await client.get(LIST, headers=ada.headers)).status) == (200, 401)


async def test_authorization_scheme_is_case_insensitive(client: Client, world: World) -> None:
    ada = await world.user()

    assert (await client.get(LIST, headers={"Authorization": f"bearer {ada.token}"})).status == 200


async def test_authentication_precedes_validation(client: Client) -> None:
    answer = await client.post("/api/v1/jobs/pipelines", data=b"{", headers=bearer("x"))

    assert answer.status == 401


async def test_validation_precedes_visibility(client: Client, world: World) -> None:
    ada = await world.user()

    answer = await client.post(
        "/api/v1/jobs/pipelines", json={"job_id": str(uuid4()), "pipeline_ids": ["x"]}, headers=ada.headers
    )

    assert answer.status == 400


@pytest.mark.parametrize(
    "path", ["/", "/api/v1", "/api/v1/flow", f"{LIST}/", "/api/v1/nothing", "/%2e%2e/etc", "/ä%ff"]
)
async def test_unknown_address_is_not_found(client: Client, path: str) -> None:
    answer = await client.get(path, headers={"X-Request-Id": "mine"})

    assert answer.status == 404
    assert await answer.json() == {
        "status": "ERROR",
        "msg": "There is nothing at this address.",
        "code": "NOT_FOUND",
        "request_id": "mine",
    }


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", LIST, "GET, HEAD, POST"),
        ("PUT", "/api/v1/jobs/pipelines", "GET, HEAD, POST"),
        ("OPTIONS", LIST, "GET, HEAD, POST"),
    ],
)
async def test_method_not_allowed_lists_the_allowed_methods(
    client: Client, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)

    body = await answer.json()
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert (body["status"], body["code"], body["request_id"]) == (
        "ERROR",
        "UNIMPLEMENTED",
        answer.headers["X-Request-Id"],
    )


async def test_body_too_large_is_refused(client: Client, world: World, settings: Settings) -> None:
    ada = await world.user()

    answer = await client.post(
        "/api/v1/jobs/pipelines", data=BytesIO(b" " * (settings.max_body_bytes + 1)), headers=ada.headers
    )

    body = await answer.json()
    assert (answer.status, body["status"], body["code"]) == (413, "ERROR", "INVALID_ARGUMENT")


@pytest.mark.parametrize("given", ["abc", "A-1.b_c:d=e+f/", "x" * 128, "fp_7", "eyJ"])
async def test_request_id_of_the_caller_is_returned(client: Client, given: str) -> None:
    answer = await client.get("/nothing", headers={"X-Request-Id": given})

    assert (answer.headers["X-Request-Id"], (await answer.json())["request_id"]) == (given, given)


@pytest.mark.parametrize(
    "given", ["", "x" * 129, "a b", "ä", '"', "a;b", f"fp_{'0' * 64}", f"x-fp_{'0' * 64}", "eyJhbGciOi.x"]
)
async def test_request_id_malformed_is_replaced(client: Client, given: str) -> None:
    answer = await client.get("/nothing", headers={"X-Request-Id": given})

    made = answer.headers["X-Request-Id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert (await answer.json())["request_id"] == made


async def test_request_id_is_in_successful_answers(client: Client, world: World) -> None:
    ada = await world.user()

    answer = await client.get(LIST, headers={**ada.headers, "X-Request-Id": "mine"})

    assert (answer.status, answer.headers["X-Request-Id"]) == (200, "mine")


async def test_organizations_never_see_each_other(client: Client, world: World) -> None:
    theirs = await World.create(world.raw)
    mallory = await world.user(role="admin")
    ada = await theirs.user(role="admin")
    pipeline = await theirs.pipeline()
    job = await theirs.job(ada, pipeline)

    listed = await (await client.get(LIST, headers=mallory.headers)).json()
    of_job = await client.get("/api/v1/jobs/pipelines", params={"job_id": job}, headers=mallory.headers)
    mine = await world.job(mallory)
    taken = await client.post(
        "/api/v1/jobs/pipelines", json={"job_id": job, "pipeline_ids": []}, headers=mallory.headers
    )
    put = await client.post(
        "/api/v1/jobs/pipelines", json={"job_id": mine, "pipeline_ids": [str(pipeline)]}, headers=mallory.headers
    )

    assert listed["pipelines"] == []
    assert (of_job.status, taken.status, put.status) == (404, 404, 404)
    assert await theirs.pipelines_of(job) == [pipeline]


async def test_job_id_in_two_organizations_names_two_jobs(client: Client, world: World) -> None:
    theirs = await World.create(world.raw)
    ada, mallory = await theirs.user(), await world.user()
    pipeline = await theirs.pipeline()
    await theirs.job(ada, pipeline, job_id="4711")
    await world.job(mallory, job_id="4711")

    answer = await client.post(
        "/api/v1/jobs/pipelines", json={"job_id": "4711", "pipeline_ids": []}, headers=mallory.headers
    )

    assert answer.status == 200
    assert await theirs.pipelines_of("4711") == [pipeline]


# ---- V1_ERRORS_AS_200


@pytest.fixture
async def v1_client(settings: Settings, database: Database) -> AsyncIterator[Client]:
    changed = replace(settings, v1_errors_as_200=True)
    app = create_app(changed, database, Health(database, settings.ready_timeout))
    async with TestClient[web.Request, web.Application](TestServer(app)) as opened:
        yield opened


@pytest.mark.parametrize(("method", "path"), [(r.method, r.path) for r in ROUTES if r.vendor_v1])
async def test_v1_errors_as_200_of_the_documented_calls(v1_client: Client, method: str, path: str) -> None:
    answer = await v1_client.request(method, path, headers={"X-Request-Id": "mine"})

    assert answer.status == 200
    assert await answer.json() == {
        "status": "ERROR",
        "msg": "A bearer token is needed: Authorization: Bearer <token>.",
        "code": "UNAUTHENTICATED",
        "request_id": "mine",
    }


async def test_v1_errors_as_200_leaves_other_failures_unchanged(v1_client: Client) -> None:
    assert (await v1_client.get("/nothing")).status == 404
    assert (await v1_client.delete(LIST)).status == 405


async def test_documented_calls_are_three() -> None:
    assert [(r.method, r.path) for r in ROUTES if r.vendor_v1] == [
        ("GET", "/api/v1/flow/pipeline"),
        ("GET", "/api/v1/jobs/pipelines"),
        ("POST", "/api/v1/jobs/pipelines"),
    ]


async def test_token_expiry_follows_the_databases_clock(client: Client, world: World) -> None:
    ada = await world.user()
    token = await world.token(ada.id, expires_at=await world.raw.fetchval("SELECT clock_timestamp()") + timedelta(0))

    assert (await client.get(LIST, headers=bearer(token))).status == 401
