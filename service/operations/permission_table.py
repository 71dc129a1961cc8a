"""The permission table: operation by role by scope by ownership, every cell decided.

A row decides for each kind of caller what becomes of a call with a token without scopes, and which scopes another token
needs for that. It is written down apart from the code that decides calls (permissions/ and the operations), so that
each holds the other: a test makes the call of every cell. `make permissions` prints it into the documentation.
"""

from collections.abc import Mapping
from typing import Final

from service.operations import audit, grants, groups, jobs, pipelines, tokens, user_deletion, users
from service.operations.verdicts import (
    ACCOUNT,
    GRANTED,
    GROUP,
    JOB,
    JOB_IN_NONE,
    ORGANIZATION,
    PIPELINE,
    REACH,
    TOKEN,
    USER,
    Act,
    CallerKind,
    Decision,
    Verdict,
)
from service.permissions import (
    DELETE,
    EXECUTE,
    FULL_ACCESS,
    MANAGE_PIPELINES,
    READ,
    SCOPE_ADMIN,
    SCOPE_TOKENS,
    WRITE,
)

ALLOWED, NAMES, LEFT_OUT, DENIED, NARROW, HIDDEN, TAKEN = Verdict

NO_GRANT, READER, EXECUTOR, WRITER, DELETER, GRANTER, MANAGER = GRANTED
MEMBER, PIPELINE_ADMIN, ADMIN = CallerKind.MEMBER, CallerKind.PIPELINE_ADMIN, CallerKind.ADMIN
OWNER, OWNING_READER, OWNING_ADMIN = CallerKind.OWNER, CallerKind.OWNING_READER, CallerKind.OWNING_ADMIN
SELF, ITSELF, MADE_WITH = CallerKind.SELF, CallerKind.ITSELF, CallerKind.MADE_WITH
OUTSIDER, OUTSIDE_ADMIN = CallerKind.OUTSIDER, CallerKind.OUTSIDE_ADMIN

Decisions = Mapping[CallerKind, Decision]
Scopes = Mapping[int, Verdict]

MANAGERS: Final = (MANAGER, PIPELINE_ADMIN, ADMIN)
OWNERS: Final = (OWNER, OWNING_READER, OWNING_ADMIN)


def _each(kinds: tuple[CallerKind, ...], verdict: Verdict, without: Scopes | None = None) -> Decisions:
    """Return one decision for several kinds of callers."""
    return dict.fromkeys(kinds, Decision(verdict, without or {}))


def _holding(permission: int, before: Scopes | None = None) -> Decisions:
    """Decide what takes a permission on a pipeline: hidden without read, refused without the permission.

    Args:
        permission: that is needed.
        before: the scopes that a token needs whatever is granted, which is looked at first.
    """
    first, sees = before or {}, {**(before or {}), READ: HIDDEN}
    scope = {} if permission in sees else {permission: NARROW}
    holders = tuple(kind for kind, access in GRANTED.items() if access & permission)
    readers = tuple(kind for kind in GRANTED if kind not in (NO_GRANT, *holders))
    return {
        **_each((NO_GRANT, OUTSIDER), HIDDEN, first),
        **_each(readers, DENIED, sees),
        **_each((*holders, PIPELINE_ADMIN, ADMIN), ALLOWED, {**sees, **scope}),
    }


def _granting(access: int) -> Decisions:
    """Decide what takes the right to make grants, and to hold what is granted; to be a manager, if that is."""
    managing: Scopes = {READ: HIDDEN, MANAGE_PIPELINES: NARROW}
    further = dict.fromkeys((EXECUTE, DELETE, WRITE) if access == FULL_ACCESS else (access,), DENIED)
    return {
        **_holding(MANAGE_PIPELINES),
        GRANTER: Decision(DENIED, managing),
        **_each(MANAGERS, ALLOWED, {**managing, **further}),
    }


def _listed(decisions: Decisions) -> Decisions:
    """Decide whether a list has an object, by who may see it."""

    def listed(verdict: Verdict) -> Verdict:
        return LEFT_OUT if verdict is HIDDEN else verdict

    return {
        kind: Decision(listed(each.verdict), {scope: listed(verdict) for scope, verdict in each.without.items()})
        for kind, each in decisions.items()
    }


