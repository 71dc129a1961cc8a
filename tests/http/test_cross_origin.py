"""CORS: off by default, exact, and never with what a browser sends by itself."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from service.database.pool import Database
from service.http.routes import ROUTES
from service.settings import Settings
from tests.api.sample import sample_path
from tests.conftest import Client
from tests.factories import World
from tests.http.served import served

ORIGIN = "https://app.example"
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,if-match"}


@pytest.fixture(scope="module")
async def session(settings: Settings, database: Database) -> AsyncIterator[ClientSession]:
    """Open a session with a service that allows two origins, and one request in a while of each token."""
    allowed = {"cors_origins": (ORIGIN, "http://localhost:3000"), "rate_limit": 0.01, "rate_limit_burst": 2}
    async with served(settings, database, **allowed) as url, ClientSession(url) as opened:
        yield opened


async def test_cross_origin_headers_are_absent_by_default(client: Client) -> None:
    preflight = await client.options("/api/v1/jobs/j", headers={"Origin": ORIGIN, **PREFLIGHT})
    answer = await client.get("/api/v1/users/me", headers={"Origin": ORIGIN})

    assert (preflight.status, preflight.headers["Allow"]) == (405, "DELETE, GET, HEAD, PUT")
    for each in (preflight, answer):
        assert not [name for name in each.headers if name.lower().startswith("access-control-")]
        assert "Vary" not in each.headers


async def test_preflight_of_every_address_names_its_methods(session: ClientSession) -> None:
    by_path: dict[str, set[str]] = {}
    for route in ROUTES:
        path = sample_path(route.path)
        by_path.setdefault(path, set()).update({route.method} | ({"HEAD"} if route.method == "GET" else set()))
    for path, methods in {**by_path, "/openapi.json": {"GET", "HEAD"}}.items():
        answer = await session.options(path, headers={"Origin": ORIGIN, **PREFLIGHT})
        assert (answer.status, await answer.read()) == (204, b""), path
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert set(answer.headers["Access-Control-Allow-Methods"].split(", ")) == methods, path
        sent = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
        assert {"authorization", "content-type", "if-match", "if-none-match", "x-request-id"} <= set(sent)
        assert int(answer.headers["Access-Control-Max-Age"]) > 0
        assert {each.strip() for each in answer.headers["Vary"].split(",")} == {
            "Origin",
            "Access-Control-Request-Method",
            "Access-Control-Request-Headers",
        }
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_preflight_of_connect_names_what_its_clients_send(session: ClientSession) -> None:
    path = "/flow_pipelines.v1.Pipelines/ListPipelines"

    preflight = await session.options(path, headers={"Origin": ORIGIN, **PREFLIGHT})
    answer = await session.post(path, json={}, headers={"Origin": ORIGIN})

    sent = preflight.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert (preflight.status, preflight.headers["Access-Control-Allow-Methods"]) == (204, "POST")
    assert {"connect-protocol-version", "connect-timeout-ms", "content-type", "authorization"} <= set(sent)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://app.example", "https://app.example:8443", "https://app.example.evil.example",
     "https://APP.example", "https://app.example/", "*", "", f"{ORIGIN}, {ORIGIN}"],
)  # fmt: skip
async def test_other_origins_are_not_allowed(session: ClientSession, origin: str) -> None:
    preflight = await session.options("/api/v1/jobs/j", headers={"Origin": origin, **PREFLIGHT})
    answer = await session.get("/api/v1/users/me", headers={"Origin": origin})

    assert (preflight.status, answer.status) == (405, 401)
    for each in (preflight, answer):
        assert not [name for name in each.headers if name.lower().startswith("access-control-")]
        assert each.headers["Vary"] == "Origin"


async def test_repeated_origin_is_not_allowed(session: ClientSession) -> None:
    answer = await session.get("/api/v1/users/me", headers=[("Origin", ORIGIN), ("Origin", ORIGIN)])

    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_answers_and_failures_can_be_read_by_an_allowed_origin(session: ClientSession, world: World) -> None:
    root = await world.user("root", role="admin")
    mine, other = {"Origin": ORIGIN, **root.headers}, {"Origin": ORIGIN}
    answers = [
        await session.put("/api/v1/jobs/j", json={}, headers=mine),
        await session.put("/api/v1/jobs/j", data=b"{", headers=mine),
        await session.get("/api/v1/users/me", headers=mine),  # refused before it has a handler
        await session.get("/api/v1/users/me", headers=other),
        await session.get("/api/v1/none", headers=other),
        await session.patch("/api/v1/jobs", headers=other),
        await session.get("/openapi.json", headers=other),
    ]

    assert [each.status for each in answers] == [201, 400, 429, 401, 404, 405, 200]
    for each in answers:
        assert each.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Origin" in each.headers["Vary"]
        exposed = set(each.headers["Access-Control-Expose-Headers"].lower().split(", "))
        assert {"etag", "location", "retry-after", "x-request-id", "www-authenticate"} <= exposed
        assert {name.lower() for name in each.headers} - exposed <= {
            *("content-type", "content-length", "date", "server", "vary", "cache-control", "connection"),
            *("access-control-allow-origin", "access-control-expose-headers"),
        }


async def test_admin_page_is_shared_with_no_origin(session: ClientSession) -> None:
    for path in ("/admin/", "/admin", "/docs", "/healthz"):
        answer = await session.get(path, headers={"Origin": ORIGIN}, allow_redirects=False)
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")], path


async def test_star_allows_every_origin_and_no_credentials(settings: Settings, database: Database) -> None:
    async with served(settings, database, cors_origins=("*",)) as url, ClientSession(url) as session:
        for origin in (ORIGIN, "null"):
            preflight = await session.options("/api/v1/jobs/j", headers={"Origin": origin, **PREFLIGHT})
            answer = await session.get("/api/v1/users/me", headers={"Origin": origin})
            assert (preflight.status, answer.status) == (204, 401)
            for each in (preflight, answer):
                assert each.headers["Access-Control-Allow-Origin"] == "*"
                assert "Access-Control-Allow-Credentials" not in each.headers
            assert "Vary" not in answer.headers


async def test_options_without_a_preflight_is_answered_as_ever(session: ClientSession) -> None:
    answer = await session.options("/api/v1/jobs/j", headers={"Origin": ORIGIN})
    unknown = await session.options("/api/v1/none", headers={"Origin": ORIGIN, **PREFLIGHT})

    assert (answer.status, answer.headers["Allow"], unknown.status) == (405, "DELETE, GET, HEAD, PUT", 404)
