"""Pairs: a change that one replica acknowledges, then a list or an update by another, which must reflect it."""

import asyncio
import random
import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import orjson

from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider
from tests.factories import World, bearer
from tests.freshness import state as states
from tests.freshness.state import EXPIRED, KINDS, MIN_PIPELINES, Access, Change, Listed, Names, State
from tests.process.running import Service

LIST: Final = "/flow/pipeline"
UPDATE: Final = "/jobs/pipelines"
EXPIRES_IN: Final = 1.5
"""Seconds."""
WORKERS_PER_ORGANIZATION: Final = 4
"""Workers that share an organization: within one, new, renamed and deleted pipelines wait for each other."""
MAX_ATTEMPTS: Final = 10
"""Attempts at a call that was not answered, or was aborted for another transaction."""


@dataclass
class Result:
    """The counts so far."""

    pairs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    stale: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    examples: list[str] = field(default_factory=list)
    unanswered: int = 0
    """Changes with an unknown outcome, after which the worker begins anew with another user."""
    failures: list[str] = field(default_factory=list)
    """Errors that ended a worker for good: the pairs before them count."""
    lists: int = 0
    repeated: int = 0
    from_memory: int = 0
    outdated: int = 0
    """Lists for which the cache had an entry of another state."""
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
    """One of the services, with persistent connections to it."""

    session: aiohttp.ClientSession
    api: str
    result: Result

    async def call(self, token: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Make a call, and retry it while the service is overloaded or aborted it, which has no effect.

        Raises:
            Unanswered: there were MAX_ATTEMPTS attempts.
        """
        data = None if body is None else orjson.dumps(body)
        for _ in range(MAX_ATTEMPTS):
            async with self.session.request(
                method, f"{self.api}/api/v1{path}", data=data, headers=bearer(token)
            ) as response:
                status, answer = response.status, orjson.loads(await response.read())
            if not (status in {503, 504} and method == "GET") and answer.get("code") != "ABORTED":
                return status, answer
            self.result.repeated += 1
        raise Unanswered(answer)


class Unexpected(Exception):
    """An answer that is wrong, and says nothing about freshness."""


class Unanswered(Exception):
    """A call without an answer in time: the machine is too slow for the number of workers."""


def _done(called: tuple[int, Any]) -> Any:
    status, answer = called
    if status >= 500:
        raise Unanswered(answer)
    if status >= 300:
        raise Unexpected(f"{status} {answer}")
    return answer


class Worker:
    """A user with a token, a group, a job and pipelines that no other worker touches, so that its state is exact."""

    kinds: ClassVar = KINDS

    def __init__(self, name: str, chance: random.Random, admin_token: str, writer: Replica, reader: Replica) -> None:
        self._chance = chance
        self._admin_token = admin_token
        self._writer = writer
        self._reader = reader
        self._result = reader.result
        # No prefix is the beginning of another worker's: each ends in a space.
        self._names = Names(f"reader-{name}", f"group-{name}", f"worker-{name} ", str(uuid4()))
        self._state = State({}, {}, {})
        self._token = self._token_id = ""

    async def begin(self) -> None:
        await self._write("POST", "/users", {"username": self._names.user})
        await self._write("POST", "/groups", {"name": self._names.group})
        await self._let_in()
        await self._write("PUT", f"/jobs/{self._names.job}", {"owner": self._names.user})
        await self._fill()

    async def _let_in(self) -> None:
        self._note(await self._write("POST", "/tokens", {"username": self._names.user}))

    async def _write(self, method: str, path: str, body: Any) -> Any:
        return _done(await self._writer.call(self._admin_token, method, path, body))

    def _note(self, made: Any) -> None:
        self._token, self._token_id = made["secret"], made["token"]["id"]

    async def _fill(self) -> None:
        """Create what changes need: some pipelines, and a grant to the group, for those who join it."""
        while len(self._state.pipelines) < MIN_PIPELINES:
            await self._change(states.make(self._state, self._names, self._chance))
        if not self._state.joined and not self._state.claimed and not self._state.to_group:
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
        """Request a list, to fill the cache; make a change; then request a list or an update that must reflect it."""
        await self._fill()
        kind, change = states.choose(self._state, self._names, self._chance, self.kinds)
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
        """Return the list as it is answered; of an administrator's list, the part that is the worker's own."""
        self._result.lists += 1
        status, answer = await self._reader.call(self._token, "GET", LIST)
        if status == 401:
            return None
        items = _done((status, answer))["pipelines"]
        only_own = self._state.sees_all
        return {
            item["id"]: (item["name"], _access(item))
            for item in items
            if not only_own or item["name"].startswith(self._names.prefix)
        }

    async def _update_pair(self, kind: str, change: Change) -> None:
        _done(await self._update())  # so that the permission to execute is cached
        await self._change(change)
        status, answer = await self._update(change.updates)
        may = self._state.may_call() and "execute" in self._state.access(change.updates)
        if status not in {200, 401, 403, 404}:
            _done((status, answer))
        self._result.count(kind, fresh=(status == 200) == may, example=f"{status} {answer}")

    async def _update(self, *pipelines: str) -> tuple[int, Any]:
        body = {"job_id": self._names.job, "pipeline_ids": pipelines}
        return await self._reader.call(self._token, "POST", UPDATE, body)

    async def _expiry_pair(self, change: Change) -> None:
        """Let a grant expire between lists, without a change; a pair whose grant expired too early is not counted."""
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


GENERATIONS: Final = 3
"""Users that a worker may begin anew with where claims are mapped to their groups: settings name these at the start."""


def provider_settings(provider: IdentityProvider, workers: int) -> dict[str, str]:
    """Return the settings of replicas that take the provider's tokens, for so many workers."""
    names = [f"group-{number}-{generation}" for number in range(workers) for generation in range(GENERATIONS)]
    mapped = orjson.dumps({f"/{name}": name for name in names}).decode()
    issuer = {"OIDC_ISSUER": provider.issuer, "OIDC_AUDIENCE": AUDIENCE}
    return {**issuer, "OIDC_GROUPS": mapped, "OIDC_ROLES": "boss=pipeline_admin"}


@dataclass
class Links:
    """Links of subjects to users, changed in the database: no call does that."""

    raw: "asyncpg.Connection[asyncpg.Record]"
    turn: asyncio.Lock

    async def execute(self, statement: str, *arguments: object) -> None:
        async with self.turn:
            await self.raw.execute(statement, *arguments)


@dataclass(frozen=True)
class Person:
    """The place of an identity worker's user: at which provider, by whose links, and in which organization."""

    provider: IdentityProvider
    links: Links
    organization_id: UUID


class IdentityWorker(Worker):
    """A worker whose user comes by tokens of an identity provider."""

    kinds = states.IDENTITY_KINDS

    def __init__(self, person: Person, *of_worker: Any) -> None:
        super().__init__(*of_worker)
        self._person = person
        self._subject, self._link_id = str(uuid4()), uuid4()

    async def _let_in(self) -> None:
        await self._link()
        self._claim()

    def _claim(self) -> None:
        groups = [f"/{self._names.group}"] if self._state.claimed else []
        roles = ["boss"] if self._state.claims_role else []
        self._token = self._person.provider.token(
            self._subject, groups=groups, roles=roles, exp=int(time.time()) + 86_400
        )

    async def _link(self) -> None:
        await self._person.links.execute(
            """
            INSERT INTO identity_links (organization_id, id, user_id, issuer, subject)
            SELECT u.organization_id, $5, u.id, $3, $4
            FROM users u WHERE u.organization_id = $1 AND u.username = $2
            """,
            *(
                self._person.organization_id,
                self._names.user,
                self._person.provider.issuer,
                self._subject,
                self._link_id,
            ),
        )

    async def _change(self, change: Change) -> None:
        if change.method == states.LINK:
            await self._link()
        elif change.method == states.UNLINK:
            await self._person.links.execute("DELETE FROM identity_links WHERE subject = $1", self._subject)
        elif change.method != states.CLAIM:
            await super()._change(change)
            return
        self._state = change.after
        if change.method == states.CLAIM:
            self._claim()


def _access(item: dict[str, Any]) -> Access:
    names = [name.removeprefix("flow_pipeline:") for name in item["permissions"]]
    return frozenset(names + (["manager"] if item["is_manager"] else []))


@dataclass(frozen=True)
class Plan:
    """The number of pairs and of concurrent workers, and the seed of the choice of changes."""

    pairs: int
    workers: int = 16
    seed: int = 1
    provider: IdentityProvider | None = None
    """The identity provider whose tokens the workers' users come by; None: by tokens of the service's own."""


async def run_pairs(
    plan: Plan, dsn: str, writer: Service, reader: Service, stop: asyncio.Event, progress: Callable[[Result], None]
) -> Result:
    """Run the pairs, in organizations of their own.

    Args:
        plan: the pairs.
        dsn: the address of the database, for its owner.
        writer: the replica that acknowledges the changes.
        reader: the replica that answers after them.
        stop: set to end after the pairs in progress.
        progress: called about once a second.
    """
    result = Result()
    if plan.provider is not None:
        result.pairs, result.stale = (dict.fromkeys(states.IDENTITY_KINDS, 0) for _ in range(2))
    async with AsyncExitStack() as stack:
        raw = await asyncpg.connect(dsn)
        stack.push_async_callback(raw.close)
        worlds = [await World.create(raw) for _ in range(0, plan.workers, WORKERS_PER_ORGANIZATION)]
        admins = [await world.user("ada", role="admin") for world in worlds]
        links = Links(raw, asyncio.Lock())
        replicas = []
        for service in (writer, reader):
            connector = aiohttp.TCPConnector(limit=0)
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
            replicas.append(Replica(session, service.api, result))

        def worker(number: int, generation: int) -> Worker:
            name, place = f"{number}-{generation}", number // WORKERS_PER_ORGANIZATION
            chance = random.Random(f"{plan.seed} {name}")  # noqa: S311 - no secret
            if plan.provider is None:
                return Worker(name, chance, admins[place].token, *replicas)
            if generation >= GENERATIONS:
                raise Unexpected("too many calls were not answered: no group is mapped for another user")
            person = Person(plan.provider, links, worlds[place].id)
            return IdentityWorker(person, name, chance, admins[place].token, *replicas)

        before = await _lookups(replicas[1], reader)
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
        after = await _lookups(replicas[1], reader)
        result.from_memory, result.outdated = after["hit"] - before["hit"], after["outdated"] - before["outdated"]
    return result


def _share(plan: Plan, number: int) -> int:
    return plan.pairs // plan.workers + (number < plan.pairs % plan.workers)


async def _work(
    new: Callable[[int, int], Worker], number: int, pairs: int, stop: asyncio.Event, result: Result
) -> None:
    """Run so many pairs, by one worker if every call is answered."""
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
    """Return the replica's counts of cache lookups, by their result."""
    async with replica.session.get(f"{service.operations}/metrics") as response:
        text = await response.text()
    found = re.findall(r'^flow_pipelines_response_cache_lookups_total\{result="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {result: int(float(number)) for result, number in found}