SEEING_A_JOB: Final[Decisions] = {
    **_each(OWNERS, ALLOWED),
    **_each((READER, EXECUTOR, PIPELINE_ADMIN, ADMIN), ALLOWED, {READ: HIDDEN}),
    **_each((NO_GRANT, OUTSIDER, OUTSIDE_ADMIN), HIDDEN),
}
SEEING_A_JOB_IN_NONE: Final[Decisions] = {
    **_each((OWNER, OWNING_ADMIN), ALLOWED),
    ADMIN: Decision(ALLOWED, {READ: HIDDEN, SCOPE_ADMIN: HIDDEN}),
    **_each((MEMBER, PIPELINE_ADMIN, OUTSIDER, OUTSIDE_ADMIN), HIDDEN),
}

PUTTING: Final[Scopes] = {EXECUTE: NARROW}
"""The scopes that a token needs to put any job, which are looked at first."""
PUTTING_SEEN: Final[Scopes] = {EXECUTE: NARROW, READ: TAKEN}
THEIR_OWN: Final = _each((OUTSIDER, OUTSIDE_ADMIN), ALLOWED, PUTTING)
"""Ids of jobs are taken in one organization only: elsewhere the same call registers another job."""
CHANGING_A_JOB: Final[Decisions] = {
    **_each(OWNERS, ALLOWED, PUTTING),
    **_each((READER, EXECUTOR, PIPELINE_ADMIN), DENIED, PUTTING_SEEN),
    ADMIN: Decision(ALLOWED, {**PUTTING_SEEN, SCOPE_ADMIN: NARROW}),
    NO_GRANT: Decision(TAKEN, PUTTING),
    **THEIR_OWN,
}
CHANGING_A_JOB_IN_NONE: Final[Decisions] = {
    **_each((OWNER, OWNING_ADMIN), ALLOWED, PUTTING),
    **_each((MEMBER, PIPELINE_ADMIN), TAKEN, PUTTING),
    ADMIN: Decision(ALLOWED, {**PUTTING_SEEN, SCOPE_ADMIN: TAKEN}),
    **THEIR_OWN,
}

ADMINISTRATION: Final[Decisions] = {
    **_each((MEMBER, PIPELINE_ADMIN), DENIED),
    ADMIN: Decision(ALLOWED, {SCOPE_ADMIN: NARROW}),
}
ADMINISTRATION_OF: Final[Decisions] = {
    **ADMINISTRATION,
    OUTSIDER: Decision(DENIED),
    OUTSIDE_ADMIN: Decision(HIDDEN, {SCOPE_ADMIN: NARROW}),
}
NAMES_FOR_ALL: Final[Decisions] = {
    **_each((MEMBER, PIPELINE_ADMIN), NAMES),
    ADMIN: Decision(ALLOWED, {SCOPE_ADMIN: NAMES}),
}
NAMES_WITHIN: Final[Decisions] = {**NAMES_FOR_ALL, **_each((OUTSIDER, OUTSIDE_ADMIN), HIDDEN)}

REACHING_OTHERS: Final[Scopes] = {READ: NARROW, SCOPE_ADMIN: NARROW}
PIPELINES_OF_USERS: Final[Decisions] = {
    SELF: Decision(ALLOWED, {READ: NARROW}),
    ADMIN: Decision(ALLOWED, REACHING_OTHERS),
    **_each((MEMBER, PIPELINE_ADMIN, OUTSIDER), DENIED, {READ: NARROW}),
    OUTSIDE_ADMIN: Decision(HIDDEN, REACHING_OTHERS),
}
GROUPS_OF_USERS: Final[Decisions] = {
    SELF: Decision(ALLOWED),
    **ADMINISTRATION_OF,
}

MAKING: Final[Scopes] = {SCOPE_TOKENS: NARROW}
MAKING_FOR_OTHERS: Final[Scopes] = {SCOPE_TOKENS: NARROW, SCOPE_ADMIN: NARROW}
OTHER_SCOPES: Final[Scopes] = dict.fromkeys((READ, EXECUTE, DELETE, MANAGE_PIPELINES, WRITE, SCOPE_ADMIN), DENIED)
"""The scopes that a token needs, beside tokens, to make one that has every scope."""
TOKENS_OF_USERS: Final[Decisions] = {
    SELF: Decision(ALLOWED, MAKING),
    ADMIN: Decision(ALLOWED, MAKING_FOR_OTHERS),
    **_each((MEMBER, PIPELINE_ADMIN, OUTSIDER), DENIED, MAKING),
    OUTSIDE_ADMIN: Decision(HIDDEN, MAKING_FOR_OTHERS),
}
ON_A_TOKEN: Final[Decisions] = {
    **_each((OWNER, ITSELF, MADE_WITH), ALLOWED, MAKING),
    ADMIN: Decision(ALLOWED, MAKING_FOR_OTHERS),
    **_each((MEMBER, PIPELINE_ADMIN, OUTSIDER), HIDDEN, MAKING),
    OUTSIDE_ADMIN: Decision(HIDDEN, MAKING_FOR_OTHERS),
}

