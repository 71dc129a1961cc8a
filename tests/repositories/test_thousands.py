"""Statements for callers in thousands of groups, or who may read thousands of pipelines: none takes the product."""

import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.authentication.bearer import RecentCallers, token_digest
from service.database.pool import Connection
from service.database.session_defaults import PLANNER_DEFAULTS
from service.identity import Caller
from service.permissions import Role
from service.repositories import job_updates, jobs, pipelines, tokens
from service.repositories.job_updates import LinkedUpdate, Update
from service.repositories.literals import array_literal, column_literal
from service.repositories.ordering import Span
from tests.factories import SOON, Member, World
from tests.plans.planning import nodes_of
from tests.plans.recording import Recorder, Statement

GROUPS = 1_500
PIPELINES = 1_000


async def in_groups(world: World, member: Member) -> list[UUID]:
    """Put a user into many groups, each with a grant on one of many pipelines; return the pipelines."""
    ids = [uuid4() for _ in range(PIPELINES)]
    await world.raw.execute(
        "INSERT INTO pipelines (organization_id, id, name, name_key) SELECT $1, id, id::text, id::text"
        " FROM unnest($2::uuid[]) made (id)",
        *(world.id, ids),
    )
    groups = [uuid4() for _ in range(GROUPS)]
    for statement in (
        "INSERT INTO groups (organization_id, id, name) SELECT $1, id, id::text FROM unnest($2::uuid[]) made (id)",
        "INSERT INTO memberships (organization_id, group_id, user_id) SELECT $1, unnest($2::uuid[]), $3",
        "INSERT INTO group_grants (organization_id, group_id, pipeline_id, access)"
        " SELECT $1, g.id, ($3::uuid[])[1 + g.number % cardinality($3)], 3"
        " FROM unnest($2::uuid[]) WITH ORDINALITY g (id, number)",
    ):
        others: tuple[Any, ...] = (member.id,) if "user_id" in statement else (ids,) if "access" in statement else ()
        await world.raw.execute(statement, world.id, groups, *others)
    return ids


async def analyzed(raw: "asyncpg.Connection[asyncpg.Record]", statement: Statement) -> list[dict[str, Any]]:
    """Run a statement as sessions of the service plan it, and take it back; return its plan's nodes."""
    transaction = raw.transaction()
    await transaction.start()
    try:
        for name, value in PLANNER_DEFAULTS.items():
            await raw.execute(f"SET LOCAL {name} = {value}")
        text = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement.text}"
        explained = await raw.fetchval(text, *statement.arguments)
    finally:
        await transaction.rollback()
    return [*nodes_of(json.loads(explained)[0]["Plan"])]


def spilled(nodes: list[dict[str, Any]]) -> int:
    """Return the blocks written because rows did not fit into memory: the product of thousands and thousands."""
    return max(int(node["Temp Written Blocks"]) for node in nodes)


async def found(raw: "asyncpg.Connection[asyncpg.Record]", member: Member) -> Caller:
    (caller,) = await tokens.find_active(Connection(raw), [token_digest(member.token)])
    return caller


async def test_update_by_a_caller_in_many_groups_copies_none_of_their_revisions_for_each(world: World) -> None:
    mo = await world.user()
    pipeline, *_ = await in_groups(world, mo)
    job = await world.job(mo)
    caller, recorder = await found(world.raw, mo), Recorder(world.raw)
    link_id = await world.raw.fetchval(
        "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject)"
        " VALUES ($1, gen_random_uuid(), $2, 'https://id.example.com', $3) RETURNING id",
        *(world.id, mo.id, mo.username),
    )
    update = Update(world.id, job, caller.digest, None, caller.revisions, None, [pipeline], None, None)
    linked = LinkedUpdate(
        *(world.id, job, link_id, False, array_literal(()), column_literal("text", ()), caller.revisions),
        expires_at=caller.database_time + SOON,
        wanted=[pipeline],
        allowed_pipelines=None,
        request_id=None,
    )
    for each in (update, linked):
        async with world.raw.transaction():
            assert await job_updates.update_each(recorder, [each]) == [[str(pipeline)]]
            await world.raw.execute("DELETE FROM assignments WHERE organization_id = $1", world.id)
        assert not spilled(await analyzed(world.raw, recorder.sent[-1]))


