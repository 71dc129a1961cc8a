"""Rows of the permission table on a pipeline, the jobs in it, and the grants on it."""

from typing import Final

from service.operations import grant_sets, grants, job_batches, job_pipelines, jobs, pipelines
from service.operations.permission_table.decisions import (
    ALLOWED,
    DELETER,
    EXECUTOR,
    GRANTER,
    HIDDEN,
    LEFT_OUT,
    MANAGERS,
    NO_GRANT,
    OUTSIDER,
    PUTTING,
    READER,
    WRITER,
    each,
    granting,
    holding,
    listed,
)
from service.operations.permission_table.verdicts import PIPELINE, Act, Decision
from service.permissions import DELETE, EXECUTE, FULL_ACCESS, MANAGE_PIPELINES, READ, WRITE

PUTTING_IN: Final = (
    job_pipelines.update_job_pipelines,
    job_batches.batch_update_job_pipelines,
    job_pipelines.add_pipeline_job,
)
PUTTING_GRANTS: Final = (grants.put_user_grant, grants.put_group_grant, grant_sets.replace_grants)

PIPELINE_ROWS: Final = (
    Act(
        "find it in the list of pipelines",
        (pipelines.list_pipelines, job_pipelines.list_job_pipelines),
        PIPELINE,
        listed(holding(READ)),
    ),
    Act("read it", (pipelines.get_pipeline,), PIPELINE, holding(READ)),
    Act("see the jobs in it", (pipelines.list_pipeline_jobs,), PIPELINE, holding(READ)),
    Act("rename or describe it", (pipelines.update_pipeline,), PIPELINE, holding(WRITE)),
    Act("delete it", (pipelines.delete_pipeline,), PIPELINE, holding(DELETE)),
    Act(
        "put a job of their own into it",
        PUTTING_IN,
        PIPELINE,
        holding(EXECUTE),
    ),
    Act(
        "put somebody else's job into it, from a pipeline on which they hold the same",
        PUTTING_IN,
        PIPELINE,
        holding(EXECUTE),
    ),
    Act("register a job into it", (jobs.put_job,), PIPELINE, holding(EXECUTE, PUTTING)),
    Act("list the grants on it", (grants.list_grants,), PIPELINE, holding(MANAGE_PIPELINES)),
    Act(
        "see a user's or group's grant",
        (grants.get_user_grant, grants.get_group_grant),
        PIPELINE,
        holding(MANAGE_PIPELINES),
    ),
    Act(
        "find it among what a group is granted",
        (grants.list_group_grants,),
        PIPELINE,
        {
            **each((NO_GRANT, READER, EXECUTOR, WRITER, DELETER), LEFT_OUT),
            **each((GRANTER, *MANAGERS), ALLOWED, {READ: LEFT_OUT, MANAGE_PIPELINES: LEFT_OUT}),
            OUTSIDER: Decision(HIDDEN),  # there is no such group
        },
    ),
    Act("grant what they hold", PUTTING_GRANTS, PIPELINE, holding(MANAGE_PIPELINES)),
    Act("grant `execute`", PUTTING_GRANTS, PIPELINE, granting(EXECUTE)),
    Act("make a manager", PUTTING_GRANTS, PIPELINE, granting(FULL_ACCESS)),
    Act(
        "take a grant back that makes no manager",
        (grants.delete_user_grant, grants.delete_group_grant, grant_sets.replace_grants),
        PIPELINE,
        holding(MANAGE_PIPELINES),
    ),
    Act(
        "unmake a manager",
        (grants.delete_user_grant, grants.delete_group_grant, grant_sets.replace_grants),
        PIPELINE,
        granting(FULL_ACCESS),
    ),
    Act("list who has access to it", (grants.list_access,), PIPELINE, holding(MANAGE_PIPELINES)),
    Act("see why they have their own access", (grants.explain_access,), PIPELINE, holding(READ)),
    Act("see why somebody else has access", (grants.explain_access,), PIPELINE, holding(MANAGE_PIPELINES)),
)
