"""/openapi.json for machines, and /docs for people: one page, made here, that needs nothing from elsewhere."""

import base64
import hashlib
import json
from functools import lru_cache
from html import escape
from typing import Any, Final

from aiohttp import web

from service.http.openapi.document import openapi_document
from service.http.public_address import PublicAddresses
from service.http.responses import encode

MAX_ADDRESSES: Final = 16
"""Public addresses for which both are kept: there is one, unless proxies tell several."""

STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--soft); padding: .75rem; border-radius: 6px; overflow-x: auto; white-space: pre-wrap; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .25rem .75rem; }
summary { cursor: pointer; padding: .25rem 0; }
summary b { display: inline-block; min-width: 4.5rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
"""

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "public, max-age=300",
}


def add_documentation(app: web.Application, addresses: PublicAddresses) -> None:
    """Serve both, to every caller: they say nothing of any organization, and take no token."""
    document = openapi_document()

    @lru_cache(maxsize=MAX_ADDRESSES)
    def as_json(url: str) -> bytes:
        return encode({**document, "servers": [{"url": url}]})

    @lru_cache(maxsize=MAX_ADDRESSES)
    def as_page(url: str) -> bytes:
        return page({**document, "servers": [{"url": url}]}).encode()

    async def for_machines(request: web.Request) -> web.Response:
        headers = {"Cache-Control": HEADERS["Cache-Control"], **addresses.headers}
        body = as_json(addresses.of(request).url)
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def for_people(request: web.Request) -> web.Response:
        body, headers = as_page(addresses.of(request).url), {**HEADERS, **addresses.headers}
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

    app.router.add_get("/openapi.json", for_machines)
    app.router.add_get("/docs", for_people)


def page(document: dict[str, Any]) -> str:
    """Render the document as a page."""
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(method.upper(), path, operation))
    sections = "".join(f"<h2>{escape(tag.capitalize())}</h2>{''.join(rows)}" for tag, rows in by_tag.items())
    info = document["info"]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>"
        f"<p>{_text(info['description'])}</p>"
        "<p>Send <code>Authorization: Bearer &lt;token&gt;</code> with each call. For machines:"
        f' <a href="openapi.json">openapi.json</a>.{_server(document)}</p>'
        f"<main>{sections}</main></body></html>"
    )


def _server(document: dict[str, Any]) -> str:
    """Say what stands before the paths, if anything does."""
    url = document["servers"][0]["url"]
    return "" if url == "/" else f" All addresses begin with <code>{escape(url)}</code>."


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"<p>{_text(operation['description'])}</p>" if operation["description"] else ""]
    if fields := [*operation["parameters"], *_body_fields(operation)]:
        rows = "".join(_parameter(field) for field in fields)
        parts.append(f"<table><tr><th>Parameter</th><th>In</th><th></th></tr>{rows}</table>")
    if "requestBody" in operation:
        parts.append(f"<p>Body</p>{_example(operation['requestBody'])}")
    success = next(answer for status, answer in operation["responses"].items() if status < "300")
    parts.append(f"<p>Answer</p>{_example(success)}")
    failures = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td></tr>"
        for status, answer in operation["responses"].items()
        if status >= "300"
    )
    parts.append(f"<table><tr><th>Else</th><th></th></tr>{failures}</table>")
    head = f"<b>{method}</b><code>{escape(path)}</code> {escape(operation['summary'])}"
    return f'<details id="{operation["operationId"]}"><summary>{head}</summary>{"".join(parts)}</details>'


def _body_fields(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the fields of a body, in the form of parameters."""
    if "requestBody" not in operation:
        return []
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "body", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _parameter(parameter: dict[str, Any]) -> str:
    said = parameter.get("description") or _schema(parameter["schema"])
    required = " (required)" if parameter.get("required") else ""
    name, place = escape(parameter["name"]), escape(parameter["in"])
    return f"<tr><td><code>{name}</code></td><td>{place}{required}</td><td>{escape(said)}</td></tr>"


def _schema(schema: dict[str, Any]) -> str:
    """Describe a schema in words: its type and its limits."""
    if "enum" in schema:
        return f"one of {', '.join(str(value) for value in schema['enum'] if value is not None)}"
    kind = schema.get("format") or schema.get("type", "")
    words = [kind if isinstance(kind, str) else " or ".join(kind)]
    if "items" in schema:
        words = [f"list of: {_schema(schema['items'])}"]
    limits = {"minimum": "at least", "maximum": "at most", "maxLength": "at most", "maxItems": "at most"}
    words += [f"{said} {schema[key]}" for key, said in limits.items() if key in schema]
    if "pattern" in schema:
        words.append(f"like {schema['pattern']}")
    return ", ".join(words)


def _example(has_content: dict[str, Any]) -> str:
    example = has_content["content"]["application/json"].get("example")
    return f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>"


def _text(text: str) -> str:
    """Escape a text, in which backticks enclose code."""
    parts = escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
