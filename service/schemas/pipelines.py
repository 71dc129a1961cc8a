"""Requests and answers about pipelines."""

from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.permissions import FULL_ACCESS, PERMISSION_BITS, is_manager, permission_names
from service.repositories.ordering import Orders
from service.repositories.queues import ORDERS, QueuedJob
from service.schemas.answers import AnswerSchema, ListSchema, OrderedListSchema, answers, dump_page
from service.schemas.fields import (
    PIPELINE_ID,
    Flag,
    Name,
    PageSize,
    PipelineName,
    Ruled,
    StrictUUID,
    order_by,
    page_token,
    part,
    part_of_name,
    permission,
    says,
    total,
)
from service.schemas.pages import Page, Part, is_text, is_uuid
from service.schemas.request import field, request
from service.values.names import DESCRIPTION


@request
class ListPipelines:
    """The pipelines that the caller may read, or those of them that fit the filters.

    Filters: a part of the name regardless of case, a permission held, being a manager.
    """

    sort_key: ClassVar[tuple[Part, ...]] = (is_text, is_uuid)

    name: str | None = field(part_of_name(), default=None)
    permission: str | None = field(permission(), default=None)
    is_manager: bool | None = field(Flag(), "Only those that the caller manages, or does not.", default=None)
    page_size: int | None = field(PageSize(), "The number of items on a page; all if it is left out.", default=None)
    page_token: str | None = field(page_token(), default=None)


@request
class ListUserPipelines(ListPipelines):
    """The pipelines that a user can reach.

    As a token of theirs without scopes lists them; a disabled user reaches none. Filters: a part of the name regardless
    of case, a permission held, being a manager.
    """

    username: str = field(Name(), "The name of the user, in upper or lower case.", kw_only=True)


@request
class CreatePipeline:
    """A new pipeline.

    Its name is unique in the organization, regardless of case.
    """

    name: str = field(PipelineName(), "The name of the pipeline, without space around it.")
    description: str = field(Ruled(DESCRIPTION), "A description, for people; empty if it is left out.", default="")


@request
class GetPipeline:
    """One pipeline, to be read."""

    pipeline_id: UUID = field(StrictUUID(), PIPELINE_ID)


@request
class UpdatePipeline:
    """Changes of a pipeline; None leaves a value as it is.

    What is left out stays.
    """

    pipeline_id: UUID = field(StrictUUID(), PIPELINE_ID)
    name: str | None = field(PipelineName(), "The name it is to have from now on.", default=None)
    description: str | None = field(Ruled(DESCRIPTION), "The description it is to have from now on.", default=None)


@request
class DeletePipeline:
    """A pipeline to delete, with force also while jobs are in it.

    Refused while jobs are in it, unless forced.
    """

    pipeline_id: UUID = field(StrictUUID(), PIPELINE_ID)
    force: bool = field(Flag(), "True to delete it also while jobs are in it; they stay, without it.", default=False)


@request
class ListPipelineJobs:
    """The queue of a pipeline, or those of its jobs that fit the filter.

    Oldest first.
    """

    orders: ClassVar[Orders] = ORDERS

    pipeline_id: UUID = field(StrictUUID(), PIPELINE_ID)
    q: str | None = field(part("id or name"), default=None)
    order_by: str | None = field(order_by(ORDERS), default=None)
    total: bool = field(total(), default=False)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


class PipelineItemSchema(Schema):
    """A pipeline in a list, as the vendor's document has it."""

    name = fields.String(required=True, metadata=says("The name of the pipeline."))
    id = fields.UUID(required=True, metadata=says(PIPELINE_ID))
    permissions = fields.List(
        fields.String(validate=validate.OneOf([*PERMISSION_BITS])),
        required=True,
        metadata=says("What the caller may do on it with this token."),
    )
    is_manager = fields.Boolean(required=True, metadata=says("True if the caller is a manager of it, who may do all."))


class PipelineListSchema(ListSchema):
    """The answer of both of the vendor's lists."""

    pipelines = fields.List(
        fields.Nested(PipelineItemSchema), required=True, metadata=says("The pipelines, by name and then by id.")
    )


class PipelineSchema(PipelineItemSchema):
    """A whole pipeline."""

    description = fields.String(required=True, metadata=says("The description, for people; it may be empty."))
    created_at = fields.AwareDateTime(required=True, metadata=says("The time of its creation."))
    updated_at = fields.AwareDateTime(
        required=True, metadata=says("The time of the last change of name or description.")
    )


class PipelineAnswerSchema(AnswerSchema):
    """One pipeline."""

    pipeline = fields.Nested(PipelineSchema, required=True, metadata=says("The pipeline."))


class QueuedJobSchema(Schema):
    """A job in a pipeline's queue."""

    id = fields.String(required=True, metadata=says("The id of the job."))
    name = fields.String(required=True, metadata=says("The name of the job; it may be empty."))
    owner = fields.String(required=True, metadata=says("The username of the job's owner."))
    assigned_at = fields.AwareDateTime(required=True, metadata=says("The time since which it is in the pipeline."))


class PipelineJobsSchema(OrderedListSchema):
    """A pipeline's queue, oldest first."""

    jobs = fields.List(fields.Nested(QueuedJobSchema), required=True, metadata=says("The jobs, oldest first."))


class AccessiblePipeline(NamedTuple):
    """A pipeline that the caller may read, and what they may do on it (an access of permissions/).

    A tuple, as lists are made of thousands.
    """

    id: UUID
    name: str
    access: int


class PipelineView(NamedTuple):
    """A pipeline with all of its properties, and what the caller may do on it."""

    id: UUID
    name: str
    access: int
    description: str
    created_at: datetime
    updated_at: datetime


@answers(PipelineListSchema)
def dump_pipeline_list(page: Page[AccessiblePipeline]) -> dict[str, Any]:
    """Dump a page of pipelines."""
    return dump_page("pipelines", page, _dump_item)


@answers(PipelineAnswerSchema)
def dump_pipeline(pipeline: PipelineView) -> dict[str, Any]:
    """Dump one pipeline."""
    whole = _dump_item(pipeline) | {
        "description": pipeline.description,
        "created_at": pipeline.created_at,
        "updated_at": pipeline.updated_at,
    }
    return {"status": "OK", "pipeline": whole}


@answers(PipelineJobsSchema)
def dump_pipeline_jobs(page: Page[QueuedJob]) -> dict[str, Any]:
    """Dump a page of a pipeline's queue."""
    return dump_page("jobs", page, _dump_queued)


def _dump_item(pipeline: AccessiblePipeline | PipelineView) -> dict[str, Any]:
    return {"name": pipeline.name, "id": str(pipeline.id), **_SHOWN[pipeline.access & FULL_ACCESS]}


_SHOWN: Final = [
    {"permissions": permission_names(access), "is_manager": is_manager(access)} for access in range(FULL_ACCESS + 1)
]
"""The form of each access in answers, made once for all the items of lists."""


def _dump_queued(job: QueuedJob) -> dict[str, Any]:
    return {"id": job.id, "name": job.name, "owner": job.owner, "assigned_at": job.assigned_at}
