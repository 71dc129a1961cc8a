"""Workers: users whose lists must reflect each change that one replica acknowledges, by what another one answers."""

import asyncio
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import uuid4

import aiohttp
import orjson

from tests.factories import bearer
from tests.freshness import state as states
from tests.freshness.state import EXPIRED, KINDS, MIN_PIPELINES, Access, Change, Listed, Names, State

LIST: Final = "/flow/pipeline"
UPDATE: Final = "/jobs/pipelines"
EXPIRES_IN: Final = 1.5
"""Seconds."""
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

    @property
    def scim(self) -> str:
        """The address of SCIM, by which an identity provider provisions."""
        return f"{self.api}/scim/v2"

    async def call(self, token: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Make a call, and retry it while the service is overloaded or aborted it, which has no effect.

        The path is one of the API's, or a whole address.

        Raises:
            Unanswered: there were MAX_ATTEMPTS attempts.
        """
        data = None if body is None else orjson.dumps(body)
        url = path if path.startswith("http") else f"{self.api}/api/v1{path}"
        for _ in range(MAX_ATTEMPTS):
            async with self.session.request(method, url, data=data, headers=bearer(token)) as response:
                status, answer = response.status, orjson.loads(await response.read() or b"{}")
            if not (status in {503, 504} and method == "GET") and not _is_aborted(status, answer):
                return status, answer
            self.result.repeated += 1
        raise Unanswered(answer)


def _is_aborted(status: int, answer: dict[str, Any]) -> bool:
    """Return whether another transaction was in the way; SCIM says of every other conflict which it is."""
    return answer.get("code") == "ABORTED" or (status == 409 and "schemas" in answer and "scimType" not in answer)


class Unexpected(Exception):
    """An answer that is wrong, and says nothing about freshness."""


class Unanswered(Exception):
    """A call without an answer in time: the machine is too slow for the number of workers."""


def done(called: tuple[int, Any]) -> Any:
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
        await self._make_people()
        await self._let_in()
        await self._write("PUT", f"/jobs/{self._names.job}", {"owner": self._names.user})
        await self._fill()

    async def _make_people(self) -> None:
        await self._write("POST", "/users", {"username": self._names.user})
        await self._write("POST", "/groups", {"name": self._names.group})

    async def _let_in(self) -> None:
        self._note(await self._write("POST", "/tokens", {"username": self._names.user}))

    async def _write(self, method: str, path: str, body: Any) -> Any:
        return done(await self._writer.call(self._admin_token, method, path, body))

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
        items = done((status, answer))["pipelines"]
        only_own = self._state.sees_all
        return {
            item["id"]: (item["name"], _access(item))
            for item in items
            if not only_own or item["name"].startswith(self._names.prefix)
        }

    async def _update_pair(self, kind: str, change: Change) -> None:
        done(await self._update())  # so that the permission to execute is cached
        await self._change(change)
        status, answer = await self._update(change.updates)
        may = self._state.may_call() and "execute" in self._state.access(change.updates)
        if status not in {200, 401, 403, 404}:
            done((status, answer))
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


def _access(item: dict[str, Any]) -> Access:
    names = [name.removeprefix("flow_pipeline:") for name in item["permissions"]]
    return frozenset(names + (["manager"] if item["is_manager"] else []))
