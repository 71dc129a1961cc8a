"""Requests and answers about jobs and the pipelines they are in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

from marshmallow import Schema, ValidationError, fields, validate

from service.errors import InvalidArgument, ServiceError
from service.repositories.jobs import ORDERS
from service.repositories.ordering import Orders
from service.schemas.answers import AnswerSchema, OrderedListSchema, answers, dump_page
from service.schemas.fields import (
    PIPELINE_ID,
    Flag,
    JobId,
    Name,
    Objects,
    PageSize,
    Ruled,
    StrictUUID,
    order_by,
    page_token,
    part,
    says,
    total,
    uuids,
)
from service.schemas.messages import flatten
from service.schemas.pages import Page
from service.schemas.pipelines import ListPipelines
from service.schemas.request import field, request
from service.values.names import JOB_ID, JOB_NAME

JOB: Final = "The id of the job, as it was registered."
MAX_PIPELINES: Final = 1000
"""The number of pipelines that one update may name, and that one job may be put into by calls, and that an answer
names of a job: an import may put it into more."""
MAX_UPDATES: Final = 500
"""The number of updates in one batch."""
MAX_IDS: Final = 5000
"""The number of pipelines that the updates of one batch may name together."""


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


class WrongUpdate(NamedTuple):
    """An update of a batch that is malformed, but for the job that it names."""

    job_id: str
    error: InvalidArgument


class _Updates(Objects[UpdateJobPipelines | WrongUpdate]):
    """The updates of a batch, each well-formed or not, if it can be told which job it is about."""

    def __init__(self) -> None:
        super().__init__(UpdateJobPipelines, MAX_UPDATES)

    def _read(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        named = (
            (each.get("pipeline_ids") for each in value if isinstance(each, dict)) if isinstance(value, list) else ()
        )
        if sum(len(ids) for ids in named if isinstance(ids, list)) > MAX_IDS:
            raise ValidationError(f"Must not name more than {MAX_IDS:,} pipelines together.")
        return super()._read(value, attr, data, **kwargs)

    def _read_one(self, value: object) -> UpdateJobPipelines | WrongUpdate:
        try:
            return super()._read_one(value)
        except ValidationError as error:
            if not isinstance(value, dict) or "job_id" in error.messages:
                raise
            return WrongUpdate(value["job_id"], InvalidArgument.of_fields(flatten(error.messages)))


def _updates() -> fields.Field[list[UpdateJobPipelines | WrongUpdate]]:
    return _Updates()  # type: ignore[return-value] # none is null


@request
class BatchUpdateJobPipelines:
    """Updates of jobs, each with a verdict of its own, or all or nothing.

    At most 5,000 pipelines in all. A job that is named again is updated again, in the order of the list. What is wrong
    with one update is its verdict, as if it had been sent alone; only a list that is too long, or has anything but
    objects with a `job_id`, is refused whole. With `atomic` nothing is changed unless all may be: the answer is the
    first refusal, and `details` names its `index`, counted from 0; malformed updates come before all others.
    """

    updates: list[UpdateJobPipelines | WrongUpdate] = field(_updates(), "The updates, each as it would be sent alone.")
    atomic: bool = field(Flag(), "True to do all or nothing.", default=False)


@request
class PipelineJobRef:
    """One job in one pipeline, to be put in or taken out."""

    pipeline_id: UUID = field(StrictUUID(), "The id of the pipeline.")
    job_id: str = field(JobId(), "The id of the job, as it was registered.")


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

    Newest first. Filters: a pipeline, an owner's username, and by `q`, a part of the id or the name. A page
    also ends where its jobs are in 5,000 pipelines.
    """

    orders: ClassVar[Orders] = ORDERS

    pipeline_id: UUID | None = field(StrictUUID(), "Only the jobs in this pipeline.", default=None)
    owner: str | None = field(Name(), "Only the jobs of the user with this username.", default=None)
    q: str | None = field(part("id or name"), default=None)
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
        validate=validate.Length(max=MAX_PIPELINES),
        metadata=says("The pipelines that the job is in now, as they were asked for, each once."),
    )


