"""Changes of many at once never deadlock: all lock in one order, which repositories/__init__.py names.

DEADLOCK_SECONDS in the environment makes it last longer than a few seconds.
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any, ClassVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.pool import Connection, open_database
from service.health import Health
from service.operations.call import Call, Proof
from service.permissions import FULL_ACCESS
from service.repositories import authority
from service.settings import Settings
from service.transfer.exporting import export_records
from service.transfer.importing import import_records
from tests.api.calls import As
from tests.factories import Member, World

CALLERS = 32
SECONDS = float(os.environ.get("DEADLOCK_SECONDS", "4"))

Change = tuple[str, str, Any]
"""Method, path and body."""


class Noted(Connection):
    """A connection that notes which of its statements were ended as part of a deadlock."""

    deadlocked: ClassVar[Counter[str]] = Counter()

    async def fetch(self, name: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        try:
            return await super().fetch(name, statement, *arguments)
        except asyncpg.DeadlockDetectedError:
            self.deadlocked[name] += 1
            raise

    async def fetch_row(self, name: str, statement: str, *arguments: object) -> asyncpg.Record | None:
        try:
            return await super().fetch_row(name, statement, *arguments)
        except asyncpg.DeadlockDetectedError:
            self.deadlocked[name] += 1
            raise

    async def execute(self, name: str, statement: str, *arguments: object) -> None:
        try:
            await super().execute(name, statement, *arguments)
        except asyncpg.DeadlockDetectedError:
            self.deadlocked[name] += 1
            raise


@dataclass
class Changes:
    """Random changes of a few grants, groups, pipelines, users, tokens and jobs of one organization by a few callers.

    The members among the callers manage all pipelines that there are at first, and are in each other's groups.
    """

    admins: Sequence[As]
    members: Sequence[As]
    states: int = 0
    """The weight of declared states among changes of a single thing."""
    children: list[As] = field(default_factory=list)
    """Calls with tokens made by the others, of which some are revoked."""
    made: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - no secret

    async def pipeline(self, call: As) -> str:
        found = (await call.get("/flow/pipeline")).body.get("pipelines", [])
        if len(found) < 4:
            await self.chance.choice(self.admins)(
                "POST", "/flow/pipeline", {"name": f"pipeline {self.chance.randrange(6)}"}
            )
        return str(self.chance.choice(found)["id"]) if found else str(uuid4())

    def user(self) -> str:
        return self.chance.choice([*(f"user-{number}" for number in range(4)), "admin-1", "admin-2"])

    def group(self) -> str:
        return f"group-{self.chance.randrange(3)}"

    async def of_grant(self, call: As) -> Change:
        to = self.chance.choice([f"users/{self.user()}", f"groups/{self.group()}"])
        path = f"/flow/pipeline/{await self.pipeline(call)}/grants/{to}"
        permissions = self.chance.choice([["flow_pipeline:read"], ["flow_pipeline:execute"]])
        body = {"permissions": permissions, "is_manager": self.chance.random() < 0.5}
        some = {each: {"user": each, **body} for each in (self.user(), self.user(), "user-0")}
        whole = ("PUT", f"/flow/pipeline/{await self.pipeline(call)}/grants", {"grants": [*some.values()]})
        return self.chance.choice([("PUT", path, body), ("PUT", path, body), ("DELETE", path, None), whole])

    async def of_group(self, _: As) -> Change:
        create, path = ("POST", "/groups", {"name": self.group()}), f"/groups/{self.group()}"
        return self.chance.choice([create, create, ("DELETE", path, None), ("PATCH", path, {"new_name": self.group()})])

    async def of_member(self, _: As) -> Change:
        path, add, remove = f"/groups/{self.group()}/members", [self.user(), self.user()], [self.user(), "user-4"]
        one = self.chance.choice(["PUT", "PUT", "DELETE"]), f"{path}/{self.user()}", None
        return self.chance.choice([one, one, ("PATCH", path, {"add": add, "remove": [*{*remove} - {*add}]})])

    async def of_pipeline(self, call: As) -> Change:
        path, name = f"/flow/pipeline/{await self.pipeline(call)}", f"pipeline {self.chance.randrange(6)}"
        rename = ("PATCH", path, {"name": name})
        describe = ("PATCH", path, {"description": str(self.chance.random())})
        return self.chance.choice([rename, rename, describe, ("DELETE", f"{path}?force=true", None)])

    async def of_user(self, _: As) -> Change:
        name = self.chance.choice(["user-3", "user-4", "admin-1", "admin-3"])
        role = self.chance.choice(["member", "admin", "pipeline_admin"])
        return "PATCH", f"/users/{name}", {"role": role, "withdraw_grants": self.chance.random() < 0.3}

    async def of_token(self, call: As) -> Change:
        found = (await call.get("/tokens")).body.get("tokens", [])
        spare = [token for token in found if token["name"] == "spare"]
        if len(spare) < 3:
            return "POST", "/tokens", {"name": "spare"}
        path = f"/tokens/{self.chance.choice(spare)['id']}"
        return self.chance.choice([("POST", f"{path}/rotate", {"overlap_seconds": 1}), ("DELETE", path, None)])

    async def of_job(self, call: As) -> Change:
        wanted = [await self.pipeline(call) for _ in range(self.chance.randrange(3))]
        job = f"job-{self.chance.randrange(3)}"
        path = f"/jobs/{job}"
        return self.chance.choice(
            [
                ("PUT", path, {"pipeline_ids": wanted}),
                ("PUT", path, {"pipeline_ids": wanted}),
                ("DELETE", path, None),
                ("POST", "/jobs/pipelines", {"job_id": job, "pipeline_ids": wanted}),
                (
                    "POST",
                    "/jobs/pipelines/batch",
                    {"updates": self.updates(wanted), "atomic": self.chance.random() < 0.7},
                ),
                *((method, f"/flow/pipeline/{key}/jobs/{job}", None) for key in wanted for method in ("PUT", "DELETE")),
            ]
        )

    def grants(self) -> list[dict[str, Any]]:
        users, groups = {self.user(), self.user()}, {self.group()}
        permissions = self.chance.choice([["flow_pipeline:read"], ["flow_pipeline:execute"]])
        to = [*({"user": each} for each in users), *({"group": each} for each in groups)]
        return [{**each, "permissions": permissions} for each in self.chance.sample(to, len(to))]

    async def of_state(self, call: As) -> Change:
        """A declared state, whose pipelines and groups are in any order, and of which some are to be made."""
        pipelines = [
            {
                "name": self.chance.choice([f"pipeline {number}", f"Pipeline {number}"]),
                "description": str(self.chance.random()),
                **({"grants": self.grants()} if self.chance.random() < 0.8 else {}),
            }
            for number in self.chance.sample(range(6), 3)
        ]
        members = {self.user(), self.user()}
        groups = [{"name": f"group-{number}", "members": [*members]} for number in self.chance.sample(range(3), 2)]
        some = {"groups": groups} if call in self.admins and self.chance.random() < 0.5 else {}
        return "POST", "/apply", {"pipelines": pipelines, "prune": bool(some) and self.chance.random() < 0.3, **some}

    def updates(self, wanted: list[str]) -> list[dict[str, Any]]:
        jobs = self.chance.sample(range(3), 3)
        return [{"job_id": f"job-{number}", "pipeline_ids": wanted[: self.chance.randrange(3)]} for number in jobs]

    async def make_until(self, end: float) -> None:
        of_members: list[Callable[[As], Awaitable[Change]]]
        of_members = [self.of_grant, self.of_grant, self.of_pipeline, self.of_job, self.of_token]
        of_members += [self.of_state] * self.states
        of_admins = [*of_members, self.of_group, self.of_member, self.of_member, self.of_user]
        while asyncio.get_running_loop().time() < end:
            call = self.chance.choice([*self.admins, *self.admins, *self.members, *self.children[-4:]])
            kind = self.chance.choice(of_admins if call in self.admins else of_members)
            method, path, body = await kind(call)
            answer = await call(method, path, body)
            # On a busy machine, to wait for one lock after the other may take longer than a statement may.
            assert answer.status < 500 or answer.code == "DEADLINE_EXCEEDED", answer.body
            if "secret" in answer.body:
                self.children.append(As(call.client, answer.body["secret"]))
            self.made[f"{method} {kind.__name__} {answer.status}"] += 1


async def deadlocks(raw: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Return how many deadlocks the server has found in the database; a session's count when it has ended."""
    found: int = await raw.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return found


