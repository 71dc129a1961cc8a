"""Whatever another organization has is answered like what does not exist, in every field of every call."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import uuid4

import pytest

from service.http.routes import ROUTES, Route
from service.permissions import FULL_ACCESS
from tests.api.calls import Answer, As
from tests.api.sample import sample_body, sample_path
from tests.conftest import Client
from tests.factories import Member, World

Ids = Mapping[str, str]
"""By the name of a path's parameter."""
QUERIES: Final[Mapping[str, str]] = {
    "pipeline_id": "pipeline_id",
    "job_id": "job_id",
    "owner": "username",
    "jobs_to": "username",
    "actor": "username",
}
"""Of the fields that are sent in the query, whose ids they are."""


async def fill(world: World, name: str) -> tuple[Ids, Member, Member]:
    """Fill an organization with one of each thing; return their ids, an administrator and a member who manages it."""
    root, member = await world.user("root", role="admin"), await world.user(f"{name}-user")
    pipeline, group = await world.pipeline("p"), await world.group(member, name=f"{name}-group")
    await world.grant(pipeline, member, FULL_ACCESS)
    await world.grant(pipeline, group)
    job = await world.job(member, pipeline, job_id=f"{name}-job")
    token = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", member.id)
    entry = await world.sealed_entry()
    ids = {
        "pipeline_id": str(pipeline),
        "job_id": job,
        "username": member.username,
        "name": f"{name}-group",
        "token_id": str(token),
        "id": str(entry),
    }
    return ids, root, member


def bodies(route: Route, own: Ids, ids: Ids) -> Iterator[dict[str, Any] | None]:
    """Yield bodies that name one thing after the other by other ids."""
    fields = {**own, "pipeline_ids": [own["pipeline_id"]], "add": [own["username"]], "remove": []}
    whole = sample_body(route, **fields)
    yield whole
    if whole is None:
        return
    for key, given in {
        "job_id": ids["job_id"],
        "username": ids["username"],
        "owner": ids["username"],
        "pipeline_ids": [own["pipeline_id"], ids["pipeline_id"]],
        "add": [ids["username"]],
        "remove": [ids["username"]],
        "updates": [{"job_id": ids["job_id"], "pipeline_ids": [ids["pipeline_id"]]}],
        "grants": [{"user": ids["username"], "permissions": []}, {"group": ids["name"], "permissions": []}],
        "pipelines": [{"name": "q", "grants": [{"group": ids["name"], "permissions": []}]}],
        "groups": [{"name": "made", "members": [ids["username"]]}],
    }.items():
        if key in route.places and "{" + key + "}" not in route.path:
            yield {**whole, key: given}


def requests(route: Route, own: Ids, ids: Ids) -> Iterator[tuple[str, dict[str, Any] | None, dict[str, str]]]:
    """Yield paths, bodies and queries in which one thing is named by other ids, and all others by one's own."""
    for body in bodies(route, own, ids):
        yield sample_path(route.path, **own), body, {}
    whole = sample_body(route, **own)
    for parameter in own:
        if "{" + parameter + "}" in route.path:
            yield sample_path(route.path, **{**own, parameter: ids[parameter]}), whole, {}
    for field, kind in QUERIES.items():
        if field in route.places and whole is None and "{" + field + "}" not in route.path:
            yield sample_path(route.path, **own), None, {field: ids[kind]}


def told(answer: Answer, ids: Ids) -> object:
    """Return what an answer tells: of a failure, or some in a batch, all of it, without the ids that were asked for."""
    if answer.status < 400 and "results" not in answer.body:
        return answer.status, [*answer.body]
    text = str({**answer.body, "request_id": ""})
    for name, each in ids.items():
        text = text.replace(each, name) if name != "id" else text
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in ("x-request-id", "date")}
    return answer.status, text, headers


@pytest.mark.parametrize("who", ["admin", "member"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation.__name__)
async def test_ids_of_another_organization_are_answered_like_absent_ones(
    client: Client, world: World, route: Route, who: str
) -> None:
    foreign, _, _ = await fill(await World.create(world.raw), "other")
    absent = {
        "pipeline_id": str(uuid4()),
        "job_id": "gone1-job",
        "username": "gone1-user",
        "name": "gone1-group",
        "token_id": str(uuid4()),
        "id": str(10 ** (len(foreign["id"]) - 1) + 7),
    }
    seen = []
    for ids in (foreign, absent):
        mine = await World.create(world.raw)  # of its own, as calls change it
        own, root, member = await fill(mine, "mine")
        call = As.member(client, root if who == "admin" else member)
        answers = [
            await call(route.method, path, body, None, **query) for path, body, query in requests(route, own, ids)
        ]
        seen.append([told(each, {**ids, **{f"own {name}": text for name, text in own.items()}}) for each in answers])
    assert seen[0] == seen[1]
