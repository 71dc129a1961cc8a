"""An import lets nobody in again who was shut out since, and leaves no organization without an administrator."""

import asyncio
import io
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.permissions import READ
from service.transfer.exporting import export_records
from service.transfer.importing import ImportRefused, import_records
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import PAST, World
from tests.transfer.files import Record, lines, whole

Raw = Any


async def test_file_imported_again_opens_nothing_that_was_shut_since(dsn: str, raw: Raw) -> None:
    found = whole()
    del found["token"]["scopes"]
    await import_records(dsn, lines(*found.values()))
    user = UUID(found["user"]["id"])
    await raw.execute("UPDATE users SET disabled = true WHERE id = $1", user)
    await raw.execute("UPDATE provisioned_users SET deprovisioned = true WHERE user_id = $1", user)
    changed = "UPDATE tokens SET scopes = $2, expires_at = $3, revoked_at = $3 WHERE user_id = $1"
    await raw.execute(changed, user, READ, PAST)

    result = await import_records(dsn, lines(*found.values()))

    assert result.written == {}
    assert await raw.fetchval("SELECT disabled FROM users WHERE id = $1", user)
    assert await raw.fetchval("SELECT deprovisioned FROM provisioned_users WHERE user_id = $1", user)
    token = await raw.fetchrow("SELECT scopes, expires_at, revoked_at FROM tokens WHERE user_id = $1", user)
    assert tuple(token) == (READ, PAST, PAST)


async def test_export_imported_again_opens_nothing_that_was_shut_since(dsn: str, raw: Raw) -> None:
    found, exported = whole(), io.BytesIO()
    await import_records(dsn, lines(*found.values()))
    await export_records(dsn, exported, with_tokens=True)
    user = UUID(found["user"]["id"])
    await raw.execute("UPDATE users SET disabled = true WHERE id = $1", user)
    await raw.execute("UPDATE provisioned_users SET deprovisioned = true WHERE user_id = $1", user)
    exported.seek(0)

    result = await import_records(dsn, exported)

    assert not {"users", "provisioned_users", "tokens"} & result.written.keys()
    assert await raw.fetchval("SELECT disabled FROM users WHERE id = $1", user)
    assert await raw.fetchval("SELECT deprovisioned FROM provisioned_users WHERE user_id = $1", user)


async def test_file_with_disabled_false_enables_a_user(dsn: str, raw: Raw) -> None:
    found = whole()
    await import_records(dsn, lines(*{**found, "user": {**found["user"], "disabled": True}}.values()))

    await import_records(dsn, lines({**found["user"], "disabled": False}))

    assert not await raw.fetchval("SELECT disabled FROM users WHERE id = $1", UUID(found["user"]["id"]))


@pytest.fixture
def record(world: World) -> Record:
    return {"type": "user", "id": str(uuid4()), "organization_id": str(world.id), "username": "ada", "role": "admin"}


@pytest.mark.parametrize("change", [{"role": "member"}, {"role": "pipeline_admin"}, {"disabled": True}], ids=str)
async def test_last_administrator_is_not_taken_away(
    dsn: str, world: World, record: Record, change: dict[str, Any]
) -> None:
    await import_records(dsn, lines(record))
    bob = {**record, "id": str(uuid4()), "username": "bob"}

    for others in ([], [{**bob, "role": "member"}], [{**bob, "disabled": True}], [bob, {**bob, "role": "member"}]):
        with pytest.raises(ImportRefused, match=r"line 2: the organization would have no administrator any more"):
            await import_records(dsn, lines({**record, "role": "member"}, {**record, **change}, *others))
    rows = await world.raw.fetch("SELECT username, role, disabled FROM users WHERE organization_id = $1", world.id)
    assert [*map(tuple, rows)] == [("ada", "admin", False)]


async def test_administrator_is_taken_away_where_another_one_stays_or_comes(
    dsn: str, world: World, record: Record
) -> None:
    await import_records(dsn, lines(record))
    bob = {**record, "id": str(uuid4()), "username": "bob"}

    await import_records(dsn, lines({**record, "role": "member"}, bob))
    await world.user("eve", role="admin")
    await import_records(dsn, lines({**bob, "role": "member"}))
    await world.raw.execute("UPDATE users SET disabled = true WHERE organization_id = $1", world.id)
    await import_records(dsn, lines({**record, "role": "member", "disabled": False}))

    rows = await world.raw.fetch("SELECT username FROM users WHERE organization_id = $1 AND NOT disabled", world.id)
    assert [row[0] for row in rows] == ["ada"]


@pytest.mark.parametrize("by_file", [False, True], ids=["by a call", "by another file"])
async def test_two_administrators_are_not_taken_away_at_once(
    client: Client, dsn: str, world: World, record: Record, by_file: bool
) -> None:
    """The second waits for the first, which is held up once it has locked what it changes."""
    await import_records(dsn, lines(record))
    bob = await world.user("bob", role="admin")
    of_bob = {**record, "id": str(bob.id), "username": "bob", "role": "member"}
    gone = {"type": "deleted_user", "id": str(uuid4()), "organization_id": str(world.id), "username": "gone"}

    async def demote() -> str:
        if not by_file:
            return (await As.member(client, bob)("PATCH", "/users/bob", {"role": "member"})).code
        with pytest.raises(ImportRefused, match="no administrator any more"):
            await import_records(dsn, lines(of_bob))
        return "FAILED_PRECONDITION"

    blocker = await asyncpg.connect(dsn)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE deleted_users IN SHARE ROW EXCLUSIVE MODE")
        first = asyncio.create_task(import_records(dsn, lines({**record, "role": "member"}, gone)))
        await until_waiting(world.raw, 1)
        second = asyncio.create_task(demote())
        await until_waiting(world.raw, 2)
    await blocker.close()

    await first
    assert await second == "FAILED_PRECONDITION"


async def until_waiting(raw: Raw, number: int) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while await raw.fetchval(waiting) < number:  # noqa: ASYNC110 - it is no event
        await asyncio.sleep(0.01)
