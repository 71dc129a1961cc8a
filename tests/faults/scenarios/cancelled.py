"""Clients that disconnect at any moment: within their request, while they wait, while they read the response.

Each request is carried out wholly or not at all, with one audit row if it is; and once all clients are gone, the
process holds no more resources than before.
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
from typing import Any, Final, Self
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import orjson

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.conftest import FAST
from tests.faults.controls import leak_on_disconnect
from tests.faults.harness import introspection
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.harness.write_history import Write
from tests.faults.harness.writers import Request, Writers
from tests.process.running import Service, running_service

WRITERS: Final = 12
OTHER_CLIENTS: Final = 20
"""Clients that make all other calls."""
SETTINGS: Final = {"REQUEST_TIMEOUT": "2", "STATEMENT_TIMEOUT": "1"}
QUIET_TIMEOUT: Final = 15.0
"""Seconds until everything in flight must have ended: requests and statements by their deadlines, and after 10 s the
wait for the rest of a body that was refused before it was complete."""
MAX_MEMORY_GROWTH: Final = 24 * 2**20
"""Bytes by which a process may grow from hundreds of requests to thousands: cached answers, and the pool's prepared
statements. A leak of 2 KB a request would be more."""
INCOMPLETE_REQUEST: Final = 499
"""A pseudo-status: the client disconnected within its request, which may have no effect."""


class Disconnected(Exception):
    """The client has disconnected; the message says when."""


@dataclass
class DisconnectingClient:
    """A client that disconnects in the middle of most of its calls."""

    api: str
    chance: random.Random
    calls_made: int = 0
    moments: Counter[str] = field(default_factory=Counter)
    """Counts of disconnects, by their moment."""

    @property
    def disconnects(self) -> int:
        """The number of disconnects."""
        return self.moments.total()

    async def call(self, token: str, method: str, path: str, body: Any, request_id: str) -> int:
        """Make a call; return its status, 0 if it is unknown, or INCOMPLETE_REQUEST."""
        content = b"" if body is None else orjson.dumps(body)
        head = (
            f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"X-Request-Id: {request_id}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        ).encode()
        self.calls_made += 1
        address = urlsplit(self.api)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            return await self._exchange(reader, writer, head, content)
        except Disconnected as disconnected:
            moment = str(disconnected)
            self.moments[moment] += 1
            return INCOMPLETE_REQUEST if moment in {"in the head", "in the body"} else 0
        except OSError:
            return 0
        finally:
            self._close(writer)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, content: bytes
    ) -> int:
        moment = self.chance.choice(("in the head", "in the body", "waiting", "waiting", "reading", "never"))
        if moment == "in the head":
            writer.write(head[: self.chance.randrange(len(head) - 1)])
            raise Disconnected(moment)
        if moment == "in the body" and content:
            writer.write(head + content[: self.chance.randrange(len(content))])
            await asyncio.sleep(self.chance.uniform(0, 0.01))
            raise Disconnected(moment)
        writer.write(head + content)
        if moment == "waiting":
            await asyncio.sleep(self.chance.uniform(0, 0.03))
            raise Disconnected(moment)
        begun = await reader.read(self.chance.randint(1, 20) if moment == "reading" else -1)
        if moment == "reading":
            raise Disconnected(moment)
        return int(begun[9:12] or 0)

    def _close(self, writer: asyncio.StreamWriter) -> None:
        """Close the connection by FIN or, as when a process is killed or a proxy gives up, by RST."""
        connection = writer.get_extra_info("socket")
        if connection is not None and self.chance.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        writer.close()


@dataclass(frozen=True)
class DisconnectingWriters(Writers):
    """Writers with a history that disconnect in the middle of most of their calls."""

    client: DisconnectingClient | None = None

    @classmethod
    async def create_with(cls, raw: "asyncpg.Connection[asyncpg.Record]", client: DisconnectingClient) -> Self:
        made = await cls.create(raw, WRITERS)
        return cls(made.world, made.admin, made.users, made.pipelines, made.history, client)

    async def _call(self, session: aiohttp.ClientSession, api: str, request: Request) -> bool:
        if self.client is None or request.target == f"job:{request.path.rpartition('/')[2]}":
            return await super()._call(session, api, request)
        request_id, sent = uuid4().hex, time.monotonic()
        status = await self.client.call(self.admin.token, request.method, request.path, request.body, request_id)
        write = Write(request_id, request.target, request.after, status, sent, time.monotonic())
        self.history.writes.append(write)
        return write.acknowledged


class OtherCalls:
    """A source of all other kinds of calls, changes and reads."""

    def __init__(self, client: DisconnectingClient, fixture: Writers) -> None:
        """Call in the organization of a fixture, which is another one than the writers', as no history is kept."""
        self._client = client
        self._chance = client.chance
        self._token = fixture.admin.token
        self._pipelines = [str(key) for key in fixture.pipelines]
        self._usernames = [user.username for user in fixture.users]

    async def call(self) -> None:
        """Make one call."""
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
        await self._client.call(self._token, *self._chance.choice(calls), new)


