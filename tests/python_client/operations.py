"""The method table of the client, and a method for each of its rows, once for threads and once for asyncio."""

import inspect
from dataclasses import dataclass
from typing import Final

from marshmallow import Schema, fields

from service.http.routes import ROUTES, Route, Standing
from service.permissions import PERMISSION_NAMES
from service.schemas.answers import AnswerSchema, ListSchema
from service.schemas.request import UNSAID, schema_of
from tests.proto.fields import kind_of, message_name
from tests.python_client.kinds import Field, asked, described
from tests.python_client.text import docstring, in_python, paragraphs, raised

HEADER: Final = '''\
"""The operations of the service, a method each, for {what}.

Written by `make client` from the method table: a change here would be lost. {twin} is the same for {other}.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID

from flow_pipelines_client import models, table
from flow_pipelines_client.answers import Answer
from flow_pipelines_client.calls import UNSET, Unset, items, items_or_none, or_null
from flow_pipelines_client.connection import {connection}
from flow_pipelines_client.pages import {pages}


class {name}({connection}):
    """The operations of the service.

    A list is read page by page: iterating what such a method returns yields the items of all pages. Parameters that
    many methods have:

    - page_size: The number of items on a page.
    - page_token: The `next_page_token` of a page, to begin with the one behind it.
    - if_match: The `etag` of what was read: refused if it is no longer that.
    - if_none_match: `*`: refused if there is one already.
    - timeout: Seconds that the call may take, with all its attempts; the client's own if left out.
    """
'''
COMMON: Final = {"page_size", "page_token"}
"""Parameters of requests that the docstring of the class describes, as it does conditions and timeouts."""

TABLE_HEADER: Final = '''\
"""The method table: how HTTP reaches each operation, and what it answers.

Written by `make client` from the service's own: a change here would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flow_pipelines_client import models
from flow_pipelines_client.answers import Answer
from flow_pipelines_client.calls import ListOperation, Operation
'''
TABLE_END: Final = '''\

OPERATIONS: Final[Mapping[str, Operation[Any]]] = {
    name.lower(): each for name, each in globals().items() if isinstance(each, Operation)
}
"""The rows by their names, which are those of the methods."""
'''

REPLACING: Final = ("update_job_pipelines",)
"""Operations that replace what is there as a whole, as PUT does, and are called by the vendor's POST."""


@dataclass(frozen=True)
class Style:
    """One of the two ways to call."""

    name: str
    what: str
    other: str
    twin: str
    connection: str
    pages: str
    define: str
    wait: str


SYNC: Final = Style("Operations", "threads", "asyncio", "async_operations.py", "Connection", "Pages", "def", "")
ASYNC: Final = Style(
    "AsyncOperations", "asyncio", "threads", "operations.py", "AsyncConnection", "AsyncPages", "async def", "await "
)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a method."""

    name: str
    kind: str
    default: str
    """Empty if it must be given."""
    value: str
    """The expression of what is sent."""
    description: str

    @property
    def declared(self) -> str:
        """Return it as a signature has it."""
        return f"{self.name}: {self.kind}{f' = {self.default}' if self.default else ''}"


def module(style: Style) -> str:
    """Return the module of one way to call, not yet formatted."""
    head = HEADER.format(**vars(style))
    return "\n".join([head, *(_indented(_method(route, style)) for route in ROUTES)])


def table() -> str:
    """Return the module of the method table, not yet formatted."""
    return "\n".join([TABLE_HEADER, *(f"{constant(route)}: Final = {row(route)}" for route in ROUTES), TABLE_END])


def constant(route: Route) -> str:
    """Return the name of a row in the client's table."""
    return route.operation.__name__.upper()


def row(route: Route) -> str:
    """Return the expression of a row."""
    parts = [f'"{route.method}"', f'"{route.path}"', answer_name(route)]
    parts += ["has_body=True"] if route.has_body else []
    parts += ["replaces=True"] if route.method == "PUT" or route.operation.__name__ in REPLACING else []
    if not is_list(route):
        return f"Operation({', '.join(parts)})"
    return f"ListOperation({', '.join(parts)}, items=lambda page: page.{_items(route)[0]})"


def parameters(route: Route) -> list[Parameter]:
    """Return the parameters of a method that a request has, in its order: those that must be given come first."""
    found = [_parameter(route, key, member) for key, member in schema_of(route.request).by_key.items()]
    return sorted(found, key=lambda each: bool(each.default))


