"""Checks of answers against the OpenAPI document: a status that it does not name, or another shape, fails the test."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import orjson
from aiohttp import web
from jsonschema import Draft202012Validator, FormatChecker

from service.http.openapi.document import openapi_document
from service.http.responses import EncodedResponse

DOCUMENT = openapi_document()


@cache
def validator(path: str, method: str, status: str) -> Draft202012Validator:
    responses = DOCUMENT["paths"][path][method]["responses"]
    assert status in responses, f"{method} {path} answered {status}, of which the document does not know"
    content = responses[status].get("content", {"application/json": {"schema": {"const": None}}})
    schema = {**content["application/json"]["schema"], "components": DOCUMENT["components"]}
    return Draft202012Validator(schema, format_checker=FormatChecker())


def check(path: str, method: str, status: int, body: Any) -> None:
    """Check that the document allows this answer.

    Raises:
        AssertionError: it does not.
        jsonschema.ValidationError: it names the status, but not this shape.
    """
    validator(path, method, str(status)).validate(body)


@web.middleware
async def hold_answers(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    answer = await handler(request)
    resource = request.match_info.route.resource
    method = "get" if request.method == "HEAD" else request.method.lower()
    if resource and resource.canonical in DOCUMENT["paths"]:
        assert isinstance(answer, web.Response | EncodedResponse)
        body = orjson.loads(answer.body) if isinstance(answer.body, bytes) and answer.body else None
        check(resource.canonical, method, answer.status, body)
    return answer
