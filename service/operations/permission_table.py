"""The permission table: operation by role by scope by ownership, every cell decided.

A row decides for each kind of caller what becomes of a call with a token without scopes, and which scopes another token
needs for that. It is written down apart from the code that decides calls (permissions/ and the operations), so that
each holds the other: a test makes the call of every cell. `make permissions` prints it into the documentation.
"""

from typing import Final

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
    provisioned_groups,
    provisioned_users,
    tokens,
    user_deletion,
    users,
)
from service.operations.decisions import (
    ADMIN,
    ADMINISTRATION,
    ADMINISTRATION_OF,
    ALLOWED,
    CHANGING_A_JOB,
    CHANGING_A_JOB_IN_NONE,
    DELETER,
    DENIED,
    EXECUTOR,
    GRANTER,
    GROUPS_OF_USERS,
    HIDDEN,
    ITSELF,
    LEFT_OUT,
    MADE_WITH,
    MAKING,
    MAKING_FOR_OTHERS,
    MANAGERS,
    MEMBER,
    NAMES_FOR_ALL,
    NAMES_WITHIN,
    NARROW,
    NO_GRANT,
    ON_A_TOKEN,
    OTHER_SCOPES,
    OUTSIDE_ADMIN,
    OUTSIDER,
    OWNER,
    OWNERS,
    OWNING_ADMIN,
    OWNING_READER,
    PIPELINE_ADMIN,
    PIPELINES_OF_USERS,
    PROVISIONING,
    PROVISIONING_OF,
    PUTTING,
    PUTTING_SEEN,
    READER,
    SEEING_A_JOB,
    SEEING_A_JOB_IN_NONE,
    TAKEN,
    THEIR_OWN,
    TOKENS_OF_USERS,
    WRITER,
)
from service.operations.decisions import each as _each
from service.operations.decisions import granting as _granting
from service.operations.decisions import holding as _holding
from service.operations.decisions import listed as _listed
from service.operations.verdicts import (
    ACCOUNT,
    GROUP,
    JOB,
    JOB_IN_NONE,
    ORGANIZATION,
    PIPELINE,
    REACH,
    TOKEN,
    USER,
    Act,
    Decision,
)
from service.permissions import DELETE, EXECUTE, FULL_ACCESS, MANAGE_PIPELINES, READ, SCOPE_ADMIN, WRITE

_ORGANIZATION_ROWS: Final = (
    Act(
        "create a pipeline, and be its manager",
        (pipelines.create_pipeline,),
        ORGANIZATION,
        {MEMBER: Decision(DENIED), **_each((PIPELINE_ADMIN, ADMIN), ALLOWED, {MANAGE_PIPELINES: NARROW})},
    ),
    Act(
        "declare a pipeline that there is none of",
        (apply.apply,),
        ORGANIZATION,
        {MEMBER: Decision(DENIED), **_each((PIPELINE_ADMIN, ADMIN), ALLOWED, {MANAGE_PIPELINES: NARROW})},
    ),
    Act("declare a group that there is none of", (apply.apply,), ORGANIZATION, ADMINISTRATION),
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
        _each((MEMBER, PIPELINE_ADMIN, ADMIN), ALLOWED),
    ),
    Act("follow every entry of the audit trail", (changes.list_changes,), ORGANIZATION, ADMINISTRATION),
)

PUTTING_GRANTS: Final = (grants.put_user_grant, grants.put_group_grant, grant_sets.replace_grants)

