"""The feed of changes: complete and in order for each object, beside writers of all kinds and clients that come and go.

Writers draw ids early and commit late, in transactions of different lengths, with savepoints, and rolled back. Each
change of a job has the next number, drawn while the job is locked, as the name of its actor. Replicas and PostgreSQL
are killed by kill -9. Clients follow by streams, by waiting and by pages, leave at any moment, and go on from their
last cursor at any replica.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import aiohttp
import asyncpg
import orjson

from service.database.migrations import migrate
from service.permissions import READ
from tests.factories import Member, World, bearer
from tests.faults.controls import follow_by_id
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.harness.processes import Postgres, Replica

WRITERS: Final = 8
JOBS: Final = 6
"""Jobs that all writers change; half of them in a pipeline that members may see."""
CLIENTS: Final = 100
FEW_CLIENTS: Final = 12
"""Clients of the short form."""
CATCH_UP: Final = 120.0
"""Seconds for every client to have everything, once the writers have ended."""
STAY: Final = (0.1, 3.0)
"""Seconds that a client stays, from and to, while writers write."""
CALM: Final = 20.0
"""Seconds that it stays afterwards, so that a machine with much else to do gets on."""
PAUSE: Final = 0.2
"""Seconds from one page to the next: a hundred clients that ask more often take all of a small machine."""
LOST: Final = (aiohttp.ClientError, ConnectionError, TimeoutError, asyncio.IncompleteReadError)
GONE: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
INSERT: Final = """
    INSERT INTO audit (organization_id, actor, action, target, before, after)
    VALUES ($1, $2, 'job.update_pipelines', $3, '{"pipeline_ids": []}', jsonb_build_object('pipeline_ids', $4::uuid[]))
"""


@dataclass
class Client:
    """A client, and what it has been told."""

    name: str
    token: str
    cursor: str = ""
    told: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The numbers of changes, by job, as they came."""
    visits: int = 0

    def take(self, change: Mapping[str, Any]) -> None:
        if change["actor"].startswith("n"):
            self.told[change["target"]].append(int(change["actor"][1:]))
        self.cursor = change["cursor"]

    def has(self, job: str, number: int) -> bool:
        return number in self.told[job]


@dataclass
class Stage:
    """An organization with jobs, of which members may see half, and clients."""

    world: World
    pipelines: tuple[UUID, UUID]
    """The one that members may see, and the one that they may not."""
    clients: list[Client]
    leaver: Member
    """A member whose access is withdrawn."""

    @classmethod
    async def create(cls, raw: "asyncpg.Connection[asyncpg.Record]", clients: int) -> "Stage":
        world = await World.create(raw)
        root, member, leaver = await world.user(role="admin"), await world.user(), await world.user()
        pipelines = await world.pipeline(), await world.pipeline()
        for each in (member, leaver):
            await world.grant(pipelines[0], each, READ)
        for number in range(JOBS):
            await world.job(root, job_id=f"{number}")
            await raw.execute(
                "UPDATE jobs SET name = '0' WHERE organization_id = $1 AND id = $2", world.id, f"{number}"
            )
        who = {"administrator": root, "member": member, "leaver": leaver}
        names = [*who]
        made = [Client(names[number % 3], who[names[number % 3]].token) for number in range(clients)]
        return cls(world, pipelines, made, leaver)


async def write(stage: Stage, dsn: str, number: int, ended: asyncio.Event) -> None:
    """Write until the end, and again after PostgreSQL was killed."""
    chance = random.Random(number)  # noqa: S311 - no secret
    while not ended.is_set():
        with suppress(*GONE):
            connection = await asyncpg.connect(dsn, timeout=5)
            try:
                while not ended.is_set():
                    await _write_once(connection, stage, chance)
                    await asyncio.sleep(chance.random() * 0.02)
            finally:
                connection.terminate()
        await asyncio.sleep(0.1)


async def _write_once(connection: "asyncpg.Connection[asyncpg.Record]", stage: Stage, chance: random.Random) -> None:
    """Make a transaction: short or long, of one job or two in their order, with savepoints, or rolled back."""
    jobs = sorted(chance.sample(range(JOBS), chance.choice((1, 1, 2))))
    transaction = connection.transaction()
    await transaction.start()
    for job in jobs:
        nested = connection.transaction()
        await nested.start()
        await _change(connection, stage, job)
        await asyncio.sleep(chance.random() * chance.choice((0.002, 0.02)))
        await (nested.rollback() if chance.random() < 0.2 else nested.commit())
    if chance.random() < 0.02:
        await asyncio.sleep(1)  # with ids long drawn
    await (transaction.rollback() if chance.random() < 0.2 else transaction.commit())


