"""The method table: one row per operation. It holds what differs between calls; endpoint.py does what they share.

An operation's signature is its contract: its annotations name the type of the request, which has a schema, and the type
that it returns, for which a dump function is registered. Fields that the path's template names are in the path; the
others are in the query of GET and DELETE, and in the body of other methods, by the rule of gRPC-gateway.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from marshmallow import Schema

from service.operations import (
    apply,
    audit,
    changes,
    grant_sets,
    grants,
    groups,
    job_batches,
    job_pipelines,
    jobs,
    overview,
    pipelines,
    token_revocation,
    tokens,
    user_deletion,
    users,
)
from service.operations.call import Call, Outcome
from service.permissions import DELETE, EXECUTE, MANAGE_PIPELINES, PERMISSION_NAMES, READ, WRITE
from service.schemas.answers import Dump, answer_of
from service.schemas.fields import Secret
from service.schemas.request import schema_of

Place = Literal["path", "query", "body"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A demand on a caller other than one of the five permissions, as the OpenAPI document states it."""

    sentence: str


ADMINISTRATOR: Final = Standing("administrator")
READING_ADMINISTRATOR: Final = Standing(f"administrator, by a token that may {PERMISSION_NAMES[READ]}")
PIPELINE_ADMINISTRATOR: Final = Standing("pipeline administrator")
OWNER: Final = Standing("to own the job, or administrator")
EXECUTE_OR_OWNER: Final = Standing(f"{PERMISSION_NAMES[EXECUTE]}; of one's own job: {PERMISSION_NAMES[READ]}")
EACH_UPDATE: Final = Standing("for each update, what it needs alone")
MANAGER_OF_EACH: Final = Standing(f"{PERMISSION_NAMES[MANAGE_PIPELINES]} on each pipeline that is to be listed")
EACH_DIFFERENCE: Final = Standing("for each difference, what its own call needs")
TOKENS: Final = Standing("scope tokens; others': administrator")
SELF_OR_ADMINISTRATOR: Final = Standing("one's own; others': administrator")
MANAGER_OR_SELF: Final = Standing(f"{PERMISSION_NAMES[MANAGE_PIPELINES]}; one's own: {PERMISSION_NAMES[READ]}")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation, and how HTTP reaches it."""

    method: str
    path: str
    operation: Callable[[Call, Any], Awaitable[Any]]
    needs: int | Standing | None = None
    """One of the five permissions on the pipeline, or another standing; None: every caller may call it."""
    conditional: bool = False
    """It takes If-Match, which is compared with the tag of what GET answers at the same address."""
    creates: str | None = None
    """The name of what a POST created, as in its answer: the last segment of its address."""
    at: str | None = None
    """The path before that name; the row's own if None."""
    cached: bool = False
    """Its answers to requests without a query may be cached for as long as nothing changes them."""
    optimistic: Callable[[Call, Any], Awaitable[Any]] | None = None
    """Tried first for a recent caller: it proves the caller itself, or does nothing and answers None."""
    vendor_v1: bool = False
    """One of the vendor's documented calls, which V1_ERRORS_AS_200 is about."""
    resource: str | None = None
    """The resource that its operation is of; if None, the module says it."""
    etag_of: Dump[Any] | None = None
    """The dump function of what If-Match is compared with; derived of a conditional row that does not say it."""
    passing: str | None = None
    """The key of what it shows that use alone changes, so that If-Match does not compare it; said by the row of GET."""

    request: type = field(init=False, compare=False)
    """The type of its request."""
    places: Mapping[str, Place] = field(init=False, compare=False)
    """The place of each field of a request, by the field's name there."""
    answer: type[Schema] = field(init=False, compare=False)
    """The schema of its answer."""
    dump: Dump[Any] = field(init=False, compare=False)
    location: str | None = field(init=False, compare=False)
    """The address of what a POST created, with names of its answer's fields in braces."""
    only_reads: bool = field(init=False, compare=False)
    """True if it changes nothing, so that it may be tried again at any time."""
    tells_secret: bool = field(init=False, compare=False)
    """True if its answer has a secret, so that nothing on its way may store it."""

    def __post_init__(self) -> None:
        """Derive the rest from the operation's annotations, the method and the path.

        Raises:
            TypeError: the request or the answer is of a type that has no schema, or lacks a field that the path names.
        """
        _, request, returned = get_type_hints(self.operation).values()
        if get_origin(returned) is Outcome:
            (returned,) = get_args(returned)
        schema, dump = answer_of(returned)
        derived = {
            "request": request,
            "places": self._places(request),
            "answer": schema,
            "dump": dump,
            "location": f"{self.at or self.path}/{{{self.creates}}}" if self.creates else None,
            "only_reads": self.method == "GET",
            "tells_secret": any(isinstance(field, Secret) for field in schema().fields.values()),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def _places(self, request: type) -> Mapping[str, Place]:
        elsewhere: Place = "query" if self.method in ("GET", "DELETE") else "body"
        in_path = re.findall(r"\{(\w+)\}", self.path)
        keys = schema_of(request).by_key
        if lacking := [name for name in in_path if name not in keys]:
            raise TypeError(f"{self.path} names {', '.join(lacking)}, which {request.__name__} has no field for.")
        return {key: "path" if key in in_path else elsewhere for key in keys}

    @property
    def has_body(self) -> bool:
        """True if fields of its request are in a body."""
        return "body" in self.places.values()


def _table(*rows: Route) -> tuple[Route, ...]:
    """Complete the conditional rows: If-Match is compared with what GET answers at the same address."""
    shown = {row.path: row for row in rows if row.only_reads}
    return tuple(
        replace(row, etag_of=shown[row.path].dump, passing=shown[row.path].passing)
        if row.conditional and row.etag_of is None
        else row
        for row in rows
    )


def words_beside(path: str, place: int) -> set[str]:
    """Return the words of addresses that stand in the place of one step of a path, counted from 0, behind the same."""
    steps = path.split("/")
    others = (other.path.split("/") for other in ROUTES)
    same = (other[place] for other in others if other[:place] == steps[:place] and len(other) > place)
    return {word for word in same if not word.startswith("{")}


PIPELINES: Final = "/api/v1/flow/pipeline"
PIPELINE: Final = PIPELINES + "/{pipeline_id}"
GRANTS: Final = PIPELINE + "/grants"
PIPELINE_JOB: Final = PIPELINE + "/jobs/{job_id}"
USER: Final = "/api/v1/users/{username}"
MEMBERS: Final = "/api/v1/groups/{name}/members"
TOKENS_PATH: Final = "/api/v1/tokens"

ROUTES: Final = _table(
    # The vendor's three calls
    Route("GET", PIPELINES, pipelines.list_pipelines, cached=True, vendor_v1=True),
    Route("GET", "/api/v1/jobs/pipelines", job_pipelines.list_job_pipelines, cached=True, vendor_v1=True),
    Route(
        "POST",
        "/api/v1/jobs/pipelines",
        job_pipelines.update_job_pipelines,
        needs=EXECUTE,
        conditional=True,
        optimistic=job_pipelines.try_update_job_pipelines,
        vendor_v1=True,
    ),
    Route(
        "POST",
        "/api/v1/jobs/pipelines/batch",
        job_batches.batch_update_job_pipelines,
        needs=EACH_UPDATE,
        resource="jobs",
    ),
    # Pipelines
    Route("POST", PIPELINES, pipelines.create_pipeline, needs=PIPELINE_ADMINISTRATOR, creates="pipeline[id]"),
    Route("GET", PIPELINE, pipelines.get_pipeline, needs=READ),
    Route("PATCH", PIPELINE, pipelines.update_pipeline, needs=WRITE, conditional=True),
    Route("DELETE", PIPELINE, pipelines.delete_pipeline, needs=DELETE, conditional=True),
    Route("GET", PIPELINE + "/jobs", pipelines.list_pipeline_jobs, needs=READ),
    Route("PUT", PIPELINE_JOB, job_pipelines.add_pipeline_job, needs=EXECUTE),
    Route("DELETE", PIPELINE_JOB, job_pipelines.remove_pipeline_job, needs=EXECUTE_OR_OWNER),
    # Grants and access
    Route("GET", GRANTS, grants.list_grants, needs=MANAGE_PIPELINES),
    Route("PUT", GRANTS, grant_sets.replace_grants, needs=MANAGE_PIPELINES, conditional=True, resource="grants"),
    Route("GET", GRANTS + "/users/{username}", grants.get_user_grant, needs=MANAGE_PIPELINES),
    Route("PUT", GRANTS + "/users/{username}", grants.put_user_grant, needs=MANAGE_PIPELINES, conditional=True),
    Route("DELETE", GRANTS + "/users/{username}", grants.delete_user_grant, needs=MANAGE_PIPELINES, conditional=True),
    Route("GET", GRANTS + "/groups/{name}", grants.get_group_grant, needs=MANAGE_PIPELINES),
    Route("PUT", GRANTS + "/groups/{name}", grants.put_group_grant, needs=MANAGE_PIPELINES, conditional=True),
    Route("DELETE", GRANTS + "/groups/{name}", grants.delete_group_grant, needs=MANAGE_PIPELINES, conditional=True),
    Route("GET", PIPELINE + "/access", grants.list_access, needs=MANAGE_PIPELINES),
    Route("GET", PIPELINE + "/access/{username}", grants.explain_access, needs=MANAGER_OR_SELF),
    # Jobs
    Route("GET", "/api/v1/jobs", jobs.list_jobs),
    Route("PUT", "/api/v1/jobs/{job_id}", jobs.put_job, needs=OWNER, conditional=True),
    Route("GET", "/api/v1/jobs/{job_id}", jobs.get_job),
    Route("DELETE", "/api/v1/jobs/{job_id}", jobs.delete_job, needs=OWNER, conditional=True),
    # Users
    Route("GET", "/api/v1/users", users.list_users),
    Route("POST", "/api/v1/users", users.create_user, needs=ADMINISTRATOR, creates="user[username]"),
    Route("GET", "/api/v1/users/me", users.get_me),
    Route("GET", USER, users.get_user),
    Route("PATCH", USER, users.update_user, needs=ADMINISTRATOR, conditional=True),
    Route("DELETE", USER, user_deletion.delete_user, needs=ADMINISTRATOR, conditional=True),
    Route("GET", USER + "/pipelines", pipelines.list_user_pipelines, needs=SELF_OR_ADMINISTRATOR),
    Route("GET", USER + "/groups", groups.list_user_groups, needs=SELF_OR_ADMINISTRATOR),
    # Groups
    Route("GET", "/api/v1/groups", groups.list_groups),
    Route("POST", "/api/v1/groups", groups.create_group, needs=ADMINISTRATOR, creates="group[name]"),
    Route("GET", "/api/v1/groups/{name}", groups.get_group),
    Route("PATCH", "/api/v1/groups/{name}", groups.rename_group, needs=ADMINISTRATOR, conditional=True),
    Route("DELETE", "/api/v1/groups/{name}", groups.delete_group, needs=ADMINISTRATOR, conditional=True),
    Route("GET", "/api/v1/groups/{name}/grants", grants.list_group_grants, needs=MANAGER_OF_EACH),
    Route("GET", MEMBERS, groups.list_members, needs=ADMINISTRATOR),
    Route("PATCH", MEMBERS, groups.update_members, needs=ADMINISTRATOR),
    Route("PUT", MEMBERS + "/{username}", groups.add_member, needs=ADMINISTRATOR),
    Route("DELETE", MEMBERS + "/{username}", groups.remove_member, needs=ADMINISTRATOR),
    # Tokens
    Route("GET", TOKENS_PATH, tokens.list_tokens, needs=TOKENS),
    Route("POST", TOKENS_PATH, tokens.create_token, needs=TOKENS, creates="token[id]"),
    Route("GET", TOKENS_PATH + "/{token_id}", tokens.get_token, needs=TOKENS, passing="last_used_at"),
    Route("DELETE", TOKENS_PATH + "/{token_id}", token_revocation.revoke_token, needs=TOKENS, conditional=True),
    Route(
        "POST",
        TOKENS_PATH + "/{token_id}/rotate",
        tokens.rotate_token,
        needs=TOKENS,
        creates="token[id]",
        at=TOKENS_PATH,
    ),
    # Declared states
    Route("POST", "/api/v1/apply", apply.apply, needs=EACH_DIFFERENCE),
    # The audit trail
    Route("GET", "/api/v1/audit", audit.list_audit, needs=ADMINISTRATOR),
    Route("GET", "/api/v1/audit/{id}/proof", audit.prove_entry, needs=ADMINISTRATOR),
    # Changes as they happen
    Route("GET", "/api/v1/changes", changes.list_changes),
    # What needs attention
    Route("GET", "/api/v1/overview", overview.get_overview, needs=READING_ADMINISTRATOR),
)
