"""Migration 0010: names that nothing new could have stay at work, and somebody is told what to do."""

import asyncpg
import pytest

from service.database.migrations import load_migrations, migrate
from service.database.pool import Connection
from service.doctor.checks import check_names
from service.doctor.facts import read_odd_names
from service.values.names import RESERVED, name_key
from tests.factories import World

OLD_KEYS = {
    # name: the key that versions before 0010 gave it
    "Invoices": "invoices",
    "in\u200bvoices": "in\u200bvoices",
    "Heart ❤\ufe0f": "heart ❤\ufe0f",
    "x\u00ad ": "x\u00ad",
    "\u200b y": "\u200b y",
    "\u202eevil": "\u202eevil",
    "\u200b\u3164": "\u200b\u1160",
    "Łódź": "łódź",
}


async def old_world(dsn: str) -> World:
    await migrate(dsn, migrations=load_migrations()[:9])
    world = await World.create(await asyncpg.connect(dsn))
    for name, key in OLD_KEYS.items():
        await world.raw.execute(
            "INSERT INTO pipelines (organization_id, id, name, name_key) VALUES ($1, gen_random_uuid(), $2, $3)",
            world.id,
            name,
            key,
        )
    owner = await world.user("Me")
    for name in (".", ".."):
        await world.user(name)
    for word in RESERVED:
        await world.group(name=word)
        if word != "pipelines":
            await world.job(owner, job_id=word)
    await world.raw.execute("UPDATE jobs SET name = E'a\\nb' WHERE id = '.'")
    await world.raw.execute("UPDATE tokens SET name = E'\\u200b'")
    return world


async def test_migration_folds_keys_and_warns_of_what_nothing_new_could_be_called(empty_dsn: str) -> None:
    world, warnings = await old_world(empty_dsn), list[str]()

    await migrate(empty_dsn, warn=warnings.append)

    keys = {row["name"]: row["name_key"] for row in await world.raw.fetch("SELECT name, name_key FROM pipelines")}
    stays = {"in\u200bvoices", "\u200b\u3164"}
    assert keys == {name: old if name in stays else name_key(name) for name, old in OLD_KEYS.items()}
    duplicate = await world.raw.fetchval("SELECT id FROM pipelines WHERE name = $1", "in\u200bvoices")
    told = "\n".join(sorted(warnings))
    assert f"Pipeline {duplicate} of organization {world.id} has a name that counts as another one's now" in told
    assert f"Organization {world.id} has 3 users called like an address" in told
    assert f'Organization {world.id} has 4 groups called like an address, such as "."' in told
    assert f"Organization {world.id} has 3 jobs called like an address" in told
    assert f"Organization {world.id} has 1 job named with control, bidirectional or only invisible" in told
    assert f"Organization {world.id} has 2 pipelines named with control" in told
    assert f"Organization {world.id} has 3 tokens named with control" in told
    assert len(warnings) == 7
    assert told.replace("\n", "").isprintable()
    assert await world.raw.fetchval("SELECT count(*) FROM users") == 3
    await world.raw.close()


async def test_migration_says_nothing_where_all_is_well(empty_dsn: str) -> None:
    await migrate(empty_dsn, migrations=load_migrations()[:9])
    world, warnings = await World.create(await asyncpg.connect(empty_dsn)), list[str]()
    await world.job(await world.user(), await world.pipeline("Łódź 👨‍👩‍👧"))

    await migrate(empty_dsn, warn=warnings.append)

    assert warnings == []
    await world.raw.close()


async def test_doctor_lists_what_the_migration_warned_of(empty_dsn: str) -> None:
    world = await old_world(empty_dsn)
    await migrate(empty_dsn)

    odd = await read_odd_names(Connection(world.raw))

    kinds = sorted((each.fault, each.kind) for each in odd)
    assert kinds == sorted(
        [
            *[("address", "user")] * 3,
            *[("address", "group")] * 4,
            *[("address", "job")] * 3,
            *[("unfit", "job")],
            *[("unfit", "pipeline")] * 2,
            *[("unfit", "token")] * 3,
            *[("duplicate", "pipeline")] * 2,
        ]
    )
    finding = check_names(odd)
    assert finding.state == "warning"
    assert finding.found.endswith("and 17 more of such things")
    assert check_names([]).state == "ok"
    await world.raw.close()


@pytest.mark.parametrize("fault", ["address", "unfit", "duplicate"])
async def test_doctor_says_what_helps(empty_dsn: str, fault: str) -> None:
    world = await old_world(empty_dsn)

    odd = [each for each in await read_odd_names(Connection(world.raw)) if each.fault == fault]

    assert check_names(odd).remedy
    await world.raw.close()
