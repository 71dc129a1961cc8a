"""No answer tells anything of a pipeline to a token that would not be told of it by asking."""

from uuid import UUID

import pytest

from service.http.routes import ROUTES, Route
from service.operations import audit
from service.permissions import FULL_ACCESS, READ, SCOPE_BITS
from tests.api.calls import As
from tests.api.sample import sample_body, sample_path
from tests.conftest import Client
from tests.factories import World

NARROW = {name: bit for name, bit in SCOPE_BITS.items() if bit != READ}
NAME, TEXT = "Whispered", "Not for everybody"
TELLING = [route for route in ROUTES if route.operation is not audit.list_audit]
"""The audit trail is what the scope `admin` reads, with whatever was changed in it."""


async def told(client: Client, world: World, route: Route, scopes: int, role: str) -> list[str]:
    """Return which of a pipeline's name and description, or its id unasked, an answer has."""
    ada = await world.user(role=role)
    pipeline = await world.pipeline(NAME)
    await world.raw.execute("UPDATE pipelines SET description = $2 WHERE id = $1", pipeline, TEXT)
    await world.grant(pipeline, ada, FULL_ACCESS)
    await world.grant(pipeline, await world.user("pam", role="admin"), FULL_ACCESS)
    job = await world.job(ada, pipeline)
    group = await world.group(ada, name="reviewers")
    await world.grant(pipeline, group, FULL_ACCESS)
    in_path = {"pipeline_id": pipeline, "job_id": job, "username": "pam", "name": "reviewers"}
    in_body = {"job_id": job, "pipeline_ids": [str(pipeline)], "role": "member"}
    call = As(client, await world.token(ada.id, scopes=scopes))

    answers = [await call(route.method, sample_path(route.path, **in_path), sample_body(route, **in_body))]
    names_pipelines = bool({"pipeline_ids", "updates"} & {*route.places})
    if names_pipelines:
        body = sample_body(route, **{**in_body, "pipeline_ids": []})
        answers.append(await call(route.method, sample_path(route.path, **in_path), body))
    text = " ".join(str(answer.body) for answer in answers)
    asked = "{pipeline_id}" in route.path or names_pipelines
    return [each for each in (NAME, TEXT, *([] if asked else [str(pipeline)])) if each in text]


@pytest.mark.parametrize("route", TELLING, ids=lambda route: route.operation.__name__)
@pytest.mark.parametrize("role", ["member", "admin"])
async def test_answer_tells_nothing_of_a_pipeline_that_the_token_may_not_read(
    client: Client, world: World, route: Route, role: str
) -> None:
    for name, scopes in NARROW.items():
        world_of_its_own = await World.create(world.raw)
        assert await told(client, world_of_its_own, route, scopes, role) == [], name


async def test_update_to_the_very_set_that_a_job_has_names_no_pipeline_that_is_hidden(
    client: Client, world: World
) -> None:
    """As any pipeline that the token can't read; also where the caller was granted nothing, or no longer."""
    ada = await world.user()
    pipeline = await world.pipeline(NAME)
    job = await world.job(ada, pipeline)

    async def answer_to(token: str, pipeline_id: UUID) -> str:
        body = {"job_id": job, "pipeline_ids": [str(pipeline_id)]}
        answer = await As(client, token)("POST", "/jobs/pipelines", body, {"X-Request-Id": "same"})
        return f"{answer.status} {answer.body}".replace(str(pipeline_id), "PIPELINE")

    absent = UUID(int=1)
    assert await answer_to(ada.token, pipeline) == await answer_to(ada.token, absent)
    await world.grant(pipeline, ada, FULL_ACCESS)
    for scopes in NARROW.values():
        token = await world.token(ada.id, scopes=scopes)
        assert await answer_to(token, pipeline) == await answer_to(token, absent)
