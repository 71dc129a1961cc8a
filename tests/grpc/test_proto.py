"""The .proto file: made of the method table, with numbers that stay, and without what breaks clients."""

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodOptions
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from marshmallow import Schema, fields

from service.grpc.flow_pipelines.v1.flow_pipelines_pb2 import DESCRIPTOR
from service.grpc.messages import RequestMessage, methods
from service.http.openapi.examples import EXAMPLES
from service.http.routes import ROUTES, Route
from service.schemas.request import field, request, schema_of
from tests.grpc.as_http import with_nulls, without_nulls, wrapped
from tests.proto.__main__ import compile_into
from tests.proto.check import BEFORE, findings
from tests.proto.generate import PROTO, Generator, hides, rpc_of
from tests.proto.numbers import FOLDER, LOCK, Numbers

VERBS = ("get", "put", "post", "delete", "patch")
CALLS = [*methods()]

every_call = pytest.mark.parametrize(("route", "method"), CALLS, ids=[method.name for _, method in CALLS])


def http_of(options: MethodOptions) -> tuple[str, str, str]:
    """Return verb, path and body of a method's google.api.http."""
    rule = options.Extensions[annotations_pb2.http]
    (verb,) = (each for each in VERBS if rule.HasField(each))
    return verb.upper(), getattr(rule, verb), rule.body


def before() -> Mapping[str, tuple[str, str, str]]:
    """Return the methods of the version before, and where they are by HTTP."""
    files = FileDescriptorSet.FromString(BEFORE.read_bytes()).file
    own = (file for file in files if file.package == DESCRIPTOR.package)
    return {
        f"{service.name}.{method.name}": http_of(method.options)
        for file in own
        for service in file.service
        for method in service.method
    }


def now(calls: Iterable[tuple[Route, MethodDescriptor]] = CALLS) -> Mapping[str, tuple[str, str, str]]:
    return {f"{method.containing_service.name}.{method.name}": http_of(method.GetOptions()) for _, method in calls}


def test_generated_files_are_those_that_are_committed() -> None:
    generator = Generator(Numbers.read())

    assert PROTO.read_text() == generator.text(), "run `make proto`"
    assert LOCK.read_text() == generator.numbers.text(), "run `make proto`"
    with tempfile.TemporaryDirectory() as directory:
        compile_into(Path(directory))
        for made in Path(directory).rglob("*_pb2.py*"):
            assert (FOLDER / made.name).read_text() == made.read_text(), "run `make proto`"


def test_methods_are_the_rows_of_the_table() -> None:
    assert len(CALLS) == len(ROUTES)
    assert {service.name for service in DESCRIPTOR.services_by_name.values()} >= {
        *("Pipelines", "Jobs", "Grants", "Users", "Groups", "Tokens", "Audit")
    }
    for route, method in CALLS:
        assert re.sub("(?<!^)(?=[A-Z])", "_", method.name).lower() == route.operation.__name__
        assert http_of(method.GetOptions()) == (route.method, route.path, "*" if route.has_body else "")


def test_specific_paths_come_behind_those_with_parameters() -> None:
    """As grpc-gateway takes the last that fits."""
    order = {name: place for place, (_, method) in enumerate(by_file()) for name in [method.name]}
    hidden = [(one, other) for one, _ in CALLS for other, _ in CALLS if hides(one, other) and "{" not in other.path]

    assert {other.path for _, other in hidden} == {"/api/v1/jobs/pipelines", "/api/v1/users/me"}
    for one, other in hidden:
        assert order[rpc_of(one)] < order[rpc_of(other)]


def by_file() -> list[tuple[str, MethodDescriptor]]:
    """Return the methods in the order of the file."""
    return [(each.name, method) for each in DESCRIPTOR.services_by_name.values() for method in each.methods]


def test_methods_of_the_version_before_are_where_they_were() -> None:
    assert before().items() <= now().items()


def test_method_with_another_path_is_found() -> None:
    """The control."""
    moved = {name: (verb, path.replace("flow", "flows"), body) for name, (verb, path, body) in now().items()}

    assert not before().items() <= moved.items()


