"""Every kind of write of the API, and a fixture organization in which each of them can be made."""

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias

import asyncpg

from tests.factories import Member, World

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Rows = Counter[tuple[str, str]]
"""Counts of rows, each as its table's name and its text."""


@dataclass(frozen=True)
class WriteKind:
    """A row of the method table that changes something, with the body and names for such a change in a fixture."""

    method: str
    path: str
    """The path as in the method table; its parameters, and those of a body, are names of a fixture."""
    body: Any = None
    by_member: bool = False
    """True if the caller is a member, else it is an administrator."""
    headers: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    """Names that override a fixture's own, in which these may stand in braces."""
    query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}{self.query}{' as member' * self.by_member}{' If-Match' * bool(self.headers)}"


@dataclass(frozen=True)
class WriteFixture:
    """An organization for one write."""

    world: World
    admin: Member
    member: Member
    """The owner of the job, with access to every pipeline."""
    names: Mapping[str, str]
    """The names of its resources, by the parameters of paths."""

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

    def request(self, kind: WriteKind) -> tuple[str, Any, dict[str, str]]:
        """Return the path, the body and the headers of a write."""
        names = {**self.names, **{key: name.format(**self.names) for key, name in kind.names.items()}}
        caller = self.member if kind.by_member else self.admin
        return kind.path.format(**names) + kind.query, _fill_in(kind.body, names), {**caller.headers, **kind.headers}

    async def rows(self, raw: Raw) -> Rows:
        """Return all rows of the organization but its audit trail, in one snapshot."""
        return Counter((row["of"], row["row"]) for row in await raw.fetch(_ROWS, self.world.id))

    async def audited_actions(self, raw: Raw, request_id: str) -> Counter[str]:
        """Return the actions in the audit trail; an action of another request counts as "?"."""
        rows = await raw.fetch("SELECT action, request_id FROM audit WHERE organization_id = $1", self.world.id)
        return Counter(row["action"] if row["request_id"] == request_id else "?" for row in rows)


def _fill_in(body: Any, names: Mapping[str, str]) -> Any:
    match body:
        case str():
            return body.format(**names)
        case list():
            return [_fill_in(each, names) for each in body]
        case dict():
            return {key: _fill_in(value, names) for key, value in body.items()}
    return body


_TABLES: Final = (
    *("pipelines", "jobs", "assignments", "users", "deleted_users", "groups", "memberships"),
    *("user_grants", "group_grants"),
)
_ROWS: Final = " UNION ALL ".join(
    [
        "SELECT 'organizations' AS of, to_jsonb(t)::text AS row FROM organizations t WHERE id = $1",
        "SELECT 'tokens', (to_jsonb(t) - 'last_used_at')::text FROM tokens t WHERE organization_id = $1",
        *(f"SELECT '{table}', to_jsonb(t)::text FROM {table} t WHERE organization_id = $1" for table in _TABLES),
    ]
)

_PIPELINE: Final = "/api/v1/flow/pipeline"
_UPDATES: Final = "/api/v1/jobs/pipelines"
_ONE: Final = f"{_PIPELINE}/{{pipeline_id}}"
_USER_GRANT: Final = f"{_ONE}/grants/users/{{username}}"
_GROUP_GRANT: Final = f"{_ONE}/grants/groups/{{name}}"
_JOB: Final = "/api/v1/jobs/{job_id}"
_UPDATE: Final = {"job_id": "{job_id}", "pipeline_ids": ["{other_pipeline_id}", "{pipeline_id}"]}
_OTHER_PERMISSIONS: Final = {"permissions": ["flow_pipeline:read", "flow_pipeline:write"]}
"""Permissions other than a fixture grants, so that to set them is a change."""


WRITE_KINDS: Final = (
    WriteKind("POST", _UPDATES, _UPDATE, by_member=True),
    WriteKind("POST", _UPDATES, _UPDATE),
    WriteKind("POST", _UPDATES, _UPDATE, headers={"If-Match": "*"}),  # locks and reads the job
    WriteKind("POST", f"{_UPDATES}/batch", {"updates": [_UPDATE]}, by_member=True),
    WriteKind("POST", f"{_UPDATES}/batch", {"updates": [_UPDATE], "atomic": True}),
    WriteKind("PUT", f"{_ONE}/jobs/{{job_id}}", by_member=True, names={"pipeline_id": "{other_pipeline_id}"}),
    WriteKind("DELETE", f"{_ONE}/jobs/{{job_id}}"),
    WriteKind("PUT", _JOB, {"name": "x", "pipeline_ids": ["{pipeline_id}"]}, names={"job_id": "new-job"}),
    WriteKind("PUT", _JOB, {"name": "renamed", "pipeline_ids": ["{other_pipeline_id}"]}, by_member=True),
    WriteKind("DELETE", _JOB, by_member=True),
    WriteKind("POST", "/api/v1/apply", {"pipelines": [{"name": "{new}"}], "groups": [{"name": "{new}"}]}),
    WriteKind("POST", _PIPELINE, {"name": "{new}"}),
    WriteKind("PATCH", _ONE, {"name": "{new}", "description": "changed"}),
    WriteKind("DELETE", _ONE, query="?force=true"),
    WriteKind("PUT", _USER_GRANT, _OTHER_PERMISSIONS),
    WriteKind("PUT", _USER_GRANT, _OTHER_PERMISSIONS, names={"username": "ann"}),
    WriteKind("DELETE", _USER_GRANT),
    WriteKind("PUT", _GROUP_GRANT, _OTHER_PERMISSIONS),
    WriteKind("DELETE", _GROUP_GRANT),
    WriteKind("PUT", f"{_ONE}/grants", {"grants": [{"user": "ann", **_OTHER_PERMISSIONS}]}),
    WriteKind("POST", "/api/v1/users", {"username": "{new}", "role": "member"}),
    WriteKind("PATCH", "/api/v1/users/{username}", {"role": "pipeline_admin", "disabled": True}),
    WriteKind("DELETE", "/api/v1/users/{username}", query="?jobs_to=ann"),
    WriteKind("POST", "/api/v1/groups", {"name": "{new}"}),
    WriteKind("PATCH", "/api/v1/groups/{name}", {"new_name": "{new}"}),
    WriteKind("DELETE", "/api/v1/groups/{name}"),
    WriteKind("PATCH", "/api/v1/groups/{name}/members", {"add": ["mary"], "remove": ["ann"]}),
    WriteKind("PUT", "/api/v1/groups/{name}/members/{username}"),
    WriteKind("DELETE", "/api/v1/groups/{name}/members/{username}", names={"username": "ann"}),
    WriteKind("POST", "/api/v1/tokens", {"username": "{username}", "name": "{new}"}),
    WriteKind("DELETE", "/api/v1/tokens/{token_id}"),
    WriteKind("POST", "/api/v1/tokens/{token_id}/rotate", {}),
)
