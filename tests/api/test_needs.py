"""What the method table says that a call needs, held against what its operation demands."""

from dataclasses import dataclass, replace
from typing import Final

import pytest

from service.http.routes import (
    ADMINISTRATOR,
    EACH_DIFFERENCE,
    EACH_UPDATE,
    EXECUTE_OR_OWNER,
    MANAGER_OF_EACH,
    MANAGER_OR_SELF,
    OWNER,
    PIPELINE_ADMINISTRATOR,
    READING_ADMINISTRATOR,
    ROUTES,
    SELF_OR_ADMINISTRATOR,
    TOKENS,
    Route,
    Standing,
)
from service.operations import audit, grant_sets, groups, job_pipelines, jobs, pipelines, tokens, users
from service.permissions import (
    EVERY_PERMISSION,
    EXECUTE,
    FULL_ACCESS,
    MANAGE_PIPELINES,
    PERMISSION_NAMES,
    READ,
    SCOPE_ADMIN,
    SCOPE_BITS,
    SCOPE_TOKENS,
    WRITE,
    scope_set,
)
from tests.api.calls import Answer, As
from tests.api.sample import sample_body, sample_path
from tests.api.test_method_table import every_route
from tests.conftest import Client
from tests.factories import World

EVERY_SCOPE: Final = scope_set(SCOPE_BITS)


@dataclass(frozen=True)
class Caller:
    """A user and their token, by what they hold."""

    role: str = "member"
    access: int = 0
    """Granted to them on the pipeline that the call is about, and that the job is in."""
    scopes: int | None = None
    owns: bool = False
    """The job and the token that the call is about are theirs."""


def _with_permission(permission: int) -> Caller:
    return Caller(access=permission | READ, scopes=permission | READ)


def _without_permission(permission: int) -> list[Caller]:
    return [
        Caller(access=0 if permission == READ else EVERY_PERMISSION & ~permission),  # any grant includes read
        Caller("member", FULL_ACCESS, EVERY_SCOPE & ~permission),
        Caller("admin", FULL_ACCESS, EVERY_SCOPE & ~permission),
    ]


ENTITLED: Final[dict[int | Standing | None, Caller]] = {
    **{permission: _with_permission(permission) for permission in PERMISSION_NAMES},
    MANAGER_OR_SELF: _with_permission(MANAGE_PIPELINES),
    ADMINISTRATOR: Caller("admin", scopes=SCOPE_ADMIN),
    SELF_OR_ADMINISTRATOR: Caller("admin", scopes=READ | SCOPE_ADMIN),
    READING_ADMINISTRATOR: Caller("admin", scopes=READ | SCOPE_ADMIN),
    PIPELINE_ADMINISTRATOR: Caller("pipeline_admin", scopes=MANAGE_PIPELINES),
    EXECUTE_OR_OWNER: _with_permission(EXECUTE),
    EACH_UPDATE: Caller(scopes=READ | EXECUTE, owns=True),
    EACH_DIFFERENCE: Caller("pipeline_admin", scopes=MANAGE_PIPELINES),
    MANAGER_OF_EACH: _with_permission(MANAGE_PIPELINES),
    OWNER: Caller(scopes=EXECUTE, owns=True),
    TOKENS: Caller(scopes=SCOPE_TOKENS, owns=True),
    None: Caller(scopes=READ, owns=True),
}
"""A caller that holds just what is needed, and read, where what the call is about must be visible."""

LACKING: Final[dict[int | Standing | None, list[Caller]]] = {
    **{permission: _without_permission(permission) for permission in PERMISSION_NAMES},
    MANAGER_OR_SELF: _without_permission(MANAGE_PIPELINES),
    ADMINISTRATOR: [
        Caller("member", FULL_ACCESS, owns=True),
        Caller("pipeline_admin", FULL_ACCESS, owns=True),
        Caller("admin", FULL_ACCESS, EVERY_SCOPE & ~SCOPE_ADMIN, owns=True),
    ],
    SELF_OR_ADMINISTRATOR: [
        Caller("member", FULL_ACCESS),
        Caller("pipeline_admin", FULL_ACCESS),
        Caller("admin", FULL_ACCESS, EVERY_SCOPE & ~SCOPE_ADMIN),
    ],
    READING_ADMINISTRATOR: [
        Caller("member", FULL_ACCESS),
        Caller("pipeline_admin", FULL_ACCESS),
        Caller("admin", FULL_ACCESS, EVERY_SCOPE & ~SCOPE_ADMIN),
    ],
    PIPELINE_ADMINISTRATOR: [
        Caller("member", FULL_ACCESS, owns=True),
        Caller("pipeline_admin", FULL_ACCESS, EVERY_SCOPE & ~MANAGE_PIPELINES),
        Caller("admin", FULL_ACCESS, EVERY_SCOPE & ~MANAGE_PIPELINES),
    ],
    EXECUTE_OR_OWNER: _without_permission(EXECUTE),
    EACH_UPDATE: [
        Caller("member", FULL_ACCESS, EVERY_SCOPE & ~EXECUTE, owns=True),
        Caller("admin", FULL_ACCESS, EVERY_SCOPE & ~EXECUTE, owns=True),
    ],
    EACH_DIFFERENCE: [Caller("member", FULL_ACCESS), Caller("admin", scopes=EVERY_SCOPE & ~MANAGE_PIPELINES)],
    MANAGER_OF_EACH: [],  # they are answered, without it
    OWNER: [
        Caller("member", FULL_ACCESS),
        Caller("pipeline_admin", FULL_ACCESS),
        Caller("admin", FULL_ACCESS, EVERY_SCOPE & ~EXECUTE, owns=True),
        Caller("admin", FULL_ACCESS, EVERY_SCOPE & ~SCOPE_ADMIN),
    ],
    TOKENS: [
        Caller("member", FULL_ACCESS, EVERY_SCOPE & ~SCOPE_TOKENS, owns=True),
        Caller("admin", FULL_ACCESS, EVERY_SCOPE & ~SCOPE_TOKENS, owns=True),
    ],
    None: [],
}
"""Callers that hold everything but what is needed."""


