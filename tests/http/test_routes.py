import re
from typing import Any

import pytest

from service.http.routes import ROUTES, Route
from service.operations import grants, pipelines
from service.operations.call import Call
from service.schemas.answers import AnswerSchema, dump_nothing
from service.schemas.grants import GrantAnswerSchema, PutUserGrant, dump_grant
from service.schemas.jobs import JobRef
from service.schemas.pages import Page
from service.schemas.pipelines import (
    ListPipelines,
    PipelineListSchema,
    dump_pipeline,
    dump_pipeline_list,
)


async def operation(call: Call, request: JobRef) -> Page[int]:
    """Answer what nothing dumps."""
    raise NotImplementedError


def row(method: str, path: str) -> Route:
    return next(route for route in ROUTES if (route.method, route.path) == (method, path))


def test_request_answer_and_dump_follow_from_the_annotations() -> None:
    route = Route("GET", "/pipelines", pipelines.list_pipelines)

    assert (route.request, route.answer, route.dump) == (ListPipelines, PipelineListSchema, dump_pipeline_list)


def test_answer_of_an_outcome_is_that_of_its_value() -> None:
    route = Route("PUT", "/{pipeline_id}/{username}", grants.put_user_grant)

    assert (route.request, route.answer, route.dump) == (PutUserGrant, GrantAnswerSchema, dump_grant)


def test_answer_of_nothing_is_a_success() -> None:
    route = Route("DELETE", "/{pipeline_id}/{username}", grants.delete_user_grant)

    assert (route.answer, route.dump) == (AnswerSchema, dump_nothing)


@pytest.mark.parametrize(
    ("method", "path", "places"),
    [
        ("DELETE", "/{pipeline_id}", {"pipeline_id": "path", "force": "query"}),
        ("GET", "/{pipeline_id}", {"pipeline_id": "path", "force": "query"}),
        ("POST", "/{pipeline_id}", {"pipeline_id": "path", "force": "body"}),
        ("POST", "/", {"pipeline_id": "body", "force": "body"}),
    ],
)
def test_places_follow_from_the_path_and_the_method(method: str, path: str, places: dict[str, Any]) -> None:
    route = Route(method, path, pipelines.delete_pipeline)

    assert route.places == places
    assert route.has_body == ("body" in places.values())


def test_etag_of_a_conditional_row_is_how_get_shows_it() -> None:
    assert row("DELETE", "/api/v1/flow/pipeline/{pipeline_id}").etag_of is dump_pipeline
    assert row("POST", "/api/v1/jobs/pipelines").etag_of is dump_pipeline_list
    assert all((route.etag_of is not None) == route.conditional for route in ROUTES)


def test_location_is_below_the_address_that_created_it() -> None:
    assert row("POST", "/api/v1/flow/pipeline").location == "/api/v1/flow/pipeline/{pipeline[id]}"
    assert {route.path for route in ROUTES if route.method == "POST" and route.location is None} == {
        "/api/v1/jobs/pipelines",
        "/api/v1/jobs/pipelines/batch",
        "/api/v1/apply",
    }


def test_row_whose_answer_nothing_dumps_is_refused() -> None:
    with pytest.raises(TypeError, match=re.escape("Nothing dumps service.schemas.pages.Page[int]")):
        Route("GET", "/{job_id}", operation)


def test_row_whose_path_names_no_field_is_refused() -> None:
    with pytest.raises(TypeError, match=re.escape("/{id} names id, which GetPipeline has no field for")):
        Route("GET", "/{id}", pipelines.get_pipeline)
