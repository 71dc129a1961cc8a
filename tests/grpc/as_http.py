"""The API by gRPC and by Connect, for tests that are written for HTTP: one table of cases for all three."""

import base64
import json as parser
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from marshmallow import Schema, fields
from multidict import CIMultiDict

from service.errors import Gone, PreconditionFailed, ServiceError
from service.http.responses import status_of, status_of_code
from service.http.routes import ROUTES, Route
from service.schemas.request import schema_of
from service.values.instants import parse_instant
from tests.conftest import Client
from tests.grpc.calling import METHODS, Rpcs, Told, body_of, message_of

Values = dict[str, Any]

OF_REASONS: Mapping[str, type[ServiceError]] = {
    "PRECONDITION_FAILED": PreconditionFailed,
    "CURSOR_GONE": Gone,
    "CURSOR_EXPIRED": Gone,
}
"""Failures that have a status of their own by HTTP, and no code."""
EMPTIED = ("display_name", "email")
"""Texts that null takes away by HTTP, and an empty one by messages, which have no null."""


@dataclass
class Answered:
    """An answer in the shape of aiohttp's."""

    status: int
    body: Values
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)

    async def json(self, content_type: str | None = None) -> Values:
        assert content_type is None
        return self.body

    async def text(self) -> str:
        return "{...}" if self.body else ""


class Verbs:
    """A client in the shape of aiohttp's, by what it makes of a request."""

    async def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | str | None = None,
    ) -> Answered:
        raise NotImplementedError

    async def get(self, path: str, **options: Any) -> Answered:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Answered:
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> Answered:
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> Answered:
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> Answered:
        return await self.request("DELETE", path, **options)


class ByMessages(Verbs):
    """A client in the shape of aiohttp's, whose requests are calls of another transport."""

    def __init__(
        self,
        call: Callable[[str, Values, Mapping[str, str]], Awaitable[Told]],
        app: web.Application,
        *,
        whole: bool = False,
    ) -> None:
        """Make calls by the method's name, what the message has, and headers.

        Args:
            call: makes them.
            app: that is called.
            whole: answers have what they have by HTTP, also null and empty lists.
        """
        self._call = call
        self._whole = whole
        self.app = app

    async def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | str | None = None,
    ) -> Answered:
        route, values = found(method, path, json if data is None else read(data), params or {})
        name = rpc_of(route)
        if method == "PATCH":
            values.update({key: "" for key in EMPTIED if values.get(key, "") is None})
        told = await self._call(name, _wrap(schema_of(route.request), METHODS[name].input_type, values), headers or {})
        return answered(route, told, whole=self._whole)


def by_grpc(rpcs: Rpcs, http: Client) -> ByMessages:
    """Return a client whose requests are calls by gRPC."""
    return ByMessages(lambda name, values, headers: rpcs(name, in_messages(name, values), metadata=headers), http.app)


def by_connect(http: Client, codec: str = "json") -> ByMessages:
    """Return a client whose requests are calls by Connect, in JSON or by messages.

    JSON may have what no message can, which is refused as by HTTP; its answers are those of HTTP, byte for byte, and
    each of them is one that parsers of Protocol Buffers take.
    """

    async def call(name: str, values: Values, headers: Mapping[str, str]) -> Told:
        method = METHODS[name]
        sent = (
            parser.dumps(values).encode()
            if codec == "json"
            else message_of(method, in_messages(name, values)).SerializeToString()
        )
        kinds = {"Content-Type": f"application/{codec}"}
        path = f"/{method.containing_service.full_name}/{name}"
        response = await http.post(path, data=sent, headers={**headers, **kinds})
        told = {key.lower(): value for key, value in response.headers.items()}
        if response.status == 200 and codec == "proto":
            answer = GetMessageClass(method.output_type).FromString(await response.read())
            return Told("OK", "", body_of(answer), {}, told)
        body = await response.json()
        if response.status == 200:
            ParseDict(body, GetMessageClass(method.output_type)())
            return Told("OK", "", body, {}, told)
        details = dict(map(detail_of, body["details"]))
        assert response.status == status_of_code(body["code"].upper())
        return Told(body["code"].upper(), body["message"], {}, details, told)

    return ByMessages(call, http.app, whole=codec == "json")


def detail_of(packed: Mapping[str, str]) -> tuple[str, Values]:
    """Return the name of a detail of a failure by Connect, and what it has."""
    name = packed["type"].rpartition(".")[2]
    value = base64.b64decode(packed["value"] + "==")
    return name, MessageToDict(getattr(error_details_pb2, name).FromString(value))


def without_nulls(value: Any) -> Any:
    """Return what JSON has, without null, which Protocol Buffers leave out."""
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return value