_PIPELINE_ROWS: Final = (
    Act(
        "find it in the list of pipelines",
        (pipelines.list_pipelines, job_pipelines.list_job_pipelines),
        PIPELINE,
        _listed(_holding(READ)),
    ),
    Act("read it", (pipelines.get_pipeline,), PIPELINE, _holding(READ)),
    Act("see the jobs in it", (pipelines.list_pipeline_jobs,), PIPELINE, _holding(READ)),
    Act("rename or describe it", (pipelines.update_pipeline,), PIPELINE, _holding(WRITE)),
    Act("delete it", (pipelines.delete_pipeline,), PIPELINE, _holding(DELETE)),
    Act(
        "put a job of their own into it",
        (job_pipelines.update_job_pipelines, job_pipelines.add_pipeline_job),
        PIPELINE,
        _holding(EXECUTE),
    ),
    Act(
        "put a job of their own into it, in a batch",
        (job_batches.batch_update_job_pipelines,),
        PIPELINE,
        _holding(EXECUTE, PUTTING),
    ),
    Act(
        "put somebody else's job into it, from a pipeline on which they hold the same",
        (job_pipelines.update_job_pipelines, job_pipelines.add_pipeline_job),
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
    Act(
        "find it among what a group is granted",
        (grants.list_group_grants,),
        PIPELINE,
        {
            **_each((NO_GRANT, READER, EXECUTOR, WRITER, DELETER), LEFT_OUT),
            **_each((GRANTER, *MANAGERS), ALLOWED, {READ: LEFT_OUT, MANAGE_PIPELINES: LEFT_OUT}),
            OUTSIDER: Decision(HIDDEN),  # there is no such group
        },
    ),
    Act("grant what they hold", PUTTING_GRANTS, PIPELINE, _holding(MANAGE_PIPELINES)),
    Act("grant `execute`", PUTTING_GRANTS, PIPELINE, _granting(EXECUTE)),
    Act("make a manager", PUTTING_GRANTS, PIPELINE, _granting(FULL_ACCESS)),
    Act(
        "take a grant back that makes no manager",
        (grants.delete_user_grant, grants.delete_group_grant, grant_sets.replace_grants),
        PIPELINE,
        _holding(MANAGE_PIPELINES),
    ),
    Act(
        "unmake a manager",
        (grants.delete_user_grant, grants.delete_group_grant, grant_sets.replace_grants),
        PIPELINE,
        _granting(FULL_ACCESS),
    ),
    Act("list who has access to it", (grants.list_access,), PIPELINE, _holding(MANAGE_PIPELINES)),
    Act("see why they have their own access", (grants.explain_access,), PIPELINE, _holding(READ)),
    Act("see why somebody else has access", (grants.explain_access,), PIPELINE, _holding(MANAGE_PIPELINES)),
)

_JOB_ROWS: Final = (
    Act("find it in the list of jobs", (jobs.list_jobs,), JOB, _listed(SEEING_A_JOB)),
    Act("read it, and which pipelines it is in", (jobs.get_job, job_pipelines.list_job_pipelines), JOB, SEEING_A_JOB),
    Act(
        "leave it in its pipelines by an update",
        (job_pipelines.update_job_pipelines,),
        JOB,
        {
            **SEEING_A_JOB,
            OWNER: Decision(HIDDEN),  # the answer would name a pipeline that they may not read
            **_each((OWNING_READER, OWNING_ADMIN), ALLOWED, {READ: HIDDEN}),
        },
    ),
    Act(
        "take it out of its pipelines by an update",
        (job_pipelines.update_job_pipelines,),
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
        "take it out of a pipeline",
        (job_pipelines.remove_pipeline_job,),
        JOB,
        {
            **SEEING_A_JOB,
            OWNER: Decision(HIDDEN),  # they may not read the pipeline
            **_each((OWNING_READER, OWNING_ADMIN), ALLOWED, {READ: HIDDEN, EXECUTE: NARROW}),
            READER: Decision(DENIED, {READ: HIDDEN}),
            **_each((EXECUTOR, PIPELINE_ADMIN, ADMIN), ALLOWED, {READ: HIDDEN, EXECUTE: NARROW}),
        },
    ),
    Act(
        "take it out of its pipelines in a batch, all or nothing",
        (job_batches.batch_update_job_pipelines,),
        JOB,
        {
            **_each((NO_GRANT, OUTSIDER, OUTSIDE_ADMIN), HIDDEN, PUTTING),
            **_each(OWNERS, ALLOWED, PUTTING),
            READER: Decision(DENIED, {**PUTTING, READ: HIDDEN}),
            **_each((EXECUTOR, PIPELINE_ADMIN, ADMIN), ALLOWED, {**PUTTING, READ: HIDDEN}),
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
    Act("read it", (jobs.get_job, job_pipelines.list_job_pipelines), JOB_IN_NONE, SEEING_A_JOB_IN_NONE),
    Act(
        "put it into a pipeline that they may execute",
        (job_pipelines.update_job_pipelines,),
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
    Act(
        "change who is in it",
        (groups.add_member, groups.remove_member, groups.update_members),
        GROUP,
        ADMINISTRATION_OF,
    ),
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

_PROVISIONING_ROWS: Final = tuple(
    Act(f"{title}, by SCIM", (operation,), about, PROVISIONING if about is ORGANIZATION else PROVISIONING_OF)
    for title, operation, about in (
        ("see what provisioning is like", provisioned_users.discover_provisioning, ORGANIZATION),
        ("list the users", provisioned_users.list_provisioned_users, ORGANIZATION),
        ("create a user", provisioned_users.create_provisioned_user, ORGANIZATION),
        ("list the groups", provisioned_groups.list_provisioned_groups, ORGANIZATION),
        ("create a group", provisioned_groups.create_provisioned_group, ORGANIZATION),
        ("read them", provisioned_users.get_provisioned_user, USER),
        ("change them, disable or enable them", provisioned_users.change_provisioned_user, USER),
        ("delete them", provisioned_users.deprovision_user, USER),
        ("read it", provisioned_groups.get_provisioned_group, GROUP),
        ("change it, and who is in it", provisioned_groups.change_provisioned_group, GROUP),
        ("delete it", provisioned_groups.delete_provisioned_group, GROUP),
    )
)

PERMISSION_TABLE: Final = (
    *_ORGANIZATION_ROWS,
    *_PIPELINE_ROWS,
    *_JOB_ROWS,
    *_JOB_IN_NONE_ROWS,
    *_DIRECTORY_ROWS,
    *_REACH_ROWS,
    *_TOKEN_ROWS,
    *_PROVISIONING_ROWS,
)
