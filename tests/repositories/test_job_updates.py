"""A batch of updates in one statement: each is proved and made by itself, and none on an outdated state."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.authentication.bearer import token_digest
from service.database.pool import Database
from service.repositories import job_updates, jobs, revisions
from service.repositories.job_updates import MAX_CURRENT, Large, Made, Update
from service.repositories.literals import array_literal
from tests.factories import PAST, Member, World


@dataclass(frozen=True)
class Stage:
    """A user who may execute a, b and c, and the updates that they ask for."""

    world: World
    database: Database
    user: Member
    pipelines: Sequence[UUID]

    async def update(self, job_id: str, *wanted: UUID, **other: Any) -> Update:
        found = await self.world.raw.fetchval(f"SELECT {revisions.OF_USER} FROM users u WHERE u.id = $1", self.user.id)
        update = Update(
            organization_id=self.world.id,
            job_id=job_id,
            digest=token_digest(self.user.token),
            scopes=None,
            revisions=found,
            expires_at=None,
            wanted=wanted,
            allowed_pipelines=array_literal(()),
            request_id="request-1",
        )
        return update._replace(**other)

    async def make(self, *updates: Update) -> list[Made]:
        async with self.database.connection() as connection:
            return await job_updates.update_each(connection, updates)

    async def rows_of_audit(self) -> int:
        count: int = await self.world.raw.fetchval(
            "SELECT count(*) FROM audit WHERE organization_id = $1", self.world.id
        )
        return count


@pytest.fixture(name="stage")
async def _stage(world: World, database: Database) -> Stage:
    user = await world.user("ada")
    return Stage(world, database, user, [await world.pipeline(name) for name in "abc"])


def test_array_literal() -> None:
    assert array_literal([3, 1]) == "{3,1}"
    assert array_literal([UUID(int=1)]) == "{00000000-0000-0000-0000-000000000001}"
    assert array_literal(()) == "{}"


async def test_update_each_replaces_sets_in_their_order_and_audits(stage: Stage) -> None:
    a, b, c = stage.pipelines
    one, other = await stage.world.job(stage.user, a, b), await stage.world.job(stage.user)

    made = await stage.make(await stage.update(one, c, a), await stage.update(other, b))

    assert made == [["c", "a"], ["b"]]
    assert await stage.world.pipelines_of(one) == [c, a]
    assert await stage.world.pipelines_of(other) == [b]
    assert await stage.rows_of_audit() == 2


async def test_update_each_with_some_that_are_not_allowed(stage: Stage) -> None:
    a, b, _ = stage.pipelines
    stranger = await stage.world.user()
    good, outdated, expired, unknown, strange = [await stage.world.job(stage.user, a) for _ in range(5)]
    await stage.world.raw.execute("UPDATE jobs SET owner_id = $1 WHERE id = $2", stranger.id, strange)

    made = await stage.make(
        await stage.update(outdated, b, revisions=[1]),
        await stage.update(expired, b, expires_at=PAST),
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


async def test_update_each_of_jobs_of_another_owner(stage: Stage) -> None:
    a, b, c = stage.pipelines
    owner = await stage.world.user()
    within, beyond, nowhere = [await stage.world.job(owner, *where) for where in ([a], [a, c], [])]
    executable = array_literal([a, b])

    made = await stage.make(
        *[await stage.update(job, b, allowed_pipelines=executable) for job in (within, beyond, nowhere)],
    )
    anywhere = await stage.make(*[await stage.update(job, b, allowed_pipelines=None) for job in (beyond, nowhere)])

    assert made == [["b"], None, None]
    assert anywhere == [["b"], ["b"]]


async def test_update_each_across_organizations(stage: Stage) -> None:
    other = await World.create(stage.world.raw)
    job = await other.job(await other.user())

    assert await stage.make(await stage.update(job, stage.pipelines[0], allowed_pipelines=None)) == [None]
    mine = await stage.world.job(stage.user)
    assert await stage.make(await stage.update(mine, await other.pipeline(), allowed_pipelines=None)) == [None]


async def test_update_each_of_a_job_that_is_there_already(stage: Stage) -> None:
    a, b, _ = stage.pipelines
    job = await stage.world.job(stage.user, a, b)

    assert await stage.make(await stage.update(job, a, b)) == [["a", "b"]]
    assert await stage.rows_of_audit() == 0
    assert await stage.world.raw.fetchval("SELECT revision FROM jobs WHERE id = $1", job) == 0


async def test_update_each_leaves_out_jobs_in_many_pipelines_unless_they_are_alone(stage: Stage) -> None:
    a, *_ = stage.pipelines
    many = [await stage.world.pipeline() for _ in range(MAX_CURRENT + 1)]
    most, large, small = [await stage.world.job(stage.user, *there) for there in (many[:-1], many, [])]

    made = await stage.make(*[await stage.update(job, a) for job in (most, large, small)])

    assert made == [["a"], Large.LARGE, ["a"]]
    assert await stage.world.pipelines_of(large) == many
    assert await stage.make(await stage.update(large, a)) == [["a"]]
    assert await stage.world.pipelines_of(large) == [a]


async def test_update_each_keeps_the_place_in_a_queue(stage: Stage) -> None:
    a, b, _ = stage.pipelines
    job = await stage.world.job(stage.user, a)
    assigned = "SELECT assigned_at FROM assignments WHERE job_id = $1 AND pipeline_id = $2"
    await stage.world.raw.execute("UPDATE assignments SET assigned_at = $2 WHERE job_id = $1", job, PAST)

    await stage.make(await stage.update(job, b, a))

    assert await stage.world.raw.fetchval(assigned, job, a) == PAST
    assert await stage.world.raw.fetchval(assigned, job, b) > PAST + timedelta(days=1)


async def test_update_each_skips_a_locked_job(stage: Stage) -> None:
    a, b, _ = stage.pipelines
    locked, free = await stage.world.job(stage.user, a), await stage.world.job(stage.user, a)
    async with stage.database.transaction() as connection:
        await jobs.find_for_update(connection, stage.world.id, locked)

        made = await asyncio.wait_for(stage.make(await stage.update(locked, b), await stage.update(free, b)), timeout=5)

    assert made == [None, ["b"]]
    assert await stage.world.pipelines_of(locked) == [a]


async def made_while_held(stage: Stage, monkeypatch: pytest.MonkeyPatch, statement: str) -> list[UUID]:
    """Return the pipelines of a job whose update was held between snapshot and lock while another was committed."""
    a, b, c = stage.pipelines
    job = await stage.world.job(stage.user, a)
    late, early = await stage.update(job, b), await stage.update(job, a, c)
    holding = statement.replace("IS NULL\n    ), proved", HELD)
    assert holding != statement
    with monkeypatch.context() as patch:
        patch.setattr(job_updates, "UPDATE_ONE", holding)
        held = asyncio.create_task(stage.make(late))
        await asyncio.sleep(0.1)
    assert await stage.make(early) == [["a", "c"]]
    await held
    return await stage.world.pipelines_of(job)


HELD = "IS NULL AND pg_sleep(0.5)::text = ''\n    ), proved"


async def test_update_each_of_a_job_that_changed_since_the_snapshot(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _, c = stage.pipelines

    assert await made_while_held(stage, monkeypatch, job_updates.UPDATE_ONE) == [a, c]


async def test_update_each_without_the_job_revision_mixes_sets(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it shows that the test above can fail."""
    _, b, c = stage.pipelines
    unchecked = job_updates.UPDATE_ONE.replace("AND j.revision = r.revision", "")
    assert unchecked != job_updates.UPDATE_ONE

    assert {*await made_while_held(stage, monkeypatch, unchecked)} == {b, c}, "neither asked for that"


