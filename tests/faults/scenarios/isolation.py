"""Two organizations that ask for each other's things all the time: nothing of the one may come to, or by, the other."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import asyncpg
import orjson

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from service.http.routes import ROUTES, Route
from service.permissions import EXECUTE, MANAGER, READ
from tests.api.sample import sample_path
from tests.factories import Member, World
from tests.faults.controls import without_tenant_filter
from tests.faults.harness.fault import Fault, Seen
from tests.process.running import running_service

MARKS: Final = ("northmark", "southmark")
"""What every name of an organization begins with."""
CLIENTS: Final = 4
"""Of each organization, at the same time."""
ALONE: Final = 0.1
"""The part of its calls that each makes while the other makes none, so that nothing of the other's may change."""
UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TABLES: Final = (
    *("organizations", "users", "groups", "memberships", "tokens", "pipelines", "user_grants", "group_grants"),
    *("jobs", "assignments", "audit"),
)
PERMISSIONS: Final = tuple(
    f"flow_pipeline:{name}" for name in ("read", "execute", "write", "delete", "manage_pipelines")
)


@dataclass
class Side:
    """One organization."""

    mark: str
    world: World
    callers: tuple[Member, ...]
    names: dict[str, list[str]]
    """What there is, by the parameter that names it."""
    ids: set[str]
    """All that were ever told to it."""
    also_own: set[str] = field(default_factory=set)
    """Names of the other's that it has given to things of its own."""


def between(directory: Path, times: int, module: str = "service") -> Seen:
    """So many random calls by each of two organizations, each about things of both."""
    with embedded_postgres(directory / "postgres", ("-c", "fsync=off")) as dsn:
        asyncio.run(migrate(dsn))
        with running_service(directory, dsn.replace("//postgres@", f"//{SERVICE_ROLE}@"), module=module) as service:
            calls = asyncio.run(_between(dsn, service.api, times))
    told = ", ".join(f"{count:,} x {status}" for status, count in sorted(calls.statuses.items()))
    return Seen(sum(calls.statuses.values()), tuple(calls.broken), told)


