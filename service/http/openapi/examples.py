"""One example of each call, by operation, which the document shows. A test holds each against its schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.permissions import PERMISSION_BITS

_ID: Final = "8c400d55-15d4-41f9-b306-ec2836898d83"
_OTHER: Final = "03f4dc97-1245-452d-9d7b-17f8b86473b8"
_JOB: Final = "f403399d-7ac7-4285-bb06-f7ad82ddbea2"
_THEN: Final = "2026-11-24T12:00:00Z"
_CURSOR: Final = "AeOv_8nS0fyRpAEFgIABAQAA2AbYBgEAcq0qYt4D0Tk"
_HASH: Final = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
_READ: Final = ["flow_pipeline:read", "flow_pipeline:execute"]
_FIVE: Final = [*_READ, "flow_pipeline:delete", "flow_pipeline:manage_pipelines", "flow_pipeline:write"]
_DONE: Final = {"status": "OK"}

_ITEM: Final = {"name": "Invoices", "id": _ID, "permissions": _FIVE, "is_manager": True}
_NAMED: Final = {"id": _ID, "name": "Invoices"}
_PIPELINE: Final = {**_ITEM, "description": "Two reviewers each", "created_at": _THEN, "updated_at": _THEN}
_JOB_WHOLE: Final = {
    "id": _JOB,
    "name": "batch 7",
    "owner": "ada",
    "created_at": _THEN,
    "flow_pipeline_infos": [{"id": _ID, "name": "Invoices"}],
}
_USER: Final = {
    "username": "ada",
    "role": "member",
    "disabled": False,
    "created_at": _THEN,
    "display_name": "Ada Lovelace",
    "email": "ada@acme.example",
}
_GROUP: Final = {"name": "reviewers", "created_at": _THEN}
_TOKEN: Final = {
    "id": _OTHER,
    "username": "ada",
    "name": "flow runner",
    "scopes": _READ,
    "expires_at": None,
    "created_at": _THEN,
    "last_used_at": None,
}
_SECRET: Final = "fp_" + "0" * 64 + "0j8qna"
_GRANT: Final = {
    "username": None,
    "group": "reviewers",
    "permissions": _READ,
    "is_manager": False,
    "expires_at": None,
    "updated_at": _THEN,
}
_USER_GRANT: Final = {**_GRANT, "username": "ada", "group": None}
_PUT_GRANT: Final = {"permissions": ["flow_pipeline:execute"], "expires_at": None}
_KEPT: Final = {**_ITEM, "expires_at": None, "group": None}
_REASON: Final = {"through": "group", "name": "reviewers", "as_manager": False, "expires_at": None}


@dataclass(frozen=True, slots=True)
class Example:
    """A body sent, None if there is none, and the body answered."""

    request: Mapping[str, Any] | None
    response: Mapping[str, Any]


IN_PATHS: Final = {
    "pipeline_id": _ID,
    "job_id": _JOB,
    "username": "ada",
    "name": "reviewers",
    "token_id": _OTHER,
}
"""Examples of the parameters of paths, by their names."""


def path_example(name: str, schema: Mapping[str, Any]) -> Any:
    """Return an example of a parameter of a path; one of its type, for a name that has none of its own."""
    by_type = {"uuid": _OTHER, "integer": 1, "date-time": _THEN}
    return IN_PATHS.get(name) or by_type.get(schema.get("format") or schema.get("type", ""), "example")


def _answer(**named: Any) -> Example:
    return Example(None, {**_DONE, **named})


EXAMPLES: Final[Mapping[str, Example]] = {
    "list_pipelines": _answer(pipelines=[_ITEM]),
    "list_job_pipelines": _answer(pipelines=[_ITEM]),
    "update_job_pipelines": Example(
        {"job_id": _JOB, "pipeline_ids": [_ID]},
        {**_DONE, "updated_pipelines": [{"flowPipelineName": "Invoices", "flowPipelineId": _ID}]},
    ),
    "batch_update_job_pipelines": Example(
        {"updates": [{"job_id": _JOB, "pipeline_ids": [_ID]}, {"job_id": "4711", "pipeline_ids": []}]},
        {
            **_DONE,
            "results": [
                {
                    "job_id": _JOB,
                    "status": "OK",
                    "updated_pipelines": [{"flowPipelineName": "Invoices", "flowPipelineId": _ID}],
                },
                {
                    "job_id": "4711",
                    "status": "ERROR",
                    "code": "NOT_FOUND",
                    "msg": "Job 4711 does not exist, or you may not see it.",
                },
            ],
        },
    ),
    "apply": Example(
        {
            "pipelines": [{"name": "Invoices", "grants": [{"group": "reviewers", "permissions": _READ}]}],
            "groups": [{"name": "reviewers", "members": ["ada"]}],
        },
        {
            **_DONE,
            "changes": [
                {
                    "action": "group.add_member",
                    "target": "group:reviewers",
                    "before": None,
                    "after": {"member": "ada"},
                }
            ],
            "dry_run": False,
            "plan": "0" * 32,
        },
    ),
    "create_pipeline": Example(
        {"name": "Invoices", "description": "Two reviewers each"}, {**_DONE, "pipeline": _PIPELINE}
    ),
    "get_pipeline": _answer(pipeline=_PIPELINE),
    "update_pipeline": Example({"description": "Two reviewers each"}, {**_DONE, "pipeline": _PIPELINE}),
    "delete_pipeline": _answer(),
    "list_pipeline_jobs": _answer(jobs=[{"id": _JOB, "name": "batch 7", "owner": "ada", "assigned_at": _THEN}]),
    "add_pipeline_job": _answer(),
    "remove_pipeline_job": _answer(),
    "list_grants": _answer(grants=[_GRANT, _USER_GRANT]),
    "replace_grants": Example(
        {
            "grants": [
                {"group": "reviewers", "permissions": _READ},
                {"user": "ada", "permissions": _READ, "is_manager": False, "expires_at": None},
            ]
        },
        {**_DONE, "grants": [_GRANT, _USER_GRANT]},
    ),
    "list_group_grants": _answer(
        grants=[
            {
                "pipeline": {"id": _ID, "name": "Invoices"},
                "permissions": _READ,
                "is_manager": False,
                "expires_at": None,
            }
        ]
    ),
    "get_user_grant": _answer(grant=_USER_GRANT),
    "put_user_grant": Example(_PUT_GRANT, {**_DONE, "grant": _USER_GRANT}),
    "delete_user_grant": _answer(),
    "get_group_grant": _answer(grant=_GRANT),
    "put_group_grant": Example(_PUT_GRANT, {**_DONE, "grant": _GRANT}),
    "delete_group_grant": _answer(),
    "list_access": _answer(users=[{"username": "ada", "permissions": _READ, "is_manager": False}]),
    "explain_access": _answer(
        access={
            "username": "ada",
            "permissions": _READ,
            "is_manager": False,
            "explanations": [
                {"permission": name, "held": True, "reasons": [_REASON], "missing": None}
                if name in _READ
                else {
                    "permission": name,
                    "held": False,
                    "reasons": [],
                    "missing": f"Neither the user nor a group of theirs is granted {name}.",
                }
                for name in PERMISSION_BITS
            ],
        }
    ),
    "list_jobs": _answer(jobs=[_JOB_WHOLE]),
    "put_job": Example({"name": "batch 7", "pipeline_ids": [_ID]}, {**_DONE, "job": _JOB_WHOLE}),
    "get_job": _answer(job=_JOB_WHOLE),
    "delete_job": _answer(),
    "list_users": _answer(users=[_USER]),
    "create_user": Example(
        {"username": "ada", "role": "member", "display_name": "Ada Lovelace", "email": "ada@acme.example"},
        {**_DONE, "user": _USER},
    ),
    "get_me": _answer(user={**_USER, "groups": ["reviewers"], "scopes": None}),
    "get_user": _answer(user=_USER),
    "update_user": Example(
        {"role": "member"}, {**_DONE, "user": _USER, "keeps": [{**_KEPT, "by_themselves": True}], "keeps_total": 1}
    ),
    "delete_user": _answer(),
    "list_user_pipelines": _answer(pipelines=[_ITEM]),
    "list_user_groups": _answer(groups=[_GROUP]),
    "list_groups": _answer(groups=[_GROUP]),
    "create_group": Example({"name": "reviewers"}, {**_DONE, "group": _GROUP}),
    "get_group": _answer(group=_GROUP),
    "rename_group": Example({"new_name": "reviewers"}, {**_DONE, "group": _GROUP}),
    "delete_group": _answer(),
    "list_members": _answer(members=[{"username": "ada", "created_at": _THEN}]),
    "update_members": Example(
        {"add": ["ada", "grace"], "remove": ["mary"]}, {**_DONE, "added": ["ada", "grace"], "removed": ["mary"]}
    ),
    "add_member": _answer(),
    "remove_member": _answer(),
    "list_tokens": _answer(tokens=[_TOKEN]),
    "create_token": Example({"name": "flow runner", "scopes": _READ}, {**_DONE, "token": _TOKEN, "secret": _SECRET}),
    "get_token": _answer(token=_TOKEN, descendants=2),
    "revoke_token": _answer(revoked=3),
    "rotate_token": Example(
        {"overlap_seconds": 300},
        {**_DONE, "token": _TOKEN, "secret": _SECRET, "replaced": {"id": _ID, "expires_at": _THEN}},
    ),
    "get_overview": _answer(
        overview={
            "unexecuted_pipelines": {"total_size": 1, "pipelines": [_NAMED]},
            "ending_grants": {
                "total_size": 1,
                "grants": [{"pipeline": _NAMED, "username": None, "group": "reviewers", "expires_at": _THEN}],
            },
            "unused_tokens": {
                "total_size_at_least": 10_000,
                "tokens": [{"id": _OTHER, "username": "ada", "name": "ci", "created_at": _THEN, "last_used_at": None}],
            },
            "jobs_in_no_pipeline": {
                "total_size": 1,
                "jobs": [{"id": _JOB, "name": "batch 7", "owner": "ada", "created_at": _THEN}],
            },
            "self_granted_managers": {"total_size": 1, "managers": [{"username": "ada", "pipeline": _NAMED}]},
            "queues": [
                {
                    "pipeline": _NAMED,
                    "total_size": 7,
                    "oldest_at": _THEN,
                    "ages": {"under_a_day": 4, "under_a_week": 2, "under_a_month": 0, "longer": 1},
                }
            ],
        }
    ),
    "list_audit": _answer(
        audit=[
            {
                "id": 1,
                "at": _THEN,
                "actor": "ada",
                "token_id": _OTHER,
                "action": "group.create",
                "target": "group:reviewers",
                "before": None,
                "after": {"name": "reviewers"},
                "request_id": "0f1e2d3c",
            }
        ]
    ),
    "prove_entry": _answer(
        id=1,
        leaf="[1, ...]",
        leaf_hash=_HASH,
        leaf_index=0,
        tree_size=2,
        inclusion_path=[_HASH],
        seal={"number": 1, "sealed_at": _THEN, "root": _HASH, "previous": "00" * 32, "chain": _HASH},
    ),
    "list_changes": _answer(
        changes=[
            {
                "cursor": _CURSOR,
                "at": _THEN,
                "type": "job.pipelines_changed",
                "target": "job:4711",
                "actor": "ada",
                "data": {"added": [_ID], "removed": []},
            }
        ],
        next_cursor=_CURSOR,
    ),
}