_ORGANIZATION_ROWS: Final = (
    Act(
        "create a pipeline, and be its manager",
        (pipelines.create_pipeline,),
        ORGANIZATION,
        {MEMBER: Decision(DENIED), **_each((PIPELINE_ADMIN, ADMIN), ALLOWED, {MANAGE_PIPELINES: NARROW})},
    ),
    Act(
        "register a job",
        (jobs.put_job,),
        ORGANIZATION,
        _each((MEMBER, PIPELINE_ADMIN, ADMIN), ALLOWED, PUTTING),
    ),
    Act(
        "register a job for another user",
        (jobs.put_job,),
        ORGANIZATION,
        {**ADMINISTRATION, ADMIN: Decision(ALLOWED, {SCOPE_ADMIN: NARROW, **PUTTING})},
    ),
    Act("list the users", (users.list_users,), ORGANIZATION, NAMES_FOR_ALL),
    Act(
        "see who they are themselves, with role, groups and scopes",
        (users.get_me,),
        ORGANIZATION,
        _each((MEMBER, PIPELINE_ADMIN, ADMIN), ALLOWED),
    ),
    Act("create a user", (users.create_user,), ORGANIZATION, ADMINISTRATION),
    Act("list the groups", (groups.list_groups,), ORGANIZATION, NAMES_FOR_ALL),
    Act("create a group", (groups.create_group,), ORGANIZATION, ADMINISTRATION),
    Act(
        "make a token that has every scope",
        (tokens.create_token,),
        ORGANIZATION,
        _each((MEMBER, PIPELINE_ADMIN, ADMIN), ALLOWED, {**MAKING, **OTHER_SCOPES}),
    ),
    Act(
        "list everybody's tokens",
        (tokens.list_tokens,),
        ORGANIZATION,
        {**_each((MEMBER, PIPELINE_ADMIN), DENIED, MAKING), ADMIN: Decision(ALLOWED, MAKING_FOR_OTHERS)},
    ),
    Act("read the audit trail", (audit.list_audit,), ORGANIZATION, ADMINISTRATION),
)

_PIPELINE_ROWS: Final = (
    Act(
        "find it in the list of pipelines",
        (pipelines.list_pipelines, jobs.list_job_pipelines),
        PIPELINE,
        _listed(_holding(READ)),
    ),
    Act("read it", (pipelines.get_pipeline,), PIPELINE, _holding(READ)),
    Act("see the jobs in it", (pipelines.list_pipeline_jobs,), PIPELINE, _holding(READ)),
    Act("rename or describe it", (pipelines.update_pipeline,), PIPELINE, _holding(WRITE)),
    Act("delete it", (pipelines.delete_pipeline,), PIPELINE, _holding(DELETE)),
    Act("put a job of their own into it", (jobs.update_job_pipelines,), PIPELINE, _holding(EXECUTE)),
    Act(
        "put somebody else's job into it, from a pipeline on which they hold the same",
        (jobs.update_job_pipelines,),
        PIPELINE,
        _holding(EXECUTE),
    ),
    Act("register a job into it", (jobs.put_job,), PIPELINE, _holding(EXECUTE, PUTTING)),
    Act("list the grants on it", (grants.list_grants,), PIPELINE, _holding(MANAGE_PIPELINES)),
    Act(
        "see a user's or group's grant",
        (grants.get_user_grant, grants.get_group_grant),
        PIPELINE,
        _holding(MANAGE_PIPELINES),
    ),
    Act("grant what they hold", (grants.put_user_grant, grants.put_group_grant), PIPELINE, _holding(MANAGE_PIPELINES)),
    Act("grant `execute`", (grants.put_user_grant, grants.put_group_grant), PIPELINE, _granting(EXECUTE)),
    Act("make a manager", (grants.put_user_grant, grants.put_group_grant), PIPELINE, _granting(FULL_ACCESS)),
    Act(
        "take a grant back that makes no manager",
        (grants.delete_user_grant, grants.delete_group_grant),
        PIPELINE,
        _holding(MANAGE_PIPELINES),
    ),
    Act(
        "unmake a manager",
        (grants.delete_user_grant, grants.delete_group_grant),
        PIPELINE,
        _granting(FULL_ACCESS),
    ),
    Act("list who has access to it", (grants.list_access,), PIPELINE, _holding(MANAGE_PIPELINES)),
    Act("see why they have their own access", (grants.explain_access,), PIPELINE, _holding(READ)),
    Act("see why somebody else has access", (grants.explain_access,), PIPELINE, _holding(MANAGE_PIPELINES)),
)

