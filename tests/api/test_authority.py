"""Authority holds until the change is made: a caller who loses it at any moment of a request changes nothing then.

Each writing row of the method table is called by a caller who may, and who loses what entitles them: while the body is
on its way, and before each statement of the request. Where the loss is committed while the request is under way, the
answer is that of a caller who has lost it before, and nothing was changed. Where the loss has to wait for the request,
it comes after the change.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.pool import Connection, open_database
from service.health import Health
from service.http.routes import ROUTES, Route
from service.operations.call import Call, Proof
from service.permissions import FULL_ACCESS, READ
from service.repositories import job_updates
from service.settings import Settings
from tests.api.calls import Answer, As
from tests.api.sample import sample_body, sample_path
from tests.conftest import Client
from tests.factories import Member, World, bearer

WRITING: Final = [route for route in ROUTES if not route.only_reads]
writing_route = pytest.mark.parametrize("route", WRITING, ids=lambda route: f"{route.method} {route.path}")

controlled_route = pytest.mark.parametrize(
    "route",
    [
        pytest.param(route, marks=() if number % 4 == 0 else pytest.mark.slow, id=f"{route.method} {route.path}")
        for number, route in enumerate(WRITING)
    ],
)

BLOCKED: Final = 0.05
"""Seconds after which a loss counts as waiting for the request: one that is merely slow is not judged."""


class Watched(Connection):
    """A connection that lets something happen before each statement."""

    before: ClassVar[Callable[[], Awaitable[None]] | None] = None

    async def fetch(self, name: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        await self._let_happen()
        return await super().fetch(name, statement, *arguments)

    async def fetch_row(self, name: str, statement: str, *arguments: object) -> asyncpg.Record | None:
        await self._let_happen()
        return await super().fetch_row(name, statement, *arguments)

    async def execute(self, name: str, statement: str, *arguments: object) -> None:
        await self._let_happen()
        await super().execute(name, statement, *arguments)

    async def _let_happen(self) -> None:
        if Watched.before is not None:
            await Watched.before()


@pytest.fixture
async def watched(service_dsn: str, settings: Settings) -> AsyncIterator[Client]:
    async with open_database(service_dsn, settings, connection_type=Watched) as database:
        app = create_app(settings, database, Health(database, 1))
        async with TestClient[Any, Any](TestServer(app)) as client:
            yield client
    Watched.before = None


@dataclass(frozen=True)
class Stage:
    """A caller who may make one call, and how they can lose that."""

    world: World
    caller: Member
    path: str
    body: dict[str, Any] | None
    losses: dict[str, str]
    """By name, a statement that takes away what entitles the caller."""

    @classmethod
    async def create(cls, raw: "asyncpg.Connection[asyncpg.Record]", route: Route, through: str) -> "Stage":
        """Set the stage for a call by a caller who is entitled by their role, a grant, or a group."""
        world = await World.create(raw)
        caller = await world.user(role="admin" if through == "role" else "member")
        await world.user("another-admin", role="admin")
        other, pipeline = await world.user("nobody"), await world.pipeline()
        other_group = await world.group(name="no-such-group")
        await world.grant(pipeline, other)
        await world.grant(pipeline, other_group)
        if route.method == "DELETE":
            await world.join(other, other_group)
        places_job = route.path.endswith("/jobs/{job_id}") and "{pipeline_id}" in route.path
        queued = "{pipeline_id}" not in route.path or (places_job and route.method == "DELETE")
        seen = caller if places_job and route.method == "PUT" else other  # who can't see the job may not put it
        job = await world.job(seen, *([pipeline] if queued else []))
        group = await world.group(caller)
        if through != "role":
            await world.grant(pipeline, group if through == "group" else caller, FULL_ACCESS)
        token = await raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", other.id)
        path = sample_path(route.path, pipeline_id=pipeline, job_id=job, token_id=token)
        held = f"SELECT FROM pipelines WHERE id = '{pipeline}' FOR UPDATE;"  # as the service does, ahead of grants
        of_token, of_user = f"WHERE user_id = '{caller.id}'", f"WHERE id = '{caller.id}'"
        losses = {
            "revoked": f"UPDATE tokens SET revoked_at = now() {of_token}",
            "expired": f"UPDATE tokens SET expires_at = now() {of_token}",
            "narrowed": f"UPDATE tokens SET scopes = {READ} {of_token}",
            "disabled": f"UPDATE users SET disabled = true {of_user}",
            **({"demoted": f"UPDATE users SET role = 'member' {of_user}"} if through == "role" else {}),
            **({"group left": f"DELETE FROM memberships {of_token}"} if through == "group" else {}),
            **(
                {"withdrawn": f"{held} DELETE FROM group_grants WHERE group_id = '{group}'"}
                if through == "group"
                else {}
            ),
            **({"withdrawn": f"{held} DELETE FROM user_grants {of_token}"} if through == "user" else {}),
        }
        body = sample_body(route, job_id=job)
        if body is not None and route.path == "/api/v1/tokens":
            body["username"] = "nobody"  # a token of one's own takes no authority that could be lost by a demotion
        if body is not None and through == "role" and "{job_id}" in route.path and "pipeline_ids" in body:
            body["owner"] = "nobody"  # else an administrator is told that it is somebody else's
        return cls(world, caller, path, body, losses)

    async def changes(self) -> int:
        found: int = await self.world.raw.fetchval(
            "SELECT count(*) FROM audit WHERE organization_id = $1", self.world.id
        )
        return found


def ways(route: Route) -> list[str]:
    """Return what may entitle the caller of a row."""
    by_grant = "{pipeline_id}" in route.path or route.path.startswith("/api/v1/jobs/pipelines")
    return ["role", "user", "group"] if by_grant else ["role"]


def refused_by(status: int, body: dict[str, Any]) -> bool:
    """Return whether an answer refuses what was asked, or says that there was nothing to change."""
    if "results" in body:
        return all(each["status"] == "ERROR" or each["updated_pipelines"] == [] for each in body["results"])
    return status >= 400 or body.get("updated_pipelines") == []


def verdict(answer: Answer) -> list[str]:
    """Return the code of an answer, and of each thing that it says it was asked for."""
    return [answer.code, *(each.get("code", "OK") for each in answer.body.get("results", []))]


async def losses_at(
    client: Client, raw: "asyncpg.Connection[asyncpg.Record]", dsn: str, route: Route, through: str, loss: str
) -> list[str]:
    """Lose authority before each statement of a call in turn; return what was wrong."""
    stage = await Stage.create(raw, route, through)
    await raw.execute(stage.losses[loss])
    refused = await As.member(client, stage.caller)(route.method, stage.path, stage.body)
    assert refused_by(refused.status, refused.body), (loss, refused.body)
    wrong: list[str] = []
    position = 0
    while True:
        stage = await Stage.create(raw, route, through)
        answer, reached, before_it = await _call_losing(client, dsn, route, stage, loss, position)
        if not reached:
            return wrong
        changed = await stage.changes()
        if before_it and (verdict(answer) != verdict(refused) or changed):
            wrong.append(f"{through} {loss} before statement {position}: {answer.code}, {changed} changes")
        position += 1


async def _call_losing(
    client: Client, dsn: str, route: Route, stage: Stage, loss: str, position: int
) -> tuple[Answer, bool, bool]:
    """Make a call; return the answer, whether it has so many statements, and whether the loss came before its end."""
    revoking = await asyncpg.connect(dsn)
    count, task, before_it = 0, None, False

    async def lose() -> None:
        nonlocal count, task, before_it
        count += 1
        if count == position + 1:
            task = asyncio.ensure_future(revoking.execute(stage.losses[loss]))
            done, _ = await asyncio.wait([task], timeout=BLOCKED)
            before_it = bool(done)

    Watched.before = lose
    try:
        answer = await As.member(client, stage.caller)(route.method, stage.path, stage.body)
    finally:
        Watched.before = None
        if task is not None:
            await task
        await revoking.close()
    return answer, task is not None, before_it


@writing_route
async def test_change_is_refused_once_its_authority_is_lost(
    watched: Client, raw: "asyncpg.Connection[asyncpg.Record]", dsn: str, route: Route
) -> None:
    """Each row loses it in one of the ways, the rows together in all of them."""
    for place, through in enumerate(ways(route)):
        losses = [*(await Stage.create(raw, route, through)).losses]
        loss = losses[(WRITING.index(route) + 3 * place) % len(losses)]
        assert await losses_at(watched, raw, dsn, route, through, loss) == []


@pytest.mark.slow
@writing_route
async def test_change_is_refused_in_whichever_way_its_authority_is_lost(
    watched: Client, raw: "asyncpg.Connection[asyncpg.Record]", dsn: str, route: Route
) -> None:
    for through in ways(route):
        for loss in (await Stage.create(raw, route, through)).losses:
            assert await losses_at(watched, raw, dsn, route, through, loss) == []


async def _unproved(self: Call, connection: Connection, *_: object) -> Proof:
    return Proof(self, connection)


@controlled_route
async def test_change_without_the_proof_is_made_all_the_same(
    watched: Client,
    raw: "asyncpg.Connection[asyncpg.Record]",
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    route: Route,
) -> None:
    """The control: it shows that the test above can fail, for each row."""
    monkeypatch.setattr(Call, "prove", _unproved)
    for name in ("UPDATE_ONE", "UPDATE_EACH"):
        head, tail = getattr(job_updates, name).split("            -- The callers' authority", 1)
        writes = tail.split("    ), revised AS", 1)[1]
        monkeypatch.setattr(job_updates, name, f"{head}ELSE true END\n    ), revised AS{writes}")

    assert await losses_at(watched, raw, dsn, route, "role", "revoked")


@pytest.mark.parametrize(
    "route", [each for each in WRITING if each.has_body], ids=lambda each: f"{each.method} {each.path}"
)
async def test_change_is_refused_if_its_authority_is_lost_while_the_body_comes(
    watched: Client, raw: "asyncpg.Connection[asyncpg.Record]", route: Route
) -> None:
    for through in ways(route):
        for loss in (await Stage.create(raw, route, through)).losses:
            stage = await Stage.create(raw, route, through)
            text = json.dumps(stage.body).encode()

            async def body(stage: Stage = stage, loss: str = loss, text: bytes = text) -> AsyncIterator[bytes]:
                yield text[:1]
                await asyncio.sleep(0.01)  # for the head to be handled
                await raw.execute(stage.losses[loss])
                yield text[1:]

            answer = await watched.request(route.method, stage.path, data=body(), headers=bearer(stage.caller.token))

            assert refused_by(answer.status, await answer.json()), (through, loss)
            assert await stage.changes() == 0, (through, loss)


@pytest.mark.parametrize("through", ["user", "group"])
@pytest.mark.parametrize(
    "route",
    [route for route in WRITING if "{pipeline_id}" in route.path],
    ids=lambda route: f"{route.method} {route.path}",
)
async def test_change_is_refused_once_a_grant_has_expired_while_it_waited(
    client: Client, raw: "asyncpg.Connection[asyncpg.Record]", dsn: str, route: Route, through: str
) -> None:
    """An expiry draws no revision, and the time of a statement is that at which its transaction began."""
    stage = await Stage.create(raw, route, through)
    table, key = ("user_grants", "user_id") if through == "user" else ("group_grants", "group_id")
    of_caller = "$1" if through == "user" else "(SELECT group_id FROM memberships WHERE user_id = $1)"
    await raw.execute(
        f"UPDATE {table} SET expires_at = clock_timestamp() + interval '0.4 s' WHERE {key} = {of_caller}",
        stage.caller.id,
    )
    holding = await asyncpg.connect(dsn)
    async with holding.transaction():
        await holding.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", stage.caller.id)
        calling = asyncio.ensure_future(As.member(client, stage.caller)(route.method, stage.path, stage.body))
        await asyncio.sleep(0.6)
    answer = await calling
    await holding.close()

    assert (answer.code, await stage.changes()) == ("NOT_FOUND", 0)


OF_JOBS: Final = [route for route in WRITING if "/jobs" in route.path]
EXPIRING: Final = {"token": "tokens", "grant": "user_grants"}


@pytest.mark.parametrize("expiring", EXPIRING)
@pytest.mark.parametrize("route", OF_JOBS, ids=lambda route: f"{route.method} {route.path}")
async def test_change_is_refused_once_its_authority_has_expired_while_it_waited_behind_the_proof(
    client: Client, raw: "asyncpg.Connection[asyncpg.Record]", dsn: str, route: Route, expiring: str
) -> None:
    """A job is locked behind the caller, and whoever has it locked decides how long that takes."""
    through = "role" if "{job_id}" in route.path and "{pipeline_id}" not in route.path else "user"
    if (through, expiring) == ("role", "grant"):
        pytest.skip("no grant entitles to it")
    stage = await Stage.create(raw, route, through)
    ends = await raw.fetchval(
        f"UPDATE {EXPIRING[expiring]} SET expires_at = clock_timestamp() + interval '0.4 s' WHERE user_id = $1"
        " RETURNING expires_at",
        stage.caller.id,
    )
    over = (
        "SELECT clock_timestamp() > $1 AND EXISTS (SELECT FROM pg_stat_activity WHERE $2 = ANY (pg_blocking_pids(pid)))"
    )
    holding = await asyncpg.connect(dsn)
    async with holding.transaction():
        await holding.execute("SELECT FROM jobs WHERE organization_id = $1 FOR UPDATE", stage.world.id)
        calling = asyncio.ensure_future(As.member(client, stage.caller)(route.method, stage.path, stage.body))
        while not await raw.fetchval(over, ends, holding.get_server_pid()):  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.01)
    answer = await calling
    await holding.close()

    refused = await As.member(client, stage.caller)(route.method, stage.path, stage.body)
    assert (verdict(answer), await stage.changes()) == (verdict(refused), 0)
    assert refused_by(answer.status, answer.body)
