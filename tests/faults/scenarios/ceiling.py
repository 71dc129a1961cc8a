"""The ceiling of a request: the worst of each row of the method table, one by one, and hundreds of the worst at once.

The stall of the loop is processor time, so that it does not depend on what else the machine does; the bounds are a
multiple of what is promised, and the control exceeds them by far.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import grpc
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from google.protobuf.descriptor import MethodDescriptor
from yarl import URL

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from service.grpc.connect import PROTO
from service.grpc.flow_pipelines.v1 import flow_pipelines_pb2 as pb
from service.grpc.messages import methods
from service.http.routes import ROUTES, Route
from tests.api.worst import Worst, worst_bodies, worst_requests
from tests.conftest import FAST
from tests.factories import World, bearer
from tests.faults.harness import measured_service
from tests.faults.harness.fault import Fault, Outcome
from tests.grpc.calling import message_of
from tests.process.running import Service, free_port, running_service

MAX_STALL: Final = 0.06
"""Seconds of processor time: thrice what is promised, for slower machines."""
MAX_GROWTH: Final = 48 * 2**20
"""Bytes: 16 MiB are promised beyond an answer, and an allocator takes more at a time than it is asked for."""
POD: Final = 256 * 2**20
"""Bytes of memory that the deployment's pods may take."""
AT_ONCE: Final = 400
"""Requests: MAX_REQUESTS."""
UNREAD: Final = 120
CHANNELS: Final = 4
UPDATE: Final = "/flow_pipelines.v1.Jobs/UpdateJobPipelines"
ALL: Final = 6_000
"""The worst requests of all rows, about."""
UNBOUNDED: Final = {
    measured_service.WITHOUT: "true",
    "MAX_BODIES_BYTES": str(16 * 2**30),
    "MAX_UNSENT_BYTES": str(16 * 2**30),
}


@dataclass(frozen=True)
class Size:
    """How much there is."""

    pipelines: int
    jobs: int
    pipelines_of_job: int


FULL: Final = Size(20_000, 1_000, 500)
SHORT: Final = Size(4_000, 200, 100)


@dataclass
class Found:
    """What was seen."""

    requests: int = 0
    stall: float = 0.0
    worst: str = ""
    peak: int = 0
    violations: list[str] = field(default_factory=list)


async def fill(dsn: str, size: Size) -> tuple[str, dict[str, str]]:
    """Fill the database; return an administrator's token and the names of things that have the most in them."""
    await migrate(dsn)
    raw = await asyncpg.connect(dsn)
    world = await World.create(raw)
    admin = await world.user("ada", role="admin")
    group = await world.group(admin, name="all")
    await raw.execute(
        "INSERT INTO pipelines (organization_id, id, name, name_key) SELECT $1, gen_random_uuid(), name, name"
        " FROM (SELECT 'pipeline ' || repeat('x', 50) || ' ' || n FROM generate_series(1, $2) n) named (name)",
        *(world.id, size.pipelines),
    )
    await raw.execute(
        "INSERT INTO group_grants (organization_id, group_id, pipeline_id, access) SELECT $1, $2, id, 1 FROM pipelines"
        " WHERE organization_id = $1",
        *(world.id, group),
    )
    await raw.execute(
        "INSERT INTO jobs (organization_id, id, owner_id, name) SELECT $1, 'job-' || n, $2, repeat('y', 255)"
        " FROM generate_series(1, $3) n",
        *(world.id, admin.id, size.jobs),
    )
    await raw.execute(
        "INSERT INTO assignments (organization_id, job_id, pipeline_id, position) SELECT $1, j.id, p.id, p.position"
        " FROM jobs j CROSS JOIN (SELECT id, row_number() OVER () AS position FROM pipelines WHERE organization_id = $1"
        " LIMIT $2) p WHERE j.organization_id = $1",
        *(world.id, size.pipelines_of_job),
    )
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(1_000)]
    await raw.execute(
        "INSERT INTO audit (organization_id, actor, action, target, before, after) SELECT $1, 'ada',"
        " 'job.update_pipelines', 'job:x', state, state FROM generate_series(1, 1000),"
        " (SELECT jsonb_build_object('pipeline_ids', $2::text[]) AS state) made",
        *(world.id, ids),
    )
    pipeline = await raw.fetchval("SELECT pipeline_id FROM assignments WHERE organization_id = $1 LIMIT 1", world.id)
    await raw.execute("ANALYZE")
    await raw.close()
    return admin.token, {"pipeline_id": str(pipeline), "job_id": "job-1", "username": "ada", "name": "all"}


