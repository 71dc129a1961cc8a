"""Rows of the permission table on an organization as a whole: what is made in it, listed and followed."""

from typing import Final

from service.operations import apply, audit, changes, groups, jobs, overview, pipelines, tokens, users
from service.operations.permission_table.decisions import (
    ADMIN,
    ADMINISTRATION,
    ALLOWED,
    DENIED,
    MAKING,
    MAKING_FOR_OTHERS,
    MEMBER,
    NAMES_FOR_ALL,
    NARROW,
    OTHER_SCOPES,
    PIPELINE_ADMIN,
    PUTTING,
    each,
)
from service.operations.permission_table.verdicts import ORGANIZATION, Act, Decision
from service.permissions import MANAGE_PIPELINES, READ, SCOPE_ADMIN

ORGANIZATION_ROWS: Final = (
    Act(
        "create a pipeline, and be its manager",
        (pipelines.create_pipeline,),
        ORGANIZATION,
        {MEMBER: Decision(DENIED), **each((PIPELINE_ADMIN, ADMIN), ALLOWED, {MANAGE_PIPELINES: NARROW})},
    ),
    Act(
        "declare a pipeline that there is none of",
        (apply.apply,),
        ORGANIZATION,
        {MEMBER: Decision(DENIED), **each((PIPELINE_ADMIN, ADMIN), ALLOWED, {MANAGE_PIPELINES: NARROW})},
    ),
    Act("declare a group that there is none of", (apply.apply,), ORGANIZATION, ADMINISTRATION),
    Act(
        "register a job",
        (jobs.put_job,),
        ORGANIZATION,
        each((MEMBER, PIPELINE_ADMIN, ADMIN), ALLOWED, PUTTING),
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
        each((MEMBER, PIPELINE_ADMIN, ADMIN), ALLOWED),
    ),
    Act("create a user", (users.create_user,), ORGANIZATION, ADMINISTRATION),
    Act("list the groups", (groups.list_groups,), ORGANIZATION, NAMES_FOR_ALL),
    Act("create a group", (groups.create_group,), ORGANIZATION, ADMINISTRATION),
    Act(
        "make a token that has every scope",
        (tokens.create_token,),
        ORGANIZATION,
        each((MEMBER, PIPELINE_ADMIN, ADMIN), ALLOWED, {**MAKING, **OTHER_SCOPES}),
    ),
    Act(
        "list everybody's tokens",
        (tokens.list_tokens,),
        ORGANIZATION,
        {**each((MEMBER, PIPELINE_ADMIN), DENIED, MAKING), ADMIN: Decision(ALLOWED, MAKING_FOR_OTHERS)},
    ),
    Act("read the audit trail", (audit.list_audit,), ORGANIZATION, ADMINISTRATION),
    Act(
        "see what needs attention",
        (overview.get_overview,),
        ORGANIZATION,
        {**ADMINISTRATION, ADMIN: Decision(ALLOWED, {SCOPE_ADMIN: NARROW, READ: NARROW})},
    ),
    Act("prove that an entry is in a seal", (audit.prove_entry,), ORGANIZATION, ADMINISTRATION),
    Act(
        "follow what happens to what they may see",
        (changes.list_changes,),
        ORGANIZATION,
        each((MEMBER, PIPELINE_ADMIN, ADMIN), ALLOWED),
    ),
    Act("follow every entry of the audit trail", (changes.list_changes,), ORGANIZATION, ADMINISTRATION),
)
