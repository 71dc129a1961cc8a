"""Renames of many pipelines by one statement draw revisions once, instead of once for each pipeline."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.factories import World

NUMBER: Final = 300
TABLES: Final = ("organizations", "groups", "users")
DRAWN: Final = """
    SELECT pg_stat_get_xact_tuples_updated(t.oid)
    FROM unnest($1::text[]) WITH ORDINALITY n (name, place) JOIN pg_class t ON t.oid = n.name::regclass ORDER BY n.place
"""
RENAME: Final = "UPDATE pipelines SET name = name || 'x', name_key = name_key || 'x' WHERE organization_id = $1"


@pytest.fixture(name="held")
async def _held(world: World) -> AsyncIterator[World]:
    """Yield an organization in a transaction: two groups and three users hold each of its pipelines."""
    groups, users = [await world.group() for _ in range(2)], [await world.user() for _ in range(3)]
    await world.raw.execute(
        """
        INSERT INTO pipelines (organization_id, id, name, name_key)
        SELECT $1, gen_random_uuid(), 'p' || n, 'p' || n FROM generate_series(1, $2::integer) n
        """,
        world.id,
        NUMBER,
    )
    for kind, ids in (("group", groups), ("user", [user.id for user in users])):
        await world.raw.execute(
            f"""
            INSERT INTO {kind}_grants (organization_id, {kind}_id, pipeline_id, access)
            SELECT p.organization_id, k.id, p.id, 1
            FROM pipelines p, unnest($2::uuid[]) k (id) WHERE p.organization_id = $1
            """,
            world.id,
            ids,
        )
    transaction = world.raw.transaction()
    await transaction.start()
    yield world
    await transaction.rollback()


async def drawn_by(world: World, statement: str) -> list[int]:
    """Return how many new versions of the rows of TABLES a statement makes."""
    before = await world.raw.fetch(DRAWN, TABLES)
    await world.raw.execute(statement, world.id)
    after = await world.raw.fetch(DRAWN, TABLES)
    return [now[0] - then[0] for then, now in zip(before, after, strict=True)]


async def bump_at_most(world: World, holders: str) -> None:
    """Let no more holders get revisions of their own."""
    await world.raw.execute(
        f"CREATE OR REPLACE FUNCTION max_holders_bumped() RETURNS bigint LANGUAGE sql STABLE RETURN {holders}"
    )


async def test_statement_that_renames_many_pipelines_draws_each_revision_once(held: World) -> None:
    await bump_at_most(held, "2::bigint ^ 62")

    assert await drawn_by(held, RENAME) == [1, 2, 3]


async def test_statement_whose_pipelines_very_many_grants_are_on_draws_one_revision_for_all(held: World) -> None:
    await bump_at_most(held, f"{2 * NUMBER}")  # as many as there are to groups, which get revisions of their own
    members = "SELECT members_revision FROM organizations WHERE id = $1"
    before = await held.raw.fetchval(members, held.id)

    assert await drawn_by(held, RENAME) == [2, 2, 0]
    assert await held.raw.fetchval(members, held.id) != before


async def test_statement_that_renames_nothing_draws_no_revision(held: World) -> None:
    statement = "UPDATE pipelines SET name = name, description = 'x' WHERE organization_id = $1"

    assert await drawn_by(held, statement) == [0, 0, 0]


async def test_subscription_that_brings_many_renames_draws_one_revision_of_the_organization(held: World) -> None:
    await held.raw.execute("DELETE FROM user_grants WHERE organization_id = $1", held.id)
    await held.raw.execute("DELETE FROM group_grants WHERE organization_id = $1", held.id)
    await held.raw.execute("ALTER TABLE pipelines DISABLE TRIGGER bump_on_rename")
    await held.raw.execute("SET LOCAL session_replication_role = replica")

    assert await drawn_by(held, RENAME) == [1, 0, 0]
