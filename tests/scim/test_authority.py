"""Authority of provisioning holds until its change is made: tests/api/test_authority.py, for the calls of SCIM."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.authentication import last_use
from service.database.pool import Connection, open_database
from service.health import Health
from service.operations.call import Call, Proof
from service.permissions import SCOPE_SCIM
from service.settings import Settings
from tests.api.test_authority import BLOCKED, Watched
from tests.conftest import Client
from tests.factories import World
from tests.scim.conftest import GROUP, PATCH, USER, Scim

WRITES: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "create a user": ("POST", "/Users", {"schemas": [USER], "userName": "new"}),
    "replace a user": ("PUT", "/Users/{user}", {"schemas": [USER], "userName": "ada", "displayName": "Ada"}),
    "change a user": (
        "PATCH",
        "/Users/{user}",
        {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]},
    ),
    "delete a user": ("DELETE", "/Users/{user}", None),
    "create a group": ("POST", "/Groups", {"schemas": [GROUP], "displayName": "new"}),
    "change a group": (
        "PATCH",
        "/Groups/{group}",
        {"schemas": [PATCH], "Operations": [{"op": "remove", "path": "members"}]},
    ),
    "replace a group": ("PUT", "/Groups/{group}", {"schemas": [GROUP], "displayName": "another", "members": []}),
    "delete a group": ("DELETE", "/Groups/{group}", None),
}
LOSSES = {
    "revoked": "UPDATE tokens SET revoked_at = now() WHERE scopes = 128 AND user_id = '{owner}'",
    "demoted": "UPDATE users SET role = 'member' WHERE id = '{owner}'",
    "expired": "UPDATE tokens SET expires_at = now() WHERE scopes = 128 AND user_id = '{owner}'",
    "narrowed": "UPDATE tokens SET scopes = 1 WHERE scopes = 128 AND user_id = '{owner}'",
    "disabled": "UPDATE users SET disabled = true WHERE id = '{owner}'",
}
REFUSED = {"demoted": 403, "narrowed": 403}
"""The status that a loss leads to, if not to 401."""

every_write = pytest.mark.parametrize("write", [*WRITES])


@pytest.fixture(scope="module")
async def watched(service_dsn: str, settings: Settings) -> AsyncIterator[Client]:
    async with open_database(service_dsn, settings, connection_type=Watched) as database:
        app = create_app(replace(settings, scim=True), database, Health(database, 1))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(last_use, "INTERVAL", 3600.0)  # what is written beside requests is none of their statements
            async with TestClient[Any, Any](TestServer(app)) as client:
                yield client
    Watched.before = None


async def losses_at(client: Client, world: World, dsn: str, write: str, loss: str) -> list[str]:
    """Lose authority before each statement of a call in turn; return what was wrong."""
    wrong: list[str] = []
    for position in range(40):
        stage = await World.create(world.raw)
        owner = await stage.user("provisioner", role="admin")
        await stage.user("chief", role="admin")
        ada = await stage.user("ada")
        group = await stage.group(ada, name="team")
        scim = Scim(client, await stage.token(owner.id, scopes=SCOPE_SCIM), owner)
        method, path, body = WRITES[write]
        losing = Losing(dsn, LOSSES[loss].format(owner=owner.id), position)
        Watched.before = losing.lose
        try:
            answer = await scim(method, path.format(user=ada.id, group=group), body)
        finally:
            Watched.before = None
        if not await losing.end():
            return wrong
        changed = await world.raw.fetchval("SELECT count(*) FROM audit WHERE organization_id = $1", stage.id)
        if losing.before_it and (answer.status != REFUSED.get(loss, 401) or changed):
            wrong.append(f"before statement {position}: {answer.status}, {changed} changes")
    raise AssertionError("The call has no end.")


class Losing:
    """A loss of authority before one statement of a request."""

    def __init__(self, dsn: str, statement: str, position: int) -> None:
        self.dsn, self.statement, self.left = dsn, statement, position
        self.task: asyncio.Task[Any] | None = None
        self.before_it = False

    async def lose(self) -> None:
        self.left -= 1
        if self.left == -1:
            self.task = asyncio.create_task(self._execute())
            done, _ = await asyncio.wait([self.task], timeout=BLOCKED)
            self.before_it = bool(done)

    async def _execute(self) -> None:
        connection = await asyncpg.connect(self.dsn)
        await connection.execute(self.statement)
        await connection.close()

    async def end(self) -> bool:
        """Wait for the loss; return whether the request came to it."""
        if self.task is not None:
            await self.task
        return self.task is not None


@pytest.mark.parametrize(
    ("write", "loss"),
    [*((write, "revoked") for write in WRITES), ("replace a user", "demoted"), ("change a group", "demoted")],
)
async def test_provisioning_is_refused_once_its_authority_is_lost(
    watched: Client, world: World, dsn: str, write: str, loss: str
) -> None:
    assert await losses_at(watched, world, dsn, write, loss) == []


@pytest.mark.slow
@pytest.mark.parametrize("loss", [*LOSSES])
@every_write
async def test_provisioning_is_refused_in_whichever_way_its_authority_is_lost(
    watched: Client, world: World, dsn: str, write: str, loss: str
) -> None:
    assert await losses_at(watched, world, dsn, write, loss) == []


@every_write
async def test_provisioning_without_the_proof_is_made_all_the_same(
    watched: Client, world: World, dsn: str, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    """The control."""

    async def unproved(self: Call, connection: Connection, *_: object) -> Proof:
        return Proof(self, connection)

    monkeypatch.setattr(Call, "prove", unproved)

    assert await losses_at(watched, world, dsn, write, "revoked")
