"""The permission table by callers of an identity provider: what their user may, what claims add, and their scopes."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.pool import Database
from service.health import Health
from service.http.routes import Route
from service.operations.permission_table.verdicts import OBJECT_TYPES, Act, Situation
from service.permissions import SCOPE_BITS
from service.scim.endpoint import ScimRoute
from service.settings import Settings
from service.values.identity_providers import Provider
from tests.api.permission_stage import Cell, Stage, cells
from tests.api.test_permission_table import ROWS, NoLog, mistakes, of_rows
from tests.authentication.oidc.conftest import link
from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider, provider_in_a_thread
from tests.conftest import Client
from tests.factories import Member, World

GROUPS = tuple((f"there-{number}", f"here-{number}") for number in range(40))
ROLES = ("member", "pipeline_admin", "admin")


class LinkedStage(Stage):
    """A stage whose callers come by their links, and hold what they do by themselves or by what their claims add."""

    def __init__(self, home: World, away: World, provider: IdentityProvider, *, claimed: bool) -> None:
        super().__init__(home, away)
        self.provider, self.claimed = provider, claimed
        self._claims: dict[UUID, dict[str, Any]] = {}

    async def _new_user(self, person: Situation) -> Member:
        user = await super()._new_user(person)
        world = self.away if person.outside else self.home
        await link(world, user, self.provider, str(user.id))
        self._claims[user.id] = {}
        if self.claimed and not person.outside:
            value, name = GROUPS[len(self._claims)]
            group = await world.group(name=name)
            await world.raw.execute(
                "INSERT INTO group_grants (organization_id, group_id, pipeline_id, access)"
                " SELECT organization_id, $2, pipeline_id, access FROM user_grants WHERE user_id = $1",
                *(user.id, group),
            )
            await world.raw.execute("DELETE FROM user_grants WHERE user_id = $1", user.id)
            await world.raw.execute("UPDATE users SET role = 'member' WHERE id = $1", user.id)
            self._claims[user.id] = {"groups": [value], "roles": [person.role]}
        return user

    async def token(self, cell: Cell) -> str:
        user = self.caller(cell)
        if (user.id, cell.scopes) not in self._tokens:
            names = [name for name, bit in SCOPE_BITS.items() if (cell.scopes or 0) & bit]
            scope = None if cell.scopes is None else " ".join(["openid", *names])
            self._tokens[user.id, cell.scopes] = self.provider.token(
                str(user.id), scope=scope, exp=int(datetime.now(UTC).timestamp()) + 3600, **self._claims[user.id]
            )
        return self._tokens[user.id, cell.scopes]

    async def new_token(self, owner: Member, scopes: int | None, parent: UUID | None = None) -> tuple[UUID, str]:
        """Make a token as always, but one that ends before the provider's, so that they may rotate it."""
        token_id, secret = await super().new_token(owner, scopes, parent)
        end = datetime.now(UTC) + timedelta(minutes=30)
        await self.home.raw.execute("UPDATE tokens SET expires_at = $2 WHERE id = $1", token_id, end)
        return token_id, secret


@pytest.fixture(scope="module")
def of_provider() -> Iterator[IdentityProvider]:
    with provider_in_a_thread() as provider:
        yield provider


@pytest.fixture(scope="module", params=[False, True], ids=["own", "claimed"])
async def stage(dsn: str, of_provider: IdentityProvider, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Fill two organizations for all rows."""
    raw = await asyncpg.connect(dsn)
    home, away = await World.create(raw), await World.create(raw)
    yield await LinkedStage(home, away, of_provider, claimed=request.param).build(OBJECT_TYPES)
    await raw.close()


@pytest.fixture(scope="module")
async def linked(settings: Settings, database: Database, of_provider: IdentityProvider) -> AsyncIterator[Client]:
    trusted = Provider(
        of_provider.issuer, AUDIENCE, groups=GROUPS, roles=tuple(zip(ROLES, ROLES, strict=True)), roles_claim="roles"
    )
    switched_on = replace(settings, scim=True, providers=(trusted,))
    app = create_app(switched_on, database, Health(database, settings.ready_timeout), request_log=NoLog)
    async with TestClient[web.Request, web.Application](TestServer(app)) as opened:
        yield opened


def one_of_each_verdict(act: Act, route: Route | ScimRoute) -> Iterator[Cell]:
    """Yield the first cell of each verdict of a row."""
    seen = set()
    for cell in cells(act, route):
        if (cell.verdict, cell.scopes is None) not in seen:
            seen.add((cell.verdict, cell.scopes is None))
            yield cell


@pytest.mark.slow
@of_rows(ROWS)
async def test_cells_are_answered_as_the_table_says(
    linked: Client, stage: Stage, act: Act, route: Route | ScimRoute
) -> None:
    assert await mistakes(linked, stage, act, route) == []


@of_rows(ROWS[::24])
async def test_verdicts_are_answered_as_the_table_says(
    linked: Client, stage: Stage, act: Act, route: Route | ScimRoute
) -> None:
    assert await mistakes(linked, stage, act, route, one_of_each_verdict) == []
