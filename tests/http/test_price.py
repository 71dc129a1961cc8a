"""What a request may cost, counted in work: what is looked at, told and kept, whatever is sent."""

import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import StreamReader, web
from aiohttp.test_utils import make_mocked_request
from marshmallow import ValidationError, fields

from service.errors import LONGEST_TOLD, MOST_TOLD, InvalidArgument, Unavailable
from service.http import reader
from service.http.bodies import UNCOUNTED, BodyBudget
from service.http.openapi.document import openapi_document, resolved
from service.http.reader import MAX_DEPTH, MAX_VALUES, Reader, parse_object
from service.http.responses import encode, failure_body
from service.http.routes import ROUTES, Route
from service.operations import job_pipelines
from service.schemas.request import schema_of
from service.telemetry.request_record import RequestRecord, current_record
from tests.api.worst import BODY_BYTES, field_names, worst_bodies

WITH_BODY = [route for route in ROUTES if route.has_body]
LIMIT = BODY_BYTES

with_body = pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: f"{route.method} {route.path}")


KINDS = [*worst_bodies(b"name")]


def request_of(route: Route, body: bytes, **headers: str) -> web.Request:
    content = StreamReader(make_mocked_request("GET", "/").protocol, LIMIT)
    content.feed_data(body)
    content.feed_eof()
    in_path = {key: str(uuid4()) for key, place in route.places.items() if place == "path"}
    headers = headers or {"Content-Length": str(len(body))}
    return make_mocked_request(route.method, "/", headers, match_info=in_path, payload=content, client_max_size=LIMIT)


async def read(route: Route, request: web.Request, bodies: BodyBudget) -> object:
    """Receive a request and read it."""
    reading = Reader(route, bodies)
    return reading.read(request, await reading.receive(request))


@contextmanager
def recorded() -> Iterator[None]:
    """Have a record of the request under way."""
    context = current_record.set(RequestRecord("price"))
    try:
        yield
    finally:
        current_record.reset(context)


async def refusal(route: Route, request: web.Request, bodies: BodyBudget) -> InvalidArgument:
    with recorded(), pytest.raises(InvalidArgument) as raised:
        await read(route, request, bodies)
    return raised.value


@with_body
@pytest.mark.parametrize("kind", KINDS)
async def test_refusal_of_any_body_is_short_and_keeps_nothing_of_it(route: Route, kind: str) -> None:
    bodies = BodyBudget(LIMIT)
    body = worst_bodies(field_names(route)[0])[kind]
    assert len(body) <= LIMIT

    error = await refusal(route, request_of(route, body), bodies)

    assert len(encode(failure_body(error, "x"))) < 10_000
    assert (error.__cause__, error.__context__, bodies.bytes) == (None, None, 0)
    assert len(error.details or {}) <= MOST_TOLD + 1
    assert {frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)} == {"refusal", "read"}


class Counted(fields.Field[Any]):
    """An item that counts how often one is looked at."""

    looked_at = 0

    def deserialize(self, *_: Any, **__: Any) -> Any:
        Counted.looked_at += 1


def lists() -> list[tuple[str, fields.List[Any]]]:
    found = {
        (request.__name__, key): each
        for request in (route.request for route in ROUTES)
        for key, each in schema_of(request).by_key.items()
        if isinstance(each, fields.List)
    }
    return [(f"{name}.{key}", each) for (name, key), each in found.items()]


