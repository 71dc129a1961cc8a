"""The one statement that makes many updates: each proved and made for itself, and none on a state that has passed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.authentication.bearer import token_digest
from service.database.pool import Database
from service.repositories import jobs
from service.repositories.jobs import Update
from tests.factories import PAST, Member, World


@dataclass(frozen=True)
class Stage:
    """A user who may execute a, b and c, and how their updates are asked for."""

    world: World
    database: Database
    user: Member
    pipelines: Sequence[UUID]

    async def update(self, job_id: str, *wanted: UUID, **other: Any) -> Update:
        revisions = await self.world.raw.fetchval("SELECT array[revision]::text FROM users WHERE id = $1", self.user.id)
        token_id = await self.world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", self.user.id)
        update = Update(
            organization_id=self.world.id,
            job_id=job_id,
            caller_id=self.user.id,
            digest=token_digest(self.user.token),
            scopes=None,
            revisions=revisions,
            until=None,
            wanted=array(wanted),
            within="{}",
            actor="ada",
            token_id=token_id,
            request_id="request-1",
        )
        return update._replace(**other)

    async def make(self, *updates: Update) -> list[list[str] | None]:
        async with self.database.connection() as connection:
            return await jobs.update_each(connection, updates)

    async def rows_of_audit(self) -> int:
        count: int = await self.world.raw.fetchval(
            "SELECT count(*) FROM audit WHERE organization_id = $1", self.world.id
        )
        return count


@pytest.fixture(name="stage")
async def _stage(world: World, database: Database) -> Stage:
    user = await world.user("ada")
    return Stage(world, database, user, [await world.pipeline(name) for name in "abc"])


def array(ids: Sequence[UUID]) -> str:
    return "{" + ",".join(map(str, ids)) + "}"


async def test_each_is_made_in_its_order_and_audited(stage: Stage) -> None:
    a, b, c = stage.pipelines
    one, other = await stage.world.job(stage.user, a, b), await stage.world.job(stage.user)

    made = await stage.make(await stage.update(one, c, a), await stage.update(other, b))

    assert made == [["c", "a"], ["b"]]
    assert await stage.world.pipelines_of(one) == [c, a]
    assert await stage.world.pipelines_of(other) == [b]
    assert await stage.rows_of_audit() == 2


async def test_what_can_not_be_made_leaves_the_others_alone(stage: Stage) -> None:
    a, b, _ = stage.pipelines
    stranger = await stage.world.user()
    good, outdated, expired, unknown, strange = [await stage.world.job(stage.user, a) for _ in range(5)]
    await stage.world.raw.execute("UPDATE jobs SET owner_id = $1 WHERE id = $2", stranger.id, strange)

    made = await stage.make(
        await stage.update(outdated, b, revisions="{1}"),
        await stage.update(expired, b, until=PAST),
        await stage.update("no-such-job", b),
        await stage.update(unknown, b, uuid4()),
        await stage.update(strange, b),
        await stage.update(good, b),
    )

    assert made == [None, None, None, None, None, ["b"]]
    for job in (outdated, expired, unknown, strange):
        assert await stage.world.pipelines_of(job) == [a]
    assert await stage.world.pipelines_of(good) == [b]
    assert await stage.rows_of_audit() == 1


async def test_the_job_of_another_must_be_where_the_caller_may_execute_and_somewhere(stage: Stage) -> None:
    a, b, c = stage.pipelines
    owner = await stage.world.user()
    within, beyond, nowhere = [await stage.world.job(owner, *where) for where in ([a], [a, c], [])]
    executable = array([a, b])

    made = await stage.make(
        *[await stage.update(job, b, within=executable) for job in (within, beyond, nowhere)],
    )
    anywhere = await stage.make(*[await stage.update(job, b, within=None) for job in (beyond, nowhere)])

    assert made == [["b"], None, None]
    assert anywhere == [["b"], ["b"]]


async def test_another_organization_is_out_of_reach(stage: Stage) -> None:
    other = await World.create(stage.world.raw)
    job = await other.job(await other.user())

    assert await stage.make(await stage.update(job, stage.pipelines[0], within=None)) == [None]
    mine = await stage.world.job(stage.user)
    assert await stage.make(await stage.update(mine, await other.pipeline(), within=None)) == [None]


async def test_what_is_so_already_is_left_as_it_is(stage: Stage) -> None:
    a, b, _ = stage.pipelines
    job = await stage.world.job(stage.user, a, b)

    assert await stage.make(await stage.update(job, a, b)) == [["a", "b"]]
    assert await stage.rows_of_audit() == 0
    assert await stage.world.raw.fetchval("SELECT revision FROM jobs WHERE id = $1", job) == 0


async def test_a_pipeline_that_stays_keeps_its_place_in_the_queue(stage: Stage) -> None:
    a, b, _ = stage.pipelines
    job = await stage.world.job(stage.user, a)
    assigned = "SELECT assigned_at FROM assignments WHERE job_id = $1 AND pipeline_id = $2"
    await stage.world.raw.execute("UPDATE assignments SET assigned_at = $2 WHERE job_id = $1", job, PAST)

    await stage.make(await stage.update(job, b, a))

    assert await stage.world.raw.fetchval(assigned, job, a) == PAST
    assert await stage.world.raw.fetchval(assigned, job, b) > PAST + timedelta(days=1)


async def test_a_job_that_is_locked_is_left_alone(stage: Stage) -> None:
    a, b, _ = stage.pipelines
    locked, free = await stage.world.job(stage.user, a), await stage.world.job(stage.user, a)
    async with stage.database.transaction() as connection:
        await jobs.find_for_update(connection, stage.world.id, locked)

        made = await asyncio.wait_for(stage.make(await stage.update(locked, b), await stage.update(free, b)), timeout=5)

    assert made == [None, ["b"]]
    assert await stage.world.pipelines_of(locked) == [a]


async def made_while_held(stage: Stage, monkeypatch: pytest.MonkeyPatch, statement: str) -> list[UUID]:
    """Where a job is after an update that was held between its snapshot and its lock while another was committed."""
    a, b, c = stage.pipelines
    job = await stage.world.job(stage.user, a)
    late, early = await stage.update(job, b), await stage.update(job, a, c)
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "UPDATE_EACH", statement.replace("IS NULL\n    ), locked", HELD))
        held = asyncio.create_task(stage.make(late))
        await asyncio.sleep(0.1)
    assert await stage.make(early) == [["a", "c"]]
    await held
    return await stage.world.pipelines_of(job)


HELD = "IS NULL AND pg_sleep(0.5)::text = ''\n    ), locked"


async def test_it_goes_on_only_from_the_state_that_it_has_seen(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    a, _, c = stage.pipelines

    assert await made_while_held(stage, monkeypatch, jobs.UPDATE_EACH) == [a, c]


async def test_without_the_revision_of_the_job_sets_mix(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it shows that the test above can fail."""
    _, b, c = stage.pipelines
    unchecked = jobs.UPDATE_EACH.replace("AND j.revision = a.revision", "")
    assert unchecked != jobs.UPDATE_EACH

    assert {*await made_while_held(stage, monkeypatch, unchecked)} == {b, c}, "neither asked for that"
