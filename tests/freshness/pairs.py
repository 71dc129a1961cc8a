"""Pairs: a change that one replica acknowledges, then a list or an update by another, which must know of it."""

import asyncio
import random
import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import aiohttp
import asyncpg
import orjson

from tests.factories import World, bearer
from tests.freshness import state as states
from tests.freshness.state import EXPIRED, FEWEST, KINDS, Access, Change, Listed, Names, State
from tests.process.running import Service

LIST: Final = "/flow/pipeline"
UPDATE: Final = "/jobs/pipelines"
EXPIRES_IN: Final = 1.5
"""Seconds."""
WORKERS_TOGETHER: Final = 4
"""In one organization: in the same one, new, renamed and deleted pipelines wait for one another."""
AGAIN: Final = 10
"""How often a call is repeated that was not answered, or gave way to another transaction."""


@dataclass
class Result:
    """What was counted so far."""

    pairs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    stale: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    examples: list[str] = field(default_factory=list)
    unanswered: int = 0
    """Changes of which nobody knows whether they were made. The worker begins anew, with another user."""
    failures: list[str] = field(default_factory=list)
    """What ended a worker for good: the pairs before it count."""
    lists: int = 0
    repeated: int = 0
    from_memory: int = 0
    outdated: int = 0
    """Lists for which memory held one that was made at another state."""
    seconds: float = 0

    @property
    def total(self) -> int:
        return sum(self.pairs.values())

    @property
    def total_stale(self) -> int:
        return sum(self.stale.values())

    def count(self, kind: str, *, fresh: bool, example: str) -> None:
        self.pairs[kind] += 1
        self.stale[kind] += not fresh
        if not fresh and len(self.examples) < 5:
            self.examples.append(f"{kind}: {example}")