@dataclass(frozen=True)
class ResourceUsage:
    """The resources that a process holds, as it, its metrics and PostgreSQL report them."""

    tasks: Counter[str]
    open_files: int
    """The number of open files without connections to the database."""
    memory: int
    active_requests: int
    used_connections: int
    """The number of pooled connections that are checked out."""
    leaked_connections: int
    """The number of backends without a pooled connection."""
    in_transaction: int
    """The number of backends within a transaction or a statement."""

    @classmethod
    async def of(cls, service: Service, raw: "asyncpg.Connection[asyncpg.Record]") -> Self:
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
        used_connections, idle = (int(float(metrics[name % state])) for state in ("used", "idle"))
        return cls(
            Counter(held["tasks"]),
            held["files"] - states.total(),
            held["memory"],
            int(float(metrics["http_server_active_requests"])),
            used_connections,
            states.total() - used_connections - idle - 1,  # one is for probes
            states.total() - states["idle"],
        )

    def excess_over(self, before: "ResourceUsage") -> Iterator[str]:
        """Yield each resource of which more is held than before, as a sentence."""
        for task, count in (self.tasks - before.tasks).items():
            yield f"{count} tasks more of {task}"
        for what, now, then in (
            ("open files", self.open_files, before.open_files),
            ("requests under way", self.active_requests, 0),
            ("connections in use", self.used_connections, 0),
            ("connections outside of the pool", self.leaked_connections, 0),
            ("transactions or statements under way", self.in_transaction, 0),
        ):
            if now > then:
                yield f"{now} {what}, before {then}"


