"""Operations on pipelines."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from service.authentication import Caller
from service.call import Call
from service.permissions import READ, Role
from service.repositories import pipelines
from service.schemas.pipelines import ListPipelines


@dataclass(frozen=True, slots=True)
class AccessiblePipeline:
    """A pipeline that the caller may read, and what they may do on it (an access of permissions.py)."""

    id: UUID
    name: str
    access: int


async def list_pipelines(call: Call, _: ListPipelines) -> list[AccessiblePipeline]:
    """Every pipeline that the caller may read, by name, then id."""
    caller = call.caller
    async with call.database.connection() as connection:
        if caller.role is Role.MEMBER:
            found = await pipelines.list_granted(connection, caller.organization_id, caller.user_id)
        else:
            found = await pipelines.list_all(connection, caller.organization_id)
    return readable(caller, found)


def readable(caller: Caller, found: Iterable[pipelines.GrantedPipeline]) -> list[AccessiblePipeline]:
    """Those pipelines that the caller may read, with what they may do on each."""
    accessible = [AccessiblePipeline(row.id, row.name, caller.access(row.granted)) for row in found]
    return [pipeline for pipeline in accessible if pipeline.access & READ]
