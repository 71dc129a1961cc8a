import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import ValidationError
from marshmallow import Schema, fields

from service import errors
from service.http import responses
from service.http.openapi.document import failures
from service.http.openapi.examples import EXAMPLES
from service.http.openapi.vocabularies import VOCABULARIES
from service.http.responses import encode, status_of
from service.http.routes import ROUTES, Route
from service.permissions import PERMISSION_BITS, SCOPE_BITS, Role
from service.schemas.answers import FailureSchema
from service.schemas.request import RequestSchema, schema_of
from tests.conftest import Client
from tests.contract import DOCUMENT, check


def error_kinds() -> list[type[errors.ServiceError]]:
    values = (*vars(errors).values(), *vars(responses).values())
    return [kind for kind in values if isinstance(kind, type) and issubclass(kind, errors.ServiceError)]


every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation.__name__)


def test_document_covers_the_method_table() -> None:
    documented = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}

    assert documented == {(route.method, route.path) for route in ROUTES}


def test_operation_ids_are_unique() -> None:
    assert len({route.operation.__name__ for route in ROUTES}) == len(ROUTES) == len(EXAMPLES)


@every_route
def test_example_of_the_answer_is_valid(route: Route) -> None:
    told = DOCUMENT["paths"][route.path][route.method.lower()]["responses"].keys() & {"200", "201"}

    assert told
    for status in told:
        check(route.path, route.method.lower(), int(status), EXAMPLES[route.operation.__name__].response)


@every_route
def test_example_of_the_request_is_valid(route: Route) -> None:
    schema, body = schema_of(route.request), EXAMPLES[route.operation.__name__].request
    elsewhere = [schema.by_key[key].name for key, place in route.places.items() if place != "body"]

    assert bool(body) == route.has_body
    if body:
        assert type(schema)(exclude=elsewhere).validate(dict(body)) == {}


@every_route
def test_failures_have_reasons(route: Route) -> None:
    assert {400, 401, 429, 500, 503, 504} <= set(failures(route))
    assert all(reason.endswith(".") for reasons in failures(route).values() for reason in reasons)


def test_check_catches_another_shape() -> None:
    """The control: what the other tests rely on can fail."""
    with pytest.raises(ValidationError):
        check("/api/v1/flow/pipeline", "get", 200, {"status": "OK"})
    with pytest.raises(ValidationError):
        check("/api/v1/flow/pipeline", "get", 200, {"status": "OK", "pipelines": [], "surprise": 1})
    with pytest.raises(AssertionError, match="answered 418"):
        check("/api/v1/flow/pipeline", "get", 418, {})


def schemas_below(kind: type[Schema]) -> Iterator[type[Schema]]:
    yield kind
    for each in kind().fields.values():
        inner = each.inner if isinstance(each, fields.List) else each
        if isinstance(inner, fields.Nested):
            yield from schemas_below(type(inner.schema))


def declarations() -> Iterator[tuple[str, str, str, fields.Field[Any]]]:
    """Yield each field of a request or an answer: its file, its class, its name and itself."""
    tops: set[type[Schema]] = {FailureSchema}
    for route in ROUTES:
        tops |= {type(schema_of(route.request)), route.answer}
    for kind in {below for top in tops for below in schemas_below(top)}:
        declared = kind.loads_into if issubclass(kind, RequestSchema) else kind
        for name, each in kind().fields.items():
            yield declared.__module__, declared.__name__, name, each


def test_every_field_is_described_where_it_is_declared() -> None:
    lacking = {
        f"{module.replace('.', '/')}.py: {kind}.{name}: "
        + ("field(..., 'What it is.', ...)" if not kind.endswith("Schema") else "metadata=says('What it is.')")
        for module, kind, name, each in declarations()
        if not re.fullmatch(r"\S.*\S\.", each.metadata.get("description", ""))
    }

    assert not lacking, "These need a description, a sentence with its full stop:\n" + "\n".join(sorted(lacking))