@asynccontextmanager
async def service(dsn: str, settings: Settings) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Serve from a pool whose deadlocks are found after 10 ms, where the server's default is a second."""
    pool = replace(settings, database_pool_size=CALLERS)
    async with open_database(f"{dsn}&deadlock_timeout=10ms", pool, connection_type=Noted) as opened:
        app = create_app(settings, opened, Health(opened, 1))
        async with TestClient[web.Request, web.Application](TestServer(app)) as client:
            yield client


async def deadlocks_of_changes(
    dsn: str, settings: Settings, world: World, seconds: float, *, importing: bool = False, states: int = 0
) -> tuple[int, Changes]:
    """Return how many deadlocks callers meet that change things at once, and what they have changed."""
    admins = [await world.user(f"admin-{number}", role="admin") for number in range(4)]
    users = [await world.user(f"user-{number}") for number in range(5)]
    groups = [await world.group(*users[:3], name=f"group-{number}") for number in range(3)]
    for number in range(6):
        await manage_by(world, await world.pipeline(f"pipeline {number}"), *users[:3], *groups)
    job_ids = [await world.job(users[0], job_id=f"job-{number}") for number in range(2)]
    file = await export_of(dsn, world, job_ids) if importing else b""
    Noted.deadlocked.clear()
    before = await deadlocks(world.raw)
    async with service(dsn, settings) as client:
        by_admins, by_users = ([As.member(client, each) for each in some] for some in (admins[:2], users))
        changes = Changes(by_admins, by_users, states)
        end = asyncio.get_running_loop().time() + seconds
        imports = [import_until(end, f"{dsn}&deadlock_timeout=10ms", file, changes.made)] if importing else []
        await asyncio.gather(*imports, *(changes.make_until(end) for _ in range(CALLERS)))
    return await deadlocks(world.raw) - before, changes


