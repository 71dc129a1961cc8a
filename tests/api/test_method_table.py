"""Rules that hold for the call of every row of the method table, whatever its operation."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from service.database.pool import Connection
from service.http.routes import EACH_UPDATE, MANAGER_OF_EACH, ROUTES, TOKENS, Route
from service.operations.audit import prove_entry
from service.operations.job_batches import batch_update_job_pipelines
from service.operations.job_pipelines import remove_pipeline_job, update_job_pipelines
from service.operations.jobs import put_job
from service.operations.tokens import create_token
from service.permissions import READ
from service.repositories import token_trees
from tests.api.calls import As
from tests.api.sample import sample_body, sample_path
from tests.conftest import Client
from tests.factories import Member, World

every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")


async def others_things(world: World, route: Route) -> tuple[Member, str, dict[str, Any] | None]:
    """An administrator, and the path and body of a call that is about things of theirs."""
    owner = await world.user("nobody", role="admin")
    pipeline = await world.pipeline()
    await world.grant(pipeline, owner)
    await world.grant(pipeline, await world.group(owner, name="no-such-group"))
    job = await world.job(owner, pipeline)
    token = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", owner.id)
    entry = await world.sealed_entry() if route.operation is prove_entry else 0
    return (
        owner,
        sample_path(route.path, pipeline_id=pipeline, job_id=job, token_id=token, id=entry),
        sample_body(route, job_id=job),
    )


@every_route
async def test_call_by_an_unknown_token_is_refused(client: Client, route: Route) -> None:
    answer = await As(client, "fp_unknown")(route.method, sample_path(route.path), sample_body(route))

    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")


@every_route
async def test_call_on_things_of_others_is_refused(client: Client, world: World, route: Route) -> None:
    """A member on things of their organization that they have no part in."""
    member = await world.user()
    _, path, body = await others_things(world, route)

    answer = await As.member(client, member)(route.method, path, body)

    if route.needs in (None, TOKENS) and "{" not in route.path:
        assert answer.code == "OK", "of their own"
    elif route.needs is MANAGER_OF_EACH:
        assert answer.body["grants"] == []
    elif route.needs is EACH_UPDATE:
        assert [each["code"] for each in answer.body["results"]] == ["NOT_FOUND"]
    elif route.needs is None and answer.code == "OK":
        assert len(next(value for value in answer.body.values() if isinstance(value, dict))) == 1, "only the name"
    elif route.operation is put_job:
        assert answer.code == "ALREADY_EXISTS"
    else:
        assert answer.code in ("PERMISSION_DENIED", "NOT_FOUND")


async def lock_all_but(world: World, caller: Member, dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Lock every row of an organization, but for the caller's own, and its trees of tokens, on another connection.

    The trees as one who adds to them does, as the caller may.
    """
    holder = await asyncpg.connect(dsn)
    await holder.execute("BEGIN")
    await token_trees.share_trees(Connection(holder), world.id)
    await holder.execute("SELECT FROM organizations WHERE id = $1 FOR NO KEY UPDATE", world.id)
    for table in ("pipelines", "groups", "jobs"):
        await holder.execute(f"SELECT FROM {table} WHERE organization_id = $1 FOR UPDATE", world.id)
    for table, column in (("users", "id"), ("tokens", "user_id")):
        statement = f"SELECT FROM {table} WHERE organization_id = $1 AND {column} <> $2 FOR UPDATE"
        await holder.execute(statement, world.id, caller.id)
    return holder


@every_route
@pytest.mark.parametrize("access", [0, READ], ids=["sees nothing", "reads"])
async def test_call_that_is_refused_waits_for_no_lock(
    client: Client, world: World, route: Route, access: int, dsn: str
) -> None:
    """What waits for a lock would also take it, and hold up those who may."""
    member = await world.user()
    _, path, body = await others_things(world, route)
    if access:
        await world.grant(
            await world.raw.fetchval("SELECT id FROM pipelines WHERE organization_id = $1", world.id), member
        )
        await world.raw.execute("UPDATE user_grants SET access = $2 WHERE user_id = $1", member.id, access)
    call = As.member(client, member)
    holder = await lock_all_but(world, member, dsn)
    try:
        locked = await asyncio.wait_for(call(route.method, path, body), timeout=0.9)
    finally:
        await holder.close()
    if locked.code != "OK":
        again = await call(route.method, path, body)
        assert (locked.status, locked.body["msg"]) == (again.status, again.body["msg"])
    elif not route.only_reads:
        unchanged = (create_token, put_job, update_job_pipelines, batch_update_job_pipelines)
        assert route.operation in unchanged, "of their own, unchanged, or each with its own verdict"


async def test_token_for_another_user_is_refused_without_a_lock(client: Client, world: World, dsn: str) -> None:
    member, other = await world.user(), await world.user()
    holder = await asyncpg.connect(dsn)
    await holder.execute("BEGIN")
    await token_trees.lock_trees(Connection(holder), world.id)
    try:
        answer = await As.member(client, member)("POST", "/tokens", {"username": other.username})
    finally:
        await holder.close()

    assert answer.code == "PERMISSION_DENIED"


