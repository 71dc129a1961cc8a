"""Requests and answers about what needs an administrator's attention."""

from dataclasses import asdict, dataclass
from typing import Any

from marshmallow import Schema, fields, validate

from service.repositories.ordering import MAX_COUNTED
from service.repositories.overview import (
    MAX_EXAMINED,
    MAX_LISTED,
    EndingGrant,
    Finding,
    LooseJob,
    NamedPipeline,
    Queue,
    SelfGranted,
    UnusedToken,
)
from service.schemas.answers import AnswerSchema, answers
from service.schemas.fields import says
from service.schemas.grants import NamedPipelineSchema
from service.schemas.jobs import JobSummarySchema
from service.schemas.request import request
from service.schemas.tokens import TokenSummarySchema


@request
class GetOverview:
    """The overview, to be read: what needs attention in the organization.

    Of each kind the number and the first ten. Numbers are counted up to 10,000, and among the first 50,000 pipelines,
    grants of each kind, old tokens and newest jobs: beyond that `total_size_at_least` stands in the place of
    `total_size`.
    """


class FindingSchema(Schema):
    """The number of things that need attention."""

    total_size = fields.Integer(metadata={"description": "How many there are."})
    total_size_at_least = fields.Integer(
        metadata={
            "description": f"In its place, where there are more than {MAX_COUNTED:,}, or more than"
            f" {MAX_EXAMINED:,} to look at: how many were found."
        }
    )


def _pipeline() -> fields.Nested:
    return fields.Nested(NamedPipelineSchema, required=True, metadata=says("The pipeline."))


def _first(schema: type[Schema], what: str) -> fields.List[Any]:
    return fields.List(
        fields.Nested(schema),
        required=True,
        validate=validate.Length(max=MAX_LISTED),
        metadata=says(f"The first {MAX_LISTED}: {what}"),
    )


class UnexecutedSchema(FindingSchema):
    """Pipelines that nobody is granted `execute` on."""

    pipelines = _first(NamedPipelineSchema, "by name.")


class EndingGrantSchema(Schema):
    """A grant that ends soon."""

    pipeline = _pipeline()
    username = fields.String(required=True, allow_none=True, metadata=says("The user that it is to; or null."))
    group = fields.String(required=True, allow_none=True, metadata=says("The group that it is to; or null."))
    expires_at = fields.AwareDateTime(required=True, metadata=says("The time of its end."))


class EndingGrantsSchema(FindingSchema):
    """Grants that end within a week."""

    grants = _first(EndingGrantSchema, "those that end first come first.")


class UnusedTokenSchema(TokenSummarySchema):
    """A token that was not used for long."""


class UnusedTokensSchema(FindingSchema):
    """Tokens that could be used, and have not been for 90 days."""

    tokens = _first(UnusedTokenSchema, "the oldest.")


class LooseJobSchema(JobSummarySchema):
    """A job in no pipeline."""


class LooseJobsSchema(FindingSchema):
    """Jobs in no pipeline."""

    jobs = _first(LooseJobSchema, "the newest.")


class SelfGrantedSchema(Schema):
    """A user who has made themselves a manager of a pipeline."""

    username = fields.String(required=True, metadata=says("The username of the user."))
    pipeline = _pipeline()


class SelfGrantedManagersSchema(FindingSchema):
    """Users who manage a pipeline by a grant of their own making."""

    managers = _first(SelfGrantedSchema, "each with the pipeline.")


class AgesSchema(Schema):
    """The jobs of a queue by how long they have been in it."""

    under_a_day = fields.Integer(required=True, metadata=says("Jobs that came within the last day."))
    under_a_week = fields.Integer(required=True, metadata=says("Jobs that came a day ago or more, within a week."))
    under_a_month = fields.Integer(required=True, metadata=says("Jobs that came a week ago or more, within 30 days."))
    longer = fields.Integer(required=True, metadata=says("Jobs that came 30 days ago or more."))


class QueueSchema(FindingSchema):
    """The queue of a pipeline; the oldest of its jobs, if it has more than are counted."""

    pipeline = _pipeline()
    oldest_at = fields.AwareDateTime(required=True, metadata=says("The time since which its first job is in it."))
    ages = fields.Nested(AgesSchema, required=True, metadata=says("The jobs by how long they have been in it."))


class AttentionSchema(Schema):
    """All that needs attention in an organization."""

    unexecuted_pipelines = fields.Nested(
        UnexecutedSchema,
        required=True,
        metadata=says("Pipelines that nobody but administrators can execute: none is granted to a user in service."),
    )
    ending_grants = fields.Nested(EndingGrantsSchema, required=True, metadata=says("Grants that end within a week."))
    unused_tokens = fields.Nested(
        UnusedTokensSchema, required=True, metadata=says("Tokens that could be used, and have not been for 90 days.")
    )
    jobs_in_no_pipeline = fields.Nested(LooseJobsSchema, required=True, metadata=says("Jobs in no pipeline."))
    self_granted_managers = fields.Nested(
        SelfGrantedManagersSchema,
        required=True,
        metadata=says("Users who manage a pipeline by a grant that they were the last to set themselves."),
    )
    queues = _first(QueueSchema, "the queues whose first job has been in them longest.")


class OverviewAnswerSchema(AnswerSchema):
    """The overview."""

    overview = fields.Nested(AttentionSchema, required=True, metadata=says("What needs attention."))


@dataclass(frozen=True, slots=True)
class Overview:
    """All that needs attention in an organization."""

    unexecuted_pipelines: Finding[NamedPipeline]
    ending_grants: Finding[EndingGrant]
    unused_tokens: Finding[UnusedToken]
    jobs_in_no_pipeline: Finding[LooseJob]
    self_granted_managers: Finding[SelfGranted]
    queues: list[Queue]


@answers(OverviewAnswerSchema)
def dump_overview(seen: Overview) -> dict[str, Any]:
    """Dump the overview."""
    return {
        "status": "OK",
        "overview": {
            "unexecuted_pipelines": _dump(seen.unexecuted_pipelines, "pipelines"),
            "ending_grants": _dump(seen.ending_grants, "grants"),
            "unused_tokens": _dump(seen.unused_tokens, "tokens"),
            "jobs_in_no_pipeline": _dump(seen.jobs_in_no_pipeline, "jobs"),
            "self_granted_managers": _dump(seen.self_granted_managers, "managers"),
            "queues": [_dump_queue(queue) for queue in seen.queues],
        },
    }


def _dump(finding: Finding[Any], name: str) -> dict[str, Any]:
    return {**_total(finding.number, at_least=finding.at_least), name: [asdict(item) for item in finding.first]}


def _total(number: int, *, at_least: bool) -> dict[str, Any]:
    return {"total_size_at_least" if at_least else "total_size": number}


def _dump_queue(queue: Queue) -> dict[str, Any]:
    ages = {name: getattr(queue, name) for name in AgesSchema().fields}
    total = _total(min(queue.counted, MAX_COUNTED), at_least=queue.counted > MAX_COUNTED)
    return {**total, "pipeline": asdict(queue.pipeline), "oldest_at": queue.oldest_at, "ages": ages}
