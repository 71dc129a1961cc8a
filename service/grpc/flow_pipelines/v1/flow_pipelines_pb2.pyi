import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListPipelinesRequest(_message.Message):
    __slots__ = ("name", "permission", "is_manager", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    permission: str
    is_manager: bool
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., permission: _Optional[str] = ..., is_manager: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPipelinesResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "pipelines")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PIPELINES_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    pipelines: _containers.RepeatedCompositeFieldContainer[PipelineItem]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., pipelines: _Optional[_Iterable[_Union[PipelineItem, _Mapping]]] = ...) -> None: ...

class PipelineItem(_message.Message):
    __slots__ = ("name", "id", "permissions", "is_manager")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    name: str
    id: str
    permissions: _containers.RepeatedScalarFieldContainer[str]
    is_manager: bool
    def __init__(self, name: _Optional[str] = ..., id: _Optional[str] = ..., permissions: _Optional[_Iterable[str]] = ..., is_manager: _Optional[bool] = ...) -> None: ...

class CreatePipelineRequest(_message.Message):
    __slots__ = ("name", "description")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class CreatePipelineResponse(_message.Message):
    __slots__ = ("status", "pipeline")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    status: str
    pipeline: Pipeline
    def __init__(self, status: _Optional[str] = ..., pipeline: _Optional[_Union[Pipeline, _Mapping]] = ...) -> None: ...

