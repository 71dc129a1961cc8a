"""Requests and answers about jobs and the pipelines they are in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

from marshmallow import Schema, fields

from service.repositories.jobs import ORDERS
from service.repositories.ordering import Orders
from service.schemas.answers import AnswerSchema, OrderedListSchema, answers, dump_page
from service.schemas.fields import (
    PIPELINE_ID,
    JobId,
    Name,
    PageSize,
    Ruled,
    StrictUUID,
    order_by,
    page_token,
    says,
    total,
    uuids,
)
from service.schemas.pages import Page
from service.schemas.pipelines import ListPipelines
from service.schemas.request import field, request
from service.values.names import JOB_ID, JOB_NAME

JOB: Final = "The id of the job, as it was registered."
MAX_PIPELINES: Final = 1000
"""The number of pipelines that one update may name."""


@request
class ListJobPipelines(ListPipelines):
    """The pipelines of a job; without one, all that the caller may read.

    Filters: a job, a part of the name regardless of case, a permission held, being a manager.
    """

    job_id: str | None = field(JobId(), "Only the pipelines that this job is in.", default=None)


@request
class UpdateJobPipelines:
    """The pipelines that a job is to be in from now on, in this order.

    Names a job and its whole new set of pipelines.
    """

    job_id: str = field(JobId(), JOB)
    pipeline_ids: list[UUID] = field(
        uuids(MAX_PIPELINES), "All the pipelines that it is to be in; an empty list takes it out of every one."
    )


@request
class PutJob:
    """A job to register, or its changes; None leaves a value as it is.

    What is left out stays; of a new job, it is empty, and the owner who calls. So the answer's owner is somebody else
    where they had a job of that id before. Administrators and pipeline administrators who name the pipelines of such a
    job, but neither its owner nor by `If-Match` what they have seen, get 409; an administrator takes it over by naming
    themselves as its owner. `If-None-Match: *` answers 412 where a job of that id exists.
    """

    job_id: str = field(Ruled(JOB_ID), JOB)
    name: str | None = field(Ruled(JOB_NAME), "A name, for people.", default=None)
    owner: str | None = field(
        Name(), "The username of its owner; somebody else's only for administrators.", default=None
    )
    """A username."""
    pipeline_ids: list[UUID] | None = field(
        uuids(MAX_PIPELINES), "All the pipelines that it is to be in; left out: those that it is in.", default=None
    )


@request
class JobRef:
    """One job, to be read or forgotten."""

    job_id: str = field(JobId(), JOB)


@request
class ListJobs:
    """The jobs that the caller can see, or those of them that fit the filters.

    Newest first. Filters: a pipeline, an owner's username. A page also ends where its jobs are in 5,000 pipelines.
    """

    orders: ClassVar[Orders] = ORDERS

    pipeline_id: UUID | None = field(StrictUUID(), "Only the jobs in this pipeline.", default=None)
    owner: str | None = field(Name(), "Only the jobs of the user with this username.", default=None)
    order_by: str | None = field(order_by(ORDERS), default=None)
    total: bool = field(total(), default=False)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


class UpdatedPipelineSchema(Schema):
    """A pipeline of an updated job, in the vendor's own spelling."""

    flow_pipeline_name = fields.String(
        required=True, data_key="flowPipelineName", metadata=says("The name of the pipeline.")
    )
    flow_pipeline_id = fields.UUID(required=True, data_key="flowPipelineId", metadata=says(PIPELINE_ID))


class UpdatedPipelinesSchema(AnswerSchema):
    """The answer to an update: the job's pipelines in the order of the request."""

    updated_pipelines = fields.List(
        fields.Nested(UpdatedPipelineSchema),
        required=True,
        metadata=says("The pipelines that the job is in now, as they were asked for, each once."),
    )


class PipelineInfoSchema(Schema):
    """A pipeline that a job is in, as far as its caller may read it."""

    id = fields.UUID(required=True, metadata=says(PIPELINE_ID))
    name = fields.String(required=True, metadata=says("The name of the pipeline."))


class JobSchema(Schema):
    """A job."""

    id = fields.String(required=True, metadata=says(JOB))
    name = fields.String(required=True, metadata=says("The name, for people; it may be empty."))
    owner = fields.String(required=True, metadata=says("The username of its owner."))
    created_at = fields.AwareDateTime(required=True, metadata=says("The time of its registration."))
    flow_pipeline_infos = fields.List(
        fields.Nested(PipelineInfoSchema),
        required=True,
        metadata=says("The pipelines that it is in, those that the caller may read, in the job's own order."),
    )


class JobAnswerSchema(AnswerSchema):
    """One job."""

    job = fields.Nested(JobSchema, required=True, metadata=says("The job."))


class JobListSchema(OrderedListSchema):
    """Jobs, newest first."""

    jobs = fields.List(fields.Nested(JobSchema), required=True, metadata=says("The jobs, newest first."))


class NamedPipeline(NamedTuple):
    """A pipeline as a job's other data name it."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A job, and those of its pipelines that the caller may read, in the job's own order."""

    id: str
    name: str
    owner: str
    created_at: datetime
    pipelines: list[NamedPipeline]


@answers(UpdatedPipelinesSchema)
def dump_updated_pipelines(pipelines: list[NamedPipeline]) -> dict[str, Any]:
    """Dump the pipelines of an updated job."""
    items = [{"flowPipelineName": pipeline.name, "flowPipelineId": str(pipeline.id)} for pipeline in pipelines]
    return {"status": "OK", "updated_pipelines": items}


@answers(JobAnswerSchema)
def dump_job(job: JobView) -> dict[str, Any]:
    """Dump one job."""
    return {"status": "OK", "job": _dump_job(job)}


@answers(JobListSchema)
def dump_job_list(page: Page[JobView]) -> dict[str, Any]:
    """Dump a page of jobs."""
    return dump_page("jobs", page, _dump_job)


def _dump_job(job: JobView) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "owner": job.owner,
        "created_at": job.created_at,
        "flow_pipeline_infos": [{"id": pipeline.id, "name": pipeline.name} for pipeline in job.pipelines],
    }
