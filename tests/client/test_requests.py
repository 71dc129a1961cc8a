"""Requests as calls of HTTP: each is read there as what it was."""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from flow_pipelines_client.calls import Call
from flow_pipelines_client.table import OPERATIONS
from service.client.requests import check_names, route_of, values_of
from service.errors import NotFound
from service.http.openapi.examples import EXAMPLES
from service.http.routes import ROUTES, Route
from service.operations.jobs import get_job
from service.operations.tokens import list_tokens
from service.operations.users import get_user
from service.schemas.fields import WrittenAsText
from service.schemas.jobs import JobRef
from service.schemas.request import schema_of
from service.schemas.users import GetUser
from tests.api.sample import SAMPLES

SAID: dict[str, Any] = {
    **SAMPLES,
    "page_size": 7,
    "page_token": "a+b/c==",
    "permission": "flow_pipeline:write",
    "is_manager": False,
    "total": True,
    "q": "ä & é=%",
    "owner": "ada",
    "jobs_to": "ada",
    "force": True,
    "all": True,
    "unused_for": "36h",
    "expires_after": "2030-01-31T12:00:00.000001Z",
    "expires_before": "2030-01-31T12:00:00+02:00",
    "since": "2026-01-31T12:00:00Z",
    "until": "2030-01-31T12:00:00Z",
    "actor": "a b",
    "action": "grant.set",
    "target": "job:4711",
    "keep_descendants": True,
    "prune": True,
    "plan": "x",
    "dry_run": True,
    "after": "0",
    "wait": 7,
}
"""Values that differ from what a field has where nothing is said."""


def said(route: Route) -> dict[str, Any]:
    """Return a value for each field of a request that is not in a body, and the example's for those that are."""
    body = EXAMPLES[route.operation.__name__].request or {}
    fields = schema_of(route.request).by_key
    found = {name: SAID[name] for name in fields if name in SAID and name not in body}
    if "order_by" in fields:
        found["order_by"] = f"-{next(iter(vars(route.request)['orders'].by_name))}"
    if route.operation is list_tokens:
        found |= {"scopes": "none", "expires": "never", "of_disabled": True}
    lacking = {name for name, place in route.places.items() if place == "query"} - found.keys()
    assert not lacking, f"say in SAID what {lacking} are"
    return {**found, **body}


def call_of(route: Route, values: dict[str, Any]) -> Call:
    """Return the call that the client makes of what the command line gives it."""
    check_names(route, values)
    return OPERATIONS[route.operation.__name__].call(values)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_request_is_read_as_what_it_was(route: Route) -> None:
    schema = schema_of(route.request)
    request = schema.read(said(route))

    call = call_of(route_of(route.operation), values_of(request))

    parts = urlsplit(call.target)
    template = route.path.split("/")
    steps = parts.path.split("/")
    assert len(steps) == len(template)
    values: dict[str, Any] = {
        name[1:-1]: unquote(step) for name, step in zip(template, steps, strict=True) if name.startswith("{")
    }
    for name, text in parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)):
        field = schema.by_key[name]
        values[name] = field.from_text(text) if isinstance(field, WrittenAsText) else text
    values |= json.loads(call.content or "{}")
    assert schema.read(values) == request
    assert (call.body is not None) == route.has_body


@pytest.mark.parametrize("name", ["me", ".", ".."])
def test_name_that_is_an_address_is_not_asked_for(name: str) -> None:
    route = route_of(get_user)

    with pytest.raises(NotFound, match="does not exist"):
        call_of(route, values_of(GetUser(name)))


def test_odd_characters_of_an_id_stay_in_their_step() -> None:
    assert call_of(route_of(get_job), values_of(JobRef("a:b.c-_"))).target == "/api/v1/jobs/a%3Ab.c-_"
    assert call_of(route_of(get_user), {"username": "a/../b?c#d%"}).target == "/api/v1/users/a%2F..%2Fb%3Fc%23d%25"


def test_operation_without_a_row_is_no_call() -> None:
    async def operation(_: object, __: object) -> None: ...

    with pytest.raises(TypeError, match="no row of the method table"):
        route_of(operation)


def test_default_of_a_field_is_not_sent() -> None:
    values = values_of(schema_of(route_of(list_tokens).request).read({}))

    assert values == {}
