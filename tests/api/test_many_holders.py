"""Renames and deletions of a pipeline that very many hold: one new revision stands for all of theirs."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from service.permissions import READ
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import Member, World

MAX_HOLDERS = 3


@pytest.fixture(name="few_bumped")
async def _few_bumped(dsn: str) -> AsyncIterator[None]:
    """Let no more than MAX_HOLDERS users, and groups, get new revisions of their own."""
    raw = await asyncpg.connect(dsn)
    kept = await raw.fetchval("SELECT pg_get_functiondef('max_holders_bumped'::regproc)")
    await raw.execute(
        f"CREATE OR REPLACE FUNCTION max_holders_bumped() RETURNS bigint LANGUAGE sql STABLE RETURN {MAX_HOLDERS}"
    )
    yield
    await raw.execute(kept)
    await raw.close()


async def holding(world: World, users: int, groups: int) -> tuple[str, list[Member]]:
    """Make a pipeline with as many holders; return its path, and the users, of whom the last are in the groups."""
    pipeline = await world.pipeline("old")
    held_by = [await world.user() for _ in range(users + groups)]
    for user in held_by[:users]:
        await world.grant(pipeline, user, READ)
    for user in held_by[users:]:
        await world.grant(pipeline, await world.group(user), READ)
    return f"/flow/pipeline/{pipeline}", held_by


async def seen_by(client: Client, users: list[Member]) -> list[list[str]]:
    """Return the names in the list of each user."""
    lists = [(await As.member(client, user).get("/flow/pipeline")).body for user in users]
    return [[each["name"] for each in found["pipelines"]] for found in lists]


@pytest.mark.parametrize(("users", "groups"), [(MAX_HOLDERS + 1, 0), (0, MAX_HOLDERS + 1), (MAX_HOLDERS + 1, 1)])
@pytest.mark.parametrize("change", ["rename", "delete"])
@pytest.mark.usefixtures("few_bumped")
async def test_change_of_a_pipeline_that_very_many_hold_locks_none_of_them_and_shows_at_once(
    client: Client, world: World, dsn: str, change: str, users: int, groups: int
) -> None:
    path, holders = await holding(world, users, groups)
    assert await seen_by(client, holders) == [["old"]] * len(holders)
    admin, other = As.member(client, await world.user(role="admin")), await asyncpg.connect(dsn)
    locked = "groups" if users == 0 else "users"
    await other.execute("BEGIN")
    await other.execute(
        f"SELECT FROM {locked} WHERE organization_id = $1 AND id IN (SELECT coalesce(user_id, group_id) FROM grants)"
        " FOR UPDATE",
        world.id,
    )

    made = await (admin("PATCH", path, {"name": "new"}) if change == "rename" else admin("DELETE", path))

    await other.close()
    assert made.status == 200
    shown = [["new"] if change == "rename" else []] * len(holders)
    assert await seen_by(client, holders) == shown


@pytest.mark.usefixtures("few_bumped")
async def test_member_renames_a_pipeline_that_very_many_hold(client: Client, world: World) -> None:
    path, holders = await holding(world, MAX_HOLDERS + 1, 0)
    await world.raw.execute("UPDATE user_grants SET access = 63 WHERE user_id = $1", holders[0].id)
    manager = As.member(client, holders[0])

    for name in ("new", "newer"):
        assert (await manager("PATCH", path, {"name": name})).status == 200
        assert await seen_by(client, holders) == [[name]] * len(holders)


async def test_many_holders_are_more_than_a_thousand_where_no_earlier_version_serves(world: World) -> None:
    """An earlier version compares no revision that stands for those of many."""
    transaction = world.raw.transaction()
    await transaction.start()
    assert await world.raw.fetchval("SELECT max_holders_bumped()") == 1000

    await world.raw.execute("UPDATE schema_migrations SET needs = 4 WHERE needs > 4")

    assert await world.raw.fetchval("SELECT max_holders_bumped()") > 10**18
    await transaction.rollback()