LOSSES = {
    "token": "UPDATE tokens SET revoked_at = now() WHERE user_id = $1",
    "user": "UPDATE users SET disabled = true WHERE id = $1",
    "role": "UPDATE users SET role = 'admin' WHERE id = $1",
    "membership": "DELETE FROM memberships WHERE user_id = $1",
    "grant": "DELETE FROM group_grants WHERE group_id IN (SELECT group_id FROM memberships WHERE user_id = $1)",
    "pipeline": "DELETE FROM pipelines WHERE id IN (SELECT pipeline_id FROM user_grants WHERE user_id = $1)",
}


async def made_while_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, loss: str | None, count: int, end: str = ""
) -> list[Made]:
    """Make updates that are held between snapshot and locks while something that they rest on goes.

    Args:
        stage: the user, who is in a group.
        monkeypatch: holds the statement.
        loss: one of LOSSES.
        count: the updates.
        end: the end of the statement's CASE, in place of what proves the caller; empty: it stays.
    """
    a, b, c = stage.pipelines
    await stage.world.grant(a, await stage.world.group(stage.user))
    await stage.world.grant(c, stage.user)
    updates = [await stage.update(await stage.world.job(stage.user, b), b, c) for _ in range(count)]
    name = "UPDATE_ONE" if count == 1 else "UPDATE_EACH"
    statement = getattr(job_updates, name).replace("IS NULL\n    ), proved", HELD)
    if end:
        head, tail = statement.split("            -- The callers' authority", 1)
        statement = f"{head}{end}\n    ), revised AS{tail.split('    ), revised AS', 1)[1]}"
    with monkeypatch.context() as patch:
        patch.setattr(job_updates, name, statement)
        held = asyncio.create_task(stage.make(*updates))
        await asyncio.sleep(0.1)
    if loss is not None:
        await stage.world.raw.execute(LOSSES[loss], stage.user.id)
    return await held