_JOB_ROWS: Final = (
    Act("find it in the list of jobs", (jobs.list_jobs,), JOB, _listed(SEEING_A_JOB)),
    Act("read it, and which pipelines it is in", (jobs.get_job, jobs.list_job_pipelines), JOB, SEEING_A_JOB),
    Act(
        "leave it in its pipelines by an update",
        (jobs.update_job_pipelines,),
        JOB,
        {
            **SEEING_A_JOB,
            OWNER: Decision(HIDDEN),  # the answer would name a pipeline that they may not read
            **_each((OWNING_READER, OWNING_ADMIN), ALLOWED, {READ: HIDDEN}),
        },
    ),
    Act(
        "take it out of its pipelines by an update",
        (jobs.update_job_pipelines,),
        JOB,
        {
            **SEEING_A_JOB,
            OWNER: Decision(ALLOWED, {EXECUTE: HIDDEN}),  # a refusal would name a pipeline that they may not read
            **_each((OWNING_READER, OWNING_ADMIN), ALLOWED, {READ | EXECUTE: HIDDEN, EXECUTE: NARROW}),
            READER: Decision(DENIED, {READ: HIDDEN}),
            **_each((EXECUTOR, PIPELINE_ADMIN, ADMIN), ALLOWED, {READ: HIDDEN, EXECUTE: NARROW}),
        },
    ),
    Act(
        "put it again as it is",
        (jobs.put_job,),
        JOB,
        {
            **_each(OWNERS, ALLOWED, PUTTING),
            **_each((READER, EXECUTOR, PIPELINE_ADMIN, ADMIN), ALLOWED, PUTTING_SEEN),
            NO_GRANT: Decision(TAKEN, PUTTING),
            **THEIR_OWN,
        },
    ),
    Act(
        "take it out of its pipelines by putting it",
        (jobs.put_job,),
        JOB,
        {
            **_each(OWNERS, ALLOWED, PUTTING),
            READER: Decision(DENIED, PUTTING_SEEN),
            EXECUTOR: Decision(ALLOWED, PUTTING_SEEN),
            **_each((NO_GRANT, PIPELINE_ADMIN, ADMIN), TAKEN, PUTTING),
            **THEIR_OWN,
        },
    ),
    Act("rename it", (jobs.put_job,), JOB, CHANGING_A_JOB),
    Act("make themselves its owner", (jobs.put_job,), JOB, CHANGING_A_JOB),
    Act(
        "make another user its owner",
        (jobs.put_job,),
        JOB,
        {
            **_each((OWNER, OWNING_READER, READER, EXECUTOR, PIPELINE_ADMIN, NO_GRANT, OUTSIDER), DENIED),
            OWNING_ADMIN: Decision(ALLOWED, {SCOPE_ADMIN: NARROW, **PUTTING}),
            ADMIN: Decision(ALLOWED, {SCOPE_ADMIN: NARROW, **PUTTING_SEEN}),
            OUTSIDE_ADMIN: Decision(HIDDEN, {SCOPE_ADMIN: NARROW, **PUTTING}),
        },
    ),
    Act(
        "forget it",
        (jobs.delete_job,),
        JOB,
        {
            **SEEING_A_JOB,
            **_each(OWNERS, ALLOWED, {EXECUTE: NARROW}),
            **_each((READER, EXECUTOR, PIPELINE_ADMIN), DENIED, {READ: HIDDEN}),
            ADMIN: Decision(ALLOWED, {READ: HIDDEN, SCOPE_ADMIN: NARROW, EXECUTE: NARROW}),
        },
    ),
)

