"""Requests and answers about jobs and the pipelines they are in."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.schemas.answers import AnswerSchema, ListSchema, dump_page
from service.schemas.fields import (
    IN_PATH,
    IN_QUERY,
    JobId,
    Name,
    PageSize,
    StrictUUID,
    UUIDs,
    page_token,
    text,
)
from service.schemas.pages import Page
from service.schemas.pipelines import ListPipelines, ListPipelinesSchema
from service.schemas.request import RequestSchema

MAX_PIPELINES: Final = 1000
"""How many pipelines one update may name."""


@dataclass(frozen=True, slots=True)
class ListJobPipelines(ListPipelines):
    """The pipelines of a job; without one, all that the caller may read."""

    job_id: str | None = None


class ListJobPipelinesSchema(ListPipelinesSchema):
    """May ask for one job's."""

    loads_into = ListJobPipelines
    job_id = JobId(metadata=IN_QUERY, load_default=None)


@dataclass(frozen=True, slots=True)
class UpdateJobPipelines:
    """The pipelines that a job is to be in from now on, in this order."""

    job_id: str
    pipeline_ids: list[UUID]


def _pipeline_ids(**arguments: Any) -> UUIDs:
    return UUIDs(validate=validate.Length(max=MAX_PIPELINES), **arguments)


class UpdateJobPipelinesSchema(RequestSchema):
    """Names a job and its whole new set of pipelines."""

    loads_into = UpdateJobPipelines
    job_id = JobId(required=True)
    pipeline_ids = _pipeline_ids(required=True)


@dataclass(frozen=True, slots=True)
class PutJob:
    """A job to register, or what is to change of it; None is to stay. The owner is a username."""

    job_id: str
    name: str | None = None
    owner: str | None = None
    pipeline_ids: list[UUID] | None = None


class PutJobSchema(RequestSchema):
    """What is left out stays; of a new job, it is empty, and the owner who calls."""

    loads_into = PutJob
    job_id = JobId(required=True, metadata=IN_PATH)
    name = text(255)
    owner = Name()
    pipeline_ids = _pipeline_ids()


@dataclass(frozen=True, slots=True)
class JobRef:
    """One job, to be read or forgotten."""

    job_id: str


class JobRefSchema(RequestSchema):
    """Names one job."""

    loads_into = JobRef
    job_id = JobId(required=True, metadata=IN_PATH)


@dataclass(frozen=True, slots=True)
class ListJobs:
    """The jobs that the caller can see, or those of them in a pipeline or of an owner."""

    pipeline_id: UUID | None = None
    owner: str | None = None
    page_size: int | None = None
    page_token: str | None = None


class ListJobsSchema(RequestSchema):
    """Newest first. Filters: a pipeline, an owner's username."""

    loads_into = ListJobs
    pipeline_id = StrictUUID(metadata=IN_QUERY, load_default=None)
    owner = Name(metadata=IN_QUERY, load_default=None)
    page_size = PageSize()
    page_token = page_token()


class UpdatedPipelineSchema(Schema):
    """A pipeline of an updated job, in the vendor's own spelling."""

    flow_pipeline_name = fields.String(required=True, data_key="flowPipelineName")
    flow_pipeline_id = fields.UUID(required=True, data_key="flowPipelineId")


class UpdatedPipelinesSchema(AnswerSchema):
    """The answer to an update: the job's pipelines in the order of the request."""

    updated_pipelines = fields.List(fields.Nested(UpdatedPipelineSchema), required=True)


class PipelineInfoSchema(Schema):
    """A pipeline that a job is in, as far as its caller may read it."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)


class JobSchema(Schema):
    """A job."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    owner = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)
    flow_pipeline_infos = fields.List(fields.Nested(PipelineInfoSchema), required=True)


class JobAnswerSchema(AnswerSchema):
    """One job."""

    job = fields.Nested(JobSchema, required=True)


class JobListSchema(ListSchema):
    """Jobs, newest first."""

    jobs = fields.List(fields.Nested(JobSchema), required=True)


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


def dump_updated_pipelines(pipelines: Iterable[NamedPipeline]) -> dict[str, Any]:
    """An UpdatedPipelinesSchema."""
    items = [{"flowPipelineName": pipeline.name, "flowPipelineId": str(pipeline.id)} for pipeline in pipelines]
    return {"status": "OK", "updated_pipelines": items}


def dump_job(job: JobView) -> dict[str, Any]:
    """A JobAnswerSchema."""
    return {"status": "OK", "job": _dump_job(job)}


def dump_job_list(page: Page[JobView]) -> dict[str, Any]:
    """A JobListSchema."""
    return dump_page("jobs", page, _dump_job)


def _dump_job(job: JobView) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "owner": job.owner,
        "created_at": job.created_at,
        "flow_pipeline_infos": [{"id": pipeline.id, "name": pipeline.name} for pipeline in job.pipelines],
    }