class Client:
    """Sends requests to a measured service."""

    def __init__(self, session: ClientSession, service: Service, token: str) -> None:
        self._session = session
        self._service = service
        self.token = token

    async def stall(self) -> dict[str, float]:
        """Return the longest stall since this was asked last."""
        async with self._session.get(f"{self._service.operations}/stall") as answer:
            measured: dict[str, float] = await answer.json()
            return measured

    async def send(self, request: Worst) -> int:
        """Send a request, and return the status of its answer; 0 if the connection ended."""
        url = URL(f"{self._service.api}{request.target}", encoded=True)
        headers = {**bearer(self.token), **request.headers}
        try:
            async with self._session.request(request.method, url, headers=headers, data=request.body) as answer:
                await answer.read()
                return answer.status
        except (ClientError, ConnectionError):
            return 0

    def unread(self) -> socket.socket:
        """Ask for the longest list, and read nothing of it."""
        address = urlsplit(self._service.api)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect((address.hostname, address.port))
        client.sendall(
            b"GET /api/v1/flow/pipeline HTTP/1.1\r\nHost: x\r\nCache-Control: no-cache\r\n"
            b"Authorization: Bearer " + self.token.encode() + b"\r\n\r\n"
        )
        return client


@asynccontextmanager
async def measured(directory: Path, dsn: str, token: str, **settings: str) -> AsyncIterator[Client]:
    by_role = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
    timeout, connector = ClientTimeout(60), TCPConnector(limit=0)
    with running_service(directory, by_role, module=measured_service.MODULE, **settings) as service:
        async with ClientSession(timeout=timeout, connector=connector) as session:
            client = Client(session, service, token)
            await client.send(Worst("first", "GET", "/api/v1/users/me", {}))
            await client.stall()
            yield client


async def each_alone(client: Client, names: dict[str, str], found: Found, every: int = 1) -> None:
    """Send the worst requests of each row, one after the other; of those that delete, none that would succeed.

    Reads are sent once more, so that their answers are made into messages.
    """
    for route in ROUTES:
        there = {} if route.method == "DELETE" else names
        for number, request in enumerate(worst_requests(route, **there)):
            if number % every and request.kind != "everything":
                continue
            await _measure(client, request, found)
    for route, method in methods():
        if route.only_reads:
            await _measure(client, everything_as_message(route, method, names), found)


async def _measure(client: Client, request: Worst, found: Found) -> None:
    before = (await client.stall())["now"]
    status = await client.send(request)
    after = await client.stall()
    found.requests += 1
    case = f"{request.method} {request.target[:60]}, {request.kind}"
    listed = request.kind == "everything" and "page_size" in request.target
    if status >= 500 or status == 401 or (listed and status != 200):
        found.violations.append(f"{case}: {status}")
    if after["stall"] > found.stall:
        found.stall, found.worst = after["stall"], case
    if after["stall"] > MAX_STALL:
        found.violations.append(f"{case}: {status}, the loop stood still for {after['stall'] * 1000:.0f} ms")
    if after["peak"] - before > MAX_GROWTH:
        found.violations.append(f"{case}: {status}, took {(after['peak'] - before) / 2**20:.0f} MiB")


def everything_as_message(route: Route, method: MethodDescriptor, names: dict[str, str]) -> Worst:
    """Return the call of a read for as much as it answers, which is made into a message as it is for gRPC."""
    given = {key: value for key, value in names.items() if key in route.places}
    page = {"page_size": 1000} if "page_size" in route.places else {}
    message = message_of(method, {**given, **page}).SerializeToString()
    target = f"/{method.containing_service.full_name}/{method.name}"
    headers = {"Cache-Control": "no-cache", "Content-Type": PROTO}
    return Worst("everything, as a message", "POST", target, headers, message)


async def many_at_once(client: Client, found: Found, requests: Sequence[Worst]) -> None:
    """Send as many as may be under way, at the same moment."""
    statuses = await asyncio.gather(*(client.send(requests[number % len(requests)]) for number in range(AT_ONCE)))
    await _hold_memory(client, found, f"{AT_ONCE} x {requests[0].kind}")
    found.requests += AT_ONCE
    found.violations += [f"{requests[0].kind}: {status}" for status in set(statuses) - {200, 400, 503, 504}]
    if not {200, 400} & set(statuses):
        found.violations.append(f"{requests[0].kind}: none was read, which proves nothing: {set(statuses)}")


