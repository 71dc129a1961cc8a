"""Changes of many at once are made or refused, and none fails: deadlocks, which few orders leave, are tried again."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.pool import Database, open_database
from service.health import Health
from service.settings import Settings
from tests.api.calls import As
from tests.factories import World

CALLERS = 24
SECONDS = 4.0

Change = tuple[str, str, Any]
"""Method, path and body."""


@dataclass
class Changes:
    """Random changes of a few grants, groups, pipelines, users and jobs of one organization."""

    call: As
    made: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - no secret

    async def pipeline(self) -> str:
        found = (await self.call.get("/flow/pipeline")).body["pipelines"]
        if len(found) < 4:
            await self.call("POST", "/flow/pipeline", {"name": f"pipeline {self.chance.randrange(6)}"})
        return str(self.chance.choice(found)["id"]) if found else str(uuid4())

    def group(self) -> str:
        return f"group-{self.chance.randrange(3)}"

    async def of_grant(self) -> Change:
        to = self.chance.choice([f"users/user-{self.chance.randrange(4)}", f"groups/{self.group()}"])
        path = f"/flow/pipeline/{await self.pipeline()}/grants/{to}"
        permissions = self.chance.choice([["flow_pipeline:read"], ["flow_pipeline:execute"]])
        return self.chance.choice([("PUT", path, {"permissions": permissions}), ("DELETE", path, None)])

    async def of_group(self) -> Change:
        create, path = ("POST", "/groups", {"name": self.group()}), f"/groups/{self.group()}"
        return self.chance.choice([create, create, ("DELETE", path, None), ("PATCH", path, {"name": self.group()})])

    async def of_member(self) -> Change:
        path = f"/groups/{self.group()}/members/user-{self.chance.randrange(4)}"
        return self.chance.choice(["PUT", "PUT", "DELETE"]), path, None

    async def of_pipeline(self) -> Change:
        path, name = f"/flow/pipeline/{await self.pipeline()}", f"pipeline {self.chance.randrange(6)}"
        return self.chance.choice([("PATCH", path, {"name": name}), ("DELETE", f"{path}?force=true", None)])

    async def of_user(self) -> Change:
        name = self.chance.choice(["user-0", "user-3", "admin-1", "admin-3"])
        return "PATCH", f"/users/{name}", {"role": self.chance.choice(["member", "admin", "pipeline_admin"])}

    async def of_job(self) -> Change:
        wanted = [await self.pipeline() for _ in range(self.chance.randrange(3))]
        return "PUT", f"/jobs/job-{self.chance.randrange(3)}", {"pipeline_ids": wanted}

    async def make_until(self, end: float) -> None:
        kinds = [self.of_grant, self.of_grant, self.of_group, self.of_member, self.of_member]
        kinds += [self.of_pipeline, self.of_user, self.of_job]
        while asyncio.get_running_loop().time() < end:
            method, path, body = await self.chance.choice(kinds)()
            answer = await self.call(method, path, body)
            assert answer.status < 500, answer.body
            self.made += answer.status < 300


@pytest.fixture
async def quick(dsn: str, settings: Settings) -> AsyncIterator[Database]:
    """Open a pool whose deadlocks are found after 10 ms, where the server's default is a second."""
    async with open_database(f"{dsn}&deadlock_timeout=10ms", replace(settings, database_pool_size=CALLERS)) as opened:
        yield opened


async def test_changes_at_once_never_fail(quick: Database, settings: Settings, world: World) -> None:
    admins = [await world.user(f"admin-{number}", role="admin") for number in range(4)]
    users = [await world.user(f"user-{number}") for number in range(4)]
    for number in range(3):
        await world.group(*users, name=f"group-{number}")
    async with TestClient[web.Request, web.Application](
        TestServer(create_app(settings, quick, Health(quick, 1)))
    ) as client:
        changes = Changes(As.member(client, admins[0]))
        end = asyncio.get_running_loop().time() + SECONDS
        await asyncio.gather(*(changes.make_until(end) for _ in range(CALLERS)))

    assert changes.made > 50
