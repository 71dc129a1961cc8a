"""Requests and answers about jobs and the pipelines they are in."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.schemas.fields import IN_QUERY, JobId, StrictUUID
from service.schemas.request import RequestSchema

MOST_PIPELINES: Final = 1000
"""How many pipelines one update may name."""


@dataclass(frozen=True, slots=True)
class ListJobPipelines:
    """The pipelines of a job; without one, all that the caller may read."""

    job_id: str | None = None


class ListJobPipelinesSchema(RequestSchema):
    """May ask for one job's."""

    loads_into = ListJobPipelines
    job_id = JobId(metadata=IN_QUERY)


@dataclass(frozen=True, slots=True)
class UpdateJobPipelines:
    """The pipelines that a job is to be in from now on, in this order."""

    job_id: str
    pipeline_ids: list[UUID]


class UpdateJobPipelinesSchema(RequestSchema):
    """Names a job and its whole new set of pipelines."""

    loads_into = UpdateJobPipelines
    job_id = JobId(required=True)
    pipeline_ids = fields.List(StrictUUID(), required=True, validate=validate.Length(max=MOST_PIPELINES))


class UpdatedPipelineSchema(Schema):
    """A pipeline of an updated job, in the seed's own spelling."""

    flow_pipeline_name = fields.String(required=True, data_key="flowPipelineName")
    flow_pipeline_id = fields.UUID(required=True, data_key="flowPipelineId")


class UpdatedPipelinesSchema(Schema):
    """The answer to an update: the job's pipelines in the order of the request."""

    status = fields.Constant("OK", required=True)
    updated_pipelines = fields.List(fields.Nested(UpdatedPipelineSchema), required=True)


class _Named(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...


def dump_updated_pipelines(pipelines: Iterable[_Named]) -> dict[str, Any]:
    """An UpdatedPipelinesSchema."""
    items = [{"flowPipelineName": pipeline.name, "flowPipelineId": pipeline.id} for pipeline in pipelines]
    return {"status": "OK", "updated_pipelines": items}
