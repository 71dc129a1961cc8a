"""Requests and answers about pipelines."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.permissions import PERMISSION_BITS, is_manager, permission_names
from service.repositories.pipelines import QueuedJob
from service.schemas.answers import AnswerSchema, ListSchema, dump_page
from service.schemas.fields import (
    IN_PATH,
    IN_QUERY,
    Flag,
    PageSize,
    PipelineName,
    StrictUUID,
    page_token,
    permission_in_query,
    text,
)
from service.schemas.pages import Page
from service.schemas.request import RequestSchema

DESCRIPTION_LENGTH = 10_000


@dataclass(frozen=True, slots=True)
class ListPipelines:
    """All that the caller may read, or those of them that fit the filters."""

    name: str | None = None
    permission: str | None = None
    is_manager: bool | None = None
    page_size: int | None = None
    page_token: str | None = None


class ListPipelinesSchema(RequestSchema):
    """Filters: a part of the name regardless of case, a permission held, being a manager."""

    loads_into = ListPipelines
    name = fields.String(metadata=IN_QUERY, load_default=None)
    permission = permission_in_query()
    is_manager = Flag(metadata=IN_QUERY, load_default=None)
    page_size = PageSize()
    page_token = page_token()


@dataclass(frozen=True, slots=True)
class CreatePipeline:
    """A new pipeline."""

    name: str
    description: str = ""


class CreatePipelineSchema(RequestSchema):
    """Its name is unique in the organization, regardless of case."""

    loads_into = CreatePipeline
    name = PipelineName(required=True)
    description = text(DESCRIPTION_LENGTH)


@dataclass(frozen=True, slots=True)
class GetPipeline:
    """One pipeline."""

    pipeline_id: UUID


class GetPipelineSchema(RequestSchema):
    """Names one pipeline."""

    loads_into = GetPipeline
    pipeline_id = StrictUUID(required=True, metadata=IN_PATH)


@dataclass(frozen=True, slots=True)
class UpdatePipeline:
    """What is to change of a pipeline; None is to stay."""

    pipeline_id: UUID
    name: str | None = None
    description: str | None = None


class UpdatePipelineSchema(RequestSchema):
    """What is left out stays."""

    loads_into = UpdatePipeline
    pipeline_id = StrictUUID(required=True, metadata=IN_PATH)
    name = PipelineName()
    description = text(DESCRIPTION_LENGTH)


@dataclass(frozen=True, slots=True)
class DeletePipeline:
    """A pipeline to delete, with force also while jobs are in it."""

    pipeline_id: UUID
    force: bool = False


class DeletePipelineSchema(RequestSchema):
    """Refused while jobs are in it, unless forced."""

    loads_into = DeletePipeline
    pipeline_id = StrictUUID(required=True, metadata=IN_PATH)
    force = Flag(metadata=IN_QUERY)


@dataclass(frozen=True, slots=True)
class ListPipelineJobs:
    """The queue of a pipeline."""

    pipeline_id: UUID
    page_size: int | None = None
    page_token: str | None = None


class ListPipelineJobsSchema(RequestSchema):
    """Oldest first."""

    loads_into = ListPipelineJobs
    pipeline_id = StrictUUID(required=True, metadata=IN_PATH)
    page_size = PageSize()
    page_token = page_token()


class PipelineItemSchema(Schema):
    """A pipeline in a list, as the vendor's document has it."""

    name = fields.String(required=True)
    id = fields.UUID(required=True)
    permissions = fields.List(fields.String(validate=validate.OneOf([*PERMISSION_BITS])), required=True)
    is_manager = fields.Boolean(required=True)


class PipelineListSchema(ListSchema):
    """The answer of both documented lists."""

    pipelines = fields.List(fields.Nested(PipelineItemSchema), required=True)


class PipelineSchema(PipelineItemSchema):
    """A whole pipeline."""

    description = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)
    updated_at = fields.AwareDateTime(required=True)


class PipelineAnswerSchema(AnswerSchema):
    """One pipeline."""

    pipeline = fields.Nested(PipelineSchema, required=True)


class QueuedJobSchema(Schema):
    """A job in a pipeline's queue."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    owner = fields.String(required=True)
    assigned_at = fields.AwareDateTime(required=True)


class PipelineJobsSchema(ListSchema):
    """A pipeline's queue, oldest first."""

    jobs = fields.List(fields.Nested(QueuedJobSchema), required=True)


class AccessiblePipeline(NamedTuple):
    """A pipeline that the caller may read, and what they may do on it (an access of permissions.py).

    A tuple, as lists are made of thousands.
    """

    id: UUID
    name: str
    access: int


class PipelineView(NamedTuple):
    """All that is said of a pipeline."""

    id: UUID
    name: str
    access: int
    description: str
    created_at: datetime
    updated_at: datetime


def dump_pipeline_list(page: Page[AccessiblePipeline]) -> dict[str, Any]:
    """A PipelineListSchema."""
    return dump_page("pipelines", page, _dump_item)


def dump_pipeline(pipeline: PipelineView) -> dict[str, Any]:
    """A PipelineAnswerSchema."""
    whole = _dump_item(pipeline) | {
        "description": pipeline.description,
        "created_at": pipeline.created_at,
        "updated_at": pipeline.updated_at,
    }
    return {"status": "OK", "pipeline": whole}


def dump_pipeline_jobs(page: Page[QueuedJob]) -> dict[str, Any]:
    """A PipelineJobsSchema."""
    return dump_page("jobs", page, _dump_queued)


def _dump_item(pipeline: AccessiblePipeline | PipelineView) -> dict[str, Any]:
    return {
        "name": pipeline.name,
        "id": str(pipeline.id),
        "permissions": permission_names(pipeline.access),
        "is_manager": is_manager(pipeline.access),
    }


def _dump_queued(job: QueuedJob) -> dict[str, Any]:
    return {"id": job.id, "name": job.name, "owner": job.owner, "assigned_at": job.assigned_at}