@pytest.mark.parametrize(("name", "field"), lists(), ids=[name for name, _ in lists()])
def test_no_item_is_looked_at_of_a_list_that_is_too_long(
    name: str, field: fields.List[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counted, "looked_at", 0)
    monkeypatch.setattr(field, "inner", Counted())
    with pytest.raises(ValidationError, match=r"Longer than maximum length \d+\."):
        field.deserialize(["x"] * 5_000)
    assert Counted.looked_at == 0, name


def test_every_request_field_has_a_stated_longest_length() -> None:
    unbounded = []
    document = openapi_document()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            fields_of = [(each["name"], each["schema"]) for each in operation["parameters"] if each["in"] != "header"]
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            fields_of += resolved(document, content.get("schema", {})).get("properties", {}).items()
            unbounded += [f"{method} {path} {name}" for name, schema in fields_of if not _is_bounded(document, schema)]
    assert unbounded == []


def _is_bounded(document: dict[str, Any], schema: dict[str, Any]) -> bool:
    schema = resolved(document, schema)
    if "properties" in schema:
        return all(_is_bounded(document, each) for each in schema["properties"].values())
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", ["string"])
    if "array" in kinds:
        return "maxItems" in schema and _is_bounded(document, schema["items"])
    if "string" in kinds:
        return bool({"maxLength", "enum"} & {*schema}) or schema.get("format") in ("uuid", "date-time")
    return set(kinds) <= {"boolean", "integer", "null"}


@pytest.mark.parametrize(
    ("request_type", "key"),
    sorted({(route.request, key) for route in ROUTES for key in route.places}, key=str),
    ids=lambda value: value.__name__ if isinstance(value, type) else value,
)
@pytest.mark.parametrize(
    "value", ["x" * 5_000, "\ufdfa" * 5_000, "9" * 5_000, "2099-01-01T00:00:00." + "0" * 5_000 + "Z"]
)
def test_every_request_field_refuses_what_is_longer(request_type: type, key: str, value: str) -> None:
    with pytest.raises(ValidationError):
        schema_of(request_type).by_key[key].deserialize(value * 3, key, {})


async def test_body_is_parsed_once_however_often_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dispatcher tries an update for a recent caller, and asks again once the caller is authenticated."""
    parsed: list[int] = []

    def parse(body: bytes) -> dict[str, Any]:
        parsed.append(len(body))
        return parse_object(body)

    monkeypatch.setattr(reader, "parse_object", parse)
    route = next(route for route in ROUTES if route.operation is job_pipelines.update_job_pipelines)
    reading = Reader(route, BodyBudget(LIMIT))
    right = json.dumps({"job_id": "7", "pipeline_ids": [str(uuid4())]}).encode()
    with recorded():
        for body in (right, b"{}"):
            request, outcomes = request_of(route, body), []
            received = await reading.receive(request)
            for _ in range(3):
                try:
                    outcomes.append(reading.read(request, received))
                except InvalidArgument as error:
                    outcomes.append(error)
            assert outcomes[0] is outcomes[1] is outcomes[2]
    assert parsed == [len(right), 2]


def test_details_name_the_first_fields_and_count_the_others() -> None:
    reasons = ["a"] * 523_999
    error = InvalidArgument.of_fields((f"{number}{'k' * 500}", reasons) for number in range(1_000))

    assert error.details is not None
    assert error.message.endswith("(and 999 more, see details)")
    assert [*error.details][-1] == "..."
    assert error.details["..."] == ["and 980 more"]
    assert all(len(name) <= LONGEST_TOLD + 3 for name in error.details)
    assert next(iter(error.details.values()))[-2:] == ["a", "and 523,979 more"]


@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_body_may_be_nested_as_deep_as_is_said(brackets: tuple[str, str]) -> None:
    def nested(depth: int) -> bytes:
        return f'{{"a":{brackets[0] * depth}"\\u0041"{brackets[1] * depth}}}'.encode()

    parse_object(nested(MAX_DEPTH - 1))
    for depth in (MAX_DEPTH, 500, 900, 972, 990, 100_000):
        with pytest.raises(InvalidArgument, match="nested more than 32 deep"):
            parse_object(nested(depth))


def test_body_of_many_values_is_refused_unparsed(monkeypatch: pytest.MonkeyPatch) -> None:
    most = b'{"a":[%s1]}' % (b"1," * (MAX_VALUES - 1))
    parse_object(most + b" " * reader.SMALL_BODY)
    monkeypatch.setattr(reader, "_DECODER", None)
    with pytest.raises(InvalidArgument, match="more than 12,000 values"):
        parse_object(most.replace(b"[", b"[1,") + b" " * reader.SMALL_BODY)


Make = Callable[[Route, bytes], web.Request]
CODED: dict[str, Make] = {
    "of a length": request_of,
    "in chunks": lambda route, body: request_of(route, body, **{"Transfer-Encoding": "chunked"}),
    "coded": lambda route, body: request_of(route, body, **{"Content-Encoding": "gzip", "Content-Length": "100"}),
}


@pytest.mark.parametrize("how", CODED)
async def test_bodies_beyond_the_budget_are_refused_and_small_ones_taken(how: str) -> None:
    route, bodies = WITH_BODY[0], BodyBudget(3 * UNCOUNTED)
    bodies.bytes = 2 * UNCOUNTED  # as if others were under way
    with recorded():
        with pytest.raises(Unavailable) as raised:
            await read(route, CODED[how](route, b" " * (2 * UNCOUNTED)), bodies)
        assert (raised.value.reason, raised.value.retry_after, bodies.bytes) == ("bodies", 1, 2 * UNCOUNTED)
        with pytest.raises(InvalidArgument):
            await read(route, CODED[how](route, b" " * UNCOUNTED), bodies)
        bodies.bytes = 0
        with pytest.raises(InvalidArgument):  # alone, it may be larger than all together
            await read(route, CODED[how](route, b" " * (10 * UNCOUNTED)), bodies)
        with pytest.raises(web.HTTPRequestEntityTooLarge):
            await read(route, CODED[how](route, b" " * (LIMIT + 1)), bodies)
        assert bodies.bytes == 0


@pytest.mark.parametrize("how", CODED)
async def test_refusal_beyond_the_budget_holds_nothing_of_what_has_come(how: str) -> None:
    route, bodies = WITH_BODY[0], BodyBudget(4 * UNCOUNTED)
    bodies.bytes = 2 * UNCOUNTED  # as if others were under way
    with recorded(), pytest.raises(Unavailable) as raised:
        await read(route, CODED[how](route, b" " * (3 * UNCOUNTED)), bodies)

    assert bodies.bytes == 2 * UNCOUNTED
    frames = [frame for frame, _ in traceback.walk_tb(raised.value.__traceback__)]
    held = [value for frame in frames for value in frame.f_locals.values() if isinstance(value, bytearray)]
    assert sum(map(len, held)) == 0


class Key(str):
    """A key that counts comparisons."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Key.compared += 1
        return str(self) == str(other)

    __hash__ = str.__hash__


def test_repeated_keys_are_found_without_comparing_all_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Key, "compared", 0)
    pairs: list[tuple[str, Any]] = [*((Key(f"k{number}"), 0) for number in range(5_000)), (Key("k1"), 0)]
    with pytest.raises(InvalidArgument) as raised:
        reader._refuse_duplicates(pairs)
    assert raised.value.details == {"k1": ["Given more than once."]}
    assert Key.compared < 10 * len(pairs)


async def test_keys_beyond_those_of_any_request_are_counted() -> None:
    keys = json.dumps(dict.fromkeys(map(str, range(150)))).encode()

    error = await refusal(WITH_BODY[0], request_of(WITH_BODY[0], keys), BodyBudget(1))

    assert error.message.endswith("0: Unknown field. (and 149 more, see details)")
