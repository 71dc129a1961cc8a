"""Lost history: the database goes back to an earlier state under a running service, and other changes follow there.

What the service keeps was read on the side that is lost. Other people's changes then draw as many revisions as had been
drawn there, so that from a sequence the next one would be just the one that a list and permissions are kept at.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import aiohttp
import asyncpg

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE
from tests.factories import Member, World
from tests.faults.controls import without_forgetting
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.harness.processes import Postgres
from tests.faults.harness.replication import FAST, dsn, primary_and_standby
from tests.process.running import running_service

LIST: Final = "/api/v1/flow/pipeline"
UPDATE: Final = "/api/v1/jobs/pipelines"
WITHIN: Final = 30.0
"""Seconds for the service to answer again."""
LOGGED_AHEAD: Final = 64
"""Values that the lost side draws first: a sequence is logged 32 ahead, so that its copy may be beyond the primary."""


@dataclass
class Database:
    """A database that can go back."""

    address: str
    """Where the service connects to."""
    now: Postgres
    """The server that takes writes."""
    part: Callable[[], None]
    """Begins the time that will be lost."""
    go_back: Callable[[], Postgres]
    """Ends it; returns the server that takes writes then."""


@contextmanager
def failing_over(directory: Path) -> Iterator[Database]:
    """Run a primary with an asynchronous standby, which is cut off, and becomes the primary without what it missed."""
    with primary_and_standby(directory, synchronous=False) as (primary, standby):

        def fail_over() -> Postgres:
            primary.kill()
            standby.start()
            standby.promote()
            return standby

        yield Database(dsn(SERVICE_ROLE, primary, standby), primary, standby.stop, fail_over)


@contextmanager
def restored(directory: Path) -> Iterator[Database]:
    """Run a server whose data directory is replaced in place by an earlier copy."""
    server = Postgres(directory / "server", *FAST)
    server.start()
    data, copy = server.directory / "postgres", server.directory / "copy"

    def save() -> None:
        server.stop()
        shutil.copytree(data, copy, symlinks=True)
        server.start()

    def restore() -> Postgres:
        server.stop()
        shutil.rmtree(data)
        copy.rename(data)
        server.start()
        return server

    try:
        yield Database(server.service_dsn, server, save, restore)
    finally:
        server.stop()


Kind = Callable[[Path], Any]


@dataclass
class Stage:
    """An administrator, a member, two pipelines that the member holds nothing on, and a job of the member's."""

    session: aiohttp.ClientSession
    api: str
    world: World
    admin: Member
    member: Member
    lost: UUID
    """The pipeline that is granted on the side that is lost."""
    kept: UUID
    job: str

    async def call(
        self, method: str, path: str, caller: Member, body: object = None, **headers: str
    ) -> tuple[int, Any]:
        headers = caller.headers | headers
        async with self.session.request(method, self.api + path, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def answers(self) -> None:
        """Wait until the service answers."""
        async with asyncio.timeout(WITHIN):
            while (await self.call("GET", LIST, self.admin))[0] != 200:  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.05)

    async def grant(self, pipeline: UUID) -> None:
        path = f"{LIST}/{pipeline}/grants/users/{self.member.username}"
        permissions = ["flow_pipeline:read", "flow_pipeline:execute"]
        status, body = await self.call("PUT", path, self.admin, {"permissions": permissions})
        assert status in {200, 201}, body

    async def listed(self, **headers: str) -> list[str]:
        status, body = await self.call("GET", LIST, self.member, **headers)
        assert status == 200, body
        return [each["id"] for each in body["pipelines"]]

    async def update(self, pipeline: UUID) -> int:
        return (await self.call("POST", UPDATE, self.member, {"job_id": self.job, "pipeline_ids": [str(pipeline)]}))[0]


def run(kind: Kind, modules: tuple[str, ...], prepare: tuple[str, ...], directory: Path, times: int) -> Outcome:
    """Let the database go back so many times, each with the next of these builds of the service.

    Args:
        kind: how it goes back.
        modules: to run in the place of `service`, in turns.
        prepare: statements on the migrated database.
        directory: for all files.
        times: how often.
    """
    violations = list[str]()
    for number in range(times):
        module, place = modules[number % len(modules)], directory / str(number)
        place.mkdir()
        with kind(place) as database:
            violations += asyncio.run(_go_back(database, module, prepare, place))
    return Outcome(times, tuple(violations), "a list, and an update by what it was granted, after each")


async def _go_back(database: Database, module: str, prepare: tuple[str, ...], directory: Path) -> list[str]:
    await migrate(database.now.dsn)
    raw = await asyncpg.connect(database.now.dsn)
    for statement in prepare:
        await raw.execute(statement)
    world = await World.create(raw)
    admin, member = await world.user(role="admin"), await world.user()
    lost, kept = await world.pipeline("lost"), await world.pipeline("kept")
    job = await world.job(member)
    await raw.close()
    with running_service(directory, database.address, module=module) as service:
        async with aiohttp.ClientSession() as session:
            stage = Stage(session, service.api, world, admin, member, lost, kept, job)
            return await _fill_and_go_back(stage, database)


async def _fill_and_go_back(stage: Stage, database: Database) -> list[str]:
    await stage.answers()
    await asyncio.to_thread(database.part)
    await stage.answers()
    drawn = await _draw(database.now, at_least=LOGGED_AHEAD)
    await stage.grant(stage.lost)
    for _ in range(2):  # the first is kept
        assert await stage.listed() == [str(stage.lost)]
    assert [await stage.update(stage.lost) for _ in range(2)] == [200, 200]

    now = await asyncio.to_thread(database.go_back)
    await stage.answers()
    await _draw(now, up_to=drawn)
    await stage.grant(stage.kept)

    found = list[str]()
    if (listed := await stage.listed()) != (anew := await stage.listed(**{"Cache-Control": "no-cache"})):
        found.append(f"listed {listed}, and it is {anew}")
    status = await stage.update(stage.lost)
    raw = await asyncpg.connect(now.dsn)
    places = await World(raw, stage.world.id).pipelines_of(stage.job)
    await raw.close()
    if status == 200 or places:
        found.append(f"an update that was never granted there is answered {status}, and the job is in {places}")
    return found


async def _draw(server: Postgres, *, at_least: int = 0, up_to: int = 0) -> int:
    """Draw from the sequence, as others' changes do, so often, or until it is there; return its last value."""
    raw = await asyncpg.connect(server.dsn)
    try:
        last = 0
        for _ in range(at_least):
            last = await raw.fetchval("SELECT nextval('revisions')")
        while last < up_to:
            last = await raw.fetchval("SELECT nextval('revisions')")
        assert not up_to or last == up_to, "the sequence is further than on the side that was lost"
        return last
    finally:
        await raw.close()


def _fault(name: str, kind: Kind, description: str, times: int) -> Fault:
    # In turns: without forgetting, revisions alone must do.
    return Fault(
        name=name,
        description=description,
        guarantee="what was read on the side that is lost serves no list and no update: equal revisions, equal state",
        run=partial(run, kind, ("service", without_forgetting.MODULE), ()),
        times=times,
        without="random revisions and forgetting",
        control=partial(run, kind, (without_forgetting.MODULE,), (without_forgetting.SEQUENCE,)),
        control_times=1,
        shows="listed|never granted",
    )


FAULTS: Final = (
    _fault(
        "lost-tail",
        failing_over,
        "an asynchronous standby, cut off, becomes the primary, and other changes follow there",
        6,
    ),
    _fault(
        "restored-in-place",
        restored,
        "the data directory is replaced by an earlier copy under a running service, and other changes follow there",
        6,
    ),
)
