"""Clients that read and write in a loop, and a readiness probe; all record their responses and the times of these."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Final, Self

import aiohttp
import asyncpg
import orjson

from tests.factories import Member, World

CLIENTS: Final = 12
PAUSE: Final = 0.02
"""Seconds between the requests of one client."""
PROBE_INTERVAL: Final = 0.1
"""Seconds."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True)
class Response:
    """The response to one request, with times by time.monotonic()."""

    sent: float
    ended: float
    status: int
    """0 if there was no response."""
    retry_after: bool


@dataclass(frozen=True)
class Probe:
    """One readiness probe, with times by time.monotonic()."""

    sent: float
    ended: float
    status: int
    reasons: tuple[str, ...]


@dataclass
class Clients:
    """The clients of one organization."""

    owner: Member
    pipeline: str
    job: str
    responses: list[Response] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)

    @classmethod
    async def create(cls, dsn: str) -> Self:
        raw = await asyncpg.connect(dsn)
        try:
            world = await World.create(raw)
            owner = await world.user(role="admin")
            pipeline = await world.pipeline()
            return cls(owner, str(pipeline), await world.job(owner))
        finally:
            await raw.close()

    async def call(self, api: str, operations: str, until: asyncio.Event) -> None:
        """Call and probe until the event is set."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._probe(session, f"{operations}/readyz", until))
            for number in range(CLIENTS):
                tasks.create_task(self._client(session, f"{api}/api/v1", number, until))

    async def _client(self, session: aiohttp.ClientSession, api: str, number: int, until: asyncio.Event) -> None:
        grant = f"{api}/flow/pipeline/{self.pipeline}/grants/users/{self.owner.username}"
        for count in itertools.count(number):
            if until.is_set():
                return
            match count % 3:
                case 0:
                    await self._request(session, "GET", f"{api}/flow/pipeline", None)
                case 1:
                    body = {"job_id": self.job, "pipeline_ids": [self.pipeline][count % 2 :]}
                    await self._request(session, "POST", f"{api}/jobs/pipelines", body)
                case 2:
                    body = {"permissions": ["flow_pipeline:read", "flow_pipeline:write"][: count % 2 + 1]}
                    await self._request(session, "PUT", grant, body)
            await asyncio.sleep(PAUSE)

    async def _request(self, session: aiohttp.ClientSession, method: str, address: str, body: object) -> None:
        sent = time.monotonic()
        data = None if body is None else orjson.dumps(body)
        try:
            async with session.request(method, address, data=data, headers=self.owner.headers) as response:
                await response.read()
                status, retry_after = response.status, "Retry-After" in response.headers
        except (aiohttp.ClientError, TimeoutError):
            status, retry_after = 0, False
        self.responses.append(Response(sent, time.monotonic(), status, retry_after))

    async def _probe(self, session: aiohttp.ClientSession, address: str, until: asyncio.Event) -> None:
        while not until.is_set():
            sent = time.monotonic()
            try:
                async with session.get(address) as response:
                    body = await response.json()
                    status, reasons = response.status, tuple(body.get("reasons", ()))
            except (aiohttp.ClientError, TimeoutError):
                status, reasons = 0, ()
            self.probes.append(Probe(sent, time.monotonic(), status, reasons))
            await asyncio.sleep(PROBE_INTERVAL)