async def manage_by(world: World, pipeline: UUID, *managers: Member | UUID) -> None:
    for each in managers:
        await world.grant(pipeline, each, FULL_ACCESS)


async def export_of(dsn: str, world: World, job_ids: Sequence[str]) -> bytes:
    """Return all of an organization in the import format, with names of its own, and some of it in another order."""
    output = BytesIO()
    await export_records(dsn, output, world.id, with_tokens=True)
    records = [json.loads(line) for line in output.getvalue().splitlines()]
    for record in records:
        if record["type"] in {"group", "pipeline"}:
            record["name"] = f"imported {record['name']}"[:30].replace(" ", "-")
        if record["type"] == "user" and record["username"] == "user-3":
            record["role"] = "pipeline_admin"
    pipelines = [record["id"] for record in records if record["type"] == "pipeline"]
    records += [
        {"type": "assignment", "job_id": job, "pipeline_id": pipeline} for job in job_ids for pipeline in pipelines
    ]
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


async def import_until(end: float, dsn: str, file: bytes, made: Counter[str]) -> None:
    while asyncio.get_running_loop().time() < end:
        result = await import_records(dsn, BytesIO(file))
        made["import"] += 1
        made["imported rows"] += sum(result.written.values())


async def test_changes_at_once_do_not_deadlock(dsn: str, settings: Settings, world: World) -> None:
    found, changes = await deadlocks_of_changes(dsn, settings, world, SECONDS)

    assert sum(count for change, count in changes.made.items() if change[-3:] < "300") > 20, changes.made
    assert (found, Noted.deadlocked) == (0, Counter())


async def test_import_among_changes_does_not_deadlock(dsn: str, settings: Settings, world: World) -> None:
    found, changes = await deadlocks_of_changes(dsn, settings, world, SECONDS, importing=True)

    assert changes.made["import"] >= 1
    assert changes.made["imported rows"] >= 1
    assert (found, Noted.deadlocked) == (0, Counter())


async def test_declared_states_among_changes_do_not_deadlock(dsn: str, settings: Settings, world: World) -> None:
    found, changes = await deadlocks_of_changes(dsn, settings, world, SECONDS / 2, states=1)

    assert any("of_state" in change for change in changes.made), changes.made
    assert (found, Noted.deadlocked) == (0, Counter())


async def test_import_is_tried_again_after_a_deadlock(dsn: str, world: World) -> None:
    """Against a session that locks a user ahead of a pipeline, as none of the service's do."""
    user, pipeline = await world.user("ada"), await world.pipeline("invoices")
    output = BytesIO()
    await export_records(dsn, output, world.id)
    file = output.getvalue().replace(b"invoices", b"bills")
    other = await asyncpg.connect(f"{dsn}&deadlock_timeout=60s")
    before = await deadlocks(world.raw)
    async with other.transaction():
        await other.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", user.id)
        importing = asyncio.create_task(import_records(f"{dsn}&deadlock_timeout=500ms", BytesIO(file)))
        waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        while not await world.raw.fetchval(waiting):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.01)
        await other.execute("SELECT FROM pipelines WHERE id = $1 FOR UPDATE", pipeline)
    await other.close()

    assert (await importing).written == {"pipelines": 1}
    assert await deadlocks(world.raw) > before


async def test_changes_that_lock_out_of_order_deadlock(
    dsn: str, settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the caller is locked ahead of, and not among, those whose revisions the change draws anew."""
    prove, alone = Call.prove, authority.PROVE.replace("FOR SHARE", "FOR NO KEY UPDATE")

    async def prove_alone(self: Call, connection: Connection, *_: object) -> Proof:
        return await prove(self, connection, alone)

    monkeypatch.setattr(Call, "prove", prove_alone)

    assert (await deadlocks_of_changes(dsn, settings, world, 3))[0] > 0
