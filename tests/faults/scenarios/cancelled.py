"""Clients that leave at any moment: before their request is whole, while they wait, while they read the answer.

Whatever they had asked for is done wholly or not at all, and has one audit row if it is; and once all have gone, the
process holds no more than before they came.
"""

import asyncio
import random
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import orjson

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.conftest import FAST
from tests.faults.harness.fault import Fault, Seen
from tests.faults.harness.introspection import MODULE
from tests.faults.harness.write_history import Write
from tests.faults.harness.writers import Request, Writers
from tests.process.running import Service, running_service

WRITERS: Final = 12
OTHERS: Final = 20
"""Clients that call everything else."""
SETTINGS: Final = {"REQUEST_TIMEOUT": "2", "STATEMENT_TIMEOUT": "1"}
QUIET_WITHIN: Final = 15.0
"""Seconds until all that was begun must have ended: requests by their deadline, statements by theirs, and after 10 s
those who wait for the rest of a body that was refused before it was whole."""
MORE_MEMORY: Final = 24 * 2**20
"""Bytes that a process may take more after thousands of requests than after hundreds: kept answers, and the pool's
prepared statements. A leak of 2 KB a request would be more."""
NEVER_WHOLE: Final = 499
"""In the place of a status: the request was cut, so nothing may come of it."""


class Cut(Exception):
    """The client has left."""


@dataclass
class Cutter:
    """Makes calls, and leaves most of them."""

    api: str
    chance: random.Random
    made: int = 0
    cuts: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        """How often a client has left."""
        return self.cuts.total()

    async def call(self, token: str, method: str, path: str, body: Any, request_id: str) -> int:
        """The status; 0 if the client left without it, NEVER_WHOLE if it left within its request."""
        content = b"" if body is None else orjson.dumps(body)
        head = (
            f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"X-Request-Id: {request_id}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        ).encode()
        self.made += 1
        address = urlsplit(self.api)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            return await self._exchange(reader, writer, head, content)
        except Cut as cut:
            self.cuts[str(cut)] += 1
            return NEVER_WHOLE if str(cut) in {"in the head", "in the body"} else 0
        except OSError:
            return 0
        finally:
            self._leave(writer)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, content: bytes
    ) -> int:
        moment = self.chance.choice(("in the head", "in the body", "waiting", "waiting", "reading", "never"))
        if moment == "in the head":
            writer.write(head[: self.chance.randrange(len(head) - 1)])
            raise Cut(moment)
        if moment == "in the body" and content:
            writer.write(head + content[: self.chance.randrange(len(content))])
            await asyncio.sleep(self.chance.uniform(0, 0.01))
            raise Cut(moment)
        writer.write(head + content)
        if moment == "waiting":
            await asyncio.sleep(self.chance.uniform(0, 0.03))
            raise Cut(moment)
        begun = await reader.read(self.chance.randint(1, 20) if moment == "reading" else -1)
        if moment == "reading":
            raise Cut(moment)
        return int(begun[9:12] or 0)

    def _leave(self, writer: asyncio.StreamWriter) -> None:
        """As clients do: by an end (FIN), or, as when a process is killed or a proxy gives up, by a reset."""
        connection = writer.get_extra_info("socket")
        if connection is not None and self.chance.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        writer.close()


@dataclass(frozen=True)
class CuttingWriters(Writers):
    """Writers of a ledger whose programs leave in the middle of most of their calls."""

    cutter: Cutter | None = None

    @classmethod
    async def cutting(cls, raw: "asyncpg.Connection[asyncpg.Record]", cutter: Cutter) -> "CuttingWriters":
        made = await cls.create(raw, WRITERS)
        return cls(made.world, made.admin, made.users, made.pipelines, made.ledger, cutter)

    async def _call(self, session: aiohttp.ClientSession, api: str, request: Request) -> bool:
        if self.cutter is None or request.target == f"job:{request.path.rpartition('/')[2]}":
            return await super()._call(session, api, request)
        request_id, sent = uuid4().hex, time.monotonic()
        status = await self.cutter.call(self.admin.token, request.method, request.path, request.body, request_id)
        write = Write(request_id, request.target, request.after, status, sent, time.monotonic())
        self.ledger.writes.append(write)
        return write.acknowledged