def read(data: bytes | str) -> Any:
    """Return what a body has; one that is no JSON object is no case of this transport."""
    try:
        body = parser.loads(data, object_pairs_hook=_unique)
    except (RecursionError, ValueError):
        body = None
    if not isinstance(body, dict):
        pytest.skip("no message can have this")
    return body


def _unique(pairs: list[tuple[str, Any]]) -> Values:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError
    return values


def rpc_of(route: Route) -> str:
    """Return the name of a row's method in the .proto file."""
    return "".join(word.capitalize() for word in route.operation.__name__.split("_"))


def found(method: str, path: str, json: Any, params: Mapping[str, str]) -> tuple[Route, Values]:
    """Return the row that a request by HTTP leads to, and what it gives."""
    path, _, query = path.partition("?")
    in_query = dict(part.split("=", 1) for part in query.split("&") if part) | dict(params)
    rows = sorted(ROUTES, key=lambda row: row.path.count("{"))
    for row in rows:
        match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", row.path), path)
        if match and row.method == method:
            members = schema_of(row.request).by_key
            typed = {
                key: read_text(value) if (read_text := getattr(members.get(key), "from_text", None)) else value
                for key, value in in_query.items()
            }
            in_path = {key: unquote(value) for key, value in match.groupdict().items()}
            return row, {**(json or {}), **typed, **in_path}
    raise AssertionError(f"{method} {path} is no call")


def wrapped(schema: Schema, values: Values, name: str) -> Values:
    """Return what JSON has as what a message is made of."""
    return in_messages(name, _wrap(schema, METHODS[name].input_type, values))


def in_messages(name: str, values: Values) -> Values:
    """Return what a message is made of; what no message can have is no case of this transport."""
    try:
        message_of(METHODS[name], values)
        for given in filter(None, map(values.get, _times(METHODS[name].input_type))):
            parse_instant(given)
    except (ParseError, ValueError) as error:
        # Protocol Buffers' own parser takes more times than RFC 3339 has; those out of bounds a message can have.
        if isinstance(error, ParseError) or "Must be a time as in" in str(error):
            pytest.skip(f"no message can have this: {error}")
    return values


def _times(descriptor: Any) -> list[str]:
    return [each.json_name for each in descriptor.fields if getattr(each.message_type, "name", "") == "Timestamp"]


def _wrap(schema: Schema, descriptor: Any, values: Values) -> Values:
    members = {member.data_key or name: member for name, member in schema.load_fields.items()}
    kinds = {each.json_name: each.message_type for each in descriptor.fields}
    made = {}
    for key, value in values.items():
        member = members.get(key)
        if not isinstance(member, fields.List) or not isinstance(value, list):
            made[key] = value
            continue
        (items,) = kinds[key].fields
        nested = _nested(member)
        made[key] = {items.name: [_wrap_item(nested, items.message_type, each) for each in value]}
    return made


def _wrap_item(schema: Schema | None, descriptor: Any, value: Any) -> Any:
    return value if schema is None or not isinstance(value, dict) else _wrap(schema, descriptor, value)


def answered(route: Route, told: Told, *, whole: bool = False) -> Answered:
    """Return an answer as HTTP would have it, with null where it has null, unless it has them."""
    headers = CIMultiDict((name, value) for name, value in told.metadata.items() if isinstance(value, str))
    if told.code == "OK":
        status = 201 if route.location and route.method == "POST" else 200
        return Answered(status, told.body if whole else with_nulls(route.answer(), told.body), headers)
    reason = told.details["ErrorInfo"]["reason"]
    kind = OF_REASONS.get(reason)
    status = status_of_code(told.code) if kind is None else status_of(kind)
    body = {"status": "ERROR", "msg": told.message, "code": told.code, "request_id": told.metadata["x-request-id"]}
    violations: dict[str, list[str]] = {}
    for each in told.details.get("BadRequest", {}).get("fieldViolations", ()):
        violations.setdefault(each["field"], []).append(each["description"])
    return Answered(status, body | ({"details": violations} if violations else {}), headers)


def with_nulls(schema: Schema, body: Values) -> Values:
    """Return an answer with null in the place of what may be null and is not there."""
    made = dict(body)
    for name, member in schema.dump_fields.items():
        key = member.data_key or name
        if member.allow_none and member.required and made.get(key) in (None, []):
            made[key] = None
        elif key in made and made[key] == [] and not member.required:
            del made[key]
        elif key in made and _nested(member) is not None:
            nested = _nested(member)
            assert nested is not None
            of = made[key]
            made[key] = [with_nulls(nested, each) for each in of] if isinstance(of, list) else with_nulls(nested, of)
        elif key in made and isinstance(member, fields.Integer):
            made[key] = int(made[key])  # a text, where it has 64 bits
    return made


def _nested(member: fields.Field[Any]) -> Schema | None:
    inner = member.inner if isinstance(member, fields.List) else member
    return inner.schema if isinstance(inner, fields.Nested) and isinstance(inner.schema, Schema) else None
