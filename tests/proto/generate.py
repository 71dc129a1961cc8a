"""The .proto file of the method table: a service for each resource, an RPC for each row."""

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from marshmallow import Schema, fields

from service.http.routes import ROUTES, Route
from service.schemas.changes import ChangesSchema, WatchChanges
from service.schemas.request import schema_of
from tests.proto.fields import Kind, camel, default_json_name, kind_of, list_message, snake
from tests.proto.numbers import FOLDER, Numbers

PROTO: Final = FOLDER / "flow_pipelines.proto"

HEADER: Final = """\
// The operations of the Flow Pipeline service by gRPC.
//
// Written by `make proto` from the method table and the declarations of requests and answers: a change here would be
// lost. Field numbers are locked in numbers.json beside this file.

syntax = "proto3";

package flow_pipelines.v1;

import "google/api/annotations.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
"""

SERVICES: Final = ("Pipelines", "Jobs", "Grants", "Users", "Groups", "Tokens", "Audit")
"""The resources in the order of the file; others follow."""


class Stream(NamedTuple):
    """An RPC that goes on, and so is no row of the method table."""

    service: str
    name: str
    request: type
    answer: type[Schema]


STREAMS: Final = (Stream("Changes", "Watch", WatchChanges, ChangesSchema),)


def service_of(route: Route) -> str:
    """Return the resource that a row is about, by its path: what grants gives, grants; else the first step."""
    steps = route.path.removeprefix("/api/v1/").split("/")
    if steps[:2] == ["flow", "pipeline"]:
        return "Grants" if steps[3:4] in (["grants"], ["access"]) else "Pipelines"
    return camel(steps[0])


def _specific_last(rows: list[Route]) -> list[Route]:
    """Return rows with those last that another row has a parameter for, such as /users/me beside /users/{username}.

    grpc-gateway looks for the path of a request among the last first.
    """
    return sorted(rows, key=lambda row: any(hides(other, row) for other in rows))


def hides(route: Route, other: Route) -> bool:
    """Return whether each request of a row would be one of another row, too."""
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route.path))
    plain = re.sub(r"[{}]", "", other.path)
    return route.method == other.method and route is not other and re.fullmatch(pattern, plain) is not None


def rpc_of(route: Route) -> str:
    return camel(route.operation.__name__)


@dataclass
class Generator:
    """Writes messages as they are asked for, each once."""

    numbers: Numbers
    messages: dict[str, list[str]] = field(default_factory=dict)
    """The lines of each message, in the order in which they were first asked for."""
    sources: dict[str, object] = field(default_factory=dict)
    """What each message was made of, by its name."""

    def text(self, routes: Iterable[Route] = ROUTES) -> str:
        """Return the whole file."""
        rows = [*routes]
        names = dict.fromkeys([*SERVICES, *(service_of(row) for row in rows)])
        parts = [HEADER]
        for name in names:
            own = _specific_last([row for row in rows if service_of(row) == name])
            if own:
                rpcs = [self._rpc(row) for row in own] + [
                    self._stream(each) for each in STREAMS if each.service == name
                ]
                parts.append("\n".join([f"service {name} {{", *_joined(rpcs), "}\n"]))
        parts += ["\n".join([*lines, "}\n"]) for lines in self.messages.values()]
        return "\n".join(parts)

    def _rpc(self, route: Route) -> list[str]:
        name = rpc_of(route)
        self._request(f"{name}Request", route)
        self._message(f"{name}Response", route.answer(), inspect.getdoc(route.answer), request=False)
        http = [f'    {route.method.lower()}: "{route.path}"', *(['    body: "*"'] if route.has_body else [])]
        return [
            *_comment(_summary(inspect.getdoc(route.operation)), "  "),
            f"  rpc {name}({name}Request) returns ({name}Response) {{",
            "    option (google.api.http) = {",
            *(f"  {line}" for line in http),
            "    };",
            "  }",
        ]

    def _stream(self, stream: Stream) -> list[str]:
        name = stream.name
        self._message(f"{name}Request", schema_of(stream.request), inspect.getdoc(stream.request), request=True)
        self._message(f"{name}Response", stream.answer(), inspect.getdoc(stream.answer), request=False)
        return [
            *_comment(_summary(inspect.getdoc(stream.request)), "  "),
            f"  rpc {name}({name}Request) returns (stream {name}Response);",
        ]

    def _request(self, name: str, route: Route) -> None:
        self._message(name, schema_of(route.request), inspect.getdoc(route.request), request=True)

    def _message(self, name: str, schema: Schema, docstring: str | None, *, request: bool) -> None:
        """Write a message, and those that it has in it, unless it is there already.

        Raises:
            ValueError: another schema has the same name.
        """
        lines = [*_comment(_summary(docstring), ""), f"message {name} {{"]
        if not self._begin(name, (type(schema), request), lines):
            return
        members = schema.load_fields if request else schema.dump_fields
        taken = set()
        for attribute, member in members.items():
            key = member.data_key or attribute
            taken.add(snake(key))
            lines += _comment(str(member.metadata.get("description", "")), "  ")
            lines.append(self._field(name, key, member, request=request))
        gone = self.numbers.gone(name, taken)
        if gone:
            lines.append(f"  reserved {', '.join(map(str, gone.values()))};")
            lines.append("  reserved {};".format(", ".join(f'"{each}"' for each in gone)))

    def _begin(self, name: str, source: object, lines: list[str]) -> bool:
        """Begin a message with these lines, and return True; False if it is there already."""
        if self.sources.setdefault(name, source) != source:
            raise ValueError(f"{name} is two messages: rename one of {source} and {self.sources[name]}.")
        if name in self.messages:
            return False
        self.messages[name] = lines
        return True

    def _field(self, message: str, key: str, member: fields.Field[object], *, request: bool) -> str:
        kind, name = kind_of(member), snake(key)
        if kind.nested is not None:
            self._message(kind.type, kind.nested, _docstring(kind.nested), request=request)
        if request and kind.repeated:
            type_ = self._list(key, kind)
        else:
            may_lack = request or not member.required or bool(member.allow_none)
            label = "repeated " if kind.repeated else "optional " if kind.is_scalar and may_lack else ""
            type_ = label + kind.type
        json = "" if default_json_name(name) == key else f' [json_name = "{key}"]'
        return f"  {type_} {name} = {self.numbers.of(message, name)}{json};"

    def _list(self, key: str, kind: Kind) -> str:
        """Write the message around a list of a request, and return its name."""
        name, inner = list_message(key, kind)
        comment = "// A list that may be empty; that there is none is told by leaving this out."
        number = self.numbers.of(name, inner)
        self._begin(name, kind.type, [comment, f"message {name} {{", f"  repeated {kind.type} {inner} = {number};"])
        return name


def _docstring(schema: Schema) -> str | None:
    return inspect.getdoc(getattr(schema, "loads_into", type(schema)))


def _summary(docstring: str | None) -> str:
    return " ".join((docstring or "").split("\n\n", maxsplit=1)[0].split())


def _comment(text: str, indent: str) -> list[str]:
    words = re.findall(rf".{{1,{115 - len(indent)}}}(?:\s|$)", text)
    return [f"{indent}// {line.strip()}" for line in words]


def _joined(groups: Iterable[list[str]]) -> Iterator[str]:
    """Yield the lines of groups, with an empty line between them."""
    for number, lines in enumerate(groups):
        if number:
            yield ""
        yield from lines
