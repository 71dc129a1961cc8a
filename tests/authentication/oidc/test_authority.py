"""Authority of callers by an identity provider holds until their change is made: tests/api/test_authority.py for them.

What such a caller may rests on their link, their user, and what the claims of their token are mapped to.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.authentication import last_use
from service.authentication.oidc.tokens import LEEWAY
from service.database.pool import open_database
from service.health import Health
from service.http.routes import Route
from service.settings import Settings
from service.values.identity_providers import Provider
from tests.api import test_authority as authority
from tests.api.calls import As
from tests.api.test_authority import WRITING, Stage, Watched, losses_at
from tests.authentication.oidc.conftest import link
from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider, provider_in_a_thread
from tests.conftest import Client
from tests.factories import Member

CLAIMED = ("claimed role", "claimed group")
MAPPED = "mapped-to"
ORDINARY = {
    ("POST", "/api/v1/jobs/pipelines", "claimed group"),
    ("POST", "/api/v1/tokens", "claimed role"),
}


class LinkedStage(Stage):
    """A stage whose caller comes by a link, and may by their own role, grant or group, or by what claims add."""

    provider: ClassVar[IdentityProvider]
    lifetime: ClassVar[float] = 300.0

    @classmethod
    async def create(cls, raw: "asyncpg.Connection[asyncpg.Record]", route: Route, through: str) -> "Stage":
        own = {"claimed role": "role", "claimed group": "group"}.get(through, through)
        stage = await super().create(raw, route, own)
        user, subject = stage.caller.id, str(stage.caller.id)
        of_link = f"WHERE user_id = '{user}'"
        losses = {
            "unlinked": f"DELETE FROM identity_links {of_link}",
            **{
                name: loss
                for name, loss in stage.losses.items()
                if name in {"disabled", "demoted", "group left", "withdrawn"}
            },
        }
        claims: dict[str, Any] = {}
        if through == "claimed role":
            await raw.execute("UPDATE users SET role = 'member' WHERE id = $1", user)
            claims["roles"] = ["admins"]
            losses.pop("demoted")
        if through == "claimed group":
            group = await raw.fetchval(
                "UPDATE groups g SET name = $2 FROM memberships m WHERE m.user_id = $1 AND g.id = m.group_id"
                " AND g.organization_id = m.organization_id RETURNING g.id",
                user,
                MAPPED,
            )
            await raw.execute("DELETE FROM memberships WHERE user_id = $1", user)
            claims["groups"] = ["there"]
            losses.pop("group left")
            losses["renamed"] = f"UPDATE groups SET name = 'another' WHERE id = '{group}'"
        await link(stage.world, stage.caller, cls.provider, subject)
        token = cls.provider.token(subject, exp=time.time() + cls.lifetime, **claims)
        return replace(stage, caller=Member(stage.caller.id, stage.caller.username, token), losses=losses)


@pytest.fixture(scope="module")
def of_provider() -> Iterator[IdentityProvider]:
    with provider_in_a_thread() as provider:
        yield provider


@pytest.fixture(name="watched", scope="module")
async def _watched(service_dsn: str, settings: Settings, of_provider: IdentityProvider) -> AsyncIterator[Client]:
    LinkedStage.provider = of_provider
    trusted = Provider(
        of_provider.issuer, AUDIENCE, groups=(("there", MAPPED),), roles=(("admins", "admin"),), roles_claim="roles"
    )
    async with open_database(service_dsn, settings, connection_type=Watched) as database:
        app = create_app(replace(settings, providers=(trusted,)), database, Health(database, 1))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(last_use, "INTERVAL", 3600.0)  # what is written beside requests is none of their statements
            async with TestClient[Any, Any](TestServer(app)) as client:
                yield client
    Watched.before = None


@pytest.fixture(autouse=True)
def linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority, "Stage", LinkedStage)


def ways(route: Route) -> list[str]:
    """Return what may entitle the caller of a row."""
    return [
        *authority.ways(route),
        *(way for way in CLAIMED if way == "claimed role" or len(authority.ways(route)) > 1),
    ]


def cases() -> Iterator[Any]:
    """Yield each row with each of the ways, of which the ordinary run has two: all take minutes."""
    for route in WRITING:
        for through in ways(route):
            marks = () if (route.method, route.path, through) in ORDINARY else pytest.mark.slow
            yield pytest.param(route, through, marks=marks, id=f"{route.method} {route.path} by {through}")


@pytest.mark.parametrize(("route", "through"), [*cases()])
async def test_change_is_refused_once_the_authority_of_a_link_is_lost(
    watched: Client, raw: "asyncpg.Connection[asyncpg.Record]", dsn: str, route: Route, through: str
) -> None:
    for loss in (await LinkedStage.create(raw, route, through)).losses:
        assert await losses_at(watched, raw, dsn, route, through, loss) == []


@pytest.mark.parametrize(("route", "through"), [*cases()])
async def test_change_is_refused_once_the_token_of_a_link_has_expired_while_it_waited(
    watched: Client,
    raw: "asyncpg.Connection[asyncpg.Record]",
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    route: Route,
    through: str,
) -> None:
    """For the proof itself, or behind it, for a job."""
    monkeypatch.setattr(LinkedStage, "lifetime", 0.6 - LEEWAY)
    for table in ("users", "jobs") if "/jobs" in route.path else ("users",):
        holding = await asyncpg.connect(dsn)
        stage = await LinkedStage.create(raw, route, through)
        async with holding.transaction():
            await holding.execute(f"SELECT FROM {table} WHERE organization_id = $1 FOR UPDATE", stage.world.id)
            calling = asyncio.ensure_future(As.member(watched, stage.caller)(route.method, stage.path, stage.body))
            await asyncio.sleep(0.9)
        answer = await calling
        await holding.close()

        codes = {each["code"] for each in answer.body.get("results", [])}
        assert answer.status == 401 or codes == {"UNAUTHENTICATED"}, answer.body
        assert await stage.changes() == 0
