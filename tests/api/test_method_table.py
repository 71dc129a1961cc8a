"""Rules that hold for the call of every row of the method table, whatever its operation."""

from typing import Any

import pytest

from service.errors import ServiceError
from service.http.routes import ROUTES, Route
from service.permissions import READ
from tests.api.calls import As
from tests.api.sample import sample_path
from tests.conftest import Client
from tests.factories import Member, World

every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/v1/jobs/pipelines"): {"job_id": "no-such-job", "pipeline_ids": []},
    ("POST", "/api/v1/flow/pipeline"): {"name": "new"},
    ("PATCH", "/api/v1/flow/pipeline/{pipeline_id}"): {"name": "new"},
    ("PUT", "/api/v1/flow/pipeline/{pipeline_id}/grants/users/{username}"): {"permissions": []},
    ("PUT", "/api/v1/flow/pipeline/{pipeline_id}/grants/groups/{name}"): {"permissions": []},
    ("PUT", "/api/v1/jobs/{job_id}"): {},
    ("POST", "/api/v1/users"): {"username": "newcomer"},
    ("PATCH", "/api/v1/users/{username}"): {"disabled": True},
    ("POST", "/api/v1/groups"): {"name": "new"},
    ("PATCH", "/api/v1/groups/{name}"): {"new_name": "new"},
    ("POST", "/api/v1/tokens"): {},
}
"""A well-formed body for each call that takes one."""

OPEN_TO_ALL = {
    ("GET", "/api/v1/flow/pipeline"),
    ("GET", "/api/v1/jobs/pipelines"),
    ("GET", "/api/v1/jobs"),
    ("PUT", "/api/v1/jobs/{job_id}"),
    ("GET", "/api/v1/users"),
    ("GET", "/api/v1/users/me"),
    ("GET", "/api/v1/groups"),
    ("GET", "/api/v1/tokens"),
    ("POST", "/api/v1/tokens"),
}
"""Calls that every member may make, for things of their own."""


def body_of(route: Route) -> dict[str, Any] | None:
    return BODIES.get((route.method, route.path))


def test_sample_bodies_cover_every_call_with_a_body() -> None:
    in_body = {
        (route.method, route.path)
        for route in ROUTES
        if any(field.metadata.get("in") is None for field in route.request().fields.values())
    }

    assert in_body == set(BODIES)


@every_route
async def test_call_with_an_unknown_token_is_refused(client: Client, route: Route) -> None:
    answer = await As(client, "fp_unknown")(route.method, sample_path(route.path), body_of(route))

    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")


@every_route
async def test_call_without_permission_is_refused(client: Client, world: World, route: Route) -> None:
    """The caller is a member, and the things are their organization's, without any access for them."""
    member, owner = await world.user(), await world.user("nobody", role="admin")
    pipeline = await world.pipeline()
    await world.group(owner, name="no-such-group")
    job = await world.job(owner, pipeline)
    token = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", owner.id)
    path = sample_path(route.path, pipeline_id=pipeline, job_id=job, token_id=token)
    body = body_of(route)
    if body and "job_id" in body:
        body = {**body, "job_id": job}

    answer = await As.member(client, member)(route.method, path, body)

    if (route.method, route.path) in OPEN_TO_ALL - {("PUT", "/api/v1/jobs/{job_id}")}:
        assert answer.status in (200, 201)
    elif (route.method, route.path) in (("GET", "/api/v1/users/{username}"), ("GET", "/api/v1/groups/{name}")):
        assert len(next(value for value in answer.body.values() if isinstance(value, dict))) == 1, "only the name"
    elif route.method == "PUT" and route.path == "/api/v1/jobs/{job_id}":
        assert answer.code == "ALREADY_EXISTS"
    else:
        assert answer.code in ("PERMISSION_DENIED", "NOT_FOUND")


@every_route
async def test_call_with_a_read_only_token_changes_nothing(client: Client, world: World, route: Route) -> None:
    owner = await world.user("nobody", role="admin")
    pipeline = await world.pipeline()
    await world.group(owner, name="no-such-group")
    job = await world.job(owner, pipeline)
    token = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", owner.id)
    path = sample_path(route.path, pipeline_id=pipeline, job_id=job, token_id=token)
    body = body_of(route)
    if body and "job_id" in body:
        body = {**body, "job_id": job}
    reader = As(client, await world.token(owner.id, scopes=READ))

    answer = await reader(route.method, path, body)

    if route.only_reads:
        assert answer.status == 200 or answer.headers["WWW-Authenticate"].startswith("Bearer error=")
    else:
        assert answer.code == "PERMISSION_DENIED"
        assert answer.headers["WWW-Authenticate"].startswith('Bearer error="insufficient_scope", scope="')


@every_route
async def test_call_with_an_unknown_key_is_refused(client: Client, world: World, route: Route) -> None:
    admin = As.member(client, await world.user(role="admin"))
    body = body_of(route)

    if body is None:
        answer = await admin(route.method, sample_path(route.path), unknown="1")
    else:
        answer = await admin(route.method, sample_path(route.path), {**body, "unknown": 1})

    assert (answer.status, answer.body["details"]["unknown"]) == (400, ["Unknown field."])


@every_route
async def test_call_by_a_wrong_method_lists_the_allowed_methods(client: Client, route: Route) -> None:
    path = sample_path(route.path)
    right = {r.method for r in ROUTES if sample_path(r.path) == path}
    allowed = sorted(right | ({"HEAD"} if "GET" in right else set()))

    for wrong in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - right:
        answer = await As(client, "fp_unknown")(wrong, path)
        assert (answer.status, answer.headers["Allow"]) == (405, ", ".join(allowed))