async def nothing_read(client: Client, found: Found) -> None:
    """Ask for long lists and read nothing, while another is answered."""
    clients = []
    for _ in range(UNREAD):
        clients.append(client.unread())
        if len(clients) % 10 == 0 and await client.send(Worst("", "GET", "/api/v1/users/me", {})) != 200:
            found.violations.append(f"another was not answered beside {len(clients)} that read nothing")
    await asyncio.sleep(1)
    await _hold_memory(client, found, f"{UNREAD} lists that nobody reads")
    found.requests += UNREAD
    for each in clients:
        each.close()


async def many_messages(client: Client, found: Found, port: int, number: int) -> None:
    """Send the longest messages by gRPC, by few connections, at the same moment."""
    message = pb.UpdateJobPipelinesRequest(job_id="x" * 1_000_000).SerializeToString()
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}")) for _ in range(CHANNELS)
        ]

        async def call(channel: grpc.aio.Channel) -> grpc.StatusCode:
            made: Any = channel.unary_unary(UPDATE)
            try:
                await made(message, metadata=(("authorization", f"Bearer {client.token}"),), timeout=60)
            except grpc.aio.AioRpcError as error:
                return error.code()
            return grpc.StatusCode.OK

        codes = await asyncio.gather(*(call(channels[each % CHANNELS]) for each in range(number)))
    await _hold_memory(client, found, f"{number} messages by gRPC")
    found.requests += number
    expected = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    found.violations += [f"messages: {code}" for code in set(codes) - expected]
    if grpc.StatusCode.INVALID_ARGUMENT not in codes:
        found.violations.append(f"messages: none was read, which proves nothing: {set(codes)}")


async def _hold_memory(client: Client, found: Found, what: str) -> None:
    peak = int((await client.stall())["peak"])
    found.peak = max(found.peak, peak)
    if peak > POD:
        found.violations.append(f"{what} took {peak / 2**20:.0f} MiB")


HEAVY: Final = [
    Worst(kind, "POST", "/api/v1/jobs/pipelines", {}, worst_bodies(b"pipeline_ids")[kind])
    for kind in (
        "a list of numbers",
        "a text of a megabyte that takes four bytes each",
        "as many unknown keys as are parsed",
    )
]
LISTS: Final = [Worst("lists of everything", "GET", "/api/v1/flow/pipeline", {"Cache-Control": "no-cache"})]
PAGES: Final = [Worst("pages of jobs", "GET", "/api/v1/jobs?page_size=1000", {})]


async def ceiling(directory: Path, dsn: str, times: int, settings: dict[str, str]) -> Found:
    """Send everything, or of each row one request in as many as it takes for that many requests in all."""
    found = Found()
    whole = times >= ALL
    token, names = await fill(dsn, FULL if whole else SHORT)
    async with measured(directory, dsn, token, **settings) as client:
        await each_alone(client, names, found, max(1, ALL // times))
        for requests in ([HEAVY[0]], [HEAVY[1]], HEAVY, LISTS, PAGES) if whole else ([HEAVY[1]],):
            await many_at_once(client, found, requests)
        await nothing_read(client, found)
        if whole:  # what was taken for one kind is not there for another, unless it is given back
            await many_at_once(client, found, HEAVY)
            await nothing_read(client, found)
    port = free_port()
    async with measured(directory, dsn, token, GRPC_PORT=str(port), **settings) as client:
        await many_messages(client, found, port, AT_ONCE if whole else AT_ONCE // 2)
    return found


def _run(directory: Path, times: int, settings: dict[str, str]) -> Outcome:
    with embedded_postgres(directory / "postgres", FAST) as dsn:
        found = asyncio.run(ceiling(directory, dsn, times, settings))
    summary = f"longest stall {found.stall * 1000:.0f} ms ({found.worst}), at most {found.peak / 2**20:.0f} MiB"
    return Outcome(found.requests, tuple(found.violations), summary)


FAULTS: Final = (
    Fault(
        name="ceiling",
        description=f"the worst requests of each row of the method table, alone and {AT_ONCE} at once",
        guarantee="no request stalls others for more than 20 ms (measured: 60) or has the process take 256 MiB",
        run=lambda directory, times: _run(directory, times, {}),
        times=ALL,
        without="bounds, budgets and slices",
        control=lambda directory, times: _run(directory, times, UNBOUNDED),
        control_times=100,
        shows="the loop stood still|took [0-9]+ MiB",
    ),
)