def described_parts() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all that the document must describe, each with a name for a person."""
    yield from ((f"tag {tag['name']}", tag) for tag in DOCUMENT["tags"])
    for kind, components in DOCUMENT["components"].items():
        for name, component in components.items():
            yield f"{kind} {name}", component
            yield from ((f"{name}.{key}", each) for key, each in component.get("properties", {}).items())
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", {"description": operation["summary"]}
            yield from ((f"{method} {path} {each['name']}", each) for each in operation["parameters"])
            yield from ((f"{method} {path} {status}", each) for status, each in operation["responses"].items())


def test_every_part_of_the_document_is_described() -> None:
    lacking = [name for name, part in described_parts() if not part.get("description")]

    assert not lacking, "\n".join(lacking)


def test_operations_are_named_as_what_they_run_and_tagged_by_what_they_are_about() -> None:
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    for route in ROUTES:
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        assert operation["operationId"] == route.operation.__name__
        assert len(operation["tags"]) == 1
        assert set(operation["tags"]) <= tags


def enums(node: Any, place: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each list of words in a part of the document, with its place."""
    if isinstance(node, dict):
        if isinstance(node.get("enum"), list):
            yield place, tuple(node["enum"])
        for key, each in node.items():
            yield from enums(each, f"{place}/{key}") if key != "example" else ()
    elif isinstance(node, list):
        for number, each in enumerate(node):
            yield from enums(each, f"{place}/{number}")


def test_words_of_more_than_one_field_are_a_named_schema() -> None:
    places: dict[tuple[str, ...], list[str]] = {}
    for place, words in enums(DOCUMENT):
        places.setdefault(words, []).append(place)
    ordered = {words for words in places if any(word.startswith("-") for word in words if word)}  # a list's own orders
    repeated = {words: found for words, found in places.items() if len(found) > 1 and words not in ordered}

    assert not repeated, f"Name these in service/http/openapi/vocabularies.py: {repeated}"
    assert {"Permission", "Scope", "Role", "Code", "SuccessStatus", "FailureStatus"} <= {
        *DOCUMENT["components"]["schemas"]
    }
    assert [*DOCUMENT["components"]["schemas"]["Permission"]["enum"]] == [*PERMISSION_BITS]


def test_vocabularies_have_the_words_of_the_code() -> None:
    words = {each.name: {*each.words} for each in VOCABULARIES}

    assert words["Permission"] == {*PERMISSION_BITS}
    assert words["Scope"] == {*SCOPE_BITS}
    assert words["Role"] == {*Role}
    assert words["Code"] == {kind.code for kind in error_kinds()} == {*errors.CODES}


def test_document_stays_small() -> None:
    """It is read by every generator and by people's browsers: four kilobytes for a call are enough."""
    assert len(encode(DOCUMENT)) < 4_600 * len(ROUTES)


def test_every_reference_leads_somewhere() -> None:
    for reference in re.findall(r'"\$ref": "#/components/([^"]+)"', json.dumps(DOCUMENT)):
        kind, _, name = reference.partition("/")
        assert name in DOCUMENT["components"][kind], reference


async def test_document_is_served(client: Client) -> None:
    answer = await client.get("/openapi.json")

    assert (answer.status, answer.headers["Content-Type"], await answer.json()) == (200, "application/json", DOCUMENT)


async def test_docs_page_is_served_and_needs_nothing_from_elsewhere(client: Client) -> None:
    answer = await client.get("/docs")
    text = await answer.text()

    assert (answer.status, answer.content_type) == (200, "text/html")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert all(f'id="{route.operation.__name__}"' in text for route in ROUTES)
    assert "http://" not in text
    assert "https://" not in text
    assert "<script" not in text


def test_errors_have_the_statuses_that_the_contract_names() -> None:
    assert {status_of(kind) for kind in error_kinds()} == {
        *(400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 414, 415, 417, 429, 431, 500, 501, 503, 504)
    }