@every_route
async def test_call_with_a_failed_precondition_is_412(client: Client, world: World, route: Route) -> None:
    """The precondition fails for a thing that is absent, and for a thing whose ETag is another."""
    owner = await world.user("nobody", role="admin")
    await world.user("other-admin", role="admin")
    pipeline = await world.pipeline()
    await world.grant(pipeline, owner)
    await world.grant(pipeline, await world.group(owner, name="no-such-group"))
    job = await world.job(owner)
    token = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", owner.id)
    path = sample_path(route.path, pipeline_id=pipeline, job_id=job, token_id=token)
    body = body_of(route)
    if body and "job_id" in body:
        body = {**body, "job_id": job}

    answer = await As.member(client, owner)(route.method, path, body, {"If-Match": '"old"'})

    assert answer.status == (200 if route.only_reads else 412)


def test_operation_has_a_docstring() -> None:
    for route in ROUTES:
        assert route.operation.__doc__, route.path
    assert issubclass(ServiceError, Exception)


STATEMENTS: dict[tuple[str, str], int] = {
    ("GET", "/api/v1/flow/pipeline"): 2,
    ("GET", "/api/v1/jobs/pipelines"): 2,
    ("POST", "/api/v1/jobs/pipelines"): 2,
    ("POST", "/api/v1/flow/pipeline"): 6,
    ("GET", "/api/v1/flow/pipeline/{pipeline_id}"): 2,
    ("PATCH", "/api/v1/flow/pipeline/{pipeline_id}"): 7,
    ("DELETE", "/api/v1/flow/pipeline/{pipeline_id}"): 9,
    ("GET", "/api/v1/flow/pipeline/{pipeline_id}/jobs"): 3,
    ("GET", "/api/v1/flow/pipeline/{pipeline_id}/grants"): 3,
    ("GET", "/api/v1/flow/pipeline/{pipeline_id}/grants/users/{username}"): 4,
    ("PUT", "/api/v1/flow/pipeline/{pipeline_id}/grants/users/{username}"): 10,
    ("DELETE", "/api/v1/flow/pipeline/{pipeline_id}/grants/users/{username}"): 9,
    ("GET", "/api/v1/flow/pipeline/{pipeline_id}/grants/groups/{name}"): 4,
    ("PUT", "/api/v1/flow/pipeline/{pipeline_id}/grants/groups/{name}"): 10,
    ("DELETE", "/api/v1/flow/pipeline/{pipeline_id}/grants/groups/{name}"): 9,
    ("GET", "/api/v1/flow/pipeline/{pipeline_id}/access"): 3,
    ("GET", "/api/v1/flow/pipeline/{pipeline_id}/access/{username}"): 5,
    ("GET", "/api/v1/jobs"): 3,
    ("PUT", "/api/v1/jobs/{job_id}"): 8,
    ("GET", "/api/v1/jobs/{job_id}"): 3,
    ("DELETE", "/api/v1/jobs/{job_id}"): 7,
    ("GET", "/api/v1/users"): 2,
    ("POST", "/api/v1/users"): 5,
    ("GET", "/api/v1/users/me"): 3,
    ("GET", "/api/v1/users/{username}"): 2,
    ("PATCH", "/api/v1/users/{username}"): 7,
    ("GET", "/api/v1/groups"): 2,
    ("POST", "/api/v1/groups"): 5,
    ("GET", "/api/v1/groups/{name}"): 2,
    ("PATCH", "/api/v1/groups/{name}"): 6,
    ("DELETE", "/api/v1/groups/{name}"): 7,
    ("GET", "/api/v1/groups/{name}/members"): 3,
    ("PUT", "/api/v1/groups/{name}/members/{username}"): 7,
    ("DELETE", "/api/v1/groups/{name}/members/{username}"): 7,
    ("GET", "/api/v1/tokens"): 3,
    ("POST", "/api/v1/tokens"): 7,
    ("GET", "/api/v1/tokens/{token_id}"): 2,
    ("DELETE", "/api/v1/tokens/{token_id}"): 6,
    ("GET", "/api/v1/audit"): 2,
}
"""Number of statements of each call that succeeds, authentication, BEGIN and COMMIT included."""


async def what_it_is_for(world: World, route: Route) -> tuple[Member, str, dict[str, Any] | None]:
    """Return a caller, a path and a body with which a call succeeds."""
    owner = await world.user(role="admin")
    other = await world.user("nobody")
    pipeline = await world.pipeline()
    await world.grant(pipeline, other, READ)
    group = await world.group(name="no-such-group")
    await world.grant(pipeline, group, READ)
    if route.method == "DELETE":
        await world.join(other, group)
    job = await world.job(owner)
    token = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", other.id)
    job_id = "new-job" if route.method == "PUT" else job
    path = sample_path(route.path, pipeline_id=pipeline, job_id=job_id, token_id=token)
    body = body_of(route)
    if body and "job_id" in body:
        body = {"job_id": job, "pipeline_ids": []}
    if body == {"permissions": []}:
        body = {"permissions": ["flow_pipeline:execute"]}
    return owner, path, body


@every_route
async def test_call_sends_the_stated_number_of_statements(
    client: Client, world: World, route: Route, records: list[Any]
) -> None:
    caller, path, body = await what_it_is_for(world, route)

    answer = await As.member(client, caller)(route.method, path, body)

    assert answer.code == "OK", answer.body
    assert records[-1].statements == STATEMENTS[route.method, route.path]
