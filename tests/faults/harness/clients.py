"""Clients that read and write without end, and a probe; they note how they were answered, and when."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import asyncpg
import orjson

from tests.factories import Member, World

CALLERS: Final = 12
PAUSE: Final = 0.02
"""Seconds between one caller's requests."""
PROBE_EVERY: Final = 0.1
PATIENCE: Final = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True)
class Answered:
    """One request."""

    sent: float
    """By time.monotonic()."""
    ended: float
    status: int
    """0: no answer."""
    retry_after: bool


@dataclass(frozen=True)
class Probed:
    """One question whether the service is ready."""

    sent: float
    ended: float
    status: int
    reasons: tuple[str, ...]


@dataclass
class Callers:
    """An organization's clients."""

    owner: Member
    pipeline: str
    job: str
    answered: list[Answered] = field(default_factory=list)
    probed: list[Probed] = field(default_factory=list)

    @classmethod
    async def create(cls, dsn: str) -> "Callers":
        raw = await asyncpg.connect(dsn)
        try:
            world = await World.create(raw)
            owner = await world.user(role="admin")
            pipeline = await world.pipeline()
            return cls(owner, str(pipeline), await world.job(owner))
        finally:
            await raw.close()

    async def call(self, api: str, operations: str, until: asyncio.Event) -> None:
        """Call, and probe, until the event."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=PATIENCE) as session, asyncio.TaskGroup() as all_:
            all_.create_task(self._probe(session, f"{operations}/readyz", until))
            for number in range(CALLERS):
                all_.create_task(self._caller(session, f"{api}/api/v1", number, until))

    async def _caller(self, session: aiohttp.ClientSession, api: str, number: int, until: asyncio.Event) -> None:
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
        self.answered.append(Answered(sent, time.monotonic(), status, retry_after))

    async def _probe(self, session: aiohttp.ClientSession, address: str, until: asyncio.Event) -> None:
        while not until.is_set():
            sent = time.monotonic()
            try:
                async with session.get(address) as response:
                    body = await response.json()
                    status, reasons = response.status, tuple(body.get("reasons", ()))
            except (aiohttp.ClientError, TimeoutError):
                status, reasons = 0, ()
            self.probed.append(Probed(sent, time.monotonic(), status, reasons))
            await asyncio.sleep(PROBE_EVERY)
