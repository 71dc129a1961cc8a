"""Updates of jobs by callers of an identity provider: they share a statement, which proves what each rests on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from service.authentication.bearer import token_digest
from service.authentication.oidc.sign_in import SignIn
from service.batching.job_updates import JobUpdateBatcher
from service.batching.pipeline_lists import PipelineListBatcher
from service.database.pool import Database
from service.identity import Caller
from service.repositories import job_updates
from service.values.identity_providers import Provider
from tests.authentication.oidc.conftest import link
from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider
from tests.factories import PAST, Member, World


@dataclass
class Stage:
    """A user whom a provider knows, in a group, and in one that a claim is mapped to, and what they may."""

    world: World
    database: Database
    provider: IdentityProvider
    user: Member
    pipelines: Sequence[UUID]
    updates: JobUpdateBatcher

    async def caller(self, **claims: Any) -> Caller:
        trusted = Provider(
            self.provider.issuer,
            AUDIENCE,
            organization=self.world.id,
            groups=(("r", "reviewers"),),
            roles=(("boss", "admin"),),
        )
        token = self.provider.token("ada-there", None, None, **claims)
        return await SignIn(self.database, [trusted], 5).authenticate(token, token_digest(token))


@pytest.fixture(name="stage")
async def _stage(world: World, database: Database, provider: IdentityProvider) -> Stage:
    user = await world.user("ada")
    await link(world, user, provider, "ada-there")
    pipelines = [await world.pipeline(name) for name in "abc"]
    own, mapped = await world.group(user, name="own"), await world.group(name="reviewers")
    await world.grant(pipelines[0], user)
    await world.grant(pipelines[1], own)
    await world.grant(pipelines[2], mapped)
    return Stage(
        world, database, provider, user, pipelines, JobUpdateBatcher(database, PipelineListBatcher(database), 2**20)
    )


CLAIMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "mapped": {"groups": ["r"]},
    "elevated": {"roles": ["boss"]},
}


@pytest.mark.parametrize("claims", CLAIMS)
async def test_updates_by_a_provider_share_a_statement(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, claims: str
) -> None:
    sizes = list[int]()
    update_each = job_updates.update_each

    async def note(connection: Any, updates: Any) -> Any:
        sizes.append(len(updates))
        return await update_each(connection, updates)

    monkeypatch.setattr(job_updates, "update_each", note)
    caller = await stage.caller(**CLAIMS[claims])
    jobs = [await stage.world.job(stage.user, stage.pipelines[0]) for _ in range(4)]
    wanted = stage.pipelines[1 : 2 if claims == "plain" else 3]
    await stage.updates.update(caller, None, jobs[0], stage.pipelines[:1])  # what the caller may is cached by it
    sizes.clear()

    made = await asyncio.gather(*(stage.updates.update(caller, None, job, wanted) for job in jobs))

    assert made == [["b", "c"][: len(wanted)]] * 4
    assert sizes == [1, 3], "the first goes alone, as the one before, and the others share the next"
    assert [await stage.world.pipelines_of(job) for job in jobs] == [list(wanted)] * 4
    rows = await stage.world.raw.fetch("SELECT actor, token_id FROM audit WHERE organization_id = $1", stage.world.id)
    assert {tuple(row) for row in rows} == {("ada", caller.token_id)}


CHANGES = {
    "nothing": ("SELECT $1::uuid, $2::uuid", {"plain", "mapped", "elevated"}),
    "disabled": ("UPDATE users SET disabled = true WHERE organization_id = $1 AND id = $2", set()),
    "unlinked": ("DELETE FROM identity_links WHERE organization_id = $1 AND user_id = $2", set()),
    "left a group": ("DELETE FROM memberships WHERE organization_id = $1 AND user_id = $2", set()),
    "renamed": ("UPDATE users SET username = 'eve' WHERE organization_id = $1 AND id = $2", {*CLAIMS}),
    "role": ("UPDATE users SET role = 'pipeline_admin' WHERE organization_id = $1 AND id = $2", set()),
    "mapped group renamed": (
        "UPDATE groups SET name = 'x' WHERE organization_id = $1 AND name = 'reviewers' AND $2::uuid IS NOT NULL",
        {"plain", "elevated"},
    ),
    "mapped group deleted": (
        "DELETE FROM groups WHERE organization_id = $1 AND name = 'reviewers' AND $2::uuid IS NOT NULL",
        {"plain", "elevated"},
    ),
}  # fmt: skip
"""A change, and for which callers an update is made after it without asking who they are anew."""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("count", [1, 2], ids=["alone", "in a batch"])
async def test_update_by_a_provider_proves_its_caller(stage: Stage, change: str, count: int) -> None:
    statement, good = CHANGES[change]
    callers = {name: await stage.caller(**claims) for name, claims in CLAIMS.items()}
    jobs = [await stage.world.job(stage.user, stage.pipelines[0]) for _ in range(count)]
    for caller in callers.values():
        assert await stage.updates.update(caller, None, jobs[0], stage.pipelines[:1]) == ["a"], "what is there"
    await stage.world.raw.execute(statement, stage.world.id, stage.user.id)

    made = set()
    for number, (name, caller) in enumerate(callers.items()):
        wanted = [stage.pipelines[(number + 1) % 2]]
        results = await asyncio.gather(*(stage.updates.update(caller, None, job, wanted) for job in jobs))
        assert len({result is None for result in results}) == 1
        made |= {name} if results[0] is not None else set()

    assert made == good


async def test_update_by_an_expired_token_is_not_made(stage: Stage) -> None:
    caller = await stage.caller()
    assert caller.provided is not None
    caller = replace(caller, provided=replace(caller.provided, expires_at=PAST))
    job = await stage.world.job(stage.user, stage.pipelines[0])

    assert await stage.updates.update(caller, None, job, stage.pipelines[1:2]) is None
    assert await stage.updates.update_many(caller, None, [(job, stage.pipelines[1:2])]) == [None]