@dataclass
class Replica:
    """One of the services, and connections to it that are kept."""

    session: aiohttp.ClientSession
    api: str
    result: Result

    async def call(self, token: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Until it is answered: who is overloaded, or gave way to another transaction, has done nothing."""
        data = None if body is None else orjson.dumps(body)
        for _ in range(AGAIN):
            async with self.session.request(
                method, f"{self.api}/api/v1{path}", data=data, headers=bearer(token)
            ) as response:
                status, answer = response.status, orjson.loads(await response.read())
            if not (status in {503, 504} and method == "GET") and answer.get("code") != "ABORTED":
                return status, answer
            self.result.repeated += 1
        raise Unanswered(answer)


class Unexpected(Exception):
    """An answer that says nothing about freshness, and is wrong."""


class Unanswered(Exception):
    """There was no answer in time: the machine is too slow for the number of workers."""


def _done(called: tuple[int, Any]) -> Any:
    status, answer = called
    if status >= 500:
        raise Unanswered(answer)
    if status >= 300:
        raise Unexpected(f"{status} {answer}")
    return answer


class Worker:
    """A user with a token, a group, a job and pipelines that nobody else has to do with, so that all is exact."""

    def __init__(self, name: str, chance: random.Random, admin_token: str, writes: Replica, reads: Replica) -> None:
        self._chance = chance
        self._admin_token = admin_token
        self._writes = writes
        self._reads = reads
        self._result = reads.result
        # A prefix is the beginning of no other worker's: they end in a space.
        self._names = Names(f"reader-{name}", f"group-{name}", f"worker-{name} ", str(uuid4()))
        self._state = State({}, {}, {})
        self._token = self._token_id = ""

    async def begin(self) -> None:
        await self._write("POST", "/users", {"username": self._names.user})
        await self._write("POST", "/groups", {"name": self._names.group})
        self._note(await self._write("POST", "/tokens", {"username": self._names.user}))
        await self._write("PUT", f"/jobs/{self._names.job}", {"owner": self._names.user})
        await self._fill()

    async def _write(self, method: str, path: str, body: Any) -> Any:
        return _done(await self._writes.call(self._admin_token, method, path, body))

    def _note(self, made: Any) -> None:
        self._token, self._token_id = made["secret"], made["token"]["id"]

    async def _fill(self) -> None:
        """Prepare what changes take: some pipelines, and something that the group gives to who joins it."""
        while len(self._state.pipelines) < FEWEST:
            await self._change(states.make(self._state, self._names, self._chance))
        if not self._state.joined and not self._state.to_group:
            grant = states.set_for_group(self._state, self._names, self._chance)
            assert grant is not None
            await self._change(grant)

    async def _change(self, change: Change) -> None:
        answer = await self._write(change.method, change.path.format(token=self._token_id), change.body)
        if "secret" in answer:
            self._note(answer)
        state = change.after
        if states.NEW in state.pipelines:
            made = answer["pipeline"]["id"]
            state = replace(state, pipelines={made if k == states.NEW else k: v for k, v in state.pipelines.items()})
        self._state = state

    async def pair(self) -> None:
        """A list, which is kept or was; a change; and a list or an update that must know of it."""
        await self._fill()
        kind, change = states.choose(self._state, self._names, self._chance)
        if change.updates:
            await self._update_pair(kind, change)
            return
        before, listed = self._state.listed(), await self._list()
        if kind == EXPIRED:
            await self._expiry_pair(change)
            return
        await self._change(change)
        after, listed_after = self._state.listed(), await self._list()
        fresh = before == listed and after == listed_after
        self._result.count(kind, fresh=fresh, example=f"{listed_after} must be {after}; before it, {listed}, {before}")

    async def _list(self) -> Listed | None:
        """The list as it is answered; of an administrator's, what is the worker's own."""
        self._result.lists += 1
        status, answer = await self._reads.call(self._token, "GET", LIST)
        if status == 401:
            return None
        items = _done((status, answer))["pipelines"]
        only_own = self._state.role != "member"
        return {
            item["id"]: (item["name"], _access(item))
            for item in items
            if not only_own or item["name"].startswith(self._names.prefix)
        }

    async def _update_pair(self, kind: str, change: Change) -> None:
        _done(await self._update())  # so that what may be executed is kept
        await self._change(change)
        status, answer = await self._update(change.updates)
        may = self._state.may_call() and "execute" in self._state.access(change.updates)
        if status not in {200, 401, 403, 404}:
            _done((status, answer))
        self._result.count(kind, fresh=(status == 200) == may, example=f"{status} {answer}")

    async def _update(self, *pipelines: str) -> tuple[int, Any]:
        body = {"job_id": self._names.job, "pipeline_ids": pipelines}
        return await self._reads.call(self._token, "POST", UPDATE, body)

    async def _expiry_pair(self, change: Change) -> None:
        """Nothing changes between the lists. A pair that was overtaken by its expiry is not counted."""
        without = self._state
        expires_at = datetime.now(UTC) + timedelta(seconds=EXPIRES_IN)
        await self._change(replace(change, body={**change.body, "expires_at": expires_at.isoformat()}))
        with_it = [await self._list() for _ in range(2)]
        in_time = datetime.now(UTC) < expires_at
        await asyncio.sleep((expires_at - datetime.now(UTC)).total_seconds() + 0.01)
        listed = await self._list()
        if in_time:
            fresh = with_it == [self._state.listed()] * 2 and listed == without.listed()
            self._result.count(EXPIRED, fresh=fresh, example=f"{with_it}, then {listed}")
        await self._write("DELETE", change.path, None)
        self._state = without


def _access(item: dict[str, Any]) -> Access:
    names = [name.removeprefix("flow_pipeline:") for name in item["permissions"]]
    return frozenset(names + (["manager"] if item["is_manager"] else []))


@dataclass(frozen=True)
class Plan:
    """How many pairs, by how many workers at the same time, chosen by which seed."""

    pairs: int
    workers: int = 16
    seed: int = 1


async def prove(
    plan: Plan, dsn: str, writes: Service, reads: Service, stop: asyncio.Event, progress: Callable[[Result], None]
) -> Result:
    """Make the pairs, in organizations of their own.

    Args:
        dsn: of the owner of the database.
        writes: the replica that acknowledges the changes.
        reads: the one that answers after them.
        stop: set to end after the pairs that are under way.
        progress: called now and then.
    """
    result = Result()
    async with AsyncExitStack() as stack:
        raw = await asyncpg.connect(dsn)
        stack.push_async_callback(raw.close)
        admins = [
            await (await World.create(raw)).user("ada", role="admin") for _ in range(0, plan.workers, WORKERS_TOGETHER)
        ]
        replicas = []
        for service in (writes, reads):
            connector = aiohttp.TCPConnector(limit=0)
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
            replicas.append(Replica(session, service.api, result))

        def worker(number: int, generation: int) -> Worker:
            name, admin = f"{number}-{generation}", admins[number // WORKERS_TOGETHER]
            return Worker(name, random.Random(f"{plan.seed} {name}"), admin.token, *replicas)  # noqa: S311 - no secret

        before = await _lookups(replicas[1], reads)
        began = time.monotonic()
        tasks = [
            asyncio.create_task(_work(worker, number, _share(plan, number), stop, result))
            for number in range(plan.workers)
        ]
        while not all(task.done() for task in tasks):
            await asyncio.wait(tasks, timeout=1)
            result.seconds = time.monotonic() - began
            progress(result)
        await asyncio.gather(*tasks)
        after = await _lookups(replicas[1], reads)
        result.from_memory, result.outdated = after["hit"] - before["hit"], after["outdated"] - before["outdated"]
    return result


def _share(plan: Plan, number: int) -> int:
    return plan.pairs // plan.workers + (number < plan.pairs % plan.workers)


async def _work(
    new: Callable[[int, int], Worker], number: int, pairs: int, stop: asyncio.Event, result: Result
) -> None:
    """Make so many pairs, by one worker if all is answered."""
    generation = done = 0
    while done < pairs and not stop.is_set():
        try:
            worker = new(number, generation)
            await worker.begin()
            while done < pairs and not stop.is_set():
                await worker.pair()
                done += 1
        except (Unanswered, aiohttp.ClientError, TimeoutError):
            result.unanswered += 1
            generation += 1
        except Unexpected as error:
            result.failures.append(str(error))
            return


async def _lookups(replica: Replica, service: Service) -> dict[str, int]:
    """How many answers the replica has looked for in its memory, by what came of it."""
    async with replica.session.get(f"{service.operations}/metrics") as response:
        text = await response.text()
    found = re.findall(r'^flow_pipelines_response_cache_lookups_total\{result="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {result: int(float(number)) for result, number in found}
