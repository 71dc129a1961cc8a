"""A typed client of the Flow Pipeline service, for threads (`Client`) and for asyncio (`AsyncClient`)."""

from flow_pipelines_client import models
from flow_pipelines_client.answers import Answer, JsonAnswer, Page
from flow_pipelines_client.calls import UNSET
from flow_pipelines_client.client import AsyncClient, Client
from flow_pipelines_client.errors import (
    Aborted,
    AlreadyExists,
    ApiError,
    DeadlineExceeded,
    FailedPrecondition,
    Gone,
    Internal,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
    Unimplemented,
)
from flow_pipelines_client.feed import AsyncChanges, Changes, FeedChange
from flow_pipelines_client.models import *  # noqa: F403 - the models, each of which it names
from flow_pipelines_client.pages import AsyncPages, Pages
from flow_pipelines_client.retries import Retries

__all__ = [
    "UNSET",
    "Aborted",
    "AlreadyExists",
    "Answer",
    "ApiError",
    "AsyncChanges",
    "AsyncClient",
    "AsyncPages",
    "Changes",
    "Client",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FeedChange",
    "Gone",
    "Internal",
    "InvalidArgument",
    "JsonAnswer",
    "NotFound",
    "Page",
    "Pages",
    "PermissionDenied",
    "PreconditionFailed",
    "ResourceExhausted",
    "Retries",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "Unimplemented",
]
__all__ += models.__all__
