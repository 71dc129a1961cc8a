"""The order of the checks where several would fail: well-formed (400), seen (404), allowed (403), the state (400, 412).

tests/api/test_permission_table.py has it for the refusals of the permission table; these are beside that.
"""

from typing import Any
from uuid import uuid4

import pytest

from service.permissions import EVERY_PERMISSION, READ, SCOPE_TOKENS
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World

OTHER = {"If-Match": '"another"'}


async def test_malformed_batch_is_told_to_a_token_without_execute(client: Client, world: World) -> None:
    call = As(client, await world.token((await world.user()).id, scopes=READ))
    wrong = {"updates": [{"job_id": "j", "pipeline_ids": "none"}], "atomic": True}

    assert (await call("POST", "/jobs/pipelines/batch", wrong)).code == "INVALID_ARGUMENT"
    (result,) = (await call("POST", "/jobs/pipelines/batch", {**wrong, "atomic": False})).body["results"]
    assert result["code"] == "INVALID_ARGUMENT"


async def test_malformed_cursor_is_told_to_a_member(client: Client, world: World) -> None:
    call = As.member(client, await world.user())

    assert (await call.get("/changes", all="true", after="none")).code == "INVALID_ARGUMENT"
    assert (await call.get("/changes", all="true", after="0")).code == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    "grants",
    [[{"permissions": []}], [{"user": "ada", "permissions": []}, {"user": "ADA", "permissions": []}]],
    ids=["to nobody", "to one twice"],
)
async def test_malformed_grants_of_a_declared_state_are_told_to_a_member(
    client: Client, world: World, grants: list[dict[str, Any]]
) -> None:
    call = As.member(client, await world.user())

    answer = await call("POST", "/apply", {"groups": [{"name": "g"}], "pipelines": [{"name": "p", "grants": grants}]})

    assert answer.code == "INVALID_ARGUMENT"


async def test_new_job_in_pipelines_of_others_is_refused_whatever_the_condition(client: Client, world: World) -> None:
    ada = await world.user()
    hidden, seen = await world.pipeline(), await world.pipeline()
    await world.grant(seen, ada, READ)
    call = As.member(client, ada)

    for pipeline, code in ((hidden, "NOT_FOUND"), (seen, "PERMISSION_DENIED")):
        assert (await call("PUT", "/jobs/new", {"pipeline_ids": [str(pipeline)]}, OTHER)).code == code
    assert (await call("PUT", "/jobs/new", {"pipeline_ids": []}, OTHER)).status == 412


async def test_grants_to_an_unknown_user_are_refused_whatever_the_condition(client: Client, world: World) -> None:
    call, pipeline = As.member(client, await world.user(role="admin")), await world.pipeline()
    grants = {"grants": [{"user": "nobody", "permissions": []}]}

    assert (await call("PUT", f"/flow/pipeline/{pipeline}/grants", grants, OTHER)).code == "NOT_FOUND"


async def test_tokens_are_refused_before_their_state_is_told(client: Client, world: World) -> None:
    ada = await world.user()
    call, narrow = As.member(client, ada), As(client, await world.token(ada.id, scopes=SCOPE_TOKENS))
    wide = (await call("POST", "/tokens", {"scopes": ["tokens", "admin"]})).body["token"]["id"]
    assert (await call("POST", f"/tokens/{wide}/rotate", {})).status == 201
    own = next(each["id"] for each in (await call.get("/tokens")).body["tokens"] if each["scopes"] is None)

    assert (await narrow("POST", f"/tokens/{wide}/rotate", {})).code == "PERMISSION_DENIED"
    assert (await call("POST", f"/tokens/{wide}/rotate", {})).code == "FAILED_PRECONDITION"
    kept = await call("DELETE", f"/tokens/{own}", None, OTHER, keep_descendants="true")
    assert (kept.code, kept.status) == ("PERMISSION_DENIED", 403)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/flow/pipeline", {"name": "p"}),
        ("POST", "/users", {"username": "bob"}),
        ("PUT", "/groups/g/members/ada", None),
        ("PATCH", "/groups/g/members", {"add": ["ada"]}),
        ("POST", "/tokens", {}),
        ("POST", "/jobs/pipelines/batch", {"updates": []}),
        ("POST", "/jobs/pipelines/batch", {"updates": [], "atomic": True}),
        ("POST", "/apply", {"groups": [{"name": "h"}]}),
        ("POST", "/apply", {"groups": [{"name": "h"}], "dry_run": True}),
    ],
)
async def test_condition_without_comparison_is_unmet_and_changes_nothing(
    client: Client, world: World, method: str, path: str, body: dict[str, Any] | None
) -> None:
    ada = await world.user("ada", role="admin")
    await world.group(name="g")

    answer = await As.member(client, ada)(method, path, body, {"If-Match": "*"})

    assert (answer.status, answer.code) == (412, "FAILED_PRECONDITION")
    assert "nothing to compare" in answer.body["msg"]
    assert await world.raw.fetchval("SELECT count(*) FROM audit WHERE organization_id = $1", world.id) == 0


async def test_malformed_body_is_told_whatever_the_condition(client: Client, world: World) -> None:
    call = As.member(client, await world.user())

    assert (await call("POST", "/users", {"username": 5}, OTHER)).code == "INVALID_ARGUMENT"
    pipeline = await world.pipeline()
    await world.grant(pipeline, await world.user("bob"), EVERY_PERMISSION)
    assert (await call("PUT", f"/flow/pipeline/{pipeline}/jobs/{uuid4()}", None, OTHER)).code == "NOT_FOUND"