@pytest.mark.parametrize("loss", [None, *LOSSES])
@pytest.mark.parametrize("count", [1, 2])
async def test_update_each_sees_what_is_committed_between_the_snapshot_and_its_locks(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, loss: str | None, count: int
) -> None:
    made = await made_while_lost(stage, monkeypatch, loss, count)

    assert made == [["b", "c"] if loss is None else None] * count


async def test_update_each_without_the_proof_overlooks_what_is_committed_meanwhile(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it shows that the test above can fail."""
    assert await made_while_lost(stage, monkeypatch, "token", 1, "ELSE true END") == [["b", "c"]]


LOCKS = {
    "FOR UPDATE": "SELECT FROM {table} WHERE {key} FOR UPDATE",
    "FOR NO KEY UPDATE": "SELECT FROM {table} WHERE {key} FOR NO KEY UPDATE",
    "FOR SHARE": "SELECT FROM {table} WHERE {key} FOR SHARE",
    "FOR KEY SHARE": "SELECT FROM {table} WHERE {key} FOR KEY SHARE",
    "DELETE": "DELETE FROM {table} WHERE {key}",
}
ROWS = ("wanted", "removed", "kept", "job", "user", "token", "group", "organization", "grant", "membership")


async def rows_to_lock(stage: Stage, job: str) -> dict[str, tuple[str, str]]:
    """Return the table and condition of each row that an update of a job from a and b to b and c may touch."""
    a, b, c = stage.pipelines
    world, user = stage.world, stage.user
    group = await world.group(user)
    await world.grant(c, user)
    await world.grant(c, group)
    places = {"wanted": c, "removed": a, "kept": b}
    return {
        **{name: ("pipelines", f"id = '{key}'") for name, key in places.items()},
        "job": ("jobs", f"id = '{job}'"),
        "user": ("users", f"id = '{user.id}'"),
        "token": ("tokens", f"user_id = '{user.id}'"),
        "group": ("groups", f"id = '{group}'"),
        "organization": ("organizations", f"id = '{world.id}'"),
        "grant": ("user_grants", f"pipeline_id = '{c}'"),
        "membership": ("memberships", f"group_id = '{group}'"),
    }


def can_be_locked(row: str, lock: str) -> bool:
    """Return whether a lock can be had: others refer to users and organizations, so these are not deleted."""
    return (row, lock) not in {("user", "DELETE"), ("organization", "DELETE")}


async def made_while_locked(stage: Stage, dsn: str, row: str, lock: str) -> list[Made]:
    """Make a stranger's update in one batch with that of a user, one of whose rows another connection has locked."""
    a, b, c = stage.pipelines
    other = await World.create(stage.world.raw)
    stranger = Stage(other, stage.database, await other.user("ada"), [await other.pipeline(name) for name in "xy"])
    job, free = await stage.world.job(stage.user, a, b), await other.job(stranger.user, stranger.pipelines[0])
    table, key = (await rows_to_lock(stage, job))[row]
    holder = await asyncpg.connect(dsn)
    try:
        batch = [
            await stage.update(job, b, c),
            await stranger.update(free, stranger.pipelines[1]),
        ]
        await holder.execute("BEGIN")
        await holder.execute(LOCKS[lock].format(table=table, key=key))
        return await asyncio.wait_for(stage.make(*batch), timeout=1)
    finally:
        await holder.close()


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("row", ROWS)
async def test_update_each_waits_for_no_lock(stage: Stage, dsn: str, row: str, lock: str) -> None:
    if not can_be_locked(row, lock):
        pytest.skip("others refer to it")

    mine, strangers = await made_while_locked(stage, dsn, row, lock)

    assert strangers == ["y"]
    blocked = row in {"wanted", "removed", "kept"} and lock in {"FOR UPDATE", "DELETE"}
    # A revocation may be under way, of which this statement can't know how it ends.
    unproved = row in {"user", "token", "group"} and lock not in {"FOR KEY SHARE", "FOR SHARE"}
    withdrawn = row in {"grant", "membership"} and lock == "DELETE"
    assert mine == (None if blocked or unproved or withdrawn or row == "job" else ["b", "c"])


@pytest.mark.parametrize(("row", "lock"), [("wanted", "FOR UPDATE"), ("removed", "DELETE"), ("job", "FOR UPDATE")])
async def test_update_each_that_skips_nothing_waits(
    stage: Stage, dsn: str, monkeypatch: pytest.MonkeyPatch, row: str, lock: str
) -> None:
    """The control: it shows that the test above can fail."""
    for name in ("UPDATE_ONE", "UPDATE_EACH"):
        monkeypatch.setattr(job_updates, name, getattr(job_updates, name).replace("SKIP LOCKED", ""))

    with pytest.raises(TimeoutError):
        await made_while_locked(stage, dsn, row, lock)
