"""The tables of limits: of the fields of requests, and the constants that bound a request or a process."""

import ast
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from service.http.openapi.document import openapi_document, resolved
from tests.reference.sources import SERVICE, Described, cell, described, files, rows, summary

DOCUMENT: Final = openapi_document()

OF_REQUESTS: Final = ("errors.py", "values", "schemas", "operations", "http/reader.py", "http/bodies.py")
OF_A_PROCESS: Final = ("settings", "authentication", "batching", "database", "http", "repositories", "workers")

NO_LIMITS: Final = frozenset({"SECOND", "DEFAULT_PORT", "NOT_STARTED"})
"""Numbers that bound nothing."""

WORDS: Final = {
    "maxLength": "at most {} characters",
    "minLength": "at least {} characters",
    "maxItems": "at most {} items",
    "minimum": "at least {}",
    "maximum": "at most {}",
}


def fields() -> str:
    """Return the table of the fields that have a limit, with the operations that take them."""
    takers: dict[tuple[str, str], list[str]] = {}
    for operation in _operations():
        for name, schema in _fields_of(operation):
            for limit in _limits(name, schema):
                takers.setdefault(limit, []).append(operation["operationId"])
    lines = [(f"`{name}`", words, _few(dict.fromkeys(operations))) for (name, words), operations in takers.items()]
    return rows(("Field", "Limit", "Operations"), sorted(lines))


def _few(operations: Mapping[str, None]) -> str:
    """Return the names of some operations, or how many they are."""
    names = [f"`{each}`" for each in operations]
    return ", ".join(names) if len(names) <= 8 else f"{len(names)} operations"


def _operations() -> Iterator[dict[str, Any]]:
    for methods in DOCUMENT["paths"].values():
        yield from methods.values()


def _fields_of(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for parameter in operation["parameters"]:
        yield parameter["name"], parameter["schema"]
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        yield from resolved(DOCUMENT, schema)["properties"].items()


def _limits(name: str, schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    said = [words.format(f"{schema[key]:,}") for key, words in WORDS.items() if key in schema]
    if said:
        yield name, ", ".join(said)
    if "$ref" in schema:
        schema = openapi_document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    for key in ("properties", "items"):
        nested = resolved(DOCUMENT, schema).get(key, {})
        inner = nested.items() if key == "properties" else [("[]", nested)] if nested else []
        for below, each in inner:
            yield from _limits(f"{name}{below}" if below == "[]" else f"{name}.{below}", each)


def of_requests() -> str:
    """Return the table of constants that bound what a request may be."""
    return _table(each for each in _constants() if _is_in(each, OF_REQUESTS))


def of_a_process() -> str:
    """Return the table of constants that bound what a process does at once, and for how long."""
    return _table(each for each in _constants() if _is_in(each, OF_A_PROCESS) and not _is_in(each, OF_REQUESTS))


def _is_in(constant: Described, places: tuple[str, ...]) -> bool:
    relative = constant.path.relative_to(SERVICE).as_posix()
    return any(relative == place or relative.startswith(f"{place}/") for place in places)


def _constants() -> Iterator[Described]:
    for path in files():
        for each in described(ast.parse(path.read_text()).body, path):
            if each.name.isupper() and not each.name.startswith("_"):
                yield each


def _table(constants: Iterator[Described]) -> str:
    """Return the rows of those constants that are numbers.

    Raises:
        KeyError: one has no docstring.
    """
    lines = []
    for each in constants:
        module = ".".join(("service", *each.path.relative_to(SERVICE).with_suffix("").parts))
        value = getattr(import_module(module.removesuffix(".__init__")), each.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if each.name in NO_LIMITS:
            continue
        if each.docstring is None:
            raise KeyError(f"{each.name} of {module} has no docstring, which its row in the reference is made of.")
        place = each.path.relative_to(SERVICE.parent).as_posix()
        shown = f"{value:,}" if isinstance(value, int) else f"{value:g}"
        lines.append((shown, cell(summary(each.docstring)), f"`{each.name}` in `{place}`"))
    return rows(("Limit", "Of what", "Where"), lines)
