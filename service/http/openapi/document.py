"""The OpenAPI document: the method table and the marshmallow schemas, for machines.

What an operation may fail with is read from the "Raises" of its docstring, which is where it is written for people.
"""

import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, fields

from service import errors
from service.http.openapi.examples import EXAMPLES, path_example
from service.http.openapi.vocabularies import REFERENCE, name_vocabularies
from service.http.responses import (
    BodyTooLarge,
    HeadersTooLarge,
    RequestTimeout,
    TargetTooLong,
    UnsupportedCoding,
    status_of,
)
from service.http.routes import ROUTES, Route, Standing
from service.permissions import PERMISSION_NAMES
from service.schemas.answers import FailureSchema
from service.schemas.fields import BoundedList, Ruled, pattern_of
from service.schemas.request import RequestSchema, schema_of
from service.version import __version__

_RETRIED: Final = (
    status_of(errors.Aborted),
    status_of(errors.ResourceExhausted),
    status_of(errors.Unavailable),
)
_RAISES: Final = re.compile(r"^\s+(\w+): (.*)$", re.MULTILINE)


def openapi_document() -> dict[str, Any]:
    """Return the whole document, OpenAPI 3.1."""
    named: dict[str, type[Schema]] = {"Failure": FailureSchema}

    def name_of(schema: Any) -> str:
        kind = schema if isinstance(schema, type) else type(schema)
        name = str(kind.__name__).removesuffix("Schema")
        named[name] = kind
        return name

    plugin = MarshmallowPlugin(schema_name_resolver=name_of)
    spec = APISpec(
        title="Flow Pipeline API",
        version=__version__,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": _DESCRIPTION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        servers=[{"url": "/"}],
        security=[{"bearer": []}],
        tags=_tags(),
    )
    assert plugin.converter is not None  # noqa: S101 - the specification has just made it
    plugin.converter.add_attribute_function(_pattern)  # type: ignore[no-untyped-call] # apispec's
    plugin.converter.add_attribute_function(_bounds)  # type: ignore[no-untyped-call] # apispec's
    bearer = {"type": "http", "scheme": "bearer", "description": "A token, as `fp_...`, of a user."}
    spec.components.security_scheme("bearer", bearer)
    spec.components.schema("Failure", schema=FailureSchema)
    for name, description in _HEADERS.items():
        spec.components.header(name, {"description": description, "schema": {"type": "string"}})
    for route in ROUTES:
        spec.path(route.path, operations={route.method.lower(): _operation(route, spec, plugin)})
    document: dict[str, Any] = spec.to_dict()
    for name, kind in named.items():
        declared = kind.loads_into if issubclass(kind, RequestSchema) else kind
        described, _ = _paragraphs(inspect.getdoc(declared) or "")
        document["components"]["schemas"].get(name, {}).setdefault("description", described)
    name_vocabularies(document)
    return document


_DESCRIPTION: Final = (
    "Which flow pipelines exist, who may do what on each, and which jobs are in them. Success is"
    ' `{"status": "OK", ...}`; every failure has the shape of the schema Failure.'
)


