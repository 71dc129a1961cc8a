"""Failed authentications and refused attempts: counted by reason, and logged with who tried what from where."""

import hashlib
import re
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from service.app import METRICS, create_app
from service.database.pool import Database
from service.health import Health
from service.http.routes import ROUTES, Route
from service.permissions import MANAGE_PIPELINES, READ
from service.settings import Settings
from service.telemetry.metrics import RequestMetrics
from tests.conftest import Client
from tests.factories import PAST, Member, World, bearer

USERS = "/api/v1/users"


async def line_of(client: Client, method: str, path: str, headers: dict[str, str], body: Any = None) -> dict[str, Any]:
    with capture_logs() as lines:
        await (await client.request(method, path, headers=headers, json=body)).read()
        await (await client.get("/healthz")).read()  # by then the line of the request before is written
    fields = [line["fields"] for line in lines if line["event"] == "request"]
    return next(each for each in fields if each["route"] != "/healthz")


async def token_of(world: World, member: Member) -> str:
    token_id: UUID = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", member.id)
    return str(token_id)


async def test_line_of_attempted_administration_names_caller_operation_and_address(
    client: Client, world: World
) -> None:
    mo = await world.user("mo")

    line = await line_of(client, "PATCH", f"{USERS}/mo", mo.headers, {"role": "admin"})

    assert (line["status"], line["reason"]) == (403, "administration_denied")
    assert (line["token_id"], line["client"], line["target"]) == (await token_of(world, mo), "127.0.0.1", f"{USERS}/mo")


async def test_line_of_a_grant_of_more_than_is_held_has_its_reason(client: Client, world: World) -> None:
    mo, pipeline = await world.user("mo"), await world.pipeline()
    await world.grant(pipeline, mo, READ | MANAGE_PIPELINES)
    path = f"/api/v1/flow/pipeline/{pipeline}/grants/users/mo"

    line = await line_of(client, "PUT", path, mo.headers, {"permissions": ["flow_pipeline:delete"]})

    assert (line["status"], line["reason"], line["target"]) == (403, "grant_denied", path)


async def test_attempts_within_a_batch_are_counted_and_logged_by_reason(client: Client, world: World) -> None:
    mo, seen, hidden = await world.user("mo"), await world.pipeline(), await world.pipeline()
    await world.grant(seen, mo, READ)
    job = await world.job(mo)
    updates = [{"job_id": job, "pipeline_ids": [str(each)]} for each in (seen, seen, hidden)]
    updates.append({"job_id": job, "pipeline_ids": []})
    before = metrics_of(client).failures.copy()

    line = await line_of(client, "POST", "/api/v1/jobs/pipelines/batch", mo.headers, {"updates": updates})

    assert (line["status"], line["refused"]) == (200, {"permission_denied": 2, "not_found": 1})
    assert (line["token_id"], line["client"]) == (await token_of(world, mo), "127.0.0.1")
    counted = metrics_of(client).failures - before
    assert (counted["permission_denied"], counted["not_found"]) == (2, 1)


@pytest.mark.parametrize("kind", ["unknown", "revoked", "expired"])
async def test_line_of_a_failed_authentication_leads_to_the_token_without_telling_it(
    client: Client, world: World, kind: str
) -> None:
    mo = await world.user("mo")
    token = {
        "unknown": "fp_unknown",
        "revoked": await world.token(mo.id, revoked_at=PAST),
        "expired": await world.token(mo.id, expires_at=PAST),
    }[kind]

    line = await line_of(client, "GET", f"{USERS}?name=secret", bearer(token))

    assert (line["status"], line["reason"], line["client"]) == (401, "invalid_token", "127.0.0.1")
    assert line["token_digest"] == hashlib.sha256(token.encode()).hexdigest()[:16]
    assert token not in str(line)
    assert (line["target"], "secret" in str(line)) == (USERS, False)


async def test_line_of_what_is_permitted_names_caller_and_address_but_no_attempt(client: Client, world: World) -> None:
    mo = await world.user("mo")

    line = await line_of(client, "GET", USERS, mo.headers)

    assert not {"reason", "target", "token_digest", "path"} & set(line)
    assert (line["client"], line["username"], line["token_id"]) == ("127.0.0.1", "mo", await token_of(world, mo))


async def test_line_of_what_matched_no_route_has_its_path_bounded_and_escaped(client: Client) -> None:
    long, token = "x" * 400, "fp_" + "0a" * 32

    line = await line_of(
        client, "GET", f"/%1B[2J%0A\u202e/{token}/{long}?secret=1", {"User-Agent": f"a\\b {token}{long}"}
    )

    assert line["route"] == "unmatched"
    assert line["path"].startswith("/\\x1b[2J\\n\\u202e/fp_***/xxx")
    assert (len(line["path"]) < 320, "secret" in str(line), token in str(line)) == (True, False, False)
    assert line["user_agent"].startswith("a\\\\b fp_***")


@pytest.mark.parametrize("prefix", ["fp%5F", "fp%5f", "%66p_", "f%70%5F", "fp%255F", "%2566%2570%255F"])
async def test_line_has_no_token_that_was_encoded_for_an_address(client: Client, prefix: str) -> None:
    digits = "0a" * 32

    line = await line_of(client, "GET", f"/{prefix.replace('%', '%25')}{digits}", {"User-Agent": f"a {prefix}{digits}"})

    assert (line["path"], line["user_agent"]) == (f"/{prefix}***", f"a {prefix}***")


async def test_line_of_a_known_path_by_an_unknown_method_has_the_path(client: Client, world: World) -> None:
    line = await line_of(client, "PATCH", USERS, (await world.user("mo")).headers)

    assert (line["status"], line["path"]) == (405, USERS)


async def test_line_has_the_client_that_a_trusted_proxy_names(
    settings: Settings, database: Database, world: World
) -> None:
    trusting = replace(settings, trusted_proxies=(ip_network("127.0.0.0/8"),))
    app = create_app(trusting, database, Health(database, 1))
    async with TestClient[web.Request, web.Application](TestServer(app)) as client:
        named = await line_of(client, "GET", USERS, {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"})

    assert (named["client"], named["reason"]) == ("198.51.100.7", "no_credentials")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_every_call_without_a_good_token_is_counted_and_logged(client: Client, route: Route) -> None:
    path = re.sub(r"\{\w+\}", str(uuid4()), route.path)
    before = metrics_of(client).failures["invalid_token"]

    line = await line_of(client, route.method, path, bearer("x"))

    assert (line["status"], line["client"], line["target"]) == (401, "127.0.0.1", path)
    assert metrics_of(client).failures["invalid_token"] == before + 1


def metrics_of(client: Client) -> RequestMetrics:
    assert client.app is not None
    return client.app[METRICS]