class Pipeline(_message.Message):
    __slots__ = ("name", "id", "permissions", "is_manager", "description", "created_at", "updated_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    id: str
    permissions: _containers.RepeatedScalarFieldContainer[str]
    is_manager: bool
    description: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., id: _Optional[str] = ..., permissions: _Optional[_Iterable[str]] = ..., is_manager: _Optional[bool] = ..., description: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetPipelineRequest(_message.Message):
    __slots__ = ("pipeline_id",)
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    def __init__(self, pipeline_id: _Optional[str] = ...) -> None: ...

class GetPipelineResponse(_message.Message):
    __slots__ = ("status", "pipeline")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    status: str
    pipeline: Pipeline
    def __init__(self, status: _Optional[str] = ..., pipeline: _Optional[_Union[Pipeline, _Mapping]] = ...) -> None: ...

class UpdatePipelineRequest(_message.Message):
    __slots__ = ("pipeline_id", "name", "description")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    name: str
    description: str
    def __init__(self, pipeline_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class UpdatePipelineResponse(_message.Message):
    __slots__ = ("status", "pipeline")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    status: str
    pipeline: Pipeline
    def __init__(self, status: _Optional[str] = ..., pipeline: _Optional[_Union[Pipeline, _Mapping]] = ...) -> None: ...

class DeletePipelineRequest(_message.Message):
    __slots__ = ("pipeline_id", "force")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    force: bool
    def __init__(self, pipeline_id: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class DeletePipelineResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class ListPipelineJobsRequest(_message.Message):
    __slots__ = ("pipeline_id", "q", "order_by", "total", "page_size", "page_token")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    Q_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    q: str
    order_by: str
    total: bool
    page_size: int
    page_token: str
    def __init__(self, pipeline_id: _Optional[str] = ..., q: _Optional[str] = ..., order_by: _Optional[str] = ..., total: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPipelineJobsResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "jobs")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    jobs: _containers.RepeatedCompositeFieldContainer[QueuedJob]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., jobs: _Optional[_Iterable[_Union[QueuedJob, _Mapping]]] = ...) -> None: ...

class QueuedJob(_message.Message):
    __slots__ = ("id", "name", "owner", "assigned_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    owner: str
    assigned_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., owner: _Optional[str] = ..., assigned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AddPipelineJobRequest(_message.Message):
    __slots__ = ("pipeline_id", "job_id")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    job_id: str
    def __init__(self, pipeline_id: _Optional[str] = ..., job_id: _Optional[str] = ...) -> None: ...

class AddPipelineJobResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class RemovePipelineJobRequest(_message.Message):
    __slots__ = ("pipeline_id", "job_id")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    job_id: str
    def __init__(self, pipeline_id: _Optional[str] = ..., job_id: _Optional[str] = ...) -> None: ...

class RemovePipelineJobResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class UpdateJobPipelinesRequest(_message.Message):
    __slots__ = ("job_id", "pipeline_ids")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_IDS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    pipeline_ids: PipelineIds
    def __init__(self, job_id: _Optional[str] = ..., pipeline_ids: _Optional[_Union[PipelineIds, _Mapping]] = ...) -> None: ...

class PipelineIds(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateJobPipelinesResponse(_message.Message):
    __slots__ = ("status", "updated_pipelines")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    UPDATED_PIPELINES_FIELD_NUMBER: _ClassVar[int]
    status: str
    updated_pipelines: _containers.RepeatedCompositeFieldContainer[UpdatedPipeline]
    def __init__(self, status: _Optional[str] = ..., updated_pipelines: _Optional[_Iterable[_Union[UpdatedPipeline, _Mapping]]] = ...) -> None: ...

class UpdatedPipeline(_message.Message):
    __slots__ = ("flow_pipeline_name", "flow_pipeline_id")
    FLOW_PIPELINE_NAME_FIELD_NUMBER: _ClassVar[int]
    FLOW_PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    flow_pipeline_name: str
    flow_pipeline_id: str
    def __init__(self, flow_pipeline_name: _Optional[str] = ..., flow_pipeline_id: _Optional[str] = ...) -> None: ...

class BatchUpdateJobPipelinesRequest(_message.Message):
    __slots__ = ("updates", "atomic")
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    ATOMIC_FIELD_NUMBER: _ClassVar[int]
    updates: UpdateJobPipelinesInputList
    atomic: bool
    def __init__(self, updates: _Optional[_Union[UpdateJobPipelinesInputList, _Mapping]] = ..., atomic: _Optional[bool] = ...) -> None: ...

class UpdateJobPipelinesInput(_message.Message):
    __slots__ = ("job_id", "pipeline_ids")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_IDS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    pipeline_ids: PipelineIds
    def __init__(self, job_id: _Optional[str] = ..., pipeline_ids: _Optional[_Union[PipelineIds, _Mapping]] = ...) -> None: ...

class UpdateJobPipelinesInputList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[UpdateJobPipelinesInput]
    def __init__(self, items: _Optional[_Iterable[_Union[UpdateJobPipelinesInput, _Mapping]]] = ...) -> None: ...

class BatchUpdateJobPipelinesResponse(_message.Message):
    __slots__ = ("status", "results")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    status: str
    results: _containers.RepeatedCompositeFieldContainer[Verdict]
    def __init__(self, status: _Optional[str] = ..., results: _Optional[_Iterable[_Union[Verdict, _Mapping]]] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("job_id", "status", "updated_pipelines", "code", "msg")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    UPDATED_PIPELINES_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MSG_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    status: str
    updated_pipelines: _containers.RepeatedCompositeFieldContainer[UpdatedPipeline]
    code: str
    msg: str
    def __init__(self, job_id: _Optional[str] = ..., status: _Optional[str] = ..., updated_pipelines: _Optional[_Iterable[_Union[UpdatedPipeline, _Mapping]]] = ..., code: _Optional[str] = ..., msg: _Optional[str] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("pipeline_id", "owner", "q", "order_by", "total", "page_size", "page_token")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    Q_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    owner: str
    q: str
    order_by: str
    total: bool
    page_size: int
    page_token: str
    def __init__(self, pipeline_id: _Optional[str] = ..., owner: _Optional[str] = ..., q: _Optional[str] = ..., order_by: _Optional[str] = ..., total: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "jobs")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("id", "name", "owner", "created_at", "flow_pipeline_infos", "unlisted_pipelines")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    FLOW_PIPELINE_INFOS_FIELD_NUMBER: _ClassVar[int]
    UNLISTED_PIPELINES_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    owner: str
    created_at: _timestamp_pb2.Timestamp
    flow_pipeline_infos: _containers.RepeatedCompositeFieldContainer[PipelineInfo]
    unlisted_pipelines: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., owner: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., flow_pipeline_infos: _Optional[_Iterable[_Union[PipelineInfo, _Mapping]]] = ..., unlisted_pipelines: _Optional[int] = ...) -> None: ...

class PipelineInfo(_message.Message):
    __slots__ = ("id", "name")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class PutJobRequest(_message.Message):
    __slots__ = ("job_id", "name", "owner", "pipeline_ids")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_IDS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    name: str
    owner: str
    pipeline_ids: PipelineIds
    def __init__(self, job_id: _Optional[str] = ..., name: _Optional[str] = ..., owner: _Optional[str] = ..., pipeline_ids: _Optional[_Union[PipelineIds, _Mapping]] = ...) -> None: ...

class PutJobResponse(_message.Message):
    __slots__ = ("status", "job")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    status: str
    job: Job
    def __init__(self, status: _Optional[str] = ..., job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("status", "job")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    status: str
    job: Job
    def __init__(self, status: _Optional[str] = ..., job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class DeleteJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class DeleteJobResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class ListJobPipelinesRequest(_message.Message):
    __slots__ = ("name", "permission", "is_manager", "page_size", "page_token", "job_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    permission: str
    is_manager: bool
    page_size: int
    page_token: str
    job_id: str
    def __init__(self, name: _Optional[str] = ..., permission: _Optional[str] = ..., is_manager: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., job_id: _Optional[str] = ...) -> None: ...

class ListJobPipelinesResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "pipelines")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PIPELINES_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    pipelines: _containers.RepeatedCompositeFieldContainer[PipelineItem]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., pipelines: _Optional[_Iterable[_Union[PipelineItem, _Mapping]]] = ...) -> None: ...

class ListGrantsRequest(_message.Message):
    __slots__ = ("pipeline_id", "q", "order_by", "total", "page_size", "page_token")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    Q_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    q: str
    order_by: str
    total: bool
    page_size: int
    page_token: str
    def __init__(self, pipeline_id: _Optional[str] = ..., q: _Optional[str] = ..., order_by: _Optional[str] = ..., total: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListGrantsResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "grants")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    grants: _containers.RepeatedCompositeFieldContainer[Grant]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., grants: _Optional[_Iterable[_Union[Grant, _Mapping]]] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("username", "group", "permissions", "is_manager", "expires_at", "updated_at")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    username: str
    group: str
    permissions: _containers.RepeatedScalarFieldContainer[str]
    is_manager: bool
    expires_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, username: _Optional[str] = ..., group: _Optional[str] = ..., permissions: _Optional[_Iterable[str]] = ..., is_manager: _Optional[bool] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReplaceGrantsRequest(_message.Message):
    __slots__ = ("pipeline_id", "grants")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    grants: GrantInSetInputList
    def __init__(self, pipeline_id: _Optional[str] = ..., grants: _Optional[_Union[GrantInSetInputList, _Mapping]] = ...) -> None: ...

class GrantInSetInput(_message.Message):
    __slots__ = ("permissions", "user", "group", "is_manager", "expires_at")
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    permissions: Names
    user: str
    group: str
    is_manager: bool
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, permissions: _Optional[_Union[Names, _Mapping]] = ..., user: _Optional[str] = ..., group: _Optional[str] = ..., is_manager: _Optional[bool] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Names(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class GrantInSetInputList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[GrantInSetInput]
    def __init__(self, items: _Optional[_Iterable[_Union[GrantInSetInput, _Mapping]]] = ...) -> None: ...

class ReplaceGrantsResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "grants")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    grants: _containers.RepeatedCompositeFieldContainer[Grant]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., grants: _Optional[_Iterable[_Union[Grant, _Mapping]]] = ...) -> None: ...

class GetUserGrantRequest(_message.Message):
    __slots__ = ("pipeline_id", "username")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    username: str
    def __init__(self, pipeline_id: _Optional[str] = ..., username: _Optional[str] = ...) -> None: ...

class GetUserGrantResponse(_message.Message):
    __slots__ = ("status", "grant")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    status: str
    grant: Grant
    def __init__(self, status: _Optional[str] = ..., grant: _Optional[_Union[Grant, _Mapping]] = ...) -> None: ...

class PutUserGrantRequest(_message.Message):
    __slots__ = ("pipeline_id", "username", "permissions", "is_manager", "expires_at")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    username: str
    permissions: Names
    is_manager: bool
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, pipeline_id: _Optional[str] = ..., username: _Optional[str] = ..., permissions: _Optional[_Union[Names, _Mapping]] = ..., is_manager: _Optional[bool] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PutUserGrantResponse(_message.Message):
    __slots__ = ("status", "grant")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    status: str
    grant: Grant
    def __init__(self, status: _Optional[str] = ..., grant: _Optional[_Union[Grant, _Mapping]] = ...) -> None: ...

class DeleteUserGrantRequest(_message.Message):
    __slots__ = ("pipeline_id", "username")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    username: str
    def __init__(self, pipeline_id: _Optional[str] = ..., username: _Optional[str] = ...) -> None: ...

class DeleteUserGrantResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class GetGroupGrantRequest(_message.Message):
    __slots__ = ("pipeline_id", "name")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    name: str
    def __init__(self, pipeline_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class GetGroupGrantResponse(_message.Message):
    __slots__ = ("status", "grant")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    status: str
    grant: Grant
    def __init__(self, status: _Optional[str] = ..., grant: _Optional[_Union[Grant, _Mapping]] = ...) -> None: ...

class PutGroupGrantRequest(_message.Message):
    __slots__ = ("pipeline_id", "name", "permissions", "is_manager", "expires_at")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    name: str
    permissions: Names
    is_manager: bool
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, pipeline_id: _Optional[str] = ..., name: _Optional[str] = ..., permissions: _Optional[_Union[Names, _Mapping]] = ..., is_manager: _Optional[bool] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PutGroupGrantResponse(_message.Message):
    __slots__ = ("status", "grant")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    status: str
    grant: Grant
    def __init__(self, status: _Optional[str] = ..., grant: _Optional[_Union[Grant, _Mapping]] = ...) -> None: ...

class DeleteGroupGrantRequest(_message.Message):
    __slots__ = ("pipeline_id", "name")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    name: str
    def __init__(self, pipeline_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class DeleteGroupGrantResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class ListAccessRequest(_message.Message):
    __slots__ = ("pipeline_id", "permission", "order_by", "total", "page_size", "page_token")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    permission: str
    order_by: str
    total: bool
    page_size: int
    page_token: str
    def __init__(self, pipeline_id: _Optional[str] = ..., permission: _Optional[str] = ..., order_by: _Optional[str] = ..., total: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAccessResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "users")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    users: _containers.RepeatedCompositeFieldContainer[UserAccess]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., users: _Optional[_Iterable[_Union[UserAccess, _Mapping]]] = ...) -> None: ...

class UserAccess(_message.Message):
    __slots__ = ("username", "permissions", "is_manager")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    username: str
    permissions: _containers.RepeatedScalarFieldContainer[str]
    is_manager: bool
    def __init__(self, username: _Optional[str] = ..., permissions: _Optional[_Iterable[str]] = ..., is_manager: _Optional[bool] = ...) -> None: ...

class ExplainAccessRequest(_message.Message):
    __slots__ = ("pipeline_id", "username")
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    username: str
    def __init__(self, pipeline_id: _Optional[str] = ..., username: _Optional[str] = ...) -> None: ...

class ExplainAccessResponse(_message.Message):
    __slots__ = ("status", "access")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    status: str
    access: Access
    def __init__(self, status: _Optional[str] = ..., access: _Optional[_Union[Access, _Mapping]] = ...) -> None: ...

class Access(_message.Message):
    __slots__ = ("username", "permissions", "is_manager", "explanations")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    username: str
    permissions: _containers.RepeatedScalarFieldContainer[str]
    is_manager: bool
    explanations: _containers.RepeatedCompositeFieldContainer[Explanation]
    def __init__(self, username: _Optional[str] = ..., permissions: _Optional[_Iterable[str]] = ..., is_manager: _Optional[bool] = ..., explanations: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("permission", "held", "reasons", "missing", "unlisted")
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    UNLISTED_FIELD_NUMBER: _ClassVar[int]
    permission: str
    held: bool
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    missing: str
    unlisted: int
    def __init__(self, permission: _Optional[str] = ..., held: _Optional[bool] = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., missing: _Optional[str] = ..., unlisted: _Optional[int] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("through", "name", "as_manager", "expires_at", "mapped_from")
    THROUGH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    MAPPED_FROM_FIELD_NUMBER: _ClassVar[int]
    through: str
    name: str
    as_manager: bool
    expires_at: _timestamp_pb2.Timestamp
    mapped_from: str
    def __init__(self, through: _Optional[str] = ..., name: _Optional[str] = ..., as_manager: _Optional[bool] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., mapped_from: _Optional[str] = ...) -> None: ...

class ListUsersRequest(_message.Message):
    __slots__ = ("name", "q", "order_by", "total", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    Q_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    q: str
    order_by: str
    total: bool
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., q: _Optional[str] = ..., order_by: _Optional[str] = ..., total: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListUsersResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "users")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    users: _containers.RepeatedCompositeFieldContainer[User]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., users: _Optional[_Iterable[_Union[User, _Mapping]]] = ...) -> None: ...

class User(_message.Message):
    __slots__ = ("username", "role", "disabled", "created_at", "display_name", "email", "provisioned")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PROVISIONED_FIELD_NUMBER: _ClassVar[int]
    username: str
    role: str
    disabled: bool
    created_at: _timestamp_pb2.Timestamp
    display_name: str
    email: str
    provisioned: bool
    def __init__(self, username: _Optional[str] = ..., role: _Optional[str] = ..., disabled: _Optional[bool] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., display_name: _Optional[str] = ..., email: _Optional[str] = ..., provisioned: _Optional[bool] = ...) -> None: ...

class CreateUserRequest(_message.Message):
    __slots__ = ("username", "role", "display_name", "email")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    username: str
    role: str
    display_name: str
    email: str
    def __init__(self, username: _Optional[str] = ..., role: _Optional[str] = ..., display_name: _Optional[str] = ..., email: _Optional[str] = ...) -> None: ...

class CreateUserResponse(_message.Message):
    __slots__ = ("status", "user")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    status: str
    user: User
    def __init__(self, status: _Optional[str] = ..., user: _Optional[_Union[User, _Mapping]] = ...) -> None: ...

class GetUserRequest(_message.Message):
    __slots__ = ("username",)
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    username: str
    def __init__(self, username: _Optional[str] = ...) -> None: ...

class GetUserResponse(_message.Message):
    __slots__ = ("status", "user")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    status: str
    user: User
    def __init__(self, status: _Optional[str] = ..., user: _Optional[_Union[User, _Mapping]] = ...) -> None: ...

class UpdateUserRequest(_message.Message):
    __slots__ = ("username", "role", "disabled", "display_name", "email", "withdraw_grants")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    WITHDRAW_GRANTS_FIELD_NUMBER: _ClassVar[int]
    username: str
    role: str
    disabled: bool
    display_name: str
    email: str
    withdraw_grants: bool
    def __init__(self, username: _Optional[str] = ..., role: _Optional[str] = ..., disabled: _Optional[bool] = ..., display_name: _Optional[str] = ..., email: _Optional[str] = ..., withdraw_grants: _Optional[bool] = ...) -> None: ...

class UpdateUserResponse(_message.Message):
    __slots__ = ("status", "user", "keeps", "keeps_total")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    KEEPS_FIELD_NUMBER: _ClassVar[int]
    KEEPS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    status: str
    user: User
    keeps: _containers.RepeatedCompositeFieldContainer[KeptGrant]
    keeps_total: int
    def __init__(self, status: _Optional[str] = ..., user: _Optional[_Union[User, _Mapping]] = ..., keeps: _Optional[_Iterable[_Union[KeptGrant, _Mapping]]] = ..., keeps_total: _Optional[int] = ...) -> None: ...

class KeptGrant(_message.Message):
    __slots__ = ("id", "name", "permissions", "is_manager", "expires_at", "group", "by_themselves")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    BY_THEMSELVES_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    permissions: _containers.RepeatedScalarFieldContainer[str]
    is_manager: bool
    expires_at: _timestamp_pb2.Timestamp
    group: str
    by_themselves: bool
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., permissions: _Optional[_Iterable[str]] = ..., is_manager: _Optional[bool] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., group: _Optional[str] = ..., by_themselves: _Optional[bool] = ...) -> None: ...

class DeleteUserRequest(_message.Message):
    __slots__ = ("username", "jobs_to")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    JOBS_TO_FIELD_NUMBER: _ClassVar[int]
    username: str
    jobs_to: str
    def __init__(self, username: _Optional[str] = ..., jobs_to: _Optional[str] = ...) -> None: ...

class DeleteUserResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class ListUserPipelinesRequest(_message.Message):
    __slots__ = ("name", "permission", "is_manager", "page_size", "page_token", "username")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    permission: str
    is_manager: bool
    page_size: int
    page_token: str
    username: str
    def __init__(self, name: _Optional[str] = ..., permission: _Optional[str] = ..., is_manager: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., username: _Optional[str] = ...) -> None: ...

class ListUserPipelinesResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "pipelines")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PIPELINES_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    pipelines: _containers.RepeatedCompositeFieldContainer[PipelineItem]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., pipelines: _Optional[_Iterable[_Union[PipelineItem, _Mapping]]] = ...) -> None: ...

class ListUserGroupsRequest(_message.Message):
    __slots__ = ("username", "order_by", "total", "page_size", "page_token")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    username: str
    order_by: str
    total: bool
    page_size: int
    page_token: str
    def __init__(self, username: _Optional[str] = ..., order_by: _Optional[str] = ..., total: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListUserGroupsResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "groups")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("name", "created_at", "provisioned")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    PROVISIONED_FIELD_NUMBER: _ClassVar[int]
    name: str
    created_at: _timestamp_pb2.Timestamp
    provisioned: bool
    def __init__(self, name: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., provisioned: _Optional[bool] = ...) -> None: ...

class GetMeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetMeResponse(_message.Message):
    __slots__ = ("status", "user")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    status: str
    user: Me
    def __init__(self, status: _Optional[str] = ..., user: _Optional[_Union[Me, _Mapping]] = ...) -> None: ...

class Me(_message.Message):
    __slots__ = ("username", "role", "disabled", "created_at", "display_name", "email", "provisioned", "groups", "unlisted_groups", "scopes", "identity_provider")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PROVISIONED_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    UNLISTED_GROUPS_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_PROVIDER_FIELD_NUMBER: _ClassVar[int]
    username: str
    role: str
    disabled: bool
    created_at: _timestamp_pb2.Timestamp
    display_name: str
    email: str
    provisioned: bool
    groups: _containers.RepeatedScalarFieldContainer[str]
    unlisted_groups: int
    scopes: _containers.RepeatedScalarFieldContainer[str]
    identity_provider: Provided
    def __init__(self, username: _Optional[str] = ..., role: _Optional[str] = ..., disabled: _Optional[bool] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., display_name: _Optional[str] = ..., email: _Optional[str] = ..., provisioned: _Optional[bool] = ..., groups: _Optional[_Iterable[str]] = ..., unlisted_groups: _Optional[int] = ..., scopes: _Optional[_Iterable[str]] = ..., identity_provider: _Optional[_Union[Provided, _Mapping]] = ...) -> None: ...

class Provided(_message.Message):
    __slots__ = ("issuer", "groups", "role", "role_mapped_from")
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ROLE_MAPPED_FROM_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    groups: _containers.RepeatedCompositeFieldContainer[MappedGroup]
    role: str
    role_mapped_from: str
    def __init__(self, issuer: _Optional[str] = ..., groups: _Optional[_Iterable[_Union[MappedGroup, _Mapping]]] = ..., role: _Optional[str] = ..., role_mapped_from: _Optional[str] = ...) -> None: ...

class MappedGroup(_message.Message):
    __slots__ = ("name", "mapped_from")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MAPPED_FROM_FIELD_NUMBER: _ClassVar[int]
    name: str
    mapped_from: str
    def __init__(self, name: _Optional[str] = ..., mapped_from: _Optional[str] = ...) -> None: ...

class ListGroupsRequest(_message.Message):
    __slots__ = ("name", "order_by", "total", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    order_by: str
    total: bool
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., order_by: _Optional[str] = ..., total: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListGroupsResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "groups")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ...) -> None: ...

class CreateGroupRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CreateGroupResponse(_message.Message):
    __slots__ = ("status", "group")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    status: str
    group: Group
    def __init__(self, status: _Optional[str] = ..., group: _Optional[_Union[Group, _Mapping]] = ...) -> None: ...

class GetGroupRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetGroupResponse(_message.Message):
    __slots__ = ("status", "group")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    status: str
    group: Group
    def __init__(self, status: _Optional[str] = ..., group: _Optional[_Union[Group, _Mapping]] = ...) -> None: ...

class RenameGroupRequest(_message.Message):
    __slots__ = ("name", "new_name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NEW_NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    new_name: str
    def __init__(self, name: _Optional[str] = ..., new_name: _Optional[str] = ...) -> None: ...

class RenameGroupResponse(_message.Message):
    __slots__ = ("status", "group")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    status: str
    group: Group
    def __init__(self, status: _Optional[str] = ..., group: _Optional[_Union[Group, _Mapping]] = ...) -> None: ...

class DeleteGroupRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteGroupResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class ListGroupGrantsRequest(_message.Message):
    __slots__ = ("name", "q", "page_size", "page_token", "order_by", "total")
    NAME_FIELD_NUMBER: _ClassVar[int]
    Q_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    q: str
    page_size: int
    page_token: str
    order_by: str
    total: bool
    def __init__(self, name: _Optional[str] = ..., q: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., order_by: _Optional[str] = ..., total: _Optional[bool] = ...) -> None: ...

class ListGroupGrantsResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "grants")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    grants: _containers.RepeatedCompositeFieldContainer[GroupGrant]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., grants: _Optional[_Iterable[_Union[GroupGrant, _Mapping]]] = ...) -> None: ...

class GroupGrant(_message.Message):
    __slots__ = ("pipeline", "permissions", "is_manager", "expires_at")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    IS_MANAGER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    pipeline: NamedPipeline
    permissions: _containers.RepeatedScalarFieldContainer[str]
    is_manager: bool
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, pipeline: _Optional[_Union[NamedPipeline, _Mapping]] = ..., permissions: _Optional[_Iterable[str]] = ..., is_manager: _Optional[bool] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class NamedPipeline(_message.Message):
    __slots__ = ("id", "name")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ("name", "q", "order_by", "total", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    Q_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    q: str
    order_by: str
    total: bool
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., q: _Optional[str] = ..., order_by: _Optional[str] = ..., total: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "members")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("username", "created_at")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    username: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, username: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UpdateMembersRequest(_message.Message):
    __slots__ = ("name", "add", "remove")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADD_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    name: str
    add: Names
    remove: Names
    def __init__(self, name: _Optional[str] = ..., add: _Optional[_Union[Names, _Mapping]] = ..., remove: _Optional[_Union[Names, _Mapping]] = ...) -> None: ...

class UpdateMembersResponse(_message.Message):
    __slots__ = ("status", "added", "removed")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    status: str
    added: _containers.RepeatedScalarFieldContainer[str]
    removed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, status: _Optional[str] = ..., added: _Optional[_Iterable[str]] = ..., removed: _Optional[_Iterable[str]] = ...) -> None: ...

class AddMemberRequest(_message.Message):
    __slots__ = ("name", "username")
    NAME_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    username: str
    def __init__(self, name: _Optional[str] = ..., username: _Optional[str] = ...) -> None: ...

class AddMemberResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class RemoveMemberRequest(_message.Message):
    __slots__ = ("name", "username")
    NAME_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    username: str
    def __init__(self, name: _Optional[str] = ..., username: _Optional[str] = ...) -> None: ...

class RemoveMemberResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: str
    def __init__(self, status: _Optional[str] = ...) -> None: ...

class ListTokensRequest(_message.Message):
    __slots__ = ("username", "all", "unused_for", "expires_after", "expires_before", "expires", "of_disabled", "scopes", "order_by", "total", "page_size", "page_token")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    UNUSED_FOR_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AFTER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_BEFORE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    OF_DISABLED_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    username: str
    all: bool
    unused_for: str
    expires_after: _timestamp_pb2.Timestamp
    expires_before: _timestamp_pb2.Timestamp
    expires: str
    of_disabled: bool
    scopes: str
    order_by: str
    total: bool
    page_size: int
    page_token: str
    def __init__(self, username: _Optional[str] = ..., all: _Optional[bool] = ..., unused_for: _Optional[str] = ..., expires_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires: _Optional[str] = ..., of_disabled: _Optional[bool] = ..., scopes: _Optional[str] = ..., order_by: _Optional[str] = ..., total: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTokensResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "tokens")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    tokens: _containers.RepeatedCompositeFieldContainer[Token]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., tokens: _Optional[_Iterable[_Union[Token, _Mapping]]] = ...) -> None: ...

