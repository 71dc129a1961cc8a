"""Rows of the permission table on a job, and on one that is in no pipeline."""

from typing import Final

from service.operations import job_batches, job_pipelines, jobs
from service.operations.permission_table.decisions import (
    ADMIN,
    ALLOWED,
    CHANGING_A_JOB,
    CHANGING_A_JOB_IN_NONE,
    DENIED,
    EXECUTOR,
    HIDDEN,
    MEMBER,
    NARROW,
    NO_GRANT,
    OUTSIDE_ADMIN,
    OUTSIDER,
    OWNER,
    OWNERS,
    OWNING_ADMIN,
    OWNING_READER,
    PIPELINE_ADMIN,
    PUTTING,
    PUTTING_SEEN,
    READER,
    SEEING_A_JOB,
    SEEING_A_JOB_IN_NONE,
    TAKEN,
    THEIR_OWN,
    each,
    listed,
)
from service.operations.permission_table.verdicts import JOB, JOB_IN_NONE, Act, Decision
from service.permissions import EXECUTE, READ, SCOPE_ADMIN

UPDATING: Final = (job_pipelines.update_job_pipelines, job_batches.batch_update_job_pipelines)

JOB_ROWS: Final = (
    Act("find it in the list of jobs", (jobs.list_jobs,), JOB, listed(SEEING_A_JOB)),
    Act("read it, and which pipelines it is in", (jobs.get_job, job_pipelines.list_job_pipelines), JOB, SEEING_A_JOB),
    Act(
        "leave it in its pipelines by an update",
        UPDATING,
        JOB,
        {
            **SEEING_A_JOB,
            OWNER: Decision(HIDDEN),  # the answer would name a pipeline that they may not read
            **each((OWNING_READER, OWNING_ADMIN), ALLOWED, {READ: HIDDEN}),
        },
    ),
    Act(
        "take it out of its pipelines by an update",
        UPDATING,
        JOB,
        {
            **SEEING_A_JOB,
            OWNER: Decision(ALLOWED, {EXECUTE: HIDDEN}),  # a refusal would name a pipeline that they may not read
            **each((OWNING_READER, OWNING_ADMIN), ALLOWED, {READ | EXECUTE: HIDDEN, EXECUTE: NARROW}),
            READER: Decision(DENIED, {READ: HIDDEN}),
            **each((EXECUTOR, PIPELINE_ADMIN, ADMIN), ALLOWED, {READ: HIDDEN, EXECUTE: NARROW}),
        },
    ),
    Act(
        "take it out of a pipeline",
        (job_pipelines.remove_pipeline_job,),
        JOB,
        {
            **SEEING_A_JOB,
            OWNER: Decision(HIDDEN),  # they may not read the pipeline
            **each((OWNING_READER, OWNING_ADMIN), ALLOWED, {READ: HIDDEN, EXECUTE: NARROW}),
            READER: Decision(DENIED, {READ: HIDDEN}),
            **each((EXECUTOR, PIPELINE_ADMIN, ADMIN), ALLOWED, {READ: HIDDEN, EXECUTE: NARROW}),
        },
    ),
    Act(
        "put it again as it is",
        (jobs.put_job,),
        JOB,
        {
            **each(OWNERS, ALLOWED, PUTTING),
            **each((READER, EXECUTOR, PIPELINE_ADMIN, ADMIN), ALLOWED, PUTTING_SEEN),
            NO_GRANT: Decision(TAKEN, PUTTING),
            **THEIR_OWN,
        },
    ),
    Act(
        "take it out of its pipelines by putting it",
        (jobs.put_job,),
        JOB,
        {
            **each(OWNERS, ALLOWED, PUTTING),
            READER: Decision(DENIED, PUTTING_SEEN),
            EXECUTOR: Decision(ALLOWED, PUTTING_SEEN),
            **each((NO_GRANT, PIPELINE_ADMIN, ADMIN), TAKEN, PUTTING),
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
            **each((OWNER, OWNING_READER, READER, EXECUTOR, PIPELINE_ADMIN, NO_GRANT, OUTSIDER), DENIED),
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
            **each(OWNERS, ALLOWED, {EXECUTE: NARROW}),
            **each((READER, EXECUTOR, PIPELINE_ADMIN), DENIED, {READ: HIDDEN}),
            ADMIN: Decision(ALLOWED, {READ: HIDDEN, SCOPE_ADMIN: NARROW, EXECUTE: NARROW}),
        },
    ),
)

JOB_IN_NONE_ROWS: Final = (
    Act("find it in the list of jobs", (jobs.list_jobs,), JOB_IN_NONE, listed(SEEING_A_JOB_IN_NONE)),
    Act("read it", (jobs.get_job, job_pipelines.list_job_pipelines), JOB_IN_NONE, SEEING_A_JOB_IN_NONE),
    Act(
        "put it into a pipeline that they may execute",
        UPDATING,
        JOB_IN_NONE,
        {
            **SEEING_A_JOB_IN_NONE,
            **each((OWNER, OWNING_ADMIN), ALLOWED, {READ: HIDDEN, EXECUTE: NARROW}),
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
            **each((OWNER, MEMBER, PIPELINE_ADMIN, OUTSIDER), DENIED),
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
            **each((OWNER, OWNING_ADMIN), ALLOWED, {EXECUTE: NARROW}),
            ADMIN: Decision(ALLOWED, {READ: HIDDEN, SCOPE_ADMIN: HIDDEN, EXECUTE: NARROW}),
        },
    ),
)