def _parameter(route: Route, key: str, member: Field) -> Parameter:
    kind = asked(member, models="models.")
    description, value, default = described(member), key, ""
    if not member.required:
        preset = next(each for each in _defaults(route) if each[0] == member.name)[1]
        if preset is UNSAID:
            kind, default, value = f"{kind} | Unset | None", "UNSET", f"or_null({key})"
        elif preset is False:
            default, value = "False", f"{key} or None"
        else:
            kind, default = f"{kind} | None", "None"
    if isinstance(member, fields.List):
        value = f"items({key})" if member.required else f"items_or_none({key})"
    return Parameter(key, kind, default, value, description)


def _defaults(route: Route) -> list[tuple[str, object]]:
    return [(each.name, each.default) for each in route.request.__dataclass_fields__.values()]  # type: ignore[attr-defined] # a dataclass


def conditions(route: Route) -> list[str]:
    """Return the parameters of a method for conditions."""
    if route.only_reads or not route.conditional:
        return []
    return ["if_match", "if_none_match"] if route.method == "PUT" else ["if_match"]


def signature(route: Route) -> str:
    """Return the parameters of a method, as they are declared."""
    given = parameters(route)
    required = [each.declared for each in given if not each.default]
    optional = [each.declared for each in given if each.default]
    optional += [f"{name}: str | None = None" for name in conditions(route)]
    return ", ".join(["self", *required, "*", *optional, "timeout: float | None = None"])


def is_list(route: Route) -> bool:
    """Return whether a row answers a list in pages."""
    return route.only_reads and issubclass(route.answer, ListSchema)


def answer_name(route: Route) -> str:
    """Return the name of the class of a row's answers."""
    schema: Schema = route.answer()
    return "Answer" if route.answer is AnswerSchema else f"models.{message_name(schema)}"


def returned(route: Route, style: Style) -> str:
    """Return the type of what a method returns."""
    if not is_list(route):
        return answer_name(route)
    _, item = _items(route)
    return f"{style.pages}[{answer_name(route)}, {item}]"


def _items(route: Route) -> tuple[str, str]:
    """Return the name of a list in its answer, and the type of its items."""
    ((name, member),) = ((name, each) for name, each in route.answer().dump_fields.items() if kind_of(each).repeated)
    return name, f"models.{kind_of(member).type}"


def describe(route: Route) -> tuple[str, list[str]]:
    """Return the summary of a method, and the further parts of its docstring."""
    text = inspect.getdoc(route.operation) or ""
    summary, rest = paragraphs(text.split("Raises:")[0])
    _, of_request = paragraphs(inspect.getdoc(route.request))
    of_request = "" if of_request in f"{summary} {rest}" else of_request
    needs = route.needs
    words = needs.sentence if isinstance(needs, Standing) else PERMISSION_NAMES[needs] if needs else ""
    return in_python(summary), [in_python(rest), in_python(of_request), f"Needs: {words}." if words else ""]


def arguments(route: Route) -> list[tuple[str, str]]:
    """Return the parameters of a method that others do not have, and what they are."""
    return [(each.name, each.description) for each in parameters(route) if each.name not in COMMON]


def _method(route: Route, style: Style) -> str:
    name = route.operation.__name__
    define = "def" if is_list(route) else style.define
    summary, parts = describe(route)
    listed = [f"    {each}: {text}" for each, text in arguments(route)]
    about = "\n".join(["Args:", *listed]) if listed else ""
    errors = raised(inspect.getdoc(route.operation) or "")
    reasons = "\n".join(["Raises:", *(f"    {each}: {reason}" for each, reason in errors)]) if errors else ""
    doc = docstring(summary, *parts, about, reasons)
    request = "{" + ", ".join(f'"{each.name}": {each.value}' for each in parameters(route)) + "}"
    passed = [f"table.{constant(route)}", request, "timeout", *(f"{each}={each}" for each in conditions(route))]
    given = ", ".join(passed)
    run = f"return self._pages({given})" if is_list(route) else f"return {style.wait}self._run({given})"
    return f"{define} {name}({signature(route)}) -> {returned(route, style)}:\n{_indented(doc)}\n{_indented(run)}\n"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.split("\n"))
