"""Tenant isolation: two organizations call for each other's resources; neither may see or change any of the other's."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
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
from service.http.routes import ROUTES, USER, Route
from service.operations.apply import apply
from service.permissions import EXECUTE, MANAGER, READ
from tests.api.sample import SAMPLES, sample_path
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
TABLES: Final = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.attname = 'organization_id' AND c.relname <> 'audit_seals' ORDER BY 1
"""
"""The tables of what organizations have, but that of seals, which the service makes unasked."""
NAMES: Final = {
    "pipeline_id": "SELECT id FROM pipelines WHERE organization_id = $1 ORDER BY created_at DESC LIMIT 12",
    "job_id": "SELECT id FROM jobs WHERE organization_id = $1",
    "username": "SELECT username FROM users WHERE organization_id = $1",
    "name": "SELECT name FROM groups WHERE organization_id = $1 ORDER BY created_at DESC LIMIT 12",
    "token_id": "SELECT t.id FROM tokens t JOIN users u ON u.organization_id = $1 AND u.id = t.user_id"
    " WHERE t.organization_id = $1 AND t.revoked_at IS NULL AND u.username <> ALL ($2)",
    "id": "SELECT id FROM audit WHERE organization_id = $1 ORDER BY id DESC LIMIT 40",
}
"""Statements that read what there is, of much the newest, by the parameter of paths.

$2 are the callers, whose tokens are left to them.
"""
GRANTED: Final = """
    SELECT t.pipeline_id, 'name' AS parameter, g.name FROM group_grants t JOIN groups g
        ON g.organization_id = $1 AND g.id = t.group_id WHERE t.organization_id = $1
    UNION ALL SELECT t.pipeline_id, 'username', u.username FROM user_grants t JOIN users u
        ON u.organization_id = $1 AND u.id = t.user_id WHERE t.organization_id = $1
"""
"""The grants that there are, which names that are drawn by themselves would hardly meet."""
LEARN_EVERY: Final = 25
"""Calls after which a client reads what there is: what was deleted teaches nothing more."""
ENOUGH: Final = 150
"""Calls of a row by which it must have succeeded once, or nothing would be known of it."""
NEEDS_A_SEAL: Final = "/api/v1/audit/{id}/proof"
"""The address that has nothing before its time: seals are made of what is older than this takes."""
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
    granted: list[dict[str, str]] = field(default_factory=list)
    """The names of each grant, by the parameter of paths."""
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
        calls = _Calls(session, api, tenants, raw)
        together = -(-(times - alone) // CLIENTS)
        await asyncio.gather(*(calls.make(tenant, together, client) for tenant in (0, 1) for client in range(CLIENTS)))
        for number, other in ((0, tenants[1]), (1, tenants[0])):
            before = await _snapshot(raw, other)
            await calls.make(number, alone, CLIENTS)
            after = await _snapshot(raw, other)
            calls.violations += [f"{name} of {other.marker} changed" for name in before if before[name] != after[name]]
    for tenant in tenants:
        foreign_actors = await raw.fetchval(
            "SELECT count(*) FROM audit WHERE organization_id = $1 AND actor_id NOT IN (SELECT id FROM users"
            " WHERE organization_id = $1 UNION ALL SELECT id FROM deleted_users WHERE organization_id = $1)",
            tenant.world.id,
        )
        if foreign_actors:
            calls.violations.append(f"{foreign_actors} changes of {tenant.marker} by others")
    calls.violations += calls.proving_nothing()
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
    ids = {
        str(world.id),
        *map(str, groups),
        *map(str, pipelines),
        *jobs,
        *(str(user.id) for user in (*callers, *users)),
    }
    tenant = Tenant(marker, world, tuple(callers), {}, ids)
    await _learn(raw, tenant)
    return tenant


async def _learn(raw: "asyncpg.Connection[asyncpg.Record]", tenant: Tenant) -> None:
    """Read the names of what an organization has; where nothing is left, those from before are known."""
    callers = [caller.username for caller in tenant.callers]
    for name, statement in NAMES.items():
        of_callers = [callers] if "$2" in statement else []
        known = [str(row[0]) for row in await raw.fetch(statement, tenant.world.id, *of_callers)]
        tenant.names[name] = known or tenant.names.get(name) or [SAMPLES[name]]
        tenant.ids.update(filter(UUID.fullmatch, tenant.names[name]))
    granted = await raw.fetch(GRANTED, tenant.world.id)
    tenant.granted = [{"pipeline_id": str(pipeline), parameter: name} for pipeline, parameter, name in granted]


async def _snapshot(raw: "asyncpg.Connection[asyncpg.Record]", tenant: Tenant) -> dict[str, Any]:
    """Return all rows of an organization, by table, but for when tokens were used, which is written later."""
    tables = ["organizations", *(row["relname"] for row in await raw.fetch(TABLES))]
    return {
        table: await raw.fetch(
            f"SELECT to_jsonb(t) - 'last_used_at' FROM {table} t"
            f" WHERE {'id' if table == 'organizations' else 'organization_id'} = $1 ORDER BY 1",
            tenant.world.id,
        )
        for table in tables
    }


class _Calls:
    """Random calls, whose responses are checked for the other organization's data."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api: str,
        tenants: tuple[Tenant, Tenant],
        raw: "asyncpg.Connection[asyncpg.Record]",
    ) -> None:
        self._session = session
        self._api = api
        self._tenants = tenants
        self._raw = raw
        self._reading = asyncio.Lock()
        self.violations: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._made: Counter[str] = Counter()
        self._succeeded: Counter[str] = Counter()

    async def make(self, tenant: int, times: int, client: int) -> None:
        """Make so many calls by one organization."""
        chance = random.Random(f"{tenant} {client}")  # noqa: S311 - no secret
        for number in range(times):
            if number % LEARN_EVERY == 0:
                async with self._reading:
                    await _learn(self._raw, self._tenants[tenant])
            await self._call(self._tenants[tenant], self._tenants[1 - tenant], chance)

    def proving_nothing(self) -> list[str]:
        """Return the rows that were called often and have never succeeded, as sentences."""
        return [
            f"{row} never succeeded in {made} calls, which proves nothing"
            for row, made in self._made.items()
            if made >= ENOUGH and not self._succeeded[row] and not row.endswith(NEEDS_A_SEAL)
        ]

    async def _call(self, own: Tenant, other: Tenant, chance: random.Random) -> None:
        route = chance.choice(ROUTES)
        caller = chance.choices(own.callers, (6, 2, 2, 2))[0]
        # Callers stay who they are, or soon nobody would be left to call.
        spared = {each.username for each in own.callers} if route.path == USER and not route.only_reads else set[str]()
        names = {name: self._choose(own, other, name, chance, spared) for name in own.names}
        granted = [each for each in own.granted if all(f"{{{name}}}" in route.path for name in each)]
        if granted and chance.random() < 0.3:
            names |= chance.choice(granted)
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
            self._made[f"{route.method} {route.path}"] += 1
            self._succeeded[f"{route.method} {route.path}"] += done
        call = f"{route.method} {path} {query} {body} by {caller.username}"
        if failed:
            self.violations.append(f"{call} failed: {text[-600:]}")
        asked = {*names.values(), *_texts(body), *query.values()}
        if done:
            if answer.status == 201 or route.operation is apply:
                own.adopted_names |= {name for name in asked if name.startswith(other.marker) or name in other.ids}
            own.ids |= {found for found in UUID.findall(text) if found not in other.ids}
        self._check(own, other, asked, text, call, done=done)

    def _choose(self, own: Tenant, other: Tenant, name: str, chance: random.Random, spared: Set[str]) -> str:
        tenant = other if chance.random() < 0.4 else own
        return chance.choice([each for each in tenant.names[name] if each not in spared] or [SAMPLES[name]])

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
    known = {"owner": "username", "actor": "username", "username": "username", "jobs_to": "username"}
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
    new = f"{own.marker}-{chance.randrange(300)}"
    values: dict[str, Any] = {
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
    values["pipelines"] = [{"name": new, "grants": [*values["grants"], {"group": names["name"], "permissions": []}]}]
    values["groups"] = [{"name": names["name"], "members": [names["username"]]}]
    values["dry_run"] = chance.random() < 0.5
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
        shows="disclosed|succeeded on",
    ),
)