def test_proto_is_clean_and_breaks_no_client() -> None:
    assert findings(PROTO.read_text()) == []


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("string pipeline_id = 1 ", "string pipeline_id = 9 ", "deleted"),
        ("optional int32 page_size", "optional int64 page_size", "int64"),
        ('string job_id = 1 [json_name = "job_id"]', "string job_id = 1", "json_name"),
        ("PipelineItem ", "pipeline_item ", "PascalCase"),
    ],
)
def test_proto_that_breaks_clients_is_found(was: str, becomes: str, said: str) -> None:
    """The control."""
    text = PROTO.read_text()
    assert was in text

    assert any(said in each for each in findings(text.replace(was, becomes)))


@every_call
def test_documented_examples_survive_the_way_there_and_back(route: Route, method: MethodDescriptor) -> None:
    example = EXAMPLES[route.operation.__name__]
    answer = GetMessageClass(method.output_type)
    message = ParseDict(dict(example.response), answer())

    back = MessageToDict(answer.FromString(message.SerializeToString()), always_print_fields_with_no_presence=True)

    assert without_nulls(with_nulls(route.answer(), back)) == without_nulls(example.response)
    if example.request is not None:
        asked = without_nulls(example.request)
        sent = ParseDict(wrapped(schema_of(route.request), asked, method.name), GetMessageClass(method.input_type)())
        assert RequestMessage(route, method.input_type).values(sent.SerializeToString()) == asked


def test_scalars_of_requests_have_presence() -> None:
    def lacking(descriptor: Any) -> list[str]:
        return [each.full_name for each in descriptor.fields if not each.has_presence and not each.is_repeated]

    assert [each for _, method in CALLS for each in lacking(method.input_type)] == []
    assert [each.full_name for _, method in CALLS for each in method.input_type.fields if each.is_repeated] == []
    assert DESCRIPTOR.message_types_by_name["UpdateJobPipelinesRequest"].fields_by_name["pipeline_ids"].message_type


# ---- the generator


@dataclass(frozen=True)
class Row:
    """What the generator asks of a row of the method table."""

    request: type
    answer: type[Schema]
    method: str = "POST"
    path: str = "/api/v1/things"
    has_body: bool = True

    @staticmethod
    def operation() -> None:
        """Do a thing."""

    def __post_init__(self) -> None:
        self.operation.__name__ = "do_thing"


class PartSchema(Schema):
    at = fields.AwareDateTime(required=True)
    more = fields.Dict(allow_none=True)


class ThingSchema(Schema):
    count = fields.Integer(required=True)
    parts = fields.List(fields.Nested(PartSchema), required=True)


@request
class Part:
    """A part."""

    names: Any = field(fields.List(fields.String()), default=None)


@request
class Thing:
    """A thing."""

    parts: Any = field(fields.List(fields.Nested(schema_of(Part))))
    sure: bool = field(fields.Boolean(), default=False)


def generated(numbers: Numbers) -> str:
    row: Any = Row(Thing, ThingSchema)
    return Generator(numbers).text([row])


def test_generator_takes_messages_in_messages_times_and_objects() -> None:
    text = generated(Numbers({}))

    for expected in (
        "service Things {",
        "  PartInputList parts = 1;",
        "  optional bool sure = 2;",
        "message PartInputList {\n  repeated PartInput items = 1;",
        "message PartInput {\n  Names names = 1;",
        "  repeated Part parts = 2;",
        "  google.protobuf.Timestamp at = 1;",
        "  google.protobuf.Struct more = 2;",
        "  int32 count = 1;",
    ):
        assert expected in text


def test_generator_refuses_two_messages_of_one_name() -> None:
    class OtherPartSchema(Schema):
        names = fields.List(fields.String())

    OtherPartSchema.__name__ = "PartSchema"

    class OtherSchema(Schema):
        parts = fields.List(fields.Nested(PartSchema))
        others = fields.List(fields.Nested(OtherPartSchema))

    row: Any = Row(Thing, OtherSchema)
    with pytest.raises(ValueError, match="Part is two messages"):
        Generator(Numbers({})).text([row])


def test_numbers_are_kept_and_never_given_again() -> None:
    numbers = Numbers({"DoThingRequest": {"gone": 1, "sure": 7}})

    text = generated(numbers)

    assert "  optional bool sure = 7;" in text
    assert "  PartInputList parts = 8;" in text
    assert '  reserved 1;\n  reserved "gone";' in text
    assert '"gone": 1' in numbers.text()
