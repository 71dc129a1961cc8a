"""Optimistic updates of recent callers: the statement proves the caller, and the outcome equals the ordinary one."""

import json
from typing import Any
from uuid import UUID

import pytest

from service.repositories import job_updates, tokens
from service.telemetry.request_record import RequestRecord
from tests.api.test_update_job_pipelines import PATH, update
from tests.conftest import Client
from tests.factories import Member, World
from tests.repositories.test_revisions import CHANGES, Change, Stage


def _tokens(change: str) -> Change:
    async def make(stage: Stage) -> None:
        await stage.run(f"{change} WHERE user_id IN ($1, $2)", stage.user.id, stage.member.id)

    return make


CHANGES_OF_TOKENS: dict[str, Change] = {
    "tokens revoked": _tokens("UPDATE tokens SET revoked_at = now()"),
    "tokens expired": _tokens("UPDATE tokens SET expires_at = now()"),
    "tokens that can't execute": _tokens("UPDATE tokens SET scopes = 1"),
    "tokens deleted": _tokens("DELETE FROM tokens"),
    "tokens with other secrets": _tokens("UPDATE tokens SET digest = sha256(digest)"),
}


@pytest.fixture(name="stage")
async def _stage(world: World) -> Stage:
    return await Stage.create(world)


@pytest.mark.parametrize(
    "change",
    [*(change for change, _ in CHANGES.values()), *CHANGES_OF_TOKENS.values()],
    ids=[*CHANGES, *CHANGES_OF_TOKENS],
)
async def test_update_job_pipelines_by_a_recent_caller_sees_each_change(
    client: Client, replica: Client, stage: Stage, change: Change, records: list[RequestRecord]
) -> None:
    asked = [(stage.user, stage.user_pipeline), (stage.member, stage.group_pipeline)]
    for user, pipeline in asked:
        await verdict(client, stage.world, user, pipeline)
        assert (await verdict(client, stage.world, user, pipeline))[0] == 200
        assert records[-1].statements == 1, "nobody was asked who calls"

    await change(stage)

    for user, pipeline in asked:
        assert await verdict(client, stage.world, user, pipeline) == await verdict(replica, stage.world, user, pipeline)


async def verdict(client: Client, world: World, user: Member, pipeline: UUID) -> tuple[int, Any, Any, Any]:
    """Update a new job, and return the answer, the pipelines of the job, and the actor in the audit trail."""
    job = await world.job(user)
    status, body = await update(client, user.headers, job, pipeline)
    actor = await world.raw.fetchval(
        "SELECT array_agg(actor) FROM audit WHERE organization_id = $1 AND target = $2", world.id, f"job:{job}"
    )
    return status, body.get("code") or body["updated_pipelines"], await world.pipelines_of(job), actor


async def test_update_job_pipelines_without_the_proof_accepts_a_revoked_token(
    client: Client, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it shows that the test above can fail. The database's guard of the audit trail is off, too."""
    user, pipeline = stage.user, stage.user_pipeline
    await verdict(client, stage.world, user, pipeline)
    await CHANGES_OF_TOKENS["tokens revoked"](stage)
    unproved = job_updates.UPDATE_ONE.replace(tokens.ACTIVE, "true")
    assert unproved != job_updates.UPDATE_ONE
    monkeypatch.setattr(job_updates, "UPDATE_ONE", unproved)

    await stage.world.raw.execute("ALTER TABLE audit DISABLE TRIGGER attest_on_insert")
    try:
        assert (await verdict(client, stage.world, user, pipeline))[0] == 200
    finally:
        await stage.world.raw.execute("ALTER TABLE audit ENABLE ALWAYS TRIGGER attest_on_insert")


async def _other_bodies(client: Client, user: Member, body: bytes) -> int:
    answer = await client.post(PATH, data=body, headers=user.headers)
    await answer.read()
    return answer.status


async def test_update_job_pipelines_malformed_body_of_a_revoked_token_is_401(client: Client, stage: Stage) -> None:
    user = stage.user
    await verdict(client, stage.world, user, stage.user_pipeline)
    assert await _other_bodies(client, user, b"{") == 400

    await CHANGES_OF_TOKENS["tokens revoked"](stage)

    assert await _other_bodies(client, user, b"{") == 401


async def test_update_job_pipelines_by_a_recent_caller_checks_its_precondition(client: Client, stage: Stage) -> None:
    user, world = stage.user, stage.world
    await verdict(client, world, user, stage.user_pipeline)
    job = await world.job(user)
    body = json.dumps({"job_id": job, "pipeline_ids": [str(stage.user_pipeline)]})

    answer = await client.post(PATH, data=body, headers={**user.headers, "If-Match": '"other"'})

    assert answer.status == 412
    assert await world.pipelines_of(job) == []


async def test_update_job_pipelines_never_sends_a_failed_statement_again(
    client: Client, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome of the statement is unknown, so the update must not be decided anew."""
    user, world = stage.user, stage.world
    await verdict(client, world, user, stage.user_pipeline)
    sent: list[object] = []

    async def lose(*arguments: object) -> None:
        sent.append(arguments)
        raise ConnectionResetError

    monkeypatch.setattr(job_updates, "update_each", lose)
    status, body = await update(client, user.headers, await world.job(user), stage.user_pipeline)

    assert (status, body["code"], len(sent)) == (503, "UNAVAILABLE", 1)
