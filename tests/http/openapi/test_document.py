import pytest
from jsonschema import ValidationError

from service import errors
from service.http import responses
from service.http.openapi.document import failures
from service.http.openapi.examples import EXAMPLES
from service.http.responses import status_of
from service.http.routes import ROUTES, Route
from service.schemas.request import schema_of
from tests.conftest import Client
from tests.contract import DOCUMENT, check

every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation.__name__)


def test_document_covers_the_method_table() -> None:
    documented = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}

    assert documented == {(route.method, route.path) for route in ROUTES}


def test_operation_ids_are_unique() -> None:
    assert len({route.operation.__name__ for route in ROUTES}) == len(ROUTES) == len(EXAMPLES)


@every_route
def test_example_of_the_answer_is_valid(route: Route) -> None:
    for status in ("200", "201"):
        if status in DOCUMENT["paths"][route.path][route.method.lower()]["responses"]:
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
    values = (*vars(errors).values(), *vars(responses).values())
    kinds = [kind for kind in values if isinstance(kind, type) and issubclass(kind, errors.ServiceError)]

    assert {status_of(kind) for kind in kinds} == {
        *(400, 401, 403, 404, 405, 408, 409, 412, 413, 414, 415, 417, 429, 431, 500, 503, 504)
    }
