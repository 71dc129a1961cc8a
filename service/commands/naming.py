"""Pipelines as people name them: by id, or by name regardless of case."""

from uuid import UUID

from service.commands.work import as_uuid, fetch_all_pages
from service.errors import NotFound
from service.identifiers import name_key
from service.operations.call import Call
from service.operations.pipelines import list_pipelines
from service.schemas.pipelines import ListPipelines


async def resolve_pipeline(call: Call, name_or_id: str) -> UUID:
    """The pipeline a person means.

    Raises:
        NotFound: there is none of that name.
    """
    if found := as_uuid(name_or_id):
        return found
    for pipeline in (await fetch_all_pages(list_pipelines, call, ListPipelines(name=name_or_id))).items:
        if name_key(pipeline.name) == name_key(name_or_id):
            return pipeline.id
    raise NotFound(f"There is no pipeline called {name_or_id}.")
