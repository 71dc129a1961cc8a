"""Cached lists are never older than the request, whatever has changed, and through whichever replica."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.batching.cache import RevisionCache, _key
from service.database.pool import Database
from service.identity import Caller
from service.permissions import EXECUTE, MANAGER, READ
from service.repositories import pipelines
from service.telemetry.request_record import RequestRecord
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import Member, World
from tests.repositories.test_revisions import CHANGES, Change, Stage

LIST = "/flow/pipeline"


@pytest.fixture(name="stage")
async def _stage(world: World) -> Stage:
    return await Stage.create(world)


async def served_and_read_anew(client: Client, member: Member) -> tuple[Any, Any]:
    """Return the list as it is served, perhaps from the cache, and as it is read anew."""
    call = As.member(client, member)
    served = await call.get(LIST)
    anew = await call("GET", LIST, None, {"Cache-Control": "no-cache"})
    return (served.status, served.body.get("pipelines")), (anew.status, anew.body.get("pipelines"))


async def test_list_pipelines_second_call_is_a_cache_hit(
    client: Client, world: World, records: list[RequestRecord]
) -> None:
    ada = await world.user()
    await world.grant(await world.pipeline(), ada)
    call = As.member(client, ada)

    answers = [await call.get(path) for path in (LIST, LIST, "/jobs/pipelines")]
    await call("GET", LIST, None, {"Cache-Control": "no-cache"})
    await call.get(LIST, name="x")

    assert [record.statements for record in records] == [2, 1, 1, 2, 2]
    assert answers[0].body == answers[1].body == answers[2].body
    assert len({answer.headers["ETag"] for answer in answers}) == 1


@pytest.mark.parametrize(("change", "_"), CHANGES.values(), ids=CHANGES.keys())
async def test_list_pipelines_shows_each_change_in_the_next_request(
    client: Client, stage: Stage, change: Change, _: set[str]
) -> None:
    admin = await stage.world.user(role="admin")
    everyone = (stage.user, stage.member, admin)
    before = [await served_and_read_anew(client, member) for member in everyone]

    await change(stage)

    after = [await served_and_read_anew(client, member) for member in everyone]
    assert all(served == anew for served, anew in [*before, *after])


async def test_list_pipelines_stays_cached_after_a_change_to_another_group(
    client: Client, stage: Stage, records: list[RequestRecord]
) -> None:
    call = As.member(client, stage.user)
    await call.get(LIST)
    await stage.world.grant(stage.user_pipeline, stage.group)
    await call.get(LIST)

    assert records[-1].statements == 1


async def test_list_pipelines_cached_answer_ends_with_the_expiry_of_a_grant(client: Client, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline()
    soon = await world.raw.fetchval("SELECT clock_timestamp()") + timedelta(seconds=0.4)
    await world.grant(pipeline, await world.group(ada), EXECUTE, soon)
    await world.grant(pipeline, ada, READ)
    call = As.member(client, ada)

    assert len((await call.get(LIST)).body["pipelines"][0]["permissions"]) == 2
    await asyncio.sleep(0.5)
    assert len((await call.get(LIST)).body["pipelines"][0]["permissions"]) == 1


async def test_list_pipelines_cache_separates_scopes(client: Client, world: World) -> None:
    ada = await world.user()
    await world.grant(await world.pipeline(), ada, MANAGER)
    narrow, wide = As(client, await world.token(ada.id, scopes=READ)), As.member(client, ada)

    for _ in range(2):
        assert len((await wide.get(LIST)).body["pipelines"][0]["permissions"]) == 5
        assert len((await narrow.get(LIST)).body["pipelines"][0]["permissions"]) == 1


async def stale_lists(client: Client, replica: Client, world: World, pairs: int) -> int:
    """Count the lists that are older than a change that another replica acknowledged before they were asked for."""
    chance = random.Random(1)  # noqa: S311 - a story, not a secret
    admin = As.member(client, await world.user(role="admin"))
    readers = [await world.user(f"reader{number}") for number in range(5)]
    pipeline = await world.pipeline()
    stale = 0
    for _ in range(pairs):
        reader = chance.choice(readers)
        path = f"{LIST}/{pipeline}/grants/users/{reader.username}"
        grants = chance.random() < 0.5
        if grants:
            await admin("PUT", path, {"permissions": ["flow_pipeline:execute"]})
        else:
            await admin("DELETE", path)
        listed = await As.member(replica, reader).get(LIST)
        stale += bool(listed.body["pipelines"]) != grants
    return stale


async def test_list_pipelines_is_never_older_than_a_change_through_another_replica(
    client: Client, replica: Client, world: World
) -> None:
    assert await stale_lists(client, replica, world, 300) == 0


async def test_list_pipelines_without_the_revision_check_is_stale(
    client: Client, replica: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it shows that the test above can fail."""
    find = RevisionCache.find

    def without_check(self: RevisionCache[Any], caller: Caller) -> Any:
        entry = self._entries.get(_key(caller))
        return find(self, replace(caller, revisions=entry.version.revisions)) if entry and entry.version else None

    monkeypatch.setattr(RevisionCache, "find", without_check)

    assert await stale_lists(client, replica, world, 100) > 0


async def test_list_pipelines_read_at_other_revisions_is_not_cached(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role changes between authentication and the list: that list is answered once, and not cached."""

    ada = await world.user(role="admin")
    await world.pipeline()
    list_all = pipelines.list_all

    async def demoted_meanwhile(*arguments: Any) -> Any:
        await world.raw.execute("UPDATE users SET role = 'member' WHERE id = $1", ada.id)
        return await list_all(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(pipelines, "list_all", demoted_meanwhile)
        assert len((await As.member(client, ada).get(LIST)).body["pipelines"]) == 1

    assert (await As.member(client, ada).get(LIST)).body["pipelines"] == []


async def test_database_forgets_all_that_is_kept_of_it(
    client: Client, database: Database, stage: Stage, records: list[RequestRecord]
) -> None:
    """The lists, the permissions and the recent callers: each kind of request asks the database anew."""
    call, job = As.member(client, stage.user), await stage.world.job(stage.user)

    async def statements() -> list[int]:
        records.clear()
        await call.get(LIST)
        await call("POST", "/jobs/pipelines", {"job_id": job, "pipeline_ids": [str(stage.user_pipeline)]})
        return [record.statements for record in records]

    first = await statements()
    kept = await statements()
    database.forget()

    assert kept == [1, 1]
    assert await statements() == first
    assert first == [2, 3]
