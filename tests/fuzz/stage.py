"""The stage of each case: the service over HTTP, an organization of the case's own in it, and a bystander there."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BytesIO
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg

from service.database.migrations import migrate
from service.database.pool import open_database
from service.embedded.cluster import SERVICE_ROLE
from service.permissions import MANAGER
from service.settings import Settings
from service.transfer.exporting import export_records
from tests.factories import Member, World
from tests.http.served import served

Result = TypeVar("Result")

RESIDENT = UUID("8e51de47-0000-4000-8000-000000000000")
"""The organization that keeps the other database from being empty."""

WITHIN = 30
"""Seconds that anything may take before it counts as hanging."""

_TABLES = {
    "users": "t.*",
    "groups": "t.*",
    "memberships": "t.*",
    "pipelines": "t.*",
    "grants": "t.*",
    "jobs": "t.*",
    "assignments": "t.*",
    "tokens": "t.id, t.user_id, t.name, t.scopes, t.expires_at, t.revoked_at, t.digest",  # but its last use
    "audit": "t.id",
}
_STATE = " UNION ALL ".join(
    f"SELECT '{table}', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"
    f" FROM (SELECT {columns} FROM {table} t WHERE organization_id = $1) t"
    for table, columns in _TABLES.items()
)

State = list[tuple[str, int, str]]


@dataclass(frozen=True)
class Answer:
    """An answer, as its bytes."""

    status: int
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, as JSON has it and nothing beyond."""
        return cast("dict[str, Any]", json.loads(self.body.decode(), parse_constant=_no_constant))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class _Bytes:
    """Bytes in the place of a socket."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _: str) -> BytesIO:
        return BytesIO(self._content)


@dataclass(frozen=True)
class Scene:
    """An organization with one of each thing, for one case."""

    world: World
    admin: Member
    carol: Member
    bystander: Member
    pipeline: str
    bystander_pipeline: str
    token: str
    """The id of Carol's."""

    def put_in(self, value: Any) -> Any:
        """Return a drawn value with the ids of this scene in it."""
        ids = {"$pipeline": self.pipeline, "$token": self.token}
        if isinstance(value, str):
            return ids.get(value, value)
        if isinstance(value, list):
            return [*map(self.put_in, value)]
        return {key: self.put_in(item) for key, item in value.items()} if isinstance(value, dict) else value


class Commands(Protocol):
    """Runs a command with some variables; returns its exit code, and what it wrote to both outputs."""

    def __call__(self, arguments: list[str], **variables: str) -> tuple[int, str, str]: ...


class Stage:
    """A service on one database, another database to import into, and the loop that both live in."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dsn: str, other_dsn: str) -> None:
        self.loop, self.dsn, self.other_dsn = loop, dsn, other_dsn
        self.api = self.other_api = ""
        self.raw: Any = None
        self.other: Any = None
        self.commands: Commands
        """Runs commands, on the first database where no other is named."""

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(asyncio.wait_for(work, 4 * WITHIN))

    async def send(self, request: bytes, *, to: str = "") -> Answer:
        """Send the bytes of a request over a connection of its own, and return the first answer."""
        host, _, port = (to or self.api).removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**22)
        try:
            writer.write(request)
            received = await asyncio.wait_for(reader.read(-1), WITHIN)
        except ConnectionError:  # refused before it was read to its end
            received = bytes(reader._buffer)  # type: ignore[attr-defined] # what had come by then
        finally:
            writer.close()
        assert received, "the connection ended without an answer"
        return _parse(request.partition(b" ")[0].decode("latin-1"), received)

    async def call(self, token: str, method: str, target: str, body: Any = None, *, to: str = "") -> Answer:
        """Send a plain request, with JSON if there is a body."""
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nCache-Control: no-cache\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        return await self.send(head.encode() + content, to=to)

    async def scene(self) -> Scene:
        world = await World.create(self.raw)
        admin, carol, bystander = [
            await world.user(name, role)
            for name, role in [("ada", "admin"), ("carol", "member"), ("bystander", "member")]
        ]
        await world.group(carol, name="reviewers")
        pipeline, own = await world.pipeline("Invoices"), await world.pipeline("the bystander's")
        await world.grant(pipeline, carol)
        await world.grant(own, bystander, MANAGER)
        await world.job(carol, pipeline, job_id="job-1")
        await world.job(bystander, own, job_id="the-bystanders")
        token = await self.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", carol.id)
        return Scene(world, admin, carol, bystander, str(pipeline), str(own), str(token))

    async def state(self, scene: Scene) -> State:
        """Return a digest of all that an organization has, and the number of its audit rows."""
        return [tuple(row) for row in await self.raw.fetch(_STATE, scene.world.id)]

    async def export(self, scene: Scene) -> bytes:
        return await exported(self.dsn, scene.world)

    async def empty_other(self, *, resident: bool = True) -> None:
        """Empty the other database, but for an organization that is in no export: filling it then is much quicker."""
        await self.other.execute("TRUNCATE organizations CASCADE")
        if resident:
            await self.other.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Resident')", RESIDENT)


async def exported(dsn: str, world: World | None = None) -> bytes:
    output = BytesIO()
    await export_records(dsn, output, world.id if world else None, with_tokens=True)
    lines = output.getvalue().splitlines(keepends=True)
    return b"".join(line for line in lines if str(RESIDENT).encode() not in line)


_CODINGS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": zlib.decompress}


def _parse(method: str, received: bytes) -> Answer:
    response = HTTPResponse(cast("Any", _Bytes(received)), method=method)
    response.begin()
    while response.status == 100:
        response.begin()
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    coding = headers.get("content-encoding", "")
    unpack = _CODINGS.get(coding, bytes)
    return Answer(response.status, headers, unpack(body) if body else body)


@contextmanager
def open_stage(server_dsn: str, settings: Settings) -> Iterator[Stage]:
    """Open a stage on two new databases of a server."""
    loop = asyncio.new_event_loop()
    try:
        stage = Stage(loop, _named(server_dsn, "fuzz"), _named(server_dsn, "fuzz_other"))
        stack = loop.run_until_complete(_open(stage, server_dsn, settings))
        yield stage
        loop.run_until_complete(stack.aclose())
    finally:
        loop.close()


def _named(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def _open(stage: Stage, server_dsn: str, settings: Settings) -> AsyncExitStack:
    stack = AsyncExitStack()
    server = await asyncpg.connect(server_dsn)
    for dsn in (stage.dsn, stage.other_dsn):
        await server.execute(f"DROP DATABASE IF EXISTS {urlsplit(dsn).path[1:]} WITH (FORCE)")
        await server.execute(f"CREATE DATABASE {urlsplit(dsn).path[1:]}")
        await migrate(dsn)
    await server.close()
    stage.raw, stage.other = await asyncpg.connect(stage.dsn), await asyncpg.connect(stage.other_dsn)
    stack.push_async_callback(stage.raw.close)
    stack.push_async_callback(stage.other.close)
    addresses = []
    for dsn in (stage.dsn, stage.other_dsn):
        as_service = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        database = await stack.enter_async_context(open_database(as_service, settings))
        addresses.append(await stack.enter_async_context(served(settings, database)))
    stage.api, stage.other_api = addresses
    return stack
