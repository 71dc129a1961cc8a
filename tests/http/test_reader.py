import json
from typing import Any

import pytest
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from service.errors import InvalidArgument
from service.http.bodies import BodyBudget
from service.http.reader import Reader, parse_object
from service.http.routes import ROUTES
from service.operations import grants, job_pipelines, jobs, pipelines
from service.schemas.pipelines import DeletePipeline, ListPipelines
from service.telemetry.request_record import RequestRecord, current_record

ID = "8c400d55-15d4-41f9-b306-ec2836898d83"
EMPTY = object()


async def read(operation: object, query: str = "", body: Any = EMPTY, **in_path: str) -> Any:
    """What a request of an operation is read as, or the details of why it can't be."""
    route = next(route for route in ROUTES if route.operation is operation)
    content = StreamReader(make_mocked_request("GET", "/").protocol, 2**16)
    content.feed_data(b"" if body is EMPTY else json.dumps(body).encode())
    content.feed_eof()
    request = make_mocked_request(route.method, f"/?{query}", match_info=in_path, payload=content)
    context = current_record.set(RequestRecord("read"))
    try:
        reader = Reader(route, BodyBudget(2**20))
        return reader.read(request, await reader.receive(request))
    except InvalidArgument as error:
        return error.details
    finally:
        current_record.reset(context)


async def test_query_is_read_by_the_types_of_its_fields() -> None:
    assert await read(pipelines.list_pipelines, "is_manager=true&page_size=50&name=7") == ListPipelines(
        name="7", is_manager=True, page_size=50
    )
    assert (await read(pipelines.delete_pipeline, "force=false", pipeline_id=ID)).force is False


@pytest.mark.parametrize(
    ("query", "details"),
    [
        ("is_manager=True", {"is_manager": ["Must be true or false."]}),
        ("is_manager=1", {"is_manager": ["Must be true or false."]}),
        ("page_size=5.0", {"page_size": ["Must be a whole number."]}),
        ("page_size=", {"page_size": ["Must be a whole number."]}),
        ("page_size=0", {"page_size": ["Must be greater than or equal to 1 and less than or equal to 1000."]}),
        ("name=a&name=b", {"name": ["Given more than once."]}),
        ("nam=a", {"nam": ["Unknown field."]}),
        ("na%0A%1B%E2%80%AEm=a", {r"na\n\x1b\u202em": ["Unknown field."]}),
        ("%C3%A9tat%20=a", {"état ": ["Unknown field."]}),
    ],
)
async def test_query_of_another_text_is_refused(query: str, details: dict[str, Any]) -> None:
    assert await read(pipelines.list_pipelines, query) == details


@pytest.mark.parametrize("value", ["true", 1, None, []])
async def test_body_has_the_types_of_json(value: Any) -> None:
    body = {"permissions": [], "is_manager": value}
    sentence = "Field may not be null." if value is None else "Must be true or false."

    assert await read(grants.put_user_grant, body=body, pipeline_id=ID, username="ada") == {"is_manager": [sentence]}


async def test_field_in_another_place_is_refused() -> None:
    belongs = {"job_id": ["Belongs in the body."]}
    assert await read(job_pipelines.update_job_pipelines, "job_id=7", {"pipeline_ids": []}) == belongs
    assert await read(jobs.put_job, body={"job_id": "8"}, job_id="7") == {"job_id": ["Belongs in the path."]}


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_body_that_is_empty_is_told_so(body: bytes) -> None:
    with pytest.raises(InvalidArgument, match="The body is empty"):
        parse_object(body)


async def test_body_of_a_read_is_ignored() -> None:
    assert await read(pipelines.list_pipelines, body={"nam": "a"}) == ListPipelines()


async def test_body_of_a_change_that_takes_none_is_refused_unless_it_is_empty() -> None:
    assert isinstance(await read(pipelines.delete_pipeline, body={}, pipeline_id=ID), DeletePipeline)
    assert isinstance(await read(pipelines.delete_pipeline, body=EMPTY, pipeline_id=ID), DeletePipeline)
    assert await read(pipelines.delete_pipeline, body={"force": True}, pipeline_id=ID) == {
        "force": ["Belongs in the query."]
    }
    assert await read(job_pipelines.add_pipeline_job, body={"at": 1}, pipeline_id=ID, job_id="7") == {
        "at": ["Unknown field."]
    }
    assert await read(pipelines.delete_pipeline, body=[], pipeline_id=ID) is None


async def test_request_that_gives_nothing_is_made_once() -> None:
    reader = Reader(next(route for route in ROUTES if route.operation is pipelines.list_pipelines), BodyBudget(2**20))
    first, second = [reader.read(make_mocked_request("GET", "/"), None) for _ in range(2)]

    assert first == ListPipelines()
    assert first is second
