"""The method table: one row per operation. Whatever is true of every call is in endpoint.py; what differs is here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import Schema

from service.operations import audit, grants, groups, jobs, pipelines, tokens, users
from service.operations.call import Call
from service.schemas import answers
from service.schemas import audit as audit_schemas
from service.schemas import grants as grant_schemas
from service.schemas import groups as group_schemas
from service.schemas import jobs as job_schemas
from service.schemas import pipelines as pipeline_schemas
from service.schemas import tokens as token_schemas
from service.schemas import users as user_schemas
from service.schemas.request import RequestSchema

Dump = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation, and how HTTP reaches it."""

    method: str
    path: str
    request: type[RequestSchema]
    operation: Callable[[Call, Any], Awaitable[Any]]
    response: type[Schema]
    dump: Dump
    needs: str = ""
    """What the caller must hold beside a token, for the document."""
    etag_of: Dump | None = None
    """How reading shows what this is about to change: what If-Match is compared with."""
    location: str | None = None
    """Where what a POST created is found, with names of its answer's fields in braces."""
    cached: bool = False
    """Whether its answers, to requests without a query, may be kept in memory for as long as nothing changes them."""
    optimistic: Callable[[Call, Any], Awaitable[Any]] | None = None
    """Tried first for a recent caller: it proves the caller itself, or does nothing and answers None."""
    vendor_v1: bool = False
    """One of the vendor's documented calls, which V1_ERRORS_AS_200 is about."""

    @property
    def only_reads(self) -> bool:
        """Whether it changes nothing, so that it may be tried again at any time."""
        return self.method == "GET"


