"""The method table: how HTTP reaches each operation, and what it answers.

Written by `make client` from the service's own: a change here would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flow_pipelines_client import models
from flow_pipelines_client.answers import Answer
from flow_pipelines_client.calls import ListOperation, Operation

LIST_PIPELINES: Final = ListOperation(
    "GET", "/api/v1/flow/pipeline", models.PipelineList, items=lambda page: page.pipelines
)
LIST_JOB_PIPELINES: Final = ListOperation(
    "GET", "/api/v1/jobs/pipelines", models.PipelineList, items=lambda page: page.pipelines
)
UPDATE_JOB_PIPELINES: Final = Operation(
    "POST", "/api/v1/jobs/pipelines", models.UpdatedPipelines, has_body=True, replaces=True
)
BATCH_UPDATE_JOB_PIPELINES: Final = Operation("POST", "/api/v1/jobs/pipelines/batch", models.Verdicts, has_body=True)
CREATE_PIPELINE: Final = Operation("POST", "/api/v1/flow/pipeline", models.PipelineAnswer, has_body=True)
GET_PIPELINE: Final = Operation("GET", "/api/v1/flow/pipeline/{pipeline_id}", models.PipelineAnswer)
UPDATE_PIPELINE: Final = Operation("PATCH", "/api/v1/flow/pipeline/{pipeline_id}", models.PipelineAnswer, has_body=True)
DELETE_PIPELINE: Final = Operation("DELETE", "/api/v1/flow/pipeline/{pipeline_id}", Answer)
LIST_PIPELINE_JOBS: Final = ListOperation(
    "GET", "/api/v1/flow/pipeline/{pipeline_id}/jobs", models.PipelineJobs, items=lambda page: page.jobs
)
ADD_PIPELINE_JOB: Final = Operation("PUT", "/api/v1/flow/pipeline/{pipeline_id}/jobs/{job_id}", Answer, replaces=True)
REMOVE_PIPELINE_JOB: Final = Operation("DELETE", "/api/v1/flow/pipeline/{pipeline_id}/jobs/{job_id}", Answer)
LIST_GRANTS: Final = ListOperation(
    "GET", "/api/v1/flow/pipeline/{pipeline_id}/grants", models.GrantList, items=lambda page: page.grants
)
REPLACE_GRANTS: Final = Operation(
    "PUT", "/api/v1/flow/pipeline/{pipeline_id}/grants", models.GrantList, has_body=True, replaces=True
)
GET_USER_GRANT: Final = Operation(
    "GET", "/api/v1/flow/pipeline/{pipeline_id}/grants/users/{username}", models.GrantAnswer
)
PUT_USER_GRANT: Final = Operation(
    "PUT",
    "/api/v1/flow/pipeline/{pipeline_id}/grants/users/{username}",
    models.GrantAnswer,
    has_body=True,
    replaces=True,
)
DELETE_USER_GRANT: Final = Operation("DELETE", "/api/v1/flow/pipeline/{pipeline_id}/grants/users/{username}", Answer)
GET_GROUP_GRANT: Final = Operation(
    "GET", "/api/v1/flow/pipeline/{pipeline_id}/grants/groups/{name}", models.GrantAnswer
)
PUT_GROUP_GRANT: Final = Operation(
    "PUT", "/api/v1/flow/pipeline/{pipeline_id}/grants/groups/{name}", models.GrantAnswer, has_body=True, replaces=True
)
DELETE_GROUP_GRANT: Final = Operation("DELETE", "/api/v1/flow/pipeline/{pipeline_id}/grants/groups/{name}", Answer)
LIST_ACCESS: Final = ListOperation(
    "GET", "/api/v1/flow/pipeline/{pipeline_id}/access", models.AccessList, items=lambda page: page.users
)
EXPLAIN_ACCESS: Final = Operation("GET", "/api/v1/flow/pipeline/{pipeline_id}/access/{username}", models.AccessAnswer)
LIST_JOBS: Final = ListOperation("GET", "/api/v1/jobs", models.JobList, items=lambda page: page.jobs)
PUT_JOB: Final = Operation("PUT", "/api/v1/jobs/{job_id}", models.JobAnswer, has_body=True, replaces=True)
GET_JOB: Final = Operation("GET", "/api/v1/jobs/{job_id}", models.JobAnswer)
DELETE_JOB: Final = Operation("DELETE", "/api/v1/jobs/{job_id}", Answer)
LIST_USERS: Final = ListOperation("GET", "/api/v1/users", models.UserList, items=lambda page: page.users)
CREATE_USER: Final = Operation("POST", "/api/v1/users", models.UserAnswer, has_body=True)
GET_ME: Final = Operation("GET", "/api/v1/users/me", models.MeAnswer)
GET_USER: Final = Operation("GET", "/api/v1/users/{username}", models.UserAnswer)
UPDATE_USER: Final = Operation("PATCH", "/api/v1/users/{username}", models.UserUpdated, has_body=True)
DELETE_USER: Final = Operation("DELETE", "/api/v1/users/{username}", Answer)
LIST_USER_PIPELINES: Final = ListOperation(
    "GET", "/api/v1/users/{username}/pipelines", models.PipelineList, items=lambda page: page.pipelines
)
LIST_USER_GROUPS: Final = ListOperation(
    "GET", "/api/v1/users/{username}/groups", models.GroupList, items=lambda page: page.groups
)
LIST_GROUPS: Final = ListOperation("GET", "/api/v1/groups", models.GroupList, items=lambda page: page.groups)
CREATE_GROUP: Final = Operation("POST", "/api/v1/groups", models.GroupAnswer, has_body=True)
GET_GROUP: Final = Operation("GET", "/api/v1/groups/{name}", models.GroupAnswer)
RENAME_GROUP: Final = Operation("PATCH", "/api/v1/groups/{name}", models.GroupAnswer, has_body=True)
DELETE_GROUP: Final = Operation("DELETE", "/api/v1/groups/{name}", Answer)
LIST_GROUP_GRANTS: Final = ListOperation(
    "GET", "/api/v1/groups/{name}/grants", models.GroupGrantList, items=lambda page: page.grants
)
LIST_MEMBERS: Final = ListOperation(
    "GET", "/api/v1/groups/{name}/members", models.MemberList, items=lambda page: page.members
)
UPDATE_MEMBERS: Final = Operation("PATCH", "/api/v1/groups/{name}/members", models.MembersUpdated, has_body=True)
ADD_MEMBER: Final = Operation("PUT", "/api/v1/groups/{name}/members/{username}", Answer, replaces=True)
REMOVE_MEMBER: Final = Operation("DELETE", "/api/v1/groups/{name}/members/{username}", Answer)
LIST_TOKENS: Final = ListOperation("GET", "/api/v1/tokens", models.TokenList, items=lambda page: page.tokens)
CREATE_TOKEN: Final = Operation("POST", "/api/v1/tokens", models.NewToken, has_body=True)
GET_TOKEN: Final = Operation("GET", "/api/v1/tokens/{token_id}", models.TokenView)
REVOKE_TOKEN: Final = Operation("DELETE", "/api/v1/tokens/{token_id}", models.Revoked)
ROTATE_TOKEN: Final = Operation("POST", "/api/v1/tokens/{token_id}/rotate", models.RotatedToken, has_body=True)
APPLY: Final = Operation("POST", "/api/v1/apply", models.Applied, has_body=True)
LIST_AUDIT: Final = ListOperation("GET", "/api/v1/audit", models.Audit, items=lambda page: page.audit)
PROVE_ENTRY: Final = Operation("GET", "/api/v1/audit/{id}/proof", models.Proof)
LIST_CHANGES: Final = Operation("GET", "/api/v1/changes", models.Changes)
GET_OVERVIEW: Final = Operation("GET", "/api/v1/overview", models.OverviewAnswer)

OPERATIONS: Final[Mapping[str, Operation[Any]]] = {
    name.lower(): each for name, each in globals().items() if isinstance(each, Operation)
}
"""The rows by their names, which are those of the methods."""