@every_route
async def test_call_waits_for_no_lock_of_another_organization(
    client: Client, world: World, route: Route, dsn: str
) -> None:
    """Of one whose id differs in its first bit alone, as ids may that somebody has chosen."""
    other = await World.create(world.raw, UUID(int=world.id.int ^ 1 << 127))
    owner, path, body = await others_things(world, route)
    stranger, *_ = await others_things(other, route)
    holder = await lock_all_but(other, stranger, dsn)
    await token_trees.lock_trees(Connection(holder), other.id)
    try:
        answer = await asyncio.wait_for(As.member(client, owner)(route.method, path, body), timeout=0.9)
    finally:
        await holder.close()

    assert answer.code != "ABORTED"


@every_route
async def test_call_by_a_token_that_only_reads_changes_nothing(client: Client, world: World, route: Route) -> None:
    owner, path, body = await others_things(world, route)
    reader = As(client, await world.token(owner.id, scopes=READ))

    answer = await reader(route.method, path, body)

    if route.only_reads:
        assert answer.status == 200 or answer.headers["WWW-Authenticate"].startswith("Bearer error=")
    elif route.needs is EACH_UPDATE:
        assert [each["code"] for each in answer.body["results"]] == ["PERMISSION_DENIED"]
    else:
        assert answer.code == "PERMISSION_DENIED"
        assert answer.headers["WWW-Authenticate"].startswith('Bearer error="insufficient_scope", scope="')


@every_route
async def test_call_with_an_unknown_key_is_refused(client: Client, world: World, route: Route) -> None:
    admin = As.member(client, await world.user(role="admin"))
    body = sample_body(route)

    if body is None:
        answer = await admin(route.method, sample_path(route.path), unknown="1")
    else:
        answer = await admin(route.method, sample_path(route.path), {**body, "unknown": 1})

    assert (answer.status, answer.body["details"]["unknown"]) == (400, ["Unknown field."])


@every_route
async def test_call_by_a_wrong_method_is_told_the_right_ones(client: Client, route: Route) -> None:
    path = sample_path(route.path)
    right = {r.method for r in ROUTES if sample_path(r.path) == path}
    allowed = sorted(right | ({"HEAD"} if "GET" in right else set()))

    for wrong in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - right:
        answer = await As(client, "fp_unknown")(wrong, path)
        assert (answer.status, answer.headers["Allow"]) == (405, ", ".join(allowed))


@every_route
async def test_call_with_a_condition_that_fails_is_412(client: Client, world: World, route: Route) -> None:
    """Where there is nothing, nothing is as it was seen; where there is something, an old tag is not its tag."""
    await world.user("other-admin", role="admin")
    owner, path, body = await others_things(world, route)

    answer = await As.member(client, owner)(route.method, path, body, {"If-Match": '"old"'})

    assert answer.status == (200 if route.only_reads else 412)


@every_route
def test_operation_has_a_docstring(route: Route) -> None:
    assert route.operation.__doc__


STATEMENTS = {
    "list_pipelines": 2,
    "list_job_pipelines": 2,
    "update_job_pipelines": 2,
    "batch_update_job_pipelines": 2,
    "apply": 12,
    "create_pipeline": 7,
    "get_pipeline": 2,
    "update_pipeline": 9,
    "delete_pipeline": 11,
    "list_pipeline_jobs": 3,
    "add_pipeline_job": 11,
    "remove_pipeline_job": 10,
    "list_grants": 3,
    "replace_grants": 15,
    "list_group_grants": 3,
    "get_user_grant": 4,
    "put_user_grant": 12,
    "delete_user_grant": 11,
    "get_group_grant": 4,
    "put_group_grant": 12,
    "delete_group_grant": 11,
    "list_access": 3,
    "explain_access": 5,
    "list_jobs": 3,
    "put_job": 10,
    "get_job": 3,
    "delete_job": 10,
    "list_users": 2,
    "create_user": 6,
    "get_me": 3,
    "get_user": 2,
    "update_user": 9,
    "delete_user": 15,
    "list_user_pipelines": 3,
    "list_user_groups": 3,
    "list_groups": 2,
    "create_group": 6,
    "get_group": 2,
    "rename_group": 9,
    "delete_group": 10,
    "list_members": 3,
    "update_members": 11,
    "add_member": 10,
    "remove_member": 9,
    "list_tokens": 3,
    "create_token": 10,
    "get_token": 3,
    "revoke_token": 11,
    "rotate_token": 14,
    "list_audit": 2,
    "get_overview": 8,
    "prove_entry": 3,
    "list_changes": 2,
}
"""The statements that each call sends, authentication, BEGIN and COMMIT included, when it does what it is for."""


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
    job = await world.job(owner, *([pipeline] if route.operation is remove_pipeline_job else []))
    token = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", other.id)
    job_id = "new-job" if route.operation is put_job else job
    entry = await world.sealed_entry() if route.operation is prove_entry else 0
    path = sample_path(route.path, pipeline_id=pipeline, job_id=job_id, token_id=token, id=entry)
    return owner, path, sample_body(route, job_id=job, permissions=["flow_pipeline:execute"])


@every_route
async def test_call_takes_its_number_of_statements(
    client: Client, world: World, route: Route, records: list[Any]
) -> None:
    caller, path, body = await what_it_is_for(world, route)

    answer = await As.member(client, caller)(route.method, path, body)

    assert answer.code == "OK", answer.body
    assert records[-1].statements == STATEMENTS[route.operation.__name__]
