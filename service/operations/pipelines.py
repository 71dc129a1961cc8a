"""Operations on pipelines."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from service.database.pool import Connection
from service.errors import FailedPrecondition
from service.identity import Caller
from service.operations.call import Call
from service.operations.users import find_self_or_other
from service.permissions import (
    DELETE,
    EVERY_PERMISSION,
    FULL_ACCESS,
    MANAGER,
    PERMISSION_BITS,
    PERMISSION_NAMES,
    READ,
    WRITE,
    Role,
    require,
    require_pipeline_creator,
    require_scope,
    require_visible,
)
from service.repositories import grants, pipelines, queues
from service.repositories.audit_lists import GRANTS_ON_PIPELINE, JOBS_IN_PIPELINE
from service.repositories.authority import PROVE_FOR_HOLDERS
from service.repositories.pipelines import Filters, Granted, Pipeline
from service.repositories.queues import QueuedJob
from service.schemas.pages import Page
from service.schemas.pipelines import (
    AccessiblePipeline,
    CreatePipeline,
    DeletePipeline,
    GetPipeline,
    ListPipelineJobs,
    ListPipelines,
    ListUserPipelines,
    PipelineView,
    UpdatePipeline,
)
from service.slices import in_slices
from service.values.named_tuples import make_each

READABLE: Final = Filters(holding=READ)
"""The filters of all pipelines that may be read."""


async def list_pipelines(call: Call, request: ListPipelines) -> Page[AccessiblePipeline]:
    """List the pipelines that the caller may read and that fit the filters, by name, then id."""
    caller = call.caller
    filters = _filters(call, request)
    if filters is None:
        return Page([])
    if caller.role is Role.MEMBER and filters == READABLE and call.batches is not None:
        found = await call.batches.pipeline_lists.granted_to(caller)
    else:
        listing = pipelines.list_granted if caller.role is Role.MEMBER else pipelines.list_all
        if call.batches is not None and filters.limit is None:
            found = await call.batches.pipeline_lists.read_alone(listing, caller, filters)
        else:
            async with call.database.connection() as connection:
                found = await listing(connection, caller.organization_id, caller.user_id, filters)
    listed = await in_slices(partial(readable, caller), found.pipelines)
    return call.pages.cut(request, listed, sort_key, version=found.version)


async def list_user_pipelines(call: Call, request: ListUserPipelines) -> Page[AccessiblePipeline]:
    """List the pipelines that a user may read and that fit the filters, by name, then id.

    Raises:
        PermissionDenied: it is somebody else, and the caller is no administrator; or the token is too narrow.
        NotFound: there is no such user.
    """
    caller = call.caller
    call.pages.start(request)  # a page token is refused also where there is nothing to list
    require_scope(caller, READ, PERMISSION_NAMES[READ], "see which pipelines somebody can reach")
    async with call.database.connection() as connection:
        user = await find_self_or_other(connection, call, request.username, "the pipelines")
    reader = replace(caller, role=user.role, scopes=None, user_id=user.id, username=user.username)
    if caller.provided is not None and user.id == caller.user_id:
        reader = replace(caller, scopes=None)  # what an identity provider says of them counts here, too
    # Of the caller is left what page tokens are signed by.
    return Page([]) if user.disabled else await list_pipelines(call._replace(caller=reader), request)


def _filters(call: Call, request: ListPipelines) -> Filters | None:
    """Return the filters of the statement; None if nothing can fit, whatever is granted."""
    caller, after = call.caller, call.pages.start(request)
    holding = READ | (PERMISSION_BITS[request.permission] if request.permission else 0)
    limit = request.page_size + 1 if request.page_size else None
    lacking = 0
    if request.is_manager:
        holding = FULL_ACCESS
    elif request.is_manager is False and caller.allows(EVERY_PERMISSION):
        lacking = MANAGER
    if holding & ~caller.access(FULL_ACCESS) or (lacking and caller.role is not Role.MEMBER):
        return None
    return Filters(request.name, holding, lacking, after, limit)


def readable(caller: Caller, found: Iterable[Granted]) -> list[AccessiblePipeline]:
    """Return those pipelines that the caller may read, with their access to each."""
    accesses = caller.accesses()
    rows = [
        (row.id, row.name, access)
        for row in found
        if (access := accesses[row.granted & FULL_ACCESS]) & READ  # a newer version may know more
    ]
    return make_each(AccessiblePipeline, rows)


def sort_key(pipeline: AccessiblePipeline) -> tuple[str, UUID]:
    """Return the key that lists of pipelines are sorted by."""
    return pipeline.name, pipeline.id


async def create_pipeline(call: Call, request: CreatePipeline) -> PipelineView:
    """Create a pipeline, with the caller as its manager.

    Raises:
        PermissionDenied: the caller is no pipeline administrator or administrator, or their token is too narrow.
        AlreadyExists: there is one of that name.
    """
    caller, pipeline_id = call.caller, uuid4()
    require_pipeline_creator(caller)
    async with call.transaction() as connection:
        # The organization is locked before the name is taken, as by a rename: each would wait for the other.
        proof = await call.prove(connection, PROVE_FOR_HOLDERS, pipeline_id)
        created_at, updated_at = await pipelines.insert(
            connection, caller.organization_id, pipeline_id, request.name, request.description
        )
        if not caller.is_operator:
            await grants.put(connection, caller.organization_id, pipeline_id, "user", caller.user_id, FULL_ACCESS, None)
        after = {"name": request.name, "description": request.description, "manager": caller.username}
        await proof.audit("pipeline.create", f"pipeline:{pipeline_id}", None, after)
    access = caller.access(FULL_ACCESS)
    return PipelineView(pipeline_id, request.name, access, request.description, created_at, updated_at)


async def get_pipeline(call: Call, request: GetPipeline) -> PipelineView:
    """Return a pipeline.

    Raises:
        NotFound: there is none, or the caller may not see it.
    """
    async with call.database.connection() as connection:
        return (await find_visible(connection, call, request.pipeline_id))[0]


async def find_visible(
    connection: Connection, call: Call, pipeline_id: UUID, *, for_update: bool = False
) -> tuple[PipelineView, int]:
    """Find a pipeline that the caller may read, and what was granted to them on it; to change it, `find_to_change`.

    Raises:
        NotFound: there is none, or the caller may not see it.
    """
    caller, find = call.caller, pipelines.find_for_update if for_update else pipelines.find
    found = await find(connection, caller.organization_id, caller.user_id, pipeline_id)
    access = require_visible(caller, found.granted if found else None, pipeline_id)
    assert found is not None  # noqa: S101 - what does not exist is not visible
    return _whole(found, access), found.granted


async def find_to_change(
    connection: Connection, call: Call, pipeline_id: UUID, permission: int, what: str
) -> tuple[PipelineView, int]:
    """Find a pipeline on which the caller holds a permission, and lock it.

    All is checked before the lock too: who may not do it neither takes the lock, and so slows down those who may, nor
    waits for it, and so learns that there is something.

    Raises:
        NotFound: there is none, or the caller may not see it.
        PermissionDenied: they lack the permission.
    """
    _, granted = await find_visible(connection, call, pipeline_id)
    require(call.caller, permission, granted, what)
    pipeline, granted = await find_visible(connection, call, pipeline_id, for_update=True)
    require(call.caller, permission, granted, what)
    return pipeline, granted


def _whole(found: Pipeline, access: int) -> PipelineView:
    return PipelineView(found.id, found.name, access, found.description, found.created_at, found.updated_at)


async def update_pipeline(call: Call, request: UpdatePipeline) -> PipelineView:
    """Rename or describe a pipeline.

    Raises:
        NotFound: there is none, or the caller may not see it.
        PermissionDenied: the caller may not write it.
        PreconditionFailed: it is not what the caller has seen.
        AlreadyExists: there is another one of that name.
    """
    async with call.transaction() as connection:
        old, _ = await find_to_change(connection, call, request.pipeline_id, WRITE, CHANGE)
        name = old.name if request.name is None else request.name
        description = old.description if request.description is None else request.description
        renamed = name != old.name
        proof = await (call.prove(connection, PROVE_FOR_HOLDERS, old.id) if renamed else call.prove(connection))
        call.precondition(old)
        if (name, description) == (old.name, old.description):
            return old
        updated_at = await pipelines.update(connection, call.caller.organization_id, old.id, name, description)
        before = {"name": old.name, "description": old.description}
        after = {"name": name, "description": description}
        await proof.audit("pipeline.update", f"pipeline:{old.id}", before, after)
    return PipelineView(old.id, name, old.access, description, old.created_at, updated_at)


CHANGE: Final = "change this pipeline"


async def delete_pipeline(call: Call, request: DeletePipeline) -> None:
    """Delete a pipeline and everything granted on it; the jobs in it stay.

    Raises:
        NotFound: there is none, or the caller may not see it.
        PermissionDenied: the caller may not delete it.
        PreconditionFailed: it is not what the caller has seen.
        FailedPrecondition: jobs are in it, and it is not forced.
    """
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        old, _ = await find_to_change(connection, call, request.pipeline_id, DELETE, "delete this pipeline")
        proof = await call.prove(connection, PROVE_FOR_HOLDERS, old.id)
        call.precondition(old)
        jobs = await pipelines.count_jobs(connection, organization_id, old.id)
        if jobs and not request.force:
            are = "1 job is" if jobs == 1 else f"{jobs:,} jobs are"
            raise FailedPrecondition(f"{are} in this pipeline: take them out first, or delete with force=true.")
        before = {"name": old.name, "description": old.description, "jobs": jobs}
        lost = (GRANTS_ON_PIPELINE, JOBS_IN_PIPELINE)
        await proof.audit_deletion("pipeline.delete", f"pipeline:{old.id}", before, old.id, lost)
        await pipelines.delete(connection, organization_id, old.id)


async def list_pipeline_jobs(call: Call, request: ListPipelineJobs) -> Page[QueuedJob]:
    """List the jobs in a pipeline, oldest first.

    Raises:
        NotFound: there is no such pipeline, or the caller may not see it.
    """
    span = call.span(request)
    async with call.database.connection() as connection:
        await find_visible(connection, call, request.pipeline_id)
        found = await queues.page(connection, call.caller.organization_id, request.pipeline_id, span, request.q)
    return call.pages.cut_found(request, span, found)
