"""RequestSchema.read loads any request as marshmallow itself would."""

from dataclasses import FrozenInstanceError
from typing import Any
from uuid import UUID as ID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError, fields

from service.http.routes import ROUTES
from service.schemas.fields import Flag, JobId, PageSize, StrictUUID
from service.schemas.jobs import ListJobPipelines, UpdateJobPipelines
from service.schemas.pipelines import ListPipelines
from service.schemas.request import RequestSchema, field, request, schema_of

SCHEMAS = {route.request.__name__: schema_of(route.request) for route in ROUTES}
KEYS = sorted({key for schema in SCHEMAS.values() for key in (*schema.fields, "new_name", "surplus")})
UUID = "8c400d55-15d4-41f9-b306-ec2836898d83"
FITTING = ["ada", "4711", UUID, "true", "10", True, 7, None, [UUID], [UUID, "x"], "flow_pipeline:read"]
FITTING += [["flow_pipeline:read"], [], {}, "2099-01-01T00:00:00Z", "", "x" * 300]


def read(schema: RequestSchema, values: dict[str, Any]) -> Any:
    try:
        return schema.read(values)
    except ValidationError as error:
        return error.messages


def load(schema: RequestSchema, values: dict[str, Any]) -> Any:
    try:
        return schema.loads_into(**schema.load(values))
    except ValidationError as error:
        return error.messages


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_read_gives_what_marshmallow_loads(schema: RequestSchema) -> None:
    @given(st.dictionaries(st.sampled_from([*schema.fields] * 5 + KEYS), st.sampled_from(FITTING), max_size=5))
    def same(values: dict[str, Any]) -> None:
        assert read(schema, values) == load(schema, values)

    same()


@request
class Search:
    """A search."""

    pipeline_id: ID = field(StrictUUID())
    contains: str | None = field(fields.String(data_key="name"), default=None)
    force: bool = field(Flag(), default=False)
    page_size: int | None = field(PageSize(), default=None)


@request
class JobSearch(Search):
    """A search for one job."""

    job_id: str | None = field(JobId(), default=None)


def test_request_without_what_it_may_leave_out_has_the_defaults() -> None:
    assert schema_of(Search).read({"pipeline_id": UUID}) == Search(ID(UUID), None, False, None)


def test_request_field_is_read_by_the_name_of_its_data_key() -> None:
    assert schema_of(Search).read({"pipeline_id": UUID, "name": "x"}).contains == "x"
    assert read(schema_of(Search), {"pipeline_id": UUID, "contains": "x"}) == {"contains": ["Unknown field."]}


def test_request_inherits_fields() -> None:
    assert [*schema_of(JobSearch).by_key] == ["pipeline_id", "name", "force", "page_size", "job_id"]
    assert schema_of(JobSearch).read({"pipeline_id": UUID, "job_id": "7"}) == JobSearch(ID(UUID), job_id="7")
    assert isinstance(JobSearch(ID(UUID)), Search)


def test_request_default_is_not_a_value_to_give() -> None:
    assert read(schema_of(Search), {"pipeline_id": UUID, "name": None}) == {"name": ["Field may not be null."]}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [({"force": "true"}, "Must be true or false."), ({"page_size": "10"}, "Must be a whole number.")],
)
def test_field_refuses_a_text_that_only_stands_for_its_value(values: dict[str, Any], sentence: str) -> None:
    assert read(schema_of(Search), {"pipeline_id": UUID, **values}) == {key: [sentence] for key in values}


@pytest.mark.parametrize("text", ["", "1.0", "-1", "+1", "1e2", "\u0661", "1_0", "9" * 10])
def test_page_size_of_another_text_stays_a_text(text: str) -> None:
    assert PageSize().from_text(text) == text
    assert (PageSize().from_text("010"), Flag().from_text("false"), Flag().from_text("True")) == (10, False, "True")


def test_request_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        ListPipelines().name = "x"  # type: ignore[misc] # which mypy reports if it does not


def test_request_types_are_checked_by_mypy() -> None:
    """Each ignore here is one that mypy calls unused if it lets the line pass."""
    UpdateJobPipelines("7", ["x"])  # type: ignore[list-item]
    ListJobPipelines(name=7)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        UpdateJobPipelines("7")  # type: ignore[call-arg]

    @request
    class Wrong:
        """Fields that are read as something else than the annotations say."""

        page_size: str = field(PageSize())  # type: ignore[assignment]
        force: bool = field(Flag(), default=None)  # type: ignore[assignment]

    assert [*schema_of(Wrong).by_key] == ["page_size", "force"]


def test_schema_of_another_class_names_the_way_out() -> None:
    with pytest.raises(TypeError, match="int has no schema: declare it by @request"):
        schema_of(int)