class VerdictSchema(Schema):
    """The outcome of one update of a batch: the job's pipelines, or the failure's code and sentence."""

    job_id = fields.String(required=True, metadata=says("The id of the job, as it was registered."))
    status = fields.String(
        required=True, validate=validate.OneOf(["OK", "ERROR"]), metadata=says("`OK` or `ERROR`: whether it was done.")
    )
    updated_pipelines = fields.List(
        fields.Nested(UpdatedPipelineSchema),
        validate=validate.Length(max=MAX_PIPELINES),
        metadata=says("The pipelines that the job is in now; only where it was done."),
    )
    code = fields.String(metadata={"description": "The name of the google.rpc.Code, of a failure."})
    msg = fields.String(metadata={"description": "What went wrong, for a person."})


class VerdictsSchema(AnswerSchema):
    """The answer to a batch of updates: a verdict for each, in the order of the request."""

    results = fields.List(
        fields.Nested(VerdictSchema),
        validate=validate.Length(max=MAX_UPDATES),
        required=True,
        metadata=says("A verdict on each update, in the order of the request."),
    )


class PipelineInfoSchema(Schema):
    """A pipeline that a job is in, as far as its caller may read it."""

    id = fields.UUID(required=True, metadata=says(PIPELINE_ID))
    name = fields.String(required=True, metadata=says("The name of the pipeline."))


class JobSummarySchema(Schema):
    """The facts that tell a job from others."""

    id = fields.String(required=True, metadata=says(JOB))
    name = fields.String(required=True, metadata=says("The name, for people; it may be empty."))
    owner = fields.String(required=True, metadata=says("The username of its owner."))
    created_at = fields.AwareDateTime(required=True, metadata=says("The time of its registration."))


class JobSchema(JobSummarySchema):
    """A job."""

    flow_pipeline_infos = fields.List(
        fields.Nested(PipelineInfoSchema),
        required=True,
        validate=validate.Length(max=MAX_PIPELINES),
        metadata=says("The pipelines that it is in, those that the caller may read, in the job's own order."),
    )
    unlisted_pipelines = fields.Integer(
        metadata=says(
            "The number of pipelines beyond those, which the list of the job's has; absent if there are none."
        )
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
    unlisted: int = 0
    """The number of those beyond MAX_PIPELINES."""


class Verdict(NamedTuple):
    """The outcome of one update of a batch: the job's pipelines, or the failure by which it was refused."""

    job_id: str
    outcome: list[NamedPipeline] | ServiceError


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The outcomes of a batch of updates, in the order of the request."""

    verdicts: list[Verdict]


@answers(UpdatedPipelinesSchema)
def dump_updated_pipelines(pipelines: list[NamedPipeline]) -> dict[str, Any]:
    """Dump the pipelines of an updated job."""
    return {"status": "OK", "updated_pipelines": _dump_updated(pipelines)}


@answers(VerdictsSchema)
def dump_verdicts(found: Verdicts) -> dict[str, Any]:
    """Dump the outcomes of a batch of updates."""
    return {"status": "OK", "results": [_dump_verdict(each) for each in found.verdicts]}


def _dump_verdict(verdict: Verdict) -> dict[str, Any]:
    job_id, outcome = verdict
    if isinstance(outcome, ServiceError):
        return {"job_id": job_id, "status": "ERROR", "code": outcome.code, "msg": outcome.message}
    return {"job_id": job_id, "status": "OK", "updated_pipelines": _dump_updated(outcome)}


def _dump_updated(pipelines: list[NamedPipeline]) -> list[dict[str, str]]:
    return [{"flowPipelineName": pipeline.name, "flowPipelineId": str(pipeline.id)} for pipeline in pipelines]


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
    } | ({"unlisted_pipelines": job.unlisted} if job.unlisted else {})
