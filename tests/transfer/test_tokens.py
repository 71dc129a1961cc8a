"""Tokens that a file changes, and those that were made with them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from service.transfer.importing import import_records
from tests.api.test_token_trees import VIOLATIONS, Made, made, make, root
from tests.conftest import Client
from tests.factories import World
from tests.transfer.files import Record, lines

LATER = "2199-12-31T00:00:00Z"


async def record(world: World, token: Made, **change: Any) -> Record:
    """A token as a file has it."""
    row = await world.raw.fetchrow("SELECT user_id, encode(digest, 'hex') FROM tokens WHERE id = $1", UUID(token.id))
    assert row is not None
    return {"type": "token", "user_id": str(row[0]), "sha256": row[1], **change}


@pytest.mark.parametrize(
    ("change", "left", "works"),
    [
        ({"revoked_at": "2020-01-01T00:00:00Z"}, (True, True), False),
        ({"expires_at": LATER}, (False, False), True),
        ({"expires_at": "2020-01-01T00:00:00Z"}, (False, False), False),
        ({"scopes": ["flow_pipeline:read"]}, (False, False), True),
        ({"scopes": ["flow_pipeline:write"]}, (False, True), True),
    ],
    ids=str,
)
async def test_import_that_takes_from_a_token_takes_from_its_descendants(
    client: Client, world: World, dsn: str, change: dict[str, Any], left: tuple[bool, bool], works: bool
) -> None:
    member = await world.user()
    top = await root(client, world, member)
    child = await make(top.call)
    grandchild = await make(child.call, scopes=["flow_pipeline:read", "tokens"])

    await import_records(dsn, lines(await record(world, top, **change)))

    revoked = "SELECT revoked_at IS NOT NULL FROM tokens WHERE id = $1"
    assert tuple([await world.raw.fetchval(revoked, UUID(each.id)) for each in (child, grandchild)]) == left
    assert await child.works() == works
    assert await world.raw.fetch(VIOLATIONS, world.id) == []
    audited = "SELECT count(*) FROM audit WHERE organization_id = $1 AND action = 'token.bound'"
    assert await world.raw.fetchval(audited, world.id) == 2


async def test_import_that_revokes_a_rotated_token_revokes_what_took_its_place(
    client: Client, world: World, dsn: str
) -> None:
    old = await root(client, world, await world.user())
    new = made(client, await old.call("POST", f"{old.path}/rotate", {}))
    child = await make(new.call)

    await import_records(dsn, lines(await record(world, old, revoked_at="2020-01-01T00:00:00Z")))

    assert not any([await token.works() for token in (old, new, child)])


async def test_file_from_before_a_rotation_does_not_prolong_the_old_token(
    client: Client, world: World, dsn: str
) -> None:
    """It has the end that the token had then."""
    old = await root(client, world, await world.user(), expires_at=datetime.now(UTC) + timedelta(days=30))
    ends = "SELECT expires_at FROM tokens WHERE id = $1"
    exported = await record(world, old, expires_at=(await world.raw.fetchval(ends, UUID(old.id))).isoformat())
    new = made(client, await old.call("POST", f"{old.path}/rotate", {"overlap_seconds": 0}))

    result = await import_records(dsn, lines(exported))
    assert (result.written, await old.works(), await new.works()) == ({}, False, True)

    earlier = "2020-01-01T00:00:00+00:00"
    await import_records(dsn, lines({**exported, "expires_at": earlier}))
    assert (await world.raw.fetchval(ends, UUID(old.id))).isoformat() == earlier
