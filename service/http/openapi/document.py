"""The OpenAPI document: the method table and the marshmallow schemas, said once more for machines.

What an operation may fail with is read from the "Raises" of its docstring, which is where it is written for people.
"""

import inspect
import re
from typing import Any, Final

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, fields

from service import __version__, errors
from service.http.openapi.examples import EXAMPLES
from service.http.responses import BodyTooLarge, RequestTimeout, status_of
from service.http.routes import ROUTES, Route
from service.schemas.answers import FailureSchema
from service.schemas.fields import Matching

_RETRIED: Final = (status_of(errors.ResourceExhausted), status_of(errors.Unavailable))
_RAISES: Final = re.compile(r"^\s+(\w+): (.*)$", re.MULTILINE)


def openapi_document() -> dict[str, Any]:
    """The whole document, OpenAPI 3.1."""
    plugin = MarshmallowPlugin(schema_name_resolver=_component_name)
    spec = APISpec(
        title="Flow Pipeline API",
        version=__version__,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": _DESCRIPTION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        security=[{"bearer": []}],
    )
    assert plugin.converter is not None  # noqa: S101 - the specification has just made it
    plugin.converter.add_attribute_function(_pattern)  # type: ignore[no-untyped-call] # apispec's
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    spec.components.schema("Failure", schema=FailureSchema)
    for route in ROUTES:
        spec.path(route.path, operations={route.method.lower(): _operation(route, plugin)})
    return spec.to_dict()


_DESCRIPTION: Final = (
    "Which flow pipelines exist, who may do what on each, and which jobs are in them. Success is"
    ' `{"status": "OK", ...}`; every failure has the shape of the schema Failure.'
)


def _component_name(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return str(kind.__name__).removesuffix("Schema")


def _pattern(_: Any, field: fields.Field[Any], **__: Any) -> dict[str, Any]:
    """The pattern of fields that have one, in the dialect of JSON Schema."""
    return {"pattern": f"^(?:{field.pattern.pattern})$".replace(r"\Z", "$")} if isinstance(field, Matching) else {}


def _operation(route: Route, plugin: MarshmallowPlugin) -> dict[str, Any]:
    summary, description = _said(route)
    operation: dict[str, Any] = {
        "operationId": route.operation.__name__,
        "tags": [route.operation.__module__.rsplit(".", 1)[-1]],
        "summary": summary,
        "description": description,
        "parameters": _parameters(route, plugin),
        "responses": _responses(route),
    }
    if body := _body(route.request):
        schema = plugin.converter.schema2jsonschema(body)  # type: ignore[union-attr] # made with the specification
        example = EXAMPLES[route.operation.__name__].request
        content = {"schema": schema, **({"example": example} if example is not None else {})}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation


def _said(route: Route) -> tuple[str, str]:
    """What the operation's docstring says of it, without what it raises."""
    text = inspect.getdoc(route.operation) or ""
    summary, _, rest = text.split("Raises:")[0].strip().partition("\n\n")
    needs = f"Needs: {route.needs}." if route.needs else ""
    more = inspect.getdoc(route.request) or ""
    return " ".join(summary.split()), "\n\n".join(part for part in (" ".join(rest.split()), more, needs) if part)


def _parameters(route: Route, plugin: MarshmallowPlugin) -> list[dict[str, Any]]:
    found = []
    for name, field in route.request().fields.items():
        place = field.metadata.get("in")
        if place is None:
            continue
        schema: dict[str, Any] = plugin.converter.field2property(field)  # type: ignore[union-attr] # as above
        if schema.get("default", 0) is None:
            del schema["default"]
        if isinstance(schema.get("type"), list):  # a query can't say null
            schema["type"] = next(kind for kind in schema["type"] if kind != "null")
        if "enum" in schema:
            schema["enum"] = [value for value in schema["enum"] if value is not None]
        found.append({"name": field.data_key or name, "in": place, "required": place == "path", "schema": schema})
    if route.only_reads:
        found.append(_header("If-None-Match", "A tag: 304 if the answer is still that."))
    elif route.etag_of:
        found.append(_header("If-Match", "A tag: 412 if what is to be changed is no longer that."))
    return found


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _body(request: type[Schema]) -> Schema | None:
    """The schema of a request's body alone; None if it has none."""
    elsewhere = [name for name, field in request().fields.items() if field.metadata.get("in")]
    return request(exclude=elsewhere) if len(elsewhere) < len(request().fields) else None


def _responses(route: Route) -> dict[str, Any]:
    headers = {"X-Request-Id": _text_header("The caller's, or a new one.")}
    if route.only_reads:
        headers["ETag"] = _text_header("Of this answer.")
    example = EXAMPLES[route.operation.__name__].response
    content = {"application/json": {"schema": route.response, "example": example}}
    success = {"description": "Done.", "content": content, "headers": headers}
    located = {**success, "headers": {**headers, "Location": _text_header("Where it is now.")}}
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
            response["headers"] = {"Retry-After": _text_header("Seconds until trying again may help.")}
        responses[str(status)] = response
    return responses


def _text_header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def failures(route: Route) -> dict[int, list[str]]:
    """The statuses that a call may fail with, and when."""
    raised = (inspect.getdoc(route.operation) or "").partition("Raises:")[2]
    found = {status_of(errors.InvalidArgument): ["The request is malformed."]}
    found[status_of(errors.Unauthenticated)] = ["The bearer token is missing or not good."]
    if _body(route.request):
        found[status_of(RequestTimeout)] = ["The body came too slowly."]
        found[status_of(BodyTooLarge)] = ["The body is too large."]
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
