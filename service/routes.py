"""The method table: one row per operation. Whatever is true of every call is in endpoint.py; what differs is here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import Schema

from service.call import Call
from service.operations import jobs, pipelines
from service.schemas.jobs import (
    ListJobPipelinesSchema,
    UpdatedPipelinesSchema,
    UpdateJobPipelinesSchema,
    dump_updated_pipelines,
)
from service.schemas.pipelines import ListPipelinesSchema, PipelineListSchema, dump_pipeline_list
from service.schemas.request import RequestSchema


@dataclass(frozen=True, slots=True)
class Route:
    """One operation, and how HTTP reaches it."""

    method: str
    path: str
    request: type[RequestSchema]
    operation: Callable[[Call, Any], Awaitable[Any]]
    response: type[Schema]
    dump: Callable[[Any], dict[str, Any]]
    status: int = 200
    documented: bool = False
    """One of the vendor's documented calls, which V1_ERRORS_AS_200 is about."""

    @property
    def only_reads(self) -> bool:
        """Whether it changes nothing, so that it may be tried again at any time."""
        return self.method == "GET"


# fmt: off
ROUTES: Final = (
    Route("GET", "/api/v1/flow/pipeline", ListPipelinesSchema, pipelines.list_pipelines, PipelineListSchema, dump_pipeline_list, documented=True),  # noqa: E501 - a table reads best by its rows
    Route("GET", "/api/v1/jobs/pipelines", ListJobPipelinesSchema, jobs.list_job_pipelines, PipelineListSchema, dump_pipeline_list, documented=True),  # noqa: E501
    Route("POST", "/api/v1/jobs/pipelines", UpdateJobPipelinesSchema, jobs.update_job_pipelines, UpdatedPipelinesSchema, dump_updated_pipelines, documented=True),  # noqa: E501
)
# fmt: on
