"""Every kind of write there is, and an organization in which each of them can be made."""

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias

import asyncpg

from tests.factories import Member, World

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Rows = Counter[tuple[str, str]]
"""Rows of tables, as text: how often each is there."""


@dataclass(frozen=True)
class Kind:
    """A row of the method table that changes something, with what it takes to do so in a scene."""

    method: str
    path: str
    """As in the method table; its parameters, and those of a body, are a scene's names."""
    body: Any = None
    by_member: bool = False
    """Else by an administrator."""
    headers: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    """In the place of a scene's own."""
    query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}{self.query}{' as member' * self.by_member}{' If-Match' * bool(self.headers)}"


@dataclass(frozen=True)
class Scene:
    """An organization of its own for one write."""

    world: World
    admin: Member
    member: Member
    """Who owns the job, and may put it anywhere."""
    names: Mapping[str, str]
    """Of what there is, by the parameters of paths."""

    @classmethod
    async def create(cls, raw: Raw) -> Self:
        async with raw.transaction():
            world = await World.create(raw)
            admin, mary, ann = await world.user(role="admin"), await world.user("mary"), await world.user("ann")
            clerks = await world.group(ann, name="clerks")
            pipelines = [await world.pipeline() for _ in range(3)]
            for pipeline in pipelines:
                await world.grant(pipeline, mary)
            await world.grant(pipelines[0], clerks)
            job_id = await world.job(mary, *pipelines[:2])
            await world.token(ann.id)
            token_id = await raw.fetchval("SELECT id FROM tokens WHERE user_id = $1 LIMIT 1", ann.id)
        names = {"username": "mary", "name": "clerks", "job_id": job_id, "token_id": str(token_id)}
        names |= {"pipeline_id": str(pipelines[0]), "other_pipeline_id": str(pipelines[2])}
        return cls(world, admin, mary, {**names, "new": f"new-{secrets.token_hex(4)}"})

    def request(self, kind: Kind) -> tuple[str, Any, dict[str, str]]:
        """A write's address below the server's, its body, and its headers."""
        names = {**self.names, **kind.names}
        caller = self.member if kind.by_member else self.admin
        return kind.path.format(**names) + kind.query, _named(kind.body, names), {**caller.headers, **kind.headers}

    async def rows(self, raw: Raw) -> Rows:
        """Everything that there is in the organization but its audit trail, at one moment."""
        return Counter((row["of"], row["row"]) for row in await raw.fetch(_ROWS, self.world.id))

    async def audited(self, raw: Raw, request_id: str) -> Counter[str]:
        """The audit trail's actions, and as "?" those that are of another request."""
        rows = await raw.fetch("SELECT action, request_id FROM audit WHERE organization_id = $1", self.world.id)
        return Counter(row["action"] if row["request_id"] == request_id else "?" for row in rows)


def _named(body: Any, names: Mapping[str, str]) -> Any:
    match body:
        case str():
            return body.format(**names)
        case list():
            return [_named(each, names) for each in body]
        case dict():
            return {key: _named(value, names) for key, value in body.items()}
    return body


_TABLES: Final = ("pipelines", "jobs", "assignments", "users", "groups", "memberships", "user_grants", "group_grants")
_ROWS: Final = " UNION ALL ".join(
    [
        "SELECT 'organizations' AS of, to_jsonb(t)::text AS row FROM organizations t WHERE id = $1",
        "SELECT 'tokens', (to_jsonb(t) - 'last_used_at')::text FROM tokens t WHERE organization_id = $1",
        *(f"SELECT '{table}', to_jsonb(t)::text FROM {table} t WHERE organization_id = $1" for table in _TABLES),
    ]
)

_PIPELINE: Final = "/api/v1/flow/pipeline"
_ONE: Final = f"{_PIPELINE}/{{pipeline_id}}"
_USER_GRANT: Final = f"{_ONE}/grants/users/{{username}}"
_GROUP_GRANT: Final = f"{_ONE}/grants/groups/{{name}}"
_JOB: Final = "/api/v1/jobs/{job_id}"
_UPDATE: Final = {"job_id": "{job_id}", "pipeline_ids": ["{other_pipeline_id}", "{pipeline_id}"]}
_OTHERS: Final = {"permissions": ["flow_pipeline:read", "flow_pipeline:write"]}
"""Than what a scene grants: so to ask for them is a change."""


KINDS: Final = (
    Kind("POST", "/api/v1/jobs/pipelines", _UPDATE, by_member=True),
    Kind("POST", "/api/v1/jobs/pipelines", _UPDATE),
    Kind("POST", "/api/v1/jobs/pipelines", _UPDATE, headers={"If-Match": "*"}),  # which locks the job and looks at it
    Kind("PUT", _JOB, {"name": "x", "pipeline_ids": ["{pipeline_id}"]}, names={"job_id": "new-job"}),
    Kind("PUT", _JOB, {"name": "renamed", "pipeline_ids": ["{other_pipeline_id}"]}, by_member=True),
    Kind("DELETE", _JOB, by_member=True),
    Kind("POST", _PIPELINE, {"name": "{new}"}),
    Kind("PATCH", _ONE, {"name": "{new}", "description": "changed"}),
    Kind("DELETE", _ONE, query="?force=true"),
    Kind("PUT", _USER_GRANT, _OTHERS),
    Kind("PUT", _USER_GRANT, _OTHERS, names={"username": "ann"}),
    Kind("DELETE", _USER_GRANT),
    Kind("PUT", _GROUP_GRANT, _OTHERS),
    Kind("DELETE", _GROUP_GRANT),
    Kind("POST", "/api/v1/users", {"username": "{new}", "role": "member"}),
    Kind("PATCH", "/api/v1/users/{username}", {"role": "pipeline_admin", "disabled": True}),
    Kind("POST", "/api/v1/groups", {"name": "{new}"}),
    Kind("PATCH", "/api/v1/groups/{name}", {"new_name": "{new}"}),
    Kind("DELETE", "/api/v1/groups/{name}"),
    Kind("PUT", "/api/v1/groups/{name}/members/{username}"),
    Kind("DELETE", "/api/v1/groups/{name}/members/{username}", names={"username": "ann"}),
    Kind("POST", "/api/v1/tokens", {"username": "{username}", "name": "{new}"}),
    Kind("DELETE", "/api/v1/tokens/{token_id}"),
)