async def run_disconnects(service: Service, dsn: str, times: int, quiet_timeout: float = QUIET_TIMEOUT) -> Outcome:
    """Have clients disconnect so many times, and compare the process's resources before and after."""
    raw = await asyncpg.connect(dsn)
    client = DisconnectingClient(service.api, random.Random(times))  # noqa: S311 - no secret
    fixture = await Writers.create(raw, OTHER_CLIENTS)
    others = [OtherCalls(client, fixture) for _ in range(OTHER_CLIENTS)]
    await _run_load(await DisconnectingWriters.create_with(raw, client), others, times // 10)
    before = await _wait_until_quiet(service, raw, None, quiet_timeout)
    writers = await DisconnectingWriters.create_with(raw, client)
    await _run_load(writers, others, times)
    after = await _wait_until_quiet(service, raw, before, quiet_timeout)
    history = writers.history
    violations = [*after.excess_over(before), *await history.violations(raw, writers.world)]
    violations += [*await _audit_violations(raw, fixture.world.id), *_unexpected_log_lines(service)]
    if (growth := after.memory - before.memory) > MAX_MEMORY_GROWTH:
        violations.append(f"{growth / 2**20:.0f} MB of memory more")
    await raw.close()
    moments = ", ".join(f"{count:,} {moment}" for moment, count in sorted(client.moments.items()))
    summary = f"{client.calls_made:,} calls, left {moments}; {history.acknowledged:,} of {len(history.writes):,} writes"
    return Outcome(client.disconnects, tuple(violations), f"{summary} acknowledged; memory {growth / 2**20:+.0f} MB")


async def _run_load(writers: DisconnectingWriters, others: Sequence[OtherCalls], times: int) -> None:
    """Run all clients until they have disconnected so many times."""
    client, until = writers.client, asyncio.Event()
    assert client is not None

    async def call(other: OtherCalls) -> None:
        while client.disconnects < times:
            await other.call()
        until.set()

    await asyncio.gather(writers.write(lambda: client.api, until), *(call(other) for other in others))


async def _wait_until_quiet(
    service: Service, raw: "asyncpg.Connection[asyncpg.Record]", before: ResourceUsage | None, quiet_timeout: float
) -> ResourceUsage:
    """Wait until no more resources are held than before, or for the timeout; return what is held then."""
    deadline = time.monotonic() + quiet_timeout
    while True:
        usage = await ResourceUsage.of(service, raw)
        if not [*usage.excess_over(before or usage)] or time.monotonic() > deadline:
            return usage
        await asyncio.sleep(0.2)


async def _audit_violations(raw: "asyncpg.Connection[asyncpg.Record]", organization_id: UUID) -> list[str]:
    """Return resources without exactly one audit row, audit rows without a resource, and duplicate audit rows."""
    unmatched = await raw.fetch(
        """
        WITH created AS (
            SELECT 'pipeline:' || id AS target FROM pipelines WHERE organization_id = $1 AND length(name) = 32
            UNION ALL SELECT 'user:' || username FROM users WHERE organization_id = $1 AND length(username) = 32
        ), audited AS (
            SELECT target, count(*) AS rows FROM audit
            WHERE organization_id = $1 AND action IN ('pipeline.create', 'user.create') GROUP BY target
        )
        SELECT coalesce(created.target, audited.target) AS target, coalesce(audited.rows, 0) AS rows
        FROM created FULL JOIN audited ON audited.target = created.target
        WHERE audited.rows IS DISTINCT FROM 1 OR created.target IS NULL
        """,
        organization_id,
    )
    duplicates = await raw.fetch(
        """
        SELECT request_id, action, count(*) FROM audit
        WHERE organization_id = $1 GROUP BY request_id, action HAVING count(*) > 1
        """,
        organization_id,
    )
    return [
        *(f"{row['target']} is there or was made, with {row['rows']} rows of the audit trail" for row in unmatched),
        *(f"{row['count']} rows of the audit trail for {row['action']} {row['request_id']}" for row in duplicates),
    ]


def _unexpected_log_lines(service: Service) -> list[str]:
    """Return the log's errors and messages of libraries."""
    lines = [line for line in service.lines() if line["level"] == "error" or line["event"] == "library_message"]
    return [f"logged: {line['event']} {line.get('message', '')} {line.get('exception', '')}"[:500] for line in lines]


def _run(module: str, quiet_timeout: float, directory: Path, times: int) -> Outcome:
    with embedded_postgres(directory / "postgres", FAST) as dsn:
        asyncio.run(migrate(dsn))
        as_service = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        with running_service(directory, as_service, module=module, **SETTINGS) as service:
            service.wait_until("/readyz", 200)
            return asyncio.run(run_disconnects(service, dsn, times, quiet_timeout))


FAULTS: Final = (
    Fault(
        "cancelled",
        "clients leave at any moment",
        "nothing is left over of their requests, or half done, and what is done is audited once",
        partial(_run, introspection.MODULE, QUIET_TIMEOUT),
        4_000,
        "giving connections back when a handler is cancelled",
        partial(_run, leak_on_disconnect.MODULE, 5),
        200,
        "connections in use",
    ),
)