def _rows() -> tuple[Route, ...]:
    """The table. Short names, so that each row is read at a glance."""
    p, g, j, u, r, t, a = (
        pipeline_schemas, grant_schemas, job_schemas, user_schemas, group_schemas, token_schemas, audit_schemas,
    )  # fmt: skip
    ok, no_body = answers.AnswerSchema, answers.dump_nothing
    pipeline, job = "/api/v1/flow/pipeline", "/api/v1/jobs"
    admin, manages = "administrator", "flow_pipeline:manage_pipelines"
    # fmt: off
    return (
        Route("GET", pipeline, p.ListPipelinesSchema, pipelines.list_pipelines, p.PipelineListSchema, p.dump_pipeline_list, cached=True, vendor_v1=True),
        Route("GET", f"{job}/pipelines", j.ListJobPipelinesSchema, jobs.list_job_pipelines, p.PipelineListSchema, p.dump_pipeline_list, cached=True, vendor_v1=True),
        Route("POST", f"{job}/pipelines", j.UpdateJobPipelinesSchema, jobs.update_job_pipelines, j.UpdatedPipelinesSchema, j.dump_updated_pipelines, "flow_pipeline:execute", etag_of=p.dump_pipeline_list, optimistic=jobs.try_update_job_pipelines, vendor_v1=True),

        Route("POST", pipeline, p.CreatePipelineSchema, pipelines.create_pipeline, p.PipelineAnswerSchema, p.dump_pipeline, "pipeline administrator", location=f"{pipeline}/{{pipeline[id]}}"),
        Route("GET", f"{pipeline}/{{pipeline_id}}", p.GetPipelineSchema, pipelines.get_pipeline, p.PipelineAnswerSchema, p.dump_pipeline, "flow_pipeline:read"),
        Route("PATCH", f"{pipeline}/{{pipeline_id}}", p.UpdatePipelineSchema, pipelines.update_pipeline, p.PipelineAnswerSchema, p.dump_pipeline, "flow_pipeline:write", p.dump_pipeline),
        Route("DELETE", f"{pipeline}/{{pipeline_id}}", p.DeletePipelineSchema, pipelines.delete_pipeline, ok, no_body, "flow_pipeline:delete", p.dump_pipeline),
        Route("GET", f"{pipeline}/{{pipeline_id}}/jobs", p.ListPipelineJobsSchema, pipelines.list_pipeline_jobs, p.PipelineJobsSchema, p.dump_pipeline_jobs, "flow_pipeline:read"),

        Route("GET", f"{pipeline}/{{pipeline_id}}/grants", g.ListGrantsSchema, grants.list_grants, g.GrantListSchema, g.dump_grant_list, manages),
        Route("GET", f"{pipeline}/{{pipeline_id}}/grants/users/{{username}}", g.UserGrantRefSchema, grants.get_user_grant, g.GrantAnswerSchema, g.dump_grant, manages),
        Route("PUT", f"{pipeline}/{{pipeline_id}}/grants/users/{{username}}", g.PutUserGrantSchema, grants.put_user_grant, g.GrantAnswerSchema, g.dump_grant, manages, g.dump_grant),
        Route("DELETE", f"{pipeline}/{{pipeline_id}}/grants/users/{{username}}", g.UserGrantRefSchema, grants.delete_user_grant, ok, no_body, manages, g.dump_grant),
        Route("GET", f"{pipeline}/{{pipeline_id}}/grants/groups/{{name}}", g.GroupGrantRefSchema, grants.get_group_grant, g.GrantAnswerSchema, g.dump_grant, manages),
        Route("PUT", f"{pipeline}/{{pipeline_id}}/grants/groups/{{name}}", g.PutGroupGrantSchema, grants.put_group_grant, g.GrantAnswerSchema, g.dump_grant, manages, g.dump_grant),
        Route("DELETE", f"{pipeline}/{{pipeline_id}}/grants/groups/{{name}}", g.GroupGrantRefSchema, grants.delete_group_grant, ok, no_body, manages, g.dump_grant),
        Route("GET", f"{pipeline}/{{pipeline_id}}/access", g.ListAccessSchema, grants.list_access, g.AccessListSchema, g.dump_access_list, manages),
        Route("GET", f"{pipeline}/{{pipeline_id}}/access/{{username}}", g.ExplainAccessSchema, grants.explain_access, g.AccessAnswerSchema, g.dump_access, f"{manages}; one's own: flow_pipeline:read"),

        Route("GET", job, j.ListJobsSchema, jobs.list_jobs, j.JobListSchema, j.dump_job_list),
        Route("PUT", f"{job}/{{job_id}}", j.PutJobSchema, jobs.put_job, j.JobAnswerSchema, j.dump_job, "to own the job, or administrator", j.dump_job),
        Route("GET", f"{job}/{{job_id}}", j.JobRefSchema, jobs.get_job, j.JobAnswerSchema, j.dump_job),
        Route("DELETE", f"{job}/{{job_id}}", j.JobRefSchema, jobs.delete_job, ok, no_body, "to own the job, or administrator", j.dump_job),

        Route("GET", "/api/v1/users", u.ListUsersSchema, users.list_users, u.UserListSchema, u.dump_user_list),
        Route("POST", "/api/v1/users", u.CreateUserSchema, users.create_user, u.UserAnswerSchema, u.dump_user, admin, location="/api/v1/users/{user[username]}"),
        Route("GET", "/api/v1/users/me", u.GetMeSchema, users.get_me, u.MeAnswerSchema, u.dump_me),
        Route("GET", "/api/v1/users/{username}", u.GetUserSchema, users.get_user, u.UserAnswerSchema, u.dump_user),
        Route("PATCH", "/api/v1/users/{username}", u.UpdateUserSchema, users.update_user, u.UserAnswerSchema, u.dump_user, admin, u.dump_user),

        Route("GET", "/api/v1/groups", r.ListGroupsSchema, groups.list_groups, r.GroupListSchema, r.dump_group_list),
        Route("POST", "/api/v1/groups", r.CreateGroupSchema, groups.create_group, r.GroupAnswerSchema, r.dump_group, admin, location="/api/v1/groups/{group[name]}"),
        Route("GET", "/api/v1/groups/{name}", r.GroupRefSchema, groups.get_group, r.GroupAnswerSchema, r.dump_group),
        Route("PATCH", "/api/v1/groups/{name}", r.RenameGroupSchema, groups.rename_group, r.GroupAnswerSchema, r.dump_group, admin, r.dump_group),
        Route("DELETE", "/api/v1/groups/{name}", r.GroupRefSchema, groups.delete_group, ok, no_body, admin, r.dump_group),
        Route("GET", "/api/v1/groups/{name}/members", r.ListMembersSchema, groups.list_members, r.MemberListSchema, r.dump_member_list, admin),
        Route("PUT", "/api/v1/groups/{name}/members/{username}", r.MemberRefSchema, groups.add_member, ok, no_body, admin),
        Route("DELETE", "/api/v1/groups/{name}/members/{username}", r.MemberRefSchema, groups.remove_member, ok, no_body, admin),

        Route("GET", "/api/v1/tokens", t.ListTokensSchema, tokens.list_tokens, t.TokenListSchema, t.dump_token_list, "scope tokens; others': administrator"),
        Route("POST", "/api/v1/tokens", t.CreateTokenSchema, tokens.create_token, t.NewTokenSchema, t.dump_new_token, "scope tokens; others': administrator", location="/api/v1/tokens/{token[id]}"),
        Route("GET", "/api/v1/tokens/{token_id}", t.TokenRefSchema, tokens.get_token, t.TokenAnswerSchema, t.dump_token, "scope tokens; others': administrator"),
        Route("DELETE", "/api/v1/tokens/{token_id}", t.TokenRefSchema, tokens.revoke_token, ok, no_body, "scope tokens; others': administrator", t.dump_token),

        Route("GET", "/api/v1/audit", a.ListAuditSchema, audit.list_audit, a.AuditSchema, a.dump_audit, admin),
    )
    # fmt: on


ROUTES: Final = _rows()