async def _change(connection: "asyncpg.Connection[asyncpg.Record]", stage: Stage, job: int) -> None:
    found = await connection.fetchval(
        "SELECT name FROM jobs WHERE organization_id = $1 AND id = $2 FOR UPDATE", stage.world.id, f"{job}"
    )
    pipeline = stage.pipelines[job % 2]
    await connection.execute(
        "UPDATE jobs SET name = $3 WHERE organization_id = $1 AND id = $2",
        stage.world.id,
        f"{job}",
        f"{int(found) + 1}",
    )
    await connection.execute(INSERT, stage.world.id, f"n{int(found) + 1}", f"job:{job}", [pipeline])


async def follow(
    client: Client, replicas: Sequence[Replica], number: int, done: asyncio.Event, ended: asyncio.Event
) -> None:
    """Follow, by a way and for a time that chance decides, and again, until it is done."""
    chance = random.Random(1000 + number)  # noqa: S311 - no secret
    async with aiohttp.ClientSession(headers=bearer(client.token)) as session:
        while not done.is_set():
            url = f"{chance.choice(replicas).api}/api/v1/changes"
            way = chance.choice((_stream, _stream, _pages, partial(_pages, wait="5")))
            with suppress(*LOST):
                async with asyncio.timeout(CALM if ended.is_set() else chance.uniform(*STAY)):
                    client.visits += 1
                    await way(client, session, url)
            await asyncio.sleep(chance.random() * 0.3)


async def _stream(client: Client, session: aiohttp.ClientSession, url: str) -> None:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": client.cursor} if client.cursor else {})
    async with session.get(url, headers=headers) as response:
        if response.status != 200:
            await _refused(client, response)
            return
        identifier, change = "", None
        async for line in response.content:  # an event ends with an empty line, and counts only then
            if line.startswith(b"id: "):
                identifier = line[4:-1].decode()
            elif line.startswith(b'data: {"cursor'):
                change = orjson.loads(line[6:])
            elif line == b"\n":
                if change is not None:
                    client.take(change)
                client.cursor, change = identifier or client.cursor, None


async def _pages(client: Client, session: aiohttp.ClientSession, url: str, **query: str) -> None:
    while True:
        after = {"after": client.cursor} if client.cursor else {}
        async with session.get(url, params={**after, "page_size": "20", **query}) as response:
            if response.status != 200:
                await _refused(client, response)
                return
            found = await response.json()
        for change in found["changes"]:
            client.take(change)
        client.cursor = found["next_cursor"]
        await asyncio.sleep(PAUSE)


async def _refused(client: Client, response: aiohttp.ClientResponse) -> None:
    if response.status < 500:
        raise AssertionError(f"{client.name} was refused: {await response.text()}")
    await asyncio.sleep(0.2)


@dataclass(frozen=True)
class Build:
    """The build under test, what is killed, and the number of clients."""

    kills_postgres: bool = True
    module: str = "service"
    clients: int = CLIENTS
    catch_up: float = CATCH_UP


def run(build: Build, directory: Path, times: int) -> Outcome:
    """Kill so many times, and compare what clients were told with what the database has."""
    return asyncio.run(_run(build, directory, times))


async def _run(build: Build, directory: Path, times: int) -> Outcome:
    postgres = Postgres(directory / "postgres")
    await asyncio.to_thread(postgres.start)
    replicas: list[Replica] = []
    try:
        await migrate(postgres.dsn)
        raw = await asyncpg.connect(postgres.dsn)
        stage = await Stage.create(raw, build.clients)
        await raw.close()
        for name in ("one", "two"):
            (directory / name).mkdir()
            replicas.append(Replica(directory / name, postgres.service_dsn, module=build.module))
            await asyncio.to_thread(replicas[-1].start)
        allowed = await _follow_beside_writers(build, stage, postgres, replicas, times)
        return await _judge(stage, postgres.dsn, allowed, times)
    finally:
        for replica in replicas:
            await asyncio.to_thread(replica.stop)
        await asyncio.to_thread(postgres.stop)


async def _follow_beside_writers(
    build: Build, stage: Stage, postgres: Postgres, replicas: Sequence[Replica], times: int
) -> Mapping[str, int]:
    """Let writers write and clients follow while things are killed; return what the leaver was allowed to see."""
    chance, ended, done = random.Random(times), asyncio.Event(), asyncio.Event()  # noqa: S311 - no secret
    following = [
        asyncio.create_task(follow(client, replicas, number, done, ended))
        for number, client in enumerate(stage.clients)
    ]
    await _until(lambda: all(client.cursor for client in stage.clients))
    writing = [asyncio.create_task(write(stage, postgres.dsn, number, ended)) for number in range(WRITERS)]
    allowed: Mapping[str, int] = {}
    for turn in range(times):
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        victim: Replica | Postgres = chance.choice(replicas)
        if build.kills_postgres and turn % 2:
            victim = postgres
        await asyncio.to_thread(victim.kill)
        await asyncio.to_thread(victim.start)
        if turn == times // 2:
            allowed = await _withdraw(stage, postgres.dsn)
    await asyncio.sleep(1)
    ended.set()
    await asyncio.gather(*writing)
    expected = await _committed(postgres.dsn, stage)
    await _until(lambda: all(_has_all(client, expected) for client in stage.clients), build.catch_up)
    done.set()
    await _leave(following)
    return allowed