@pytest.mark.parametrize("changed", ["UPDATE groups SET name = 'other'", "DELETE FROM groups"])
async def test_update_is_decided_again_once_one_of_many_groups_has_changed(world: World, changed: str) -> None:
    mo = await world.user()
    pipeline, *_ = await in_groups(world, mo)
    job = await world.job(mo)
    caller = await found(world.raw, mo)
    update = Update(world.id, job, caller.digest, None, caller.revisions, None, [pipeline], None, None)
    one = "(SELECT m.group_id FROM memberships m WHERE m.organization_id = $1 AND m.user_id = $2 LIMIT 1)"
    if changed.startswith("UPDATE"):
        changed = "UPDATE groups SET revision = next_revision()"
    await world.raw.execute(f"{changed} WHERE organization_id = $1 AND id = {one}", world.id, mo.id)

    assert await job_updates.update_each(Connection(world.raw), [update]) == [None]


@pytest.mark.parametrize("role", ["member", "pipeline_admin"])
async def test_list_carries_the_revisions_of_many_groups_once(world: World, role: str) -> None:
    mo = await world.user(role=role)
    await in_groups(world, mo)
    listing = pipelines.list_granted if role == "member" else pipelines.list_all
    recorder = Recorder(world.raw)
    listed = await listing(recorder, world.id, mo.id)

    assert len(listed.pipelines) == PIPELINES
    assert [each.name for each in listed.pipelines] == sorted(each.name for each in listed.pipelines)
    assert listed.version.revisions == (await found(world.raw, mo)).revisions
    assert not spilled(await analyzed(world.raw, recorder.sent[-1]))


async def test_page_of_jobs_looks_each_up_once_for_a_reader_of_many_pipelines(world: World) -> None:
    mo, ada = await world.user(), await world.user()
    readable = await in_groups(world, mo)
    recorder = Recorder(world.raw)
    made = "INSERT INTO jobs (organization_id, id, owner_id) SELECT $1, 'job-' || n, $2 FROM generate_series(1, 2100) n"
    placed = "INSERT INTO assignments (organization_id, job_id, pipeline_id, position) SELECT $1, id, $2, 1 FROM jobs"
    await world.raw.execute(made, world.id, ada.id)
    await world.raw.execute(f"{placed} WHERE organization_id = $1", world.id, readable[0])
    await world.raw.execute("ANALYZE jobs, assignments")
    page = await jobs.page(
        *(recorder, world.id, mo.id),
        everything=False,
        readable=readable,
        pipeline_id=None,
        owner_id=None,
        span=Span(jobs.ORDERS.find("id"), None, 100),
    )

    assert len(page.items) == 101
    walked = [node for node in await analyzed(world.raw, recorder.sent[-1]) if node.get("Actual Loops", 0) > 50]
    looked_up = [node for node in walked if node.get("Relation Name") == "assignments"]
    assert looked_up
    assert not [node for node in looked_up if "ANY" in node.get("Index Cond", "")]


def test_memory_of_recent_callers_holds_none_in_many_groups() -> None:
    def caller(token: str, groups: int) -> Caller:
        revisions = tuple(range(groups))
        digest = token_digest(token)
        now: Any = None
        return Caller(Role.MEMBER, None, uuid4(), uuid4(), "mo", uuid4(), digest, revisions, now)

    recent = RecentCallers()
    for token, groups in (("few", 200), ("many", 201)):
        recent.note(caller(token, groups))
    assert recent.find("Bearer few")
    assert recent.find("Bearer many") is None
