"""Statements on what is granted, held against a naive reading of the same rows in random worlds."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from service.batching.pipeline_lists import PipelineListBatcher
from service.database.pool import Database
from service.identity import Caller
from service.permissions import FULL_ACCESS, READ, Role
from service.repositories import pipelines
from service.repositories.revisions import ReadVersion
from tests.factories import Member, World


@dataclass
class Truth:
    """Every grant that was made, as plain tuples: grantee, pipeline, access, and True if it has expired."""

    grants: list[tuple[UUID, UUID, int, bool]] = field(default_factory=list)
    groups: dict[UUID, set[UUID]] = field(default_factory=dict)

    def granted(self, user: Member) -> dict[UUID, int]:
        found: dict[UUID, int] = {}
        for to, pipeline, access, expired in self.grants:
            if not expired and (to == user.id or user.id in self.groups.get(to, set())):
                found[pipeline] = found.get(pipeline, 0) | access | READ
        return found


async def random_world(world: World, seed: int) -> tuple[Truth, list[Member], list[UUID]]:
    chance = random.Random(seed)  # noqa: S311 - a world, not a secret
    truth, users = Truth(), [await world.user() for _ in range(3)]
    ids = [await world.pipeline() for _ in range(4)]
    for _ in range(3):
        members = chance.sample(users, chance.randint(0, 3))
        truth.groups[await world.group(*members)] = {member.id for member in members}
    now = datetime.now(UTC)
    grantees: list[Member | UUID] = [*users, *truth.groups]
    for to in grantees:
        for pipeline in chance.sample(ids, chance.randint(0, 4)):
            access, expiry = chance.randint(1, FULL_ACCESS), chance.choice([None, -1, 1])
            await world.grant(pipeline, to, access, now + timedelta(hours=expiry) if expiry else None)
            truth.grants.append((to.id if isinstance(to, Member) else to, pipeline, access, expiry == -1))
    return truth, users, ids


@pytest.mark.parametrize("seed", range(12))
async def test_lists_equal_a_naive_reading(database: Database, world: World, seed: int) -> None:
    truth, users, ids = await random_world(world, seed)
    job = await world.job(users[0], *ids[:2])

    async with database.connection() as connection:
        of_each = await pipelines.list_granted_each(connection, [(world.id, user.id) for user in users])
    for user, batched in zip(users, of_each, strict=True):
        expected = truth.granted(user)
        async with database.connection() as connection:
            listed = await pipelines.list_granted(connection, world.id, user.id)
            of_job = await pipelines.list_of_job(connection, world.id, user.id, job)
            for_update = await pipelines.list_for_update_of_job(connection, world.id, user.id, job, ids[1:])

        assert {row.id: row.granted for row in listed.pipelines} == expected
        assert batched == listed
        assert {row.id: row.granted for row in of_job} == {key: expected.get(key, 0) for key in ids[:2]}
        assert {row.id: row.granted for row in for_update} == {key: expected.get(key, 0) for key in ids}
        assert [row.id for row in for_update if row.position] == ids[:2]


async def test_list_granted_to_a_deleted_user(database: Database, world: World) -> None:
    user, pipeline = await world.user(), await world.pipeline()
    await world.grant(pipeline, user)

    async with database.connection() as connection:
        gone, there = await pipelines.list_granted_each(connection, [(world.id, UUID(int=1)), (world.id, user.id)])
        alone = await pipelines.list_granted(connection, world.id, UUID(int=1))

    assert gone == alone == pipelines.PipelineList([], ReadVersion((), None))
    assert there
    assert [row.id for row in there.pipelines] == [pipeline]


async def test_list_granted_each_leaves_out_a_user_with_too_many_grants(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = await world.user(), await world.user()
    ids = [await world.pipeline() for _ in range(3)]
    for pipeline in ids:
        await world.grant(pipeline, many)
    await world.grant(ids[0], few)
    limited = pipelines.LIST_GRANTED_EACH.replace(f"<= {pipelines.MAX_BATCHED_GRANTS}", "<= 2").replace(
        f"LIMIT {pipelines.MAX_BATCHED_GRANTS + 1}", "LIMIT 3"
    )
    monkeypatch.setattr(pipelines, "LIST_GRANTED_EACH", limited)

    async with database.connection() as connection:
        of_few, of_many = await pipelines.list_granted_each(connection, [(world.id, few.id), (world.id, many.id)])
    alone = await PipelineListBatcher(database).granted_to(
        Caller(Role.MEMBER, None, world.id, many.id, "many", many.id, b"", (), datetime.now(UTC))
    )

    assert of_few
    assert [row.id for row in of_few.pipelines] == ids[:1]
    assert of_many is None
    assert {row.id for row in alone.pipelines} == {*ids}


async def test_list_for_update_of_job_leaves_out_unknown_pipelines(database: Database, world: World) -> None:
    user, known, unknown = await world.user(), await world.pipeline(), UUID(int=1)
    job = await world.job(user)

    async with database.connection() as connection:
        found = await pipelines.list_for_update_of_job(connection, world.id, user.id, job, [unknown, known])

    assert [row.id for row in found] == [known]


async def test_list_all_stays_in_its_organization(database: Database, world: World) -> None:
    other = await World.create(world.raw)
    await other.pipeline()
    mine = [await world.pipeline(name) for name in ("b", "a")]

    async with database.connection() as connection:
        found = await pipelines.list_all(connection, world.id, (await world.user()).id)

    assert [row.id for row in found.pipelines] == mine[::-1]