async def _until(true: Callable[[], bool], seconds: float = CATCH_UP) -> None:
    """Wait until something is true, but not for ever: what is missing then is judged."""
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:  # noqa: ASYNC110 - many things make it true
        await asyncio.sleep(0.1)


async def _leave(following: Sequence["asyncio.Task[None]"]) -> None:
    """Let all clients leave; what one of them has failed by is raised."""
    ended, staying = await asyncio.wait(following, timeout=0.1)
    for task in staying:
        task.cancel()
    await asyncio.gather(*staying, return_exceptions=True)
    for task in ended:
        task.result()


async def _withdraw(stage: Stage, dsn: str) -> Mapping[str, int]:
    """Withdraw the leaver's access while nothing is under way; return the last change of each job by then."""
    raw = await asyncpg.connect(dsn)
    async with raw.transaction():
        # Every job is locked, so that all that is committed before is known, and all else comes afterwards.
        rows = await raw.fetch(
            "SELECT id, name FROM jobs WHERE organization_id = $1 ORDER BY id FOR UPDATE", stage.world.id
        )
        await raw.execute(
            "DELETE FROM user_grants WHERE organization_id = $1 AND user_id = $2", stage.world.id, stage.leaver.id
        )
    await raw.close()
    return {f"job:{row['id']}": int(row["name"]) for row in rows}


async def _committed(dsn: str, stage: Stage) -> Mapping[str, Sequence[int]]:
    """Return the numbers of the changes that are there, by job, in their order."""
    raw = await asyncpg.connect(dsn)
    rows = await raw.fetch(
        "SELECT target, substr(actor, 2)::int AS number FROM audit WHERE organization_id = $1 AND actor LIKE 'n%'"
        " ORDER BY target, number",
        stage.world.id,
    )
    await raw.close()
    found: dict[str, list[int]] = {}
    for target, number in rows:
        found.setdefault(target, []).append(number)
    return found


def _seen_by(client: Client, expected: Mapping[str, Sequence[int]]) -> Mapping[str, Sequence[int]]:
    """Return what a client has to be told: an administrator everything, members half, the leaver nothing for sure."""
    if client.name == "administrator":
        return expected
    if client.name == "leaver":
        return {}
    return {job: numbers for job, numbers in expected.items() if int(job[4:]) % 2 == 0}


def _has_all(client: Client, expected: Mapping[str, Sequence[int]]) -> bool:
    return all(set(numbers) <= set(client.told[job]) for job, numbers in _seen_by(client, expected).items())


async def _judge(stage: Stage, dsn: str, allowed: Mapping[str, int], times: int) -> Outcome:
    expected = await _committed(dsn, stage)
    violations = [each for client in stage.clients for each in _violations(client, expected, allowed)]
    told = sum(len(numbers) for client in stage.clients for numbers in client.told.values())
    once = sum(len(set(numbers)) for client in stage.clients for numbers in client.told.values())
    visits = sum(client.visits for client in stage.clients)
    changes = sum(map(len, expected.values()))
    summary = (
        f"{changes:,} changes, told {once:,} times to {len(stage.clients)} clients in {visits:,} visits,"
        f" {told - once:,} of them again"
    )
    return Outcome(times, tuple(violations), summary)


def _violations(client: Client, expected: Mapping[str, Sequence[int]], allowed: Mapping[str, int]) -> list[str]:
    found: list[str] = []
    wanted = _seen_by(client, expected)
    for job, numbers in client.told.items():
        first = list(dict.fromkeys(numbers))
        if first != sorted(first):
            found.append(f"{client.name} was told changes of {job} out of order")
        if set(first) - set(expected.get(job, ())):
            found.append(f"{client.name} was told changes of {job} that were never made")
        if client.name != "administrator" and int(job[4:]) % 2:
            found.append(f"{client.name} was told changes of {job}, which they may not see")
        if client.name == "leaver" and allowed and max(first) > allowed[job]:
            found.append(f"{client.name} was told changes of {job} after their access was withdrawn")
    for job, made in wanted.items():
        if lost := set(made) - set(client.told[job]):
            found.append(f"{client.name} was not told {len(lost)} of {len(made)} changes of {job}")
    return found


FAULTS: Final = (
    Fault(
        name="feed",
        description="kill -9 of replicas and PostgreSQL beside writers of all kinds and clients that come and go",
        guarantee="changes are told completely, in the order of each object, and to nobody who may not see them",
        run=partial(run, Build()),
        times=20,
        without="the difference of snapshots (`id > last`)",
        control=partial(run, Build(kills_postgres=False, module=follow_by_id.MODULE, clients=FEW_CLIENTS, catch_up=3)),
        control_times=3,
        shows="was not told",
    ),
)
