"""A typed client of the Flow Pipeline service, for threads (`Client`) and for asyncio (`AsyncClient`)."""

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
from flow_pipelines_client.models import Code, Permission, Role, Scope
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
    "Code",
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
    "Permission",
    "PermissionDenied",
    "PreconditionFailed",
    "ResourceExhausted",
    "Retries",
    "Role",
    "Scope",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "Unimplemented",
]