async def _between(dsn: str, api: str, times: int) -> "_Calls":
    raw = await asyncpg.connect(dsn)
    sides = (await _side(raw, MARKS[0]), await _side(raw, MARKS[1]))
    alone = round(times * ALONE)
    async with aiohttp.ClientSession() as session:
        calls = _Calls(session, api, sides)
        together = -(-(times - alone) // CLIENTS)
        await asyncio.gather(*(calls.make(side, together, client) for side in (0, 1) for client in range(CLIENTS)))
        for number, other in ((0, sides[1]), (1, sides[0])):
            before = await _everything(raw, other)
            await calls.make(number, alone, CLIENTS)
            after = await _everything(raw, other)
            calls.broken += [f"{name} of {other.mark} changed" for name in TABLES if before[name] != after[name]]
    for side in sides:
        strangers = await raw.fetchval(
            "SELECT count(*) FROM audit WHERE organization_id = $1 AND actor_id NOT IN"
            " (SELECT id FROM users WHERE organization_id = $1)",
            side.world.id,
        )
        if strangers:
            calls.broken.append(f"{strangers} changes of {side.mark} by others")
    await raw.close()
    return calls


async def _side(raw: "asyncpg.Connection[asyncpg.Record]", mark: str) -> Side:
    world = await World.create(raw)
    callers = [await world.user(f"{mark}-admin", role="admin"), await world.user(f"{mark}-boss", role="pipeline_admin")]
    callers += [await world.user(f"{mark}-member-{number}") for number in range(2)]
    users = [await world.user(f"{mark}-user-{number}") for number in range(4)]
    groups = [await world.group(*users[:2], callers[2], name=f"{mark}-group-{number}") for number in range(3)]
    pipelines = [await world.pipeline(f"{mark} pipeline {number}") for number in range(8)]
    for pipeline in pipelines[:4]:
        await world.grant(pipeline, callers[2], EXECUTE)
        await world.grant(pipeline, groups[0], READ)
        await world.grant(pipeline, callers[3], MANAGER | 31)
    jobs = [
        await world.job(callers[number % 4], *pipelines[number : number + 2], job_id=str(uuid4()))
        for number in range(8)
    ]
    tokens = await raw.fetch("SELECT id FROM tokens WHERE user_id = ANY ($1)", [user.id for user in users])
    names = {
        "pipeline_id": list(map(str, pipelines)),
        "job_id": jobs,
        "username": [user.username for user in (*callers, *users)],
        "name": [f"{mark}-group-{number}" for number in range(3)],
        "token_id": [str(row["id"]) for row in tokens],
    }
    ids = {*names["pipeline_id"], *jobs, *names["token_id"], str(world.id), *map(str, groups)}
    return Side(mark, world, tuple(callers), names, ids | {str(user.id) for user in (*callers, *users)})


async def _everything(raw: "asyncpg.Connection[asyncpg.Record]", side: Side) -> dict[str, Any]:
    """All rows of an organization, by table."""
    return {
        table: await raw.fetch(
            f"SELECT t::text FROM {table} t WHERE {'id' if table == 'organizations' else 'organization_id'} = $1"
            " ORDER BY 1",
            side.world.id,
        )
        for table in TABLES
    }


class _Calls:
    """Makes calls, and holds each answer against what the other organization has."""

    def __init__(self, session: aiohttp.ClientSession, api: str, sides: tuple[Side, Side]) -> None:
        self._session = session
        self._api = api
        self._sides = sides
        self.broken: list[str] = []
        self.statuses: Counter[int] = Counter()

    async def make(self, side: int, times: int, client: int) -> None:
        """So many calls by one organization."""
        chance = random.Random(f"{side} {client}")  # noqa: S311 - no secret
        for _ in range(times):
            await self._call(self._sides[side], self._sides[1 - side], chance)

    async def _call(self, own: Side, other: Side, chance: random.Random) -> None:
        route = chance.choice(ROUTES)
        caller = chance.choices(own.callers, (6, 2, 2, 2))[0]
        names = {name: self._chosen(own, other, name, chance) for name in own.names}
        path = sample_path(route.path, **{name: quote(value) for name, value in names.items()})
        query = _query(route, names, chance) if route.only_reads or chance.random() < 0.1 else {}
        body = _body(route, own, names, chance)
        data = None if body is None else orjson.dumps(body)
        async with self._session.request(
            route.method, self._api + path, params=query, data=data, headers=caller.headers
        ) as answer:
            text = f"{'; '.join(f'{name}: {value}' for name, value in answer.headers.items())} {await answer.text()}"
            self.statuses[answer.status] += 1
            done, failed = answer.status < 300, answer.status >= 500
        call = f"{route.method} {path} {query} {body} by {caller.username}"
        if failed:
            self.broken.append(f"{call} failed: {text[-600:]}")
        asked = {*names.values(), *_texts(body), *query.values()}
        if done:
            if answer.status == 201:
                own.also_own |= {name for name in asked if name.startswith(other.mark) or name in other.ids}
            own.ids |= {found for found in UUID.findall(text) if found not in other.ids}
        self._judge(own, other, asked, text, call, done=done)

    def _chosen(self, own: Side, other: Side, name: str, chance: random.Random) -> str:
        side = other if chance.random() < 0.4 else own
        return chance.choice(side.names[name])

    def _judge(self, own: Side, other: Side, asked: Iterable[str], text: str, call: str, *, done: bool) -> None:
        """Nothing of the other's may be told, but for what was asked itself; and what was asked must not be there."""
        told = text
        for name in sorted({*asked, *own.also_own}, key=len, reverse=True):
            told = told.replace(name, "")
        leaked = [found for found in UUID.findall(told) if found in other.ids and found not in own.ids]
        if other.mark in told or leaked:
            self.broken.append(f"{call} was told {leaked or other.mark}: {text[-600:]}")
        addressed = [name for name in UUID.findall(call.partition("{")[0]) if name in other.ids and name not in own.ids]
        if done and addressed and not set(addressed) & own.also_own:
            self.broken.append(f"{call} was done to {addressed}: {text[-600:]}")


def _query(route: Route, names: Mapping[str, str], chance: random.Random) -> dict[str, str]:
    """A filter or two by names."""
    known = {"owner": "username", "actor": "username", "username": "username"}
    fields = [key for key, place in route.places.items() if place == "query"]
    values = {
        **{key: names[known.get(key, key)] for key in fields if known.get(key, key) in names},
        "permission": chance.choice(PERMISSIONS),
        "target": f"pipeline:{names['pipeline_id']}",
        "force": "true",
        "page_size": str(chance.choice((1, 5, 100))),
    }
    if "name" in fields:
        values["name"] = chance.choice(MARKS)
    chosen = [key for key in fields if key in values and chance.random() < 0.4]
    return {key: values[key] for key in chosen}


def _body(route: Route, own: Side, names: Mapping[str, str], chance: random.Random) -> dict[str, Any] | None:
    fields = {key for key, place in route.places.items() if place == "body"}
    if not fields:
        return None
    new = f"{own.mark}-{chance.randrange(30)}"
    values = {
        "job_id": names["job_id"],
        "pipeline_ids": [names["pipeline_id"], chance.choice(own.names["pipeline_id"])][: chance.randint(0, 2)],
        "name": new,
        "new_name": new,
        "description": new,
        "username": names["username"] if route.path.endswith("/tokens") else new,
        "owner": names["username"],
        "permissions": chance.sample(PERMISSIONS, 2),
        "is_manager": chance.random() < 0.2,
        "role": "member",
        "scopes": [PERMISSIONS[0]],
        "disabled": False,
    }
    needed = {
        "job_id",
        "pipeline_ids",
        "permissions",
        "username" if route.path.endswith("/users") else "name",
        "new_name",
    }
    chosen = {key for key in fields if key in values and (key in needed or chance.random() < 0.3)}
    return {key: values[key] for key in chosen}


def _texts(body: dict[str, Any] | None) -> list[str]:
    flat: list[str] = []
    for value in (body or {}).values():
        flat += [str(each) for each in value] if isinstance(value, list) else [str(value)]
    return [text for text in flat if len(text) > 6]


FAULTS: Final = (
    Fault(
        name="isolation",
        what="two organizations ask for each other's things",
        promise="nothing of the other's is told, and nothing of it changed",
        run=between,
        times=10_000,
        without="the organization in one statement",
        control=partial(between, module=without_tenant_filter.MODULE),
        control_times=500,
    ),
)
