"""Clients that write in a loop, and keep a history of their writes."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import orjson

from tests.factories import Member, World, bearer
from tests.faults.harness.write_history import Write, WriteHistory, grant_state

PIPELINES: Final = 8
PERMISSIONS: Final = ("flow_pipeline:execute", "flow_pipeline:write", "flow_pipeline:delete")
ROUNDS_PER_JOB: Final = 20
"""Rounds after which a writer registers another job."""
EXPIRY: Final = datetime(2099, 1, 1, tzinfo=UTC)
CLIENT_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


class Request(NamedTuple):
    """A write to be sent."""

    method: str
    path: str
    body: Any
    target: str
    """The name of its target in the audit trail."""
    after: Any
    """The requested state."""


@dataclass(frozen=True)
class Writers:
    """An organization whose administrator's clients write in a loop."""

    world: World
    admin: Member
    users: tuple[Member, ...]
    pipelines: tuple[UUID, ...]
    history: WriteHistory

    @classmethod
    async def create(cls, raw: "asyncpg.Connection[asyncpg.Record]", writers: int) -> "Writers":
        world = await World.create(raw)
        admin = await world.user(role="admin")
        users = [await world.user() for _ in range(writers)]
        return cls(
            world, admin, tuple(users), tuple([await world.pipeline() for _ in range(PIPELINES)]), WriteHistory()
        )

    async def write(self, api: Callable[[], str], until: asyncio.Event, pause: float = 0) -> None:
        """Run every writer until the event is set, against the address that `api` returns at each write."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=CLIENT_TIMEOUT) as session:
            await asyncio.gather(
                *(self._writer(session, number, api, until, pause) for number in range(len(self.users)))
            )

    async def _writer(
        self, session: aiohttp.ClientSession, number: int, api: Callable[[], str], until: asyncio.Event, pause: float
    ) -> None:
        chance, user = random.Random(number), self.users[number].username  # noqa: S311 - no secret
        pipeline_id = self.pipelines[number % PIPELINES]
        grant = f"/flow/pipeline/{pipeline_id}/grants/users/{user}"
        job_id, count = "", 0
        possible_states: list[list[str]] = []
        while not until.is_set():
            if count % ROUNDS_PER_JOB == 0:
                job_id, possible_states = await self._register(session, api, until), [[]]
            count += 1
            requested = self._choose_other_than(possible_states, chance)
            body = {"job_id": job_id, "pipeline_ids": requested}
            update = Request("POST", "/jobs/pipelines", body, f"job:{job_id}", requested)
            acknowledged = await self._call(session, api(), update)
            possible_states = [requested] if acknowledged else [*possible_states, requested]
            expires_at = EXPIRY + timedelta(seconds=count)  # differs each time, so that each is a change
            permissions = ["flow_pipeline:read", *chance.sample(PERMISSIONS, count % 3)]
            body = {"permissions": permissions, "expires_at": expires_at.isoformat()}
            target = f"grant:{pipeline_id}/user:{user}"
            await self._call(session, api(), Request("PUT", grant, body, target, grant_state(permissions, expires_at)))
            await asyncio.sleep(pause)

    async def _register(self, session: aiohttp.ClientSession, api: Callable[[], str], until: asyncio.Event) -> str:
        """Register a new job, with another id at each attempt, as registering an existing one again changes nothing."""
        while True:
            job_id = str(uuid4())
            request = Request("PUT", f"/jobs/{job_id}", {}, f"job:{job_id}", [])
            if await self._call(session, api(), request) or until.is_set():
                return job_id

    def _choose_other_than(self, possible_states: Sequence[Sequence[str]], chance: random.Random) -> list[str]:
        """Choose pipelines in an order that is none of the possible states, so that to set them is a change."""
        while True:
            requested = [str(key) for key in chance.sample(self.pipelines, chance.randint(1, PIPELINES))]
            if requested not in possible_states:
                return requested

    async def _call(self, session: aiohttp.ClientSession, api: str, request: Request) -> bool:
        """Send a write and add it to the history; return whether it was acknowledged."""
        request_id, sent, status = uuid4().hex, time.monotonic(), 0
        headers = {**bearer(self.admin.token), "X-Request-Id": request_id}
        try:
            async with session.request(
                request.method, f"{api}/api/v1{request.path}", data=orjson.dumps(request.body), headers=headers
            ) as response:
                await response.read()
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        write = Write(request_id, request.target, request.after, status, sent, time.monotonic())
        self.history.writes.append(write)
        if not write.acknowledged:
            await asyncio.sleep(0.02)  # retried soon, but not in a busy loop
        return write.acknowledged
