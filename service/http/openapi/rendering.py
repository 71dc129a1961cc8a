"""The parts of the page for people, in HTML: calls, their fields, and the words that these have.

They depend on the document alone, and are made once. None needs a script: what opens is `details`, and the language of
the samples is chosen by radio buttons that the style sheet looks at.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from service.http.openapi.document import resolved
from service.http.openapi.samples import LANGUAGES, request_of
from service.http.openapi.vocabularies import REFERENCE, VOCABULARIES

Schema = dict[str, Any]

OFTEN: Final = frozenset({"status", "page_size", "page_token", "next_page_token", "If-Match", "If-None-Match"})
"""Parameters of so many calls that they tell none apart, and are left out of the search."""
WORDS: Final = {each.name: each for each in VOCABULARIES}
_ENDS: Final = {"minimum": "at least", "maximum": "at most"}
_TYPES: Final = {"uuid": "UUID", "date-time": "time, RFC 3339", "string": "text", "boolean": "true or false"}


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call on the page, which is equal to itself alone."""

    name: str
    tag: str
    method: str
    html: str
    address: str
    """The text that a search looks at first, in lower case: name, method, path and summary."""
    fields: str
    """The text that it looks at then: the description, and the names of fields."""


def render_calls(document: Mapping[str, Any]) -> list[Call]:
    """Render each call, in the order of the document's tags."""
    order = [tag["name"] for tag in document["tags"]]
    calls = [
        _call(document, method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return sorted(calls, key=lambda call: order.index(call.tag))


def render_failures(document: Mapping[str, Any]) -> str:
    """Render the fields that every failure has."""
    rows = "".join(_field(*each) for each in _fields(document, {"$ref": f"{REFERENCE}Failure"}))
    return f'<h2 id="failures">Failures</h2><p>Every failure has these fields, whatever its status.</p><dl>{rows}</dl>'


def render_words(document: Mapping[str, Any]) -> str:
    """Render the words that fields have as their values."""
    parts = ['<h2 id="words">Words</h2>']
    for name in (each for each in WORDS if each in document["components"]["schemas"]):
        rows = "".join(
            f"<div><dt><code>{escape(word)}</code></dt><dd>{text(meaning)}</dd></div>"
            for word, meaning in WORDS[name].words.items()
        )
        parts.append(f'<h3 id="{name}">{name}</h3><p>{text(WORDS[name].description)}</p><dl>{rows}</dl>')
    return "".join(parts)


def text(said: str) -> str:
    """Escape a text, in which backticks enclose code."""
    parts = escape(said, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _call(document: Mapping[str, Any], method: str, path: str, operation: dict[str, Any]) -> Call:
    name, (tag,) = operation["operationId"], operation["tags"]
    statuses = operation["responses"]
    success = next(answer for status, answer in statuses.items() if status < "300")["content"]["application/json"]
    asked = [*_parameters(operation), *_body(document, operation)]
    answered = [*_fields(document, success["schema"])]
    inside = "".join((
        "".join(f"<p>{text(each)}</p>" for each in operation["description"].split("\n\n") if each),
        f'<p class="quiet">Operation <a href="#{name}"><code>{name}</code></a></p>',
        _list("Request", "".join(_field(*each) for each in asked)),
        _samples(method, path, operation),
        _list("Answer", "".join(_field(*each) for each in answered)),
        f"<pre>{escape(json.dumps(success['example'], indent=2, ensure_ascii=False))}</pre>",
        _list("Other statuses", "".join(_status(each, said) for each, said in statuses.items() if each >= "300")),
    ))  # fmt: skip
    badge = f'<span class="method {method.lower()}">{method}</span>'
    where = f"<code>{escape(path).replace('/', '/<wbr>')}</code>"
    html = (
        f'<details class="call"><summary><h3>{badge} {where} <span class="what">{text(operation["summary"])}</span>'
        f'</h3></summary><div class="inside" id="{name}">{inside}</div></details>'
    )
    words = [key for key, *_ in (*asked, *answered) if key not in OFTEN]
    address = f"{name} {name.replace('_', ' ')} {method} {path} {operation['summary']}"
    return Call(name, tag, method, html, address.lower(), " ".join((operation["description"], *words)).lower())


def _list(title: str, rows: str) -> str:
    return f"<h4>{title}</h4><dl>{rows}</dl>" if rows else ""


def _samples(method: str, path: str, operation: dict[str, Any]) -> str:
    request = request_of(method, path, operation)
    shown = (
        f'<div class="sample {key}"><h4>Sample in {each.name}</h4>'
        f"<pre><code>{escape(each.write(request), quote=False)}</code></pre></div>"
        for key, each in LANGUAGES.items()
    )
    return "".join(shown)


Field = tuple[str, Schema, str, str]
"""A name, a schema, a description, and what is said beside the type."""


def _parameters(operation: dict[str, Any]) -> Iterator[Field]:
    for each in operation["parameters"]:
        required = ", required" if each.get("required") else ""
        yield each["name"], each["schema"], each["description"], f"in the {each['in']}{required}"


def _body(document: Mapping[str, Any], operation: dict[str, Any]) -> Iterator[Field]:
    if "requestBody" in operation:
        for name, schema, said, beside in _fields(
            document, operation["requestBody"]["content"]["application/json"]["schema"]
        ):
            yield name, schema, said, f"in the body{'' if beside else ', required'}"


def _fields(document: Mapping[str, Any], schema: Schema, before: str = "") -> Iterator[Field]:
    """Yield the fields of an object, and of the objects in it, whose names have those before them."""
    whole = resolved(document, schema)
    for name, each in whole.get("properties", {}).items():
        yield (
            before + name,
            each,
            each.get("description", ""),
            "" if name in whole.get("required", ()) else "may be absent",
        )
        inner, mark = (each["items"], "[]") if "items" in each else (each, "")
        yield from _fields(document, _present(inner), f"{before}{name}{mark}.")


def _present(schema: Schema) -> Schema:
    """Return the schema of what may also be null, or another thing: the first that has a name."""
    several = schema.get("anyOf") or schema.get("oneOf") or ()
    return next((each for each in several if "$ref" in each), schema)


def _field(name: str, schema: Schema, said: str, beside: str) -> str:
    kind = ", ".join(part for part in (_kind(schema), escape(beside)) if part)
    limits = "; ".join(_limits(schema))
    limited = f' <span class="limit">{limits[0].upper()}{limits[1:]}.</span>' if limits else ""
    return (
        f'<div><dt><code>{escape(name).replace(".", ".<wbr>")}</code> <span class="kind">{kind}</span></dt>'
        f"<dd>{text(said)}{limited}</dd></div>"
    )


def _kind(schema: Schema) -> str:
    """Name the type of a schema; of words, by a link to them."""
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(each) for each in several))
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return f'<a href="#{name}">{name}</a>' if name in WORDS else "object"
    kinds = schema.get("type", "string")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "items" in schema:
        named = f"list of {_kind(schema['items'])}"
    else:
        kind = str(schema.get("format", kinds[0]))
        named = _TYPES.get(kind, kind)
    return f"{named} or null" if "null" in kinds and named != "null" else named


def _limits(schema: Schema) -> Iterator[str]:
    """Yield what bounds a value, each as a part of a sentence."""
    if "enum" in schema:
        yield f"one of {', '.join(f'<code>{escape(str(each))}</code>' for each in schema['enum'] if each is not None)}"
    if {"minimum", "maximum"} <= schema.keys():
        yield f"{schema['minimum']:,} to {schema['maximum']:,}"
    else:
        yield from (f"{said} {schema[key]:,}" for key, said in _ENDS.items() if key in schema)
    for key, what in (("maxLength", "characters"), ("maxItems", "items")):
        if key in schema:
            yield f"at most {schema[key]:,} {what}"
    if "pattern" in schema:
        yield f"like <code>{escape(schema['pattern'])}</code>"


def _status(status: str, answer: dict[str, Any]) -> str:
    return f"<div><dt><code>{status}</code></dt><dd>{text(answer['description'])}</dd></div>"
