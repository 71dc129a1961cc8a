"""Revisions of what a user may see, which the database bumps by triggers, whatever writes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from service.permissions import EXECUTE, READ
from tests.factories import Member, World

Revisions = dict[str, int]


@dataclass
class Stage:
    """A user, alone and in a group, each with a grant; an outsider; and an administrator's view, the organization's."""

    world: World
    user: Member
    member: Member
    group: UUID
    user_pipeline: UUID
    group_pipeline: UUID

    @classmethod
    async def create(cls, world: World) -> "Stage":
        user, member = await world.user(), await world.user()
        group = await world.group(member)
        one, other = await world.pipeline(), await world.pipeline()
        await world.grant(one, user)
        await world.grant(other, group)
        return cls(world, user, member, group, one, other)

    async def revisions(self) -> Revisions:
        raw, organization = self.world.raw, self.world.id
        users = await raw.fetch("SELECT id, revision FROM users WHERE organization_id = $1", organization)
        by_id = {row["id"]: row["revision"] for row in users}
        return {
            "user": by_id[self.user.id],
            "member": by_id[self.member.id],
            "group": await raw.fetchval(
                "SELECT coalesce(max(revision), 0) FROM groups WHERE organization_id = $1", organization
            ),
            "organization": await raw.fetchval("SELECT revision FROM organizations WHERE id = $1", organization),
        }

    async def run(self, statement: str, *arguments: object) -> None:
        await self.world.raw.execute(statement, *arguments)


@pytest.fixture
async def stage(world: World) -> Stage:
    return await Stage.create(world)


Change = Callable[[Stage], Awaitable[None]]

CHANGES: dict[str, tuple[Change, set[str]]] = {
    "user granted": (lambda s: s.world.grant(s.group_pipeline, s.user), {"user"}),
    "user's grant changed": (
        lambda s: s.run("UPDATE user_grants SET access = 1 WHERE user_id = $1", s.user.id),
        {"user"},
    ),
    "user's grant set to expire": (
        lambda s: s.run("UPDATE user_grants SET expires_at = now() WHERE user_id = $1", s.user.id),
        {"user"},
    ),
    "user's grant revoked": (lambda s: s.run("DELETE FROM user_grants WHERE user_id = $1", s.user.id), {"user"}),
    "user's grant handed over": (
        lambda s: s.run("UPDATE user_grants SET user_id = $2 WHERE user_id = $1", s.user.id, s.member.id),
        {"user", "member"},
    ),
    "group granted": (lambda s: s.world.grant(s.user_pipeline, s.group), {"group"}),
    "group's grant changed": (
        lambda s: s.run("UPDATE group_grants SET access = 5 WHERE group_id = $1 AND access <> 4", s.group),
        {"group"},
    ),
    "group's grant revoked": (lambda s: s.run("DELETE FROM group_grants WHERE group_id = $1", s.group), {"group"}),
    "joined": (lambda s: s.world.join(s.user, s.group), {"user"}),
    "left": (lambda s: s.run("DELETE FROM memberships WHERE user_id = $1", s.member.id), {"member"}),
    "role changed": (lambda s: s.run("UPDATE users SET role = 'admin' WHERE id = $1", s.user.id), {"user"}),
    "disabled": (lambda s: s.run("UPDATE users SET disabled = true WHERE id = $1", s.user.id), {"user"}),
    "pipeline created": (lambda s: _ignore(s.world.pipeline()), {"organization"}),
    "user's pipeline renamed": (
        lambda s: s.run("UPDATE pipelines SET name = 'new' WHERE id = $1", s.user_pipeline),
        {"user", "organization"},
    ),
    "group's pipeline renamed": (
        lambda s: s.run("UPDATE pipelines SET name = 'new' WHERE id = $1", s.group_pipeline),
        {"group", "organization"},
    ),
    "user's pipeline deleted": (
        lambda s: s.run("DELETE FROM pipelines WHERE id = $1", s.user_pipeline),
        {"user", "organization"},
    ),
    "group's pipeline deleted": (
        lambda s: s.run("DELETE FROM pipelines WHERE id = $1", s.group_pipeline),
        {"group", "organization"},
    ),
    "group deleted": (lambda s: s.run("DELETE FROM groups WHERE id = $1", s.group), {"member", "group"}),
    # What no list shows bumps nothing:
    "pipeline described": (
        lambda s: s.run("UPDATE pipelines SET description = 'x' WHERE id = $1", s.user_pipeline),
        set(),
    ),
    "user renamed": (lambda s: s.run("UPDATE users SET username = 'somebody' WHERE id = $1", s.user.id), set()),
    "job put into a pipeline": (lambda s: _ignore(s.world.job(s.user, s.user_pipeline)), set()),
    "token made": (lambda s: _ignore(s.world.token(s.user.id)), set()),
}


async def _ignore(result: Awaitable[object]) -> None:
    await result


@pytest.mark.parametrize(("change", "bumped"), CHANGES.values(), ids=CHANGES.keys())
async def test_revisions_bumped_by_a_change(stage: Stage, change: Change, bumped: set[str]) -> None:
    before = await stage.revisions()

    await change(stage)

    after = await stage.revisions()
    assert {name for name in after if after[name] != before[name]} == bumped


async def test_revisions_never_repeat(stage: Stage) -> None:
    seen = {*(await stage.revisions()).values()}
    for access in (READ, EXECUTE | READ, READ):
        await stage.run("UPDATE user_grants SET access = $2 WHERE user_id = $1", stage.user.id, access)
        value = (await stage.revisions())["user"]
        assert value not in seen
        seen.add(value)


async def test_revisions_bumped_by_a_rename_during_a_grant(stage: Stage, dsn: str) -> None:
    """The rename must wait for the grant that is under way, or the new grantee keeps the old name."""
    other = await asyncpg.connect(dsn)
    granting = other.transaction()
    await granting.start()
    await other.execute(
        "INSERT INTO user_grants (organization_id, user_id, pipeline_id, access) VALUES ($1, $2, $3, 1)",
        stage.world.id,
        stage.member.id,
        stage.user_pipeline,
    )
    rename = asyncio.create_task(stage.run("UPDATE pipelines SET name = 'new' WHERE id = $1", stage.user_pipeline))
    await asyncio.sleep(0.1)
    granted = await other.fetchval("SELECT revision FROM users WHERE id = $1", stage.member.id)
    await granting.commit()
    await rename
    await other.close()

    assert (await stage.revisions())["member"] != granted


async def test_grant_waits_for_a_rename_under_way(stage: Stage, dsn: str) -> None:
    other = await asyncpg.connect(dsn)
    renaming = other.transaction()
    await renaming.start()
    await other.execute("UPDATE pipelines SET name = 'new' WHERE id = $1", stage.user_pipeline)
    grant = asyncio.create_task(stage.world.grant(stage.user_pipeline, stage.member))
    await asyncio.sleep(0.1)

    assert not grant.done()

    await renaming.commit()
    await grant
    await other.close()