class Others:
    """A client that makes all other kinds of changes, and reads."""

    def __init__(self, cutter: Cutter, apart: Writers) -> None:
        """In an organization apart, as no ledger is kept of them."""
        self._cutter = cutter
        self._chance = cutter.chance
        self._token = apart.admin.token
        self._pipelines = [str(key) for key in apart.pipelines]
        self._usernames = [user.username for user in apart.users]

    async def call(self) -> None:
        """One call."""
        new, pipeline, user = uuid4().hex, self._chance.choice(self._pipelines), self._chance.choice(self._usernames)
        group = f"group-{self._chance.randrange(20)}"
        calls: tuple[tuple[str, str, Any], ...] = (
            ("POST", "/flow/pipeline", {"name": new}),
            ("PATCH", f"/flow/pipeline/{pipeline}", {"description": new}),
            ("POST", "/users", {"username": new, "role": "member"}),
            ("PATCH", f"/users/{user}", {"role": self._chance.choice(("member", "pipeline_admin"))}),
            ("POST", "/groups", {"name": group}),
            ("DELETE", f"/groups/{group}", None),
            ("PUT", f"/groups/{group}/members/{user}", {}),
            ("DELETE", f"/groups/{group}/members/{user}", None),
            ("PUT", f"/flow/pipeline/{pipeline}/grants/groups/{group}", {"permissions": ["flow_pipeline:execute"]}),
            ("DELETE", f"/flow/pipeline/{pipeline}/grants/groups/{group}", None),
            ("POST", "/tokens", {"username": user, "scopes": ["flow_pipeline:read"]}),
            ("PUT", f"/jobs/other-{new}", {"pipeline_ids": self._pipelines[:2]}),
            ("DELETE", f"/jobs/other-{new}", None),
            ("GET", "/flow/pipeline", None),
            ("GET", "/jobs", None),
            ("GET", f"/flow/pipeline/{pipeline}/access", None),
            ("GET", "/audit?page_size=100", None),
        )
        await self._cutter.call(self._token, *self._chance.choice(calls), new)


@dataclass(frozen=True)
class Holding:
    """What a process holds, as it, its metrics and PostgreSQL say."""

    tasks: Counter[str]
    files: int
    """Open ones, but for connections to the database."""
    memory: int
    active: int
    used: int
    """Connections of the pool that are in use."""
    leaked: int
    """Backends that belong to no connection of the pool."""
    in_transaction: int
    """Backends in the middle of one, or of a statement."""

    @classmethod
    async def of(cls, service: Service, raw: "asyncpg.Connection[asyncpg.Record]") -> "Holding":
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{service.operations}/metrics") as response:
                metrics = dict(re.findall(r"^(\S+) (\S+)$", await response.text(), re.MULTILINE))
            async with session.get(f"{service.operations}/held") as response:
                held = await response.json()
        states = Counter(
            row["state"]
            for row in await raw.fetch(
                "SELECT state FROM pg_stat_activity"
                " WHERE application_name = 'flow-pipelines' AND datname = current_database()"
            )
        )
        name = 'db_client_connection_count{db_client_connection_state="%s"}'
        used, idle = (int(float(metrics[name % state])) for state in ("used", "idle"))
        return cls(
            Counter(held["tasks"]),
            held["files"] - states.total(),
            held["memory"],
            int(float(metrics["http_server_active_requests"])),
            used,
            states.total() - used - idle - 1,  # one is for probes
            states.total() - states["idle"],
        )

    def more_than(self, before: "Holding") -> Iterator[str]:
        """What is held that was not."""
        for task, count in (self.tasks - before.tasks).items():
            yield f"{count} tasks more of {task}"
        for what, now, then in (
            ("open files", self.files, before.files),
            ("requests under way", self.active, 0),
            ("connections in use", self.used, 0),
            ("connections outside of the pool", self.leaked, 0),
            ("transactions or statements under way", self.in_transaction, 0),
        ):
            if now > then:
                yield f"{now} {what}, before {then}"