async def contradictions(client: Client, world: World, route: Route) -> list[str]:
    """The callers that are answered otherwise than the row says; first those to be refused, who change nothing."""
    other = await world.user("nobody")
    pipeline = await world.pipeline()
    await world.grant(pipeline, other)
    await world.grant(pipeline, await world.group(other, name="no-such-group"))

    async def answer_of(caller: Caller) -> Answer:
        user = await world.user(role=caller.role)
        if caller.access:
            await world.grant(pipeline, user, caller.access)
        if route.operation is grant_sets.replace_grants:  # which would take back those of managers, too
            await world.raw.execute(
                "DELETE FROM user_grants WHERE pipeline_id = $1 AND user_id <> $2", pipeline, user.id
            )
        owner = user if caller.owns else other
        job = await world.job(owner, pipeline)
        token = await world.token(user.id, scopes=caller.scopes)
        token_id = await world.raw.fetchval(
            "SELECT id FROM tokens WHERE user_id = $1 ORDER BY digest = sha256($2::bytea) DESC",
            owner.id,
            token.encode(),
        )
        entry = await world.sealed_entry() if route.operation is audit.prove_entry else 0
        path = sample_path(route.path, pipeline_id=pipeline, job_id=job, token_id=token_id, id=entry)
        call = As(client, token)
        return await call(route.method, path, sample_body(route, job_id=job))

    refusals = {"PERMISSION_DENIED", "NOT_FOUND"} if route.needs == READ else {"PERMISSION_DENIED"}
    refused = [(caller, await answer_of(caller)) for caller in LACKING[route.needs]]
    passed = await answer_of(ENTITLED[route.needs])
    wrong = [f"{caller} is answered {answer.body}" for caller, answer in refused if _code(answer) not in refusals]
    if _code(passed) in ("UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND"):
        wrong.append(f"{ENTITLED[route.needs]} is answered {passed.body}")
    return wrong


def _code(answer: Answer) -> str:
    """Return the code of an answer, or of the one verdict that it has."""
    verdicts = answer.body.get("results")
    return answer.code if not verdicts else str(verdicts[0].get("code", "OK"))


@every_route
async def test_call_demands_what_its_row_needs(client: Client, world: World, route: Route) -> None:
    assert await contradictions(client, world, route) == []


@pytest.mark.parametrize(
    ("operation", "needs"),
    [
        (pipelines.update_pipeline, EXECUTE),
        (pipelines.get_pipeline, WRITE),
        (pipelines.delete_pipeline, None),
        (pipelines.create_pipeline, ADMINISTRATOR),
        (job_pipelines.update_job_pipelines, READ),
        (jobs.delete_job, EXECUTE),
        (jobs.list_jobs, OWNER),
        (users.update_user, PIPELINE_ADMINISTRATOR),
        (groups.list_groups, ADMINISTRATOR),
        (groups.list_user_groups, None),
        (pipelines.list_user_pipelines, READ),
        (tokens.get_token, None),
        (tokens.list_tokens, ADMINISTRATOR),
        (audit.list_audit, TOKENS),
    ],
)
async def test_call_with_another_need_is_caught(
    client: Client, world: World, operation: object, needs: int | Standing | None
) -> None:
    """The control."""
    route = next(route for route in ROUTES if route.operation is operation)

    assert await contradictions(client, world, replace(route, needs=needs))


async def test_explaining_ones_own_access_needs_read(client: Client, world: World) -> None:
    """The other half of MANAGER_OR_SELF."""
    pipeline, user = await world.pipeline(), await world.user()
    await world.grant(pipeline, user, READ)
    path = f"/flow/pipeline/{pipeline}/access/{user.username}"

    assert (await As(client, await world.token(user.id, scopes=READ)).get(path)).code == "OK"
    assert (await As(client, await world.token(user.id, scopes=EVERY_SCOPE & ~READ)).get(path)).code == "NOT_FOUND"
