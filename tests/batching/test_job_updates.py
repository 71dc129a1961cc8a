"""Batches of updates, bounded by what they hold."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from service.authentication.bearer import token_digest
from service.batching import job_updates as batching
from service.batching.job_updates import (
    MAX_PIPELINES_IN_BATCH,
    MAX_PIPELINES_PER_BATCH,
    MAX_REST,
    MAX_UPDATES_APART,
    JobUpdateBatcher,
)
from service.batching.pipeline_lists import PipelineListBatcher
from service.database.pool import Database
from service.identity import Caller
from service.repositories import job_updates, tokens
from service.telemetry.request_record import Asking, RequestRecord, current_record
from tests.factories import Member, World


def noted_statements(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Return a list in which each statement to come is noted, by how many pipelines its updates are to."""
    statements: list[list[int]] = []
    update_each = job_updates.update_each

    async def note(connection: Any, updates: Sequence[job_updates.Update]) -> Any:
        statements.append([len(update.wanted) for update in updates])
        return await update_each(connection, updates)

    monkeypatch.setattr(job_updates, "update_each", note)
    return statements


async def made(
    database: Database,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    sizes: Sequence[int],
    *,
    by_one_call: bool = False,
    groups: int = 0,
) -> tuple[list[list[int]], Sequence[Any]]:
    """Make updates to so many pipelines each at once; return what each statement held, and their results."""
    statements = noted_statements(monkeypatch)
    user = await world.user()
    for _ in range(groups):
        await world.group(user)
    pipelines = [await world.pipeline() for _ in range(max(sizes))]
    for pipeline in pipelines:
        await world.grant(pipeline, user)
    caller = await caller_of(database, user)
    batcher = JobUpdateBatcher(database, PipelineListBatcher(database), 2**20)
    wanted: list[tuple[str, list[UUID]]] = [(await world.job(user), pipelines[:size]) for size in sizes]
    if by_one_call:
        return statements, await batcher.update_many(caller, None, wanted)
    results = await asyncio.gather(*(batcher.update(caller, None, *each) for each in wanted))
    return statements, results


async def caller_of(database: Database, user: Member) -> Caller:
    async with database.connection() as connection:
        return (await tokens.find_active(connection, [token_digest(user.token)]))[0]


@pytest.mark.parametrize("by_one_call", [False, True])
async def test_updates_of_a_caller_in_many_groups_go_alone(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch, by_one_call: bool
) -> None:
    """Each locks all of them, while the others that share its statement would wait."""
    monkeypatch.setattr(batching, "MAX_REVISIONS_IN_BATCH", 4)
    monkeypatch.setattr(batching, "MAX_PIPELINES_PER_BATCH", 4)

    few, _ = await made(database, world, monkeypatch, [1] * 3, by_one_call=by_one_call, groups=2)
    many, results = await made(database, world, monkeypatch, [1] * 3, by_one_call=by_one_call, groups=3)

    assert max(map(len, few)) > 1
    if by_one_call:
        assert (many, results) == ([], [None] * 3), "they are decided with the jobs read, many in a transaction"
    else:
        assert many == [[1]] * 3
        assert None not in results


async def test_large_updates_go_alone(database: Database, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    large = MAX_PIPELINES_IN_BATCH + 1

    statements, results = await made(database, world, monkeypatch, [large, 1, large, 2])

    assert sorted(map(sorted, statements)) == [[1, 2], [large], [large]]
    assert [len(names) for names in results] == [large, 1, large, 2]


async def test_batches_are_bounded_by_pipelines(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements, results = await made(database, world, monkeypatch, [MAX_PIPELINES_IN_BATCH] * 12)

    assert None not in results
    assert all(sum(statement) <= MAX_PIPELINES_PER_BATCH for statement in statements)
    assert len(statements) < 12


@pytest.mark.parametrize("by_one_call", [False, True])
async def test_updates_of_jobs_in_many_pipelines_go_alone(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch, by_one_call: bool
) -> None:
    user, pipelines = await world.user(), [await world.pipeline() for _ in range(job_updates.MAX_CURRENT + 1)]
    for pipeline in pipelines:
        await world.grant(pipeline, user)
    large, small = await world.job(user, *pipelines), await world.job(user)
    wanted: list[tuple[str, list[UUID]]] = [(large, pipelines[:1]), (small, pipelines[:1])]
    batcher, caller = JobUpdateBatcher(database, PipelineListBatcher(database), 2**20), await caller_of(database, user)
    await batcher._executable_by(caller)  # so that both go on at once
    statements = noted_statements(monkeypatch)

    if by_one_call:
        results = await batcher.update_many(caller, None, wanted)
    else:
        results = await asyncio.gather(*(batcher.update(caller, None, *each) for each in wanted))

    assert [len(names or []) for names in results] == [1, 1]
    assert statements == [[1, 1], [1]]
    assert await world.pipelines_of(large) == pipelines[:1]


async def test_place_of_a_large_update_rests_while_others_are_there(database: Database, world: World) -> None:
    user, pipelines = await world.user(), [await world.pipeline() for _ in range(MAX_PIPELINES_IN_BATCH + 1)]
    for pipeline in pipelines:
        await world.grant(pipeline, user)
    caller, job = await caller_of(database, user), await world.job(user)
    batcher = JobUpdateBatcher(database, PipelineListBatcher(database), 2**20)
    record = RequestRecord("request-1", asking=Asking("a", "a"))
    context = current_record.set(record)
    try:
        assert await batcher.update(caller, None, job, pipelines)
        assert batcher._large._resting == 0, "nobody else is there"
        for organization in "ab":
            database.presence.note(Asking(organization, organization))
        assert await batcher.update(caller, None, job, [*reversed(pipelines)])
    finally:
        current_record.reset(context)
    assert batcher._large._resting == 1
    await asyncio.sleep(2 * MAX_REST)
    assert batcher._large._resting == 0


async def test_updates_of_one_call_are_made_by_few_statements_bounded_alike(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, medium, small = MAX_PIPELINES_PER_BATCH + 1, MAX_PIPELINES_PER_BATCH // 2, MAX_UPDATES_APART + 1

    sizes = [medium, medium, 1, large, *([1] * small)]
    statements, results = await made(database, world, monkeypatch, sizes, by_one_call=True)

    assert statements == [[medium, medium], [1], [large], [1] * MAX_UPDATES_APART, [1]]
    assert [len(names) for names in results] == sizes


async def test_updates_of_one_call_take_their_turn_among_large_ones(database: Database, world: World) -> None:
    user, pipeline = await world.user(), await world.pipeline()
    await world.grant(pipeline, user)
    caller = await caller_of(database, user)
    wanted: list[tuple[str, list[UUID]]] = [(await world.job(user), [pipeline])]
    batcher = JobUpdateBatcher(database, PipelineListBatcher(database), 2**20)
    async with batcher._large.place(None), batcher._large.place(None):
        making = asyncio.create_task(batcher.update_many(caller, None, wanted))
        await asyncio.sleep(0.1)
        assert not making.done()

    assert [len(names or []) for names in await making] == [1]