def resolved(document: Mapping[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with what it refers to, if it does, in the place of the reference."""
    if "$ref" not in schema:
        return schema
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    named: Mapping[str, Any] = document["components"]["schemas"]
    return {**named[schema["$ref"].removeprefix(REFERENCE)], **beside}


TAGS: Final[Mapping[str, str]] = {
    "pipelines": "The pipelines that the caller may read, and the jobs that are in each.",
    "jobs": "Jobs, which somebody owns, and the pipelines that each is in.",
    "grants": "Who is granted what on a pipeline, who may therefore do what on it, and why.",
    "users": "The users of the organization, with their roles; and the caller.",
    "groups": "Groups of users, to which pipelines can be granted as to users.",
    "tokens": "The tokens that users call with. Each can do no more than its user and the token that it was made with.",
    "audit": "The trail of all changes: by whom, when, and what was before and after.",
    "changes": "What happens to what the caller may see, as it happens: pages, or a stream of events.",
}
"""The descriptions of tags; one that has none is described by the docstring of its module."""


def _tags() -> list[dict[str, Any]]:
    """Return the tags, in the order of the method table."""
    modules = {tag_of(route): sys.modules[route.request.__module__] for route in ROUTES}
    return [
        {"name": tag, "description": TAGS.get(tag) or _paragraphs(module.__doc__ or "")[0]}
        for tag, module in modules.items()
    ]


def tag_of(route: Route) -> str:
    """Return the tag of a call: the resource by which its request is declared, a module of schemas."""
    return route.request.__module__.removeprefix("service.schemas.").partition(".")[0]


def _pattern(_: Any, field: fields.Field[Any], **__: Any) -> dict[str, Any]:
    pattern = pattern_of(field) if isinstance(field, Ruled) else None
    return {"pattern": pattern} if pattern else {}


def _bounds(_: Any, field: fields.Field[Any], **__: Any) -> dict[str, Any]:
    """Return the longest length of a field that checks it by itself, before anything else."""
    if isinstance(field, BoundedList):
        return {"maxItems": field.max_length}
    return {"maxLength": field.rule.max_length} if isinstance(field, Ruled) else {}


def _operation(route: Route, spec: APISpec, plugin: MarshmallowPlugin) -> dict[str, Any]:
    summary, description = _describe(route)
    operation: dict[str, Any] = {
        "operationId": route.operation.__name__,
        "tags": [tag_of(route)],
        "summary": summary,
        "description": description,
        "parameters": _parameters(route, plugin),
        "responses": _responses(route),
    }
    if body := _body(route):
        name = f"{_words(route).replace(' ', '')}Body"
        schema = plugin.converter.schema2jsonschema(body)  # type: ignore[union-attr] # made with the specification
        spec.components.schema(name, {**schema, "description": f"The body of `{route.operation.__name__}`."})
        example = EXAMPLES[route.operation.__name__].request
        content = {"schema": {"$ref": REFERENCE + name}, **({"example": example} if example is not None else {})}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation


def _words(route: Route) -> str:
    """Return the name of an operation as words, each with a capital."""
    return route.operation.__name__.replace("_", " ").title()


def _describe(route: Route) -> tuple[str, str]:
    """Return the summary and description of a call, by the docstrings of its operation and its request."""
    summary, rest = _paragraphs((inspect.getdoc(route.operation) or "").split("Raises:")[0])
    _, of_request = _paragraphs(inspect.getdoc(route.request) or "")
    needs = f"Needs: {_sentence(route.needs)}." if route.needs else ""
    return summary, "\n\n".join(part for part in (rest, of_request, needs) if part)


def _paragraphs(docstring: str) -> tuple[str, str]:
    """Return the first paragraph of a docstring and the others, each on one line."""
    summary, _, rest = docstring.strip().partition("\n\n")
    return " ".join(summary.split()), " ".join(rest.split())


def _sentence(needs: int | Standing) -> str:
    return needs.sentence if isinstance(needs, Standing) else PERMISSION_NAMES[needs]


def _parameters(route: Route, plugin: MarshmallowPlugin) -> list[dict[str, Any]]:
    found = []
    for name, field in schema_of(route.request).by_key.items():
        place = route.places[name]
        if place != "body":
            schema: dict[str, Any] = plugin.converter.field2property(field)  # type: ignore[union-attr] # made with the specification
            description = schema.pop("description", "")
            parameter = {"name": name, "in": place, "description": description, "required": place == "path"}
            example = {"example": path_example(name, schema)} if place == "path" else {}
            found.append({**parameter, **example, "schema": schema})
    if route.only_reads:
        found.append(_header("If-None-Match", "A tag: 304 if the answer is still that."))
    elif route.etag_of:
        found.append(_header("If-Match", "A tag: 412 if what is to be changed is no longer that."))
    return found


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _body(route: Route) -> RequestSchema | None:
    """Return the schema of a request's body alone; None if it has none."""
    schema = schema_of(route.request)
    elsewhere = [field.name for key, field in schema.by_key.items() if route.places[key] != "body"]
    return type(schema)(exclude=elsewhere) if route.has_body else None


def _responses(route: Route) -> dict[str, Any]:
    headers = {"X-Request-Id": _named_header("X-Request-Id")}
    if route.only_reads:
        headers["ETag"] = _named_header("ETag")
    example = EXAMPLES[route.operation.__name__].response
    content = {"application/json": {"schema": route.answer, "example": example}}
    success = {"description": "Done.", "content": content, "headers": headers}
    located = {**success, "headers": {**headers, "Location": _named_header("Location")}}
    responses: dict[str, Any] = {}
    if route.location:
        responses["201"] = located
    elif route.method == "PUT":
        responses |= {"200": success, "201": located}
    else:
        responses["200"] = success
    if route.only_reads:
        responses["304"] = {"description": "The answer is what If-None-Match names."}
    for status, reasons in sorted(failures(route).items()):
        response = {"description": " ".join(reasons), "content": {"application/json": {"schema": "Failure"}}}
        if status in _RETRIED:
            response["headers"] = {"Retry-After": _named_header("Retry-After")}
        responses[str(status)] = response
    return responses


_HEADERS: Final = {
    "X-Request-Id": "The id of the request: the caller's, if that is well-formed, or a new one.",
    "ETag": "The tag of this answer, for If-None-Match and If-Match.",
    "Location": "The address of what was created.",
    "Retry-After": "Seconds until trying again may help.",
}


def _named_header(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/headers/{name}"}


def failures(route: Route) -> dict[int, list[str]]:
    """Return the statuses that a call may fail with, and the reasons for each."""
    raised = (inspect.getdoc(route.operation) or "").partition("Raises:")[2]
    found = {status_of(errors.InvalidArgument): ["The request is malformed."]}
    found[status_of(errors.Unauthenticated)] = ["The bearer token is missing or not good."]
    found[status_of(TargetTooLong)] = ["The address is too long."]
    found[status_of(HeadersTooLarge)] = ["A header is too long, or there are too many."]
    if route.has_body:
        found[status_of(RequestTimeout)] = ["The body came too slowly."]
        found[status_of(BodyTooLarge)] = ["The body is too large."]
        found[status_of(UnsupportedCoding)] = ["The body is coded in a way that is not decoded."]
    if not route.only_reads:
        found[status_of(errors.Aborted)] = ["Other changes kept coming between."]
        found.setdefault(status_of(errors.PreconditionFailed), ["What If-Match names is not there."])
    for name, reason in _RAISES.findall(raised):
        found.setdefault(status_of(getattr(errors, name)), []).append(f"{reason[0].upper()}{reason[1:]}")
    found[status_of(errors.ResourceExhausted)] = ["The token is used more often than the installation allows."]
    found[status_of(errors.Internal)] = ["The service failed."]
    found[status_of(errors.Unavailable)] = ["The database can't be had right now, or too much is asked at once."]
    found[status_of(errors.DeadlineExceeded)] = ["It took too long."]
    return found
