"""Tenant isolation: two organizations call for each other's resources; neither may see or change any of the other's."""

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
from tests.faults.harness.fault import Fault, Outcome
from tests.process.running import running_service

MARKERS: Final = ("northmark", "southmark")
"""The prefix of every name in an organization."""
CLIENTS: Final = 4
"""Concurrent clients of each organization."""
SHARE_ALONE: Final = 0.1
"""The share of its calls that each makes while the other makes none, so that no row of the other may change."""
UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TABLES: Final = (
    *("organizations", "users", "groups", "memberships", "tokens", "pipelines", "user_grants", "group_grants"),
    *("jobs", "assignments", "audit"),
)
PERMISSIONS: Final = tuple(
    f"flow_pipeline:{name}" for name in ("read", "execute", "write", "delete", "manage_pipelines")
)


@dataclass
class Tenant:
    """One organization, and what it may know."""

    marker: str
    world: World
    callers: tuple[Member, ...]
    names: dict[str, list[str]]
    """The names of its resources, by the parameter of paths."""
    ids: set[str]
    """All ids that it was ever given."""
    adopted_names: set[str] = field(default_factory=set)
    """Names of the other's resources that it has given to its own."""


def call_across_tenants(directory: Path, times: int, module: str = "service") -> Outcome:
    """Make so many random calls by each of two organizations, for resources of both."""
    with embedded_postgres(directory / "postgres", ("-c", "fsync=off")) as dsn:
        asyncio.run(migrate(dsn))
        with running_service(directory, dsn.replace("//postgres@", f"//{SERVICE_ROLE}@"), module=module) as service:
            calls = asyncio.run(_call_across_tenants(dsn, service.api, times))
    statuses = ", ".join(f"{count:,} x {status}" for status, count in sorted(calls.statuses.items()))
    return Outcome(sum(calls.statuses.values()), tuple(calls.violations), statuses)


async def _call_across_tenants(dsn: str, api: str, times: int) -> "_Calls":
    raw = await asyncpg.connect(dsn)
    tenants = (await _create_tenant(raw, MARKERS[0]), await _create_tenant(raw, MARKERS[1]))
    alone = round(times * SHARE_ALONE)
    async with aiohttp.ClientSession() as session:
        calls = _Calls(session, api, tenants)
        together = -(-(times - alone) // CLIENTS)
        await asyncio.gather(*(calls.make(tenant, together, client) for tenant in (0, 1) for client in range(CLIENTS)))
        for number, other in ((0, tenants[1]), (1, tenants[0])):
            before = await _snapshot(raw, other)
            await calls.make(number, alone, CLIENTS)
            after = await _snapshot(raw, other)
            calls.violations += [f"{name} of {other.marker} changed" for name in TABLES if before[name] != after[name]]
    for tenant in tenants:
        foreign_actors = await raw.fetchval(
            "SELECT count(*) FROM audit WHERE organization_id = $1 AND actor_id NOT IN"
            " (SELECT id FROM users WHERE organization_id = $1)",
            tenant.world.id,
        )
        if foreign_actors:
            calls.violations.append(f"{foreign_actors} changes of {tenant.marker} by others")
    await raw.close()
    return calls


async def _create_tenant(raw: "asyncpg.Connection[asyncpg.Record]", marker: str) -> Tenant:
    world = await World.create(raw)
    callers = [await world.user(f"{marker}-admin", role="admin")]
    callers += [await world.user(f"{marker}-boss", role="pipeline_admin")]
    callers += [await world.user(f"{marker}-member-{number}") for number in range(2)]
    users = [await world.user(f"{marker}-user-{number}") for number in range(4)]
    groups = [await world.group(*users[:2], callers[2], name=f"{marker}-group-{number}") for number in range(3)]
    pipelines = [await world.pipeline(f"{marker} pipeline {number}") for number in range(8)]
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
        "name": [f"{marker}-group-{number}" for number in range(3)],
        "token_id": [str(row["id"]) for row in tokens],
    }
    ids = {*names["pipeline_id"], *jobs, *names["token_id"], str(world.id), *map(str, groups)}
    return Tenant(marker, world, tuple(callers), names, ids | {str(user.id) for user in (*callers, *users)})


