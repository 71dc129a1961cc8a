"""Requests and answers about pipelines."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.permissions import PERMISSION_BITS, is_manager, permission_names
from service.schemas.request import RequestSchema


@dataclass(frozen=True, slots=True)
class ListPipelines:
    """All that the caller may read."""


class ListPipelinesSchema(RequestSchema):
    """Asks for nothing but what the caller may read."""

    loads_into = ListPipelines


class PipelineItemSchema(Schema):
    """A pipeline in a list, as the seed has it."""

    name = fields.String(required=True)
    id = fields.UUID(required=True)
    permissions = fields.List(fields.String(validate=validate.OneOf([*PERMISSION_BITS])), required=True)
    is_manager = fields.Boolean(required=True)


class PipelineListSchema(Schema):
    """The answer of both documented lists."""

    status = fields.Constant("OK", required=True)
    pipelines = fields.List(fields.Nested(PipelineItemSchema), required=True)


class _Accessible(Protocol):
    """What a list says of a pipeline."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def access(self) -> int: ...


def dump_pipeline_list(pipelines: Iterable[_Accessible]) -> dict[str, Any]:
    """A PipelineListSchema."""
    items = [
        {
            "name": pipeline.name,
            "id": pipeline.id,
            "permissions": permission_names(pipeline.access),
            "is_manager": is_manager(pipeline.access),
        }
        for pipeline in pipelines
    ]
    return {"status": "OK", "pipelines": items}