class Token(_message.Message):
    __slots__ = ("id", "username", "name", "created_at", "last_used_at", "scopes", "expires_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_AT_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    username: str
    name: str
    created_at: _timestamp_pb2.Timestamp
    last_used_at: _timestamp_pb2.Timestamp
    scopes: _containers.RepeatedScalarFieldContainer[str]
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., username: _Optional[str] = ..., name: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_used_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., scopes: _Optional[_Iterable[str]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateTokenRequest(_message.Message):
    __slots__ = ("username", "name", "scopes", "expires_at")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    username: str
    name: str
    scopes: Names
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, username: _Optional[str] = ..., name: _Optional[str] = ..., scopes: _Optional[_Union[Names, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateTokenResponse(_message.Message):
    __slots__ = ("status", "token", "secret")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    status: str
    token: Token
    secret: str
    def __init__(self, status: _Optional[str] = ..., token: _Optional[_Union[Token, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class GetTokenRequest(_message.Message):
    __slots__ = ("token_id",)
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    token_id: str
    def __init__(self, token_id: _Optional[str] = ...) -> None: ...

class GetTokenResponse(_message.Message):
    __slots__ = ("status", "token", "descendants")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    DESCENDANTS_FIELD_NUMBER: _ClassVar[int]
    status: str
    token: Token
    descendants: int
    def __init__(self, status: _Optional[str] = ..., token: _Optional[_Union[Token, _Mapping]] = ..., descendants: _Optional[int] = ...) -> None: ...

class RevokeTokenRequest(_message.Message):
    __slots__ = ("token_id", "keep_descendants")
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    KEEP_DESCENDANTS_FIELD_NUMBER: _ClassVar[int]
    token_id: str
    keep_descendants: bool
    def __init__(self, token_id: _Optional[str] = ..., keep_descendants: _Optional[bool] = ...) -> None: ...

class RevokeTokenResponse(_message.Message):
    __slots__ = ("status", "revoked")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    status: str
    revoked: int
    def __init__(self, status: _Optional[str] = ..., revoked: _Optional[int] = ...) -> None: ...

class RotateTokenRequest(_message.Message):
    __slots__ = ("token_id", "overlap_seconds")
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    token_id: str
    overlap_seconds: int
    def __init__(self, token_id: _Optional[str] = ..., overlap_seconds: _Optional[int] = ...) -> None: ...

class RotateTokenResponse(_message.Message):
    __slots__ = ("status", "token", "secret", "replaced")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    status: str
    token: Token
    secret: str
    replaced: Replaced
    def __init__(self, status: _Optional[str] = ..., token: _Optional[_Union[Token, _Mapping]] = ..., secret: _Optional[str] = ..., replaced: _Optional[_Union[Replaced, _Mapping]] = ...) -> None: ...

class Replaced(_message.Message):
    __slots__ = ("id", "expires_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListAuditRequest(_message.Message):
    __slots__ = ("actor", "action", "target", "since", "until", "order_by", "total", "page_size", "page_token")
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    actor: str
    action: str
    target: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    order_by: str
    total: bool
    page_size: int
    page_token: str
    def __init__(self, actor: _Optional[str] = ..., action: _Optional[str] = ..., target: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., order_by: _Optional[str] = ..., total: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAuditResponse(_message.Message):
    __slots__ = ("status", "next_page_token", "total_size", "total_size_at_least", "audit")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    status: str
    next_page_token: str
    total_size: int
    total_size_at_least: int
    audit: _containers.RepeatedCompositeFieldContainer[Entry]
    def __init__(self, status: _Optional[str] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., audit: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("id", "at", "actor", "token_id", "action", "target", "before", "after", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    at: _timestamp_pb2.Timestamp
    actor: str
    token_id: str
    action: str
    target: str
    before: _struct_pb2.Struct
    after: _struct_pb2.Struct
    request_id: str
    def __init__(self, id: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[str] = ..., token_id: _Optional[str] = ..., action: _Optional[str] = ..., target: _Optional[str] = ..., before: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., after: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ProveEntryRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ProveEntryResponse(_message.Message):
    __slots__ = ("status", "id", "leaf", "leaf_hash", "leaf_index", "tree_size", "inclusion_path", "seal")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    LEAF_FIELD_NUMBER: _ClassVar[int]
    LEAF_HASH_FIELD_NUMBER: _ClassVar[int]
    LEAF_INDEX_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    INCLUSION_PATH_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    status: str
    id: int
    leaf: str
    leaf_hash: str
    leaf_index: int
    tree_size: int
    inclusion_path: _containers.RepeatedScalarFieldContainer[str]
    seal: Seal
    def __init__(self, status: _Optional[str] = ..., id: _Optional[int] = ..., leaf: _Optional[str] = ..., leaf_hash: _Optional[str] = ..., leaf_index: _Optional[int] = ..., tree_size: _Optional[int] = ..., inclusion_path: _Optional[_Iterable[str]] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class Seal(_message.Message):
    __slots__ = ("number", "sealed_at", "root", "previous", "chain")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SEALED_AT_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    number: int
    sealed_at: _timestamp_pb2.Timestamp
    root: str
    previous: str
    chain: str
    def __init__(self, number: _Optional[int] = ..., sealed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., root: _Optional[str] = ..., previous: _Optional[str] = ..., chain: _Optional[str] = ...) -> None: ...

class ApplyRequest(_message.Message):
    __slots__ = ("pipelines", "groups", "prune", "dry_run", "plan")
    PIPELINES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    pipelines: DeclaredPipelineInputList
    groups: DeclaredGroupInputList
    prune: bool
    dry_run: bool
    plan: str
    def __init__(self, pipelines: _Optional[_Union[DeclaredPipelineInputList, _Mapping]] = ..., groups: _Optional[_Union[DeclaredGroupInputList, _Mapping]] = ..., prune: _Optional[bool] = ..., dry_run: _Optional[bool] = ..., plan: _Optional[str] = ...) -> None: ...

class DeclaredPipelineInput(_message.Message):
    __slots__ = ("name", "description", "grants")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    grants: GrantInSetInputList
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., grants: _Optional[_Union[GrantInSetInputList, _Mapping]] = ...) -> None: ...

class DeclaredPipelineInputList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[DeclaredPipelineInput]
    def __init__(self, items: _Optional[_Iterable[_Union[DeclaredPipelineInput, _Mapping]]] = ...) -> None: ...

class DeclaredGroupInput(_message.Message):
    __slots__ = ("name", "members")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    members: Names
    def __init__(self, name: _Optional[str] = ..., members: _Optional[_Union[Names, _Mapping]] = ...) -> None: ...

class DeclaredGroupInputList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[DeclaredGroupInput]
    def __init__(self, items: _Optional[_Iterable[_Union[DeclaredGroupInput, _Mapping]]] = ...) -> None: ...

class ApplyResponse(_message.Message):
    __slots__ = ("status", "changes", "dry_run", "plan")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    status: str
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    dry_run: bool
    plan: str
    def __init__(self, status: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., dry_run: _Optional[bool] = ..., plan: _Optional[str] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("action", "target", "before", "after")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    action: str
    target: str
    before: _struct_pb2.Struct
    after: _struct_pb2.Struct
    def __init__(self, action: _Optional[str] = ..., target: _Optional[str] = ..., before: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., after: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ListChangesRequest(_message.Message):
    __slots__ = ("after", "wait", "all", "page_size")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    after: str
    wait: int
    all: bool
    page_size: int
    def __init__(self, after: _Optional[str] = ..., wait: _Optional[int] = ..., all: _Optional[bool] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListChangesResponse(_message.Message):
    __slots__ = ("status", "changes", "next_cursor")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    status: str
    changes: _containers.RepeatedCompositeFieldContainer[FeedChange]
    next_cursor: str
    def __init__(self, status: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[FeedChange, _Mapping]]] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class FeedChange(_message.Message):
    __slots__ = ("cursor", "at", "type", "target", "actor", "data", "entry")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    at: _timestamp_pb2.Timestamp
    type: str
    target: str
    actor: str
    data: _struct_pb2.Struct
    entry: Entry
    def __init__(self, cursor: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., type: _Optional[str] = ..., target: _Optional[str] = ..., actor: _Optional[str] = ..., data: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., entry: _Optional[_Union[Entry, _Mapping]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("after", "all")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    after: str
    all: bool
    def __init__(self, after: _Optional[str] = ..., all: _Optional[bool] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("status", "changes", "next_cursor")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    status: str
    changes: _containers.RepeatedCompositeFieldContainer[FeedChange]
    next_cursor: str
    def __init__(self, status: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[FeedChange, _Mapping]]] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class GetOverviewRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetOverviewResponse(_message.Message):
    __slots__ = ("status", "overview")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OVERVIEW_FIELD_NUMBER: _ClassVar[int]
    status: str
    overview: Attention
    def __init__(self, status: _Optional[str] = ..., overview: _Optional[_Union[Attention, _Mapping]] = ...) -> None: ...

class Attention(_message.Message):
    __slots__ = ("unexecuted_pipelines", "ending_grants", "unused_tokens", "jobs_in_no_pipeline", "self_granted_managers", "queues")
    UNEXECUTED_PIPELINES_FIELD_NUMBER: _ClassVar[int]
    ENDING_GRANTS_FIELD_NUMBER: _ClassVar[int]
    UNUSED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    JOBS_IN_NO_PIPELINE_FIELD_NUMBER: _ClassVar[int]
    SELF_GRANTED_MANAGERS_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    unexecuted_pipelines: Unexecuted
    ending_grants: EndingGrants
    unused_tokens: UnusedTokens
    jobs_in_no_pipeline: LooseJobs
    self_granted_managers: SelfGrantedManagers
    queues: _containers.RepeatedCompositeFieldContainer[Queue]
    def __init__(self, unexecuted_pipelines: _Optional[_Union[Unexecuted, _Mapping]] = ..., ending_grants: _Optional[_Union[EndingGrants, _Mapping]] = ..., unused_tokens: _Optional[_Union[UnusedTokens, _Mapping]] = ..., jobs_in_no_pipeline: _Optional[_Union[LooseJobs, _Mapping]] = ..., self_granted_managers: _Optional[_Union[SelfGrantedManagers, _Mapping]] = ..., queues: _Optional[_Iterable[_Union[Queue, _Mapping]]] = ...) -> None: ...

class Unexecuted(_message.Message):
    __slots__ = ("total_size", "total_size_at_least", "pipelines")
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    PIPELINES_FIELD_NUMBER: _ClassVar[int]
    total_size: int
    total_size_at_least: int
    pipelines: _containers.RepeatedCompositeFieldContainer[NamedPipeline]
    def __init__(self, total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., pipelines: _Optional[_Iterable[_Union[NamedPipeline, _Mapping]]] = ...) -> None: ...

class EndingGrants(_message.Message):
    __slots__ = ("total_size", "total_size_at_least", "grants")
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    total_size: int
    total_size_at_least: int
    grants: _containers.RepeatedCompositeFieldContainer[EndingGrant]
    def __init__(self, total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., grants: _Optional[_Iterable[_Union[EndingGrant, _Mapping]]] = ...) -> None: ...

class EndingGrant(_message.Message):
    __slots__ = ("pipeline", "username", "group", "expires_at")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    pipeline: NamedPipeline
    username: str
    group: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, pipeline: _Optional[_Union[NamedPipeline, _Mapping]] = ..., username: _Optional[str] = ..., group: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UnusedTokens(_message.Message):
    __slots__ = ("total_size", "total_size_at_least", "tokens")
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    total_size: int
    total_size_at_least: int
    tokens: _containers.RepeatedCompositeFieldContainer[UnusedToken]
    def __init__(self, total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., tokens: _Optional[_Iterable[_Union[UnusedToken, _Mapping]]] = ...) -> None: ...

class UnusedToken(_message.Message):
    __slots__ = ("id", "username", "name", "created_at", "last_used_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    username: str
    name: str
    created_at: _timestamp_pb2.Timestamp
    last_used_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., username: _Optional[str] = ..., name: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_used_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LooseJobs(_message.Message):
    __slots__ = ("total_size", "total_size_at_least", "jobs")
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    total_size: int
    total_size_at_least: int
    jobs: _containers.RepeatedCompositeFieldContainer[LooseJob]
    def __init__(self, total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., jobs: _Optional[_Iterable[_Union[LooseJob, _Mapping]]] = ...) -> None: ...

class LooseJob(_message.Message):
    __slots__ = ("id", "name", "owner", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    owner: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., owner: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SelfGrantedManagers(_message.Message):
    __slots__ = ("total_size", "total_size_at_least", "managers")
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    MANAGERS_FIELD_NUMBER: _ClassVar[int]
    total_size: int
    total_size_at_least: int
    managers: _containers.RepeatedCompositeFieldContainer[SelfGranted]
    def __init__(self, total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., managers: _Optional[_Iterable[_Union[SelfGranted, _Mapping]]] = ...) -> None: ...

class SelfGranted(_message.Message):
    __slots__ = ("username", "pipeline")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    username: str
    pipeline: NamedPipeline
    def __init__(self, username: _Optional[str] = ..., pipeline: _Optional[_Union[NamedPipeline, _Mapping]] = ...) -> None: ...

class Queue(_message.Message):
    __slots__ = ("total_size", "total_size_at_least", "pipeline", "oldest_at", "ages")
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AT_FIELD_NUMBER: _ClassVar[int]
    AGES_FIELD_NUMBER: _ClassVar[int]
    total_size: int
    total_size_at_least: int
    pipeline: NamedPipeline
    oldest_at: _timestamp_pb2.Timestamp
    ages: Ages
    def __init__(self, total_size: _Optional[int] = ..., total_size_at_least: _Optional[int] = ..., pipeline: _Optional[_Union[NamedPipeline, _Mapping]] = ..., oldest_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ages: _Optional[_Union[Ages, _Mapping]] = ...) -> None: ...

class Ages(_message.Message):
    __slots__ = ("under_a_day", "under_a_week", "under_a_month", "longer")
    UNDER_A_DAY_FIELD_NUMBER: _ClassVar[int]
    UNDER_A_WEEK_FIELD_NUMBER: _ClassVar[int]
    UNDER_A_MONTH_FIELD_NUMBER: _ClassVar[int]
    LONGER_FIELD_NUMBER: _ClassVar[int]
    under_a_day: int
    under_a_week: int
    under_a_month: int
    longer: int
    def __init__(self, under_a_day: _Optional[int] = ..., under_a_week: _Optional[int] = ..., under_a_month: _Optional[int] = ..., longer: _Optional[int] = ...) -> None: ...