async def _snapshot(raw: "asyncpg.Connection[asyncpg.Record]", tenant: Tenant) -> dict[str, Any]:
    """Return all rows of an organization, by table."""
    return {
        table: await raw.fetch(
            f"SELECT t::text FROM {table} t WHERE {'id' if table == 'organizations' else 'organization_id'} = $1"
            " ORDER BY 1",
            tenant.world.id,
        )
        for table in TABLES
    }


class _Calls:
    """Random calls, whose responses are checked for the other organization's data."""

    def __init__(self, session: aiohttp.ClientSession, api: str, tenants: tuple[Tenant, Tenant]) -> None:
        self._session = session
        self._api = api
        self._tenants = tenants
        self.violations: list[str] = []
        self.statuses: Counter[int] = Counter()

    async def make(self, tenant: int, times: int, client: int) -> None:
        """Make so many calls by one organization."""
        chance = random.Random(f"{tenant} {client}")  # noqa: S311 - no secret
        for _ in range(times):
            await self._call(self._tenants[tenant], self._tenants[1 - tenant], chance)

    async def _call(self, own: Tenant, other: Tenant, chance: random.Random) -> None:
        route = chance.choice(ROUTES)
        caller = chance.choices(own.callers, (6, 2, 2, 2))[0]
        names = {name: self._choose(own, other, name, chance) for name in own.names}
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
            self.violations.append(f"{call} failed: {text[-600:]}")
        asked = {*names.values(), *_texts(body), *query.values()}
        if done:
            if answer.status == 201:
                own.adopted_names |= {name for name in asked if name.startswith(other.marker) or name in other.ids}
            own.ids |= {found for found in UUID.findall(text) if found not in other.ids}
        self._check(own, other, asked, text, call, done=done)

    def _choose(self, own: Tenant, other: Tenant, name: str, chance: random.Random) -> str:
        tenant = other if chance.random() < 0.4 else own
        return chance.choice(tenant.names[name])

    def _check(self, own: Tenant, other: Tenant, asked: Iterable[str], text: str, call: str, *, done: bool) -> None:
        """Check that a response has none of the other's data but names in the request, and that no call finds these."""
        disclosed = text
        for name in sorted({*asked, *own.adopted_names}, key=len, reverse=True):
            disclosed = disclosed.replace(name, "")
        leaked = [found for found in UUID.findall(disclosed) if found in other.ids and found not in own.ids]
        if other.marker in disclosed or leaked:
            self.violations.append(f"{call} disclosed {leaked or other.marker}: {text[-600:]}")
        addressed = [name for name in UUID.findall(call.partition("{")[0]) if name in other.ids and name not in own.ids]
        if done and addressed and not set(addressed) & own.adopted_names:
            self.violations.append(f"{call} succeeded on {addressed}: {text[-600:]}")


def _query(route: Route, names: Mapping[str, str], chance: random.Random) -> dict[str, str]:
    """Return a query with a filter or two by name."""
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
        values["name"] = chance.choice(MARKERS)
    chosen = [key for key in fields if key in values and chance.random() < 0.4]
    return {key: values[key] for key in chosen}


def _body(route: Route, own: Tenant, names: Mapping[str, str], chance: random.Random) -> dict[str, Any] | None:
    fields = {key for key, place in route.places.items() if place == "body"}
    if not fields:
        return None
    new = f"{own.marker}-{chance.randrange(30)}"
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
        "add": [names["username"]],
        "remove": [chance.choice(own.names["username"])],
        "atomic": chance.random() < 0.5,
    }
    values["updates"] = [{key: values[key] for key in ("job_id", "pipeline_ids")}]
    values["grants"] = [{"user": names["username"], "permissions": values["permissions"]}]
    needed = {
        "job_id",
        "pipeline_ids",
        "permissions",
        "updates",
        "grants",
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
        description="two organizations ask for each other's things",
        guarantee="nothing of the other's is told, and nothing of it changed",
        run=call_across_tenants,
        times=10_000,
        without="the organization in one statement",
        control=partial(call_across_tenants, module=without_tenant_filter.MODULE),
        control_times=500,
    ),
)