_JOB_IN_NONE_ROWS: Final = (
    Act("find it in the list of jobs", (jobs.list_jobs,), JOB_IN_NONE, _listed(SEEING_A_JOB_IN_NONE)),
    Act("read it", (jobs.get_job, jobs.list_job_pipelines), JOB_IN_NONE, SEEING_A_JOB_IN_NONE),
    Act(
        "put it into a pipeline that they may execute",
        (jobs.update_job_pipelines,),
        JOB_IN_NONE,
        {
            **SEEING_A_JOB_IN_NONE,
            **_each((OWNER, OWNING_ADMIN), ALLOWED, {READ: HIDDEN, EXECUTE: NARROW}),
            ADMIN: Decision(ALLOWED, {READ: HIDDEN, SCOPE_ADMIN: HIDDEN, EXECUTE: NARROW}),
        },
    ),
    Act("rename it", (jobs.put_job,), JOB_IN_NONE, CHANGING_A_JOB_IN_NONE),
    Act("make themselves its owner", (jobs.put_job,), JOB_IN_NONE, CHANGING_A_JOB_IN_NONE),
    Act(
        "make another user its owner",
        (jobs.put_job,),
        JOB_IN_NONE,
        {
            **_each((OWNER, MEMBER, PIPELINE_ADMIN, OUTSIDER), DENIED),
            OWNING_ADMIN: Decision(ALLOWED, {SCOPE_ADMIN: NARROW, **PUTTING}),
            ADMIN: Decision(ALLOWED, {SCOPE_ADMIN: NARROW, **PUTTING_SEEN}),
            OUTSIDE_ADMIN: Decision(HIDDEN, {SCOPE_ADMIN: NARROW, **PUTTING}),
        },
    ),
    Act(
        "forget it",
        (jobs.delete_job,),
        JOB_IN_NONE,
        {
            **SEEING_A_JOB_IN_NONE,
            **_each((OWNER, OWNING_ADMIN), ALLOWED, {EXECUTE: NARROW}),
            ADMIN: Decision(ALLOWED, {READ: HIDDEN, SCOPE_ADMIN: HIDDEN, EXECUTE: NARROW}),
        },
    ),
)

_DIRECTORY_ROWS: Final = (
    Act("read them", (users.get_user,), USER, NAMES_WITHIN),
    Act("change their role, disable or enable them", (users.update_user,), USER, ADMINISTRATION_OF),
    Act("delete them", (user_deletion.delete_user,), USER, ADMINISTRATION_OF),
    Act("read it", (groups.get_group,), GROUP, NAMES_WITHIN),
    Act("rename it", (groups.rename_group,), GROUP, ADMINISTRATION_OF),
    Act("delete it", (groups.delete_group,), GROUP, ADMINISTRATION_OF),
    Act("see who is in it", (groups.list_members,), GROUP, ADMINISTRATION_OF),
    Act("change who is in it", (groups.add_member, groups.remove_member), GROUP, ADMINISTRATION_OF),
)

_REACH_ROWS: Final = (
    Act("see which pipelines they can reach", (pipelines.list_user_pipelines,), REACH, PIPELINES_OF_USERS),
    Act("see which groups they are in", (groups.list_user_groups,), REACH, GROUPS_OF_USERS),
)

_TOKEN_ROWS: Final = (
    Act("list them", (tokens.list_tokens,), ACCOUNT, TOKENS_OF_USERS),
    Act("make one that may no more than the one that calls", (tokens.create_token,), ACCOUNT, TOKENS_OF_USERS),
    Act("see it", (tokens.get_token,), TOKEN, ON_A_TOKEN),
    Act("revoke it, and what was made with it", (tokens.revoke_token,), TOKEN, ON_A_TOKEN),
    Act(
        "revoke it, and keep what was made with it",
        (tokens.revoke_token,),
        TOKEN,
        {**ON_A_TOKEN, **_each((ITSELF, MADE_WITH), DENIED, MAKING)},
    ),
    Act(
        "rotate it, if it may no more than the one that calls",
        (tokens.rotate_token,),
        TOKEN,
        {**ON_A_TOKEN, MADE_WITH: Decision(DENIED, MAKING)},
    ),
    Act(
        "rotate it, if it has every scope",
        (tokens.rotate_token,),
        TOKEN,
        {
            **ON_A_TOKEN,
            OWNER: Decision(ALLOWED, {**MAKING, **OTHER_SCOPES}),
            MADE_WITH: Decision(DENIED, MAKING),
            ADMIN: Decision(ALLOWED, {**MAKING_FOR_OTHERS, **OTHER_SCOPES, SCOPE_ADMIN: NARROW}),
        },
    ),
)

PERMISSION_TABLE: Final = (
    *_ORGANIZATION_ROWS,
    *_PIPELINE_ROWS,
    *_JOB_ROWS,
    *_JOB_IN_NONE_ROWS,
    *_DIRECTORY_ROWS,
    *_REACH_ROWS,
    *_TOKEN_ROWS,
)
