"""RequestSchema.read loads any request as marshmallow itself would."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from service.http.routes import ROUTES
from service.schemas.request import RequestSchema

SCHEMAS = {route.request.__name__: route.request() for route in ROUTES}
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
def test_request_schema_reads_what_marshmallow_loads(schema: RequestSchema) -> None:
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.dictionaries(st.sampled_from([*schema.fields] * 5 + KEYS), st.sampled_from(FITTING), max_size=5))
    def same(values: dict[str, Any]) -> None:
        assert read(schema, values) == load(schema, values)

    same()