async def cut(service: Service, dsn: str, times: int, patience: float = QUIET_WITHIN) -> Seen:
    """Have clients leave so many times, and see what is left of it after at most so many seconds."""
    raw = await asyncpg.connect(dsn)
    cutter = Cutter(service.api, random.Random(times))  # noqa: S311 - no secret
    apart = await Writers.create(raw, OTHERS)
    others = [Others(cutter, apart) for _ in range(OTHERS)]
    await _go_on(await CuttingWriters.cutting(raw, cutter), others, times // 10)
    before = await _quiet(service, raw, None, patience)
    made = await CuttingWriters.cutting(raw, cutter)
    await _go_on(made, others, times)
    after = await _quiet(service, raw, before, patience)
    broken = [*after.more_than(before), *await made.ledger.breaches(raw, made.world)]
    broken += [*await _unaudited(raw, apart.world.id), *_faults(service)]
    if (more := after.memory - before.memory) > MORE_MEMORY:
        broken.append(f"{more / 2**20:.0f} MB of memory more")
    await raw.close()
    cuts = ", ".join(f"{count:,} {moment}" for moment, count in sorted(cutter.cuts.items()))
    figures = f"{cutter.made:,} calls, left {cuts}; {made.ledger.acknowledged:,} of {len(made.ledger.writes):,} writes"
    return Seen(cutter.left, tuple(broken), f"{figures} acknowledged; memory {more / 2**20:+.0f} MB")


async def _go_on(writers: CuttingWriters, others: Sequence[Others], times: int) -> None:
    """Until clients have left so many times."""
    cutter, until = writers.cutter, asyncio.Event()
    assert cutter is not None

    async def other(client: Others) -> None:
        while cutter.left < times:
            await client.call()
        until.set()

    await asyncio.gather(writers.write(lambda: cutter.api, until), *(other(client) for client in others))


async def _quiet(
    service: Service, raw: "asyncpg.Connection[asyncpg.Record]", before: Holding | None, patience: float
) -> Holding:
    """What the process holds when all that was begun has ended; or, should it not end, after long enough."""
    deadline = time.monotonic() + patience
    while True:
        holding = await Holding.of(service, raw)
        if not [*holding.more_than(before or holding)] or time.monotonic() > deadline:
            return holding
        await asyncio.sleep(0.2)


async def _unaudited(raw: "asyncpg.Connection[asyncpg.Record]", organization_id: UUID) -> list[str]:
    """What is there without one row that says who made it, or was made and is not there, or was made twice by one."""
    made = await raw.fetch(
        """
        WITH made AS (
            SELECT 'pipeline:' || id AS target FROM pipelines WHERE organization_id = $1 AND length(name) = 32
            UNION ALL SELECT 'user:' || username FROM users WHERE organization_id = $1 AND length(username) = 32
        ), told AS (
            SELECT target, count(*) AS rows FROM audit
            WHERE organization_id = $1 AND action IN ('pipeline.create', 'user.create') GROUP BY target
        )
        SELECT coalesce(made.target, told.target) AS target, coalesce(told.rows, 0) AS rows
        FROM made FULL JOIN told ON told.target = made.target
        WHERE told.rows IS DISTINCT FROM 1 OR made.target IS NULL
        """,
        organization_id,
    )
    twice = await raw.fetch(
        """
        SELECT request_id, action, count(*) FROM audit
        WHERE organization_id = $1 GROUP BY request_id, action HAVING count(*) > 1
        """,
        organization_id,
    )
    return [
        *(f"{row['target']} is there or was made, with {row['rows']} rows of the audit trail" for row in made),
        *(f"{row['count']} rows of the audit trail for {row['action']} {row['request_id']}" for row in twice),
    ]


def _faults(service: Service) -> list[str]:
    """What the log says that nobody foresaw."""
    lines = [line for line in service.lines() if line["level"] == "error" or line["event"] == "library_message"]
    return [f"logged: {line['event']} {line.get('message', '')} {line.get('exception', '')}"[:500] for line in lines]


def _run(settings: dict[str, str], patience: float, directory: Path, times: int) -> Seen:
    with embedded_postgres(directory / "postgres", FAST) as dsn:
        asyncio.run(migrate(dsn))
        as_service = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        with running_service(directory, as_service, module=MODULE, **settings) as service:
            service.wait_until("/readyz", 200)
            return asyncio.run(cut(service, dsn, times, patience))


LEAKING: Final = SETTINGS | {"LEAKING": "true"}

FAULTS: Final = (
    Fault(
        "cancelled",
        "clients leave at any moment",
        "nothing is left over of their requests, or half done, and what is done is audited once",
        partial(_run, SETTINGS, QUIET_WITHIN),
        4_000,
        "giving connections back when a handler is cancelled",
        partial(_run, LEAKING, 5),
        200,
    ),
)
