"""What a user holds on a pipeline, by all their grants together."""

from datetime import UTC, datetime, timedelta

from service.database.pool import Database
from service.permissions import EXECUTE, MANAGE_PIPELINES, READ, WRITE, GrantedAccess
from service.repositories import grants
from tests.factories import World

LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
SOONER = LATER - timedelta(hours=1)


async def test_each_access_is_held_once_until_its_latest_end(database: Database, world: World) -> None:
    mo, pipeline, other = await world.user("mo"), await world.pipeline(), await world.pipeline()
    for access, expires_at in (
        (READ | EXECUTE, SOONER),
        (READ | EXECUTE, LATER),
        (READ | WRITE, LATER),
        (READ | WRITE, None),
        (READ | WRITE, SOONER),
    ):
        await world.grant(pipeline, await world.group(mo), access, expires_at)
    await world.grant(pipeline, mo, READ | MANAGE_PIPELINES, SOONER)
    await world.grant(pipeline, await world.group(), READ)
    await world.grant(other, mo, READ | WRITE | EXECUTE)

    async with database.connection() as connection:
        held = await grants.list_held(connection, world.id, pipeline, mo.id)

    assert sorted(held, key=lambda each: each.access) == [
        GrantedAccess(READ | WRITE, None),
        GrantedAccess(READ | EXECUTE, LATER),
        GrantedAccess(READ | MANAGE_PIPELINES, SOONER),
    ]
