"""A service with SCIM switched on, and a client of it by a provisioning token."""

import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.pool import Database
from service.health import Health
from service.permissions import SCOPE_SCIM
from service.settings import Settings
from tests.conftest import Client, RecordingLog
from tests.factories import Member, World, bearer

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True)
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    """Values by name, regardless of case."""
    body: dict[str, Any]


@dataclass(frozen=True)
class Scim:
    """A client of SCIM by one token."""

    client: Client
    token: str
    owner: Member

    async def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: str
    ) -> Answer:
        sent: dict[str, Any] = {"data": body} if isinstance(body, bytes | io.BytesIO) else {"json": body}
        answer = await self.client.request(
            method, f"/scim/v2{path}", params=query, headers={**bearer(self.token), **(headers or {})}, **sent
        )
        text = await answer.text()
        return Answer(answer.status, answer.headers, await answer.json(content_type=None) if text else {})

    async def new_user(self, name: str, **more: Any) -> dict[str, Any]:
        answer = await self("POST", "/Users", {"schemas": [USER], "userName": name, **more})
        assert answer.status == 201, answer.body
        return answer.body

    async def new_group(self, name: str, *members: str, **more: Any) -> dict[str, Any]:
        listed = [{"value": each} for each in members]
        answer = await self("POST", "/Groups", {"schemas": [GROUP], "displayName": name, "members": listed, **more})
        assert answer.status == 201, answer.body
        return answer.body

    async def patch(self, path: str, *operations: dict[str, Any]) -> Answer:
        return await self("PATCH", path, {"schemas": [PATCH], "Operations": [*operations]})

    async def members(self, group: dict[str, Any]) -> set[str]:
        answer = await self("GET", f"/Groups/{group['id']}")
        return {each["value"] for each in answer.body.get("members", [])}


@pytest.fixture(scope="session")
async def service(settings: Settings, database: Database) -> AsyncIterator[Client]:
    """Open a client of the service with SCIM."""
    switched_on = replace(settings, scim=True)
    app = create_app(switched_on, database, Health(database, settings.ready_timeout), request_log=RecordingLog)
    async with TestClient[web.Request, web.Application](TestServer(app)) as opened:
        yield opened


@pytest.fixture
async def scim(service: Client, world: World) -> Scim:
    """Return a client that may provision a new organization, which has another administrator."""
    owner = await world.user("provisioner", role="admin")
    await world.user("chief", role="admin")
    return Scim(service, await world.token(owner.id, scopes=SCOPE_SCIM), owner)
