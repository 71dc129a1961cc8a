"""/openapi.json for machines, and /docs for people: one page, made here, that needs nothing from elsewhere.

Nor does it need a script: it is searched by a form that asks this service.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from service.http.conditions import entity_tag, not_modified
from service.http.openapi.document import openapi_document
from service.http.openapi.rendering import Call, render_calls, render_failures, render_words, text
from service.http.openapi.samples import LANGUAGES, SERVER, TOKEN
from service.http.public_address import PublicAddresses
from service.http.responses import encode

MAX_ADDRESSES: Final = 16
"""Public addresses for which both are kept: there is one, unless proxies tell several."""
MAX_QUERY: Final = 100
"""Characters of a search on the page for people that are looked at."""
FEW: Final = 5
"""Calls that a search shows open, if it finds no more."""

STYLE: Final = (Path(__file__).parent / "page.css").read_text()

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "public, max-age=300",
}


def add_documentation(app: web.Application, addresses: PublicAddresses) -> None:
    """Serve both, to every caller: they say nothing of any organization, and take no token."""
    document, for_readers = _both()

    @lru_cache(maxsize=MAX_ADDRESSES)
    def as_json(url: str) -> tuple[bytes, str]:
        body = encode({**document, "servers": [{"url": url}]})
        return body, entity_tag(body)

    @lru_cache(maxsize=MAX_ADDRESSES)
    def as_page(url: str, language: str) -> tuple[bytes, str]:
        body = for_readers.whole(url, language).encode()
        return body, entity_tag(body)

    async def for_machines(request: web.Request) -> web.Response:
        body, tag = as_json(addresses.of(request).url)
        headers = {"Cache-Control": HEADERS["Cache-Control"], **addresses.headers, "ETag": tag}
        if not_modified(request, tag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def for_people(request: web.Request) -> web.Response:
        url, language = addresses.of(request).url, request.query.get("in", "")
        language = language if language in LANGUAGES else next(iter(LANGUAGES))
        headers = {**HEADERS, **addresses.headers}
        if query := " ".join(request.query.get("q", "")[:MAX_QUERY].split()):
            found = for_readers.found(url, language, query)
            return web.Response(text=found, content_type="text/html", charset="utf-8", headers=headers)
        body, tag = as_page(url, language)
        if not_modified(request, tag):
            return web.Response(status=304, headers={**headers, "ETag": tag})
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers={**headers, "ETag": tag})

    app.router.add_get("/openapi.json", for_machines)
    app.router.add_get("/docs", for_people)


@cache
def _both() -> "tuple[Mapping[str, Any], Page]":
    """Return the document and the page, which are the same for every application: 0.2 s to make."""
    document = openapi_document()
    return document, Page(document)


class Page:
    """The page for people: parts that are rendered once, put together for an address and a search."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Render the parts."""
        self._info: Final = document["info"]
        self._tags: Final = {tag["name"]: tag["description"] for tag in document["tags"]}
        self._calls: Final = render_calls(document)
        self._below: Final = render_failures(document) + render_words(document)

    def whole(self, url: str, language: str) -> str:
        """Return the page with every call, closed."""
        return self._page(url, language, "", self._calls, self._sections(self._calls))

    def found(self, url: str, language: str, query: str) -> str:
        """Return the page with the calls in which each word of a search is; those in whose address it is come first."""
        words = query.lower().split()
        first = [call for call in self._calls if all(word in call.address for word in words)]
        others = [
            call
            for call in self._calls
            if call not in first and all(word in call.address or word in call.fields for word in words)
        ]
        number = len(first) + len(others)
        said = f"{number} of {len(self._calls)} calls {'has' if number == 1 else 'have'}" if number else "No call has"
        shown = "".join(call.html for call in first)
        if others:
            shown += f"<h2>In descriptions and fields</h2>{''.join(call.html for call in others)}"
        if number <= FEW:
            shown = shown.replace('<details class="call">', '<details class="call" open>')
        back = f'<a href="docs?in={language}">Show all calls</a>'
        heading = f'<h2>Found</h2><p role="status">{said} <b>{escape(query)}</b>. {back}</p>'
        found = sorted((*first, *others), key=self._calls.index)
        return self._page(url, language, query, found, heading + shown)

    def _sections(self, calls: Iterable[Call]) -> str:
        return "".join(
            f'<section aria-labelledby="of-{tag}"><h2 id="of-{tag}">{tag.capitalize()}</h2>'
            f'<p class="quiet">{text(self._tags[tag])}</p>{"".join(call.html for call in group)}</section>'
            for tag, group in groupby(calls, lambda call: call.tag)
        )

    def _page(self, url: str, language: str, query: str, calls: Iterable[Call], shown: str) -> str:
        title = escape(self._info["title"])
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
            f'<a class="skip" href="#calls">Skip to the calls</a>'
            f"<header><h1>{title} <small>{escape(self._info['version'])}</small></h1>{self._introduction(url)}</header>"
            f'<div class="tools">{_form(language, query)}</div>'
            f'<div class="columns">{_navigation(calls, f"docs?in={language}" if query else "")}'
            f'<main id="calls" tabindex="-1">{shown}{self._below}</main></div>'
            "</body></html>"
        )

    def _introduction(self, url: str) -> str:
        origin = url if "://" in url else f"…{url.rstrip('/')}"
        hint = (
            ""
            if "://" in url
            else f" <code>{SERVER}</code> is what stands before <code>/docs</code> in the address of this page."
        )
        return (
            f"<p>{text(self._info['description'])}</p>"
            "<p>Send <code>Authorization: Bearer &lt;token&gt;</code> with each call. For machines:"
            ' <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
            f"<p>The samples take two variables from the environment.{hint}"
            " A browser has none: write them in the place of <code>process.env</code>.</p>"
            f"<pre>export {SERVER}={escape(origin)}\nexport {TOKEN}=fp_…</pre>"
        )


def _form(language: str, query: str) -> str:
    """Render what searches the page, and chooses the language of the samples."""
    choices = "".join(
        f'<label><input type="radio" name="in" id="in-{key}" value="{key}"{" checked" if key == language else ""}>'
        f" {each.name}</label>"
        for key, each in LANGUAGES.items()
    )
    return (
        '<form role="search" action="docs#calls"><div class="find"><label for="q">Search the calls</label>'
        f'<input type="search" id="q" name="q" maxlength="{MAX_QUERY}" value="{escape(query)}"'
        ' placeholder="Search the calls" autocomplete="off"><button>Search</button></div>'
        f"<fieldset><legend>Samples in</legend>{choices}</fieldset></form>"
    )


def _navigation(calls: Iterable[Call], whole: str) -> str:
    """Render links to calls, and to their tags on the whole page, for windows that have room beside them."""
    parts = []
    for tag, group in groupby(calls, lambda call: call.tag):
        links = "".join(
            f'<li><a href="#{call.name}">{call.name.replace("_", " ").capitalize()}</a></li>' for call in group
        )
        parts.append(f'<li><a href="{whole}#of-{tag}">{tag.capitalize()}</a><ul>{links}</ul></li>')
    more = '<li><a href="#failures">Failures</a></li><li><a href="#words">Words</a></li>'
    return f'<nav aria-label="Calls"><ul>{"".join(parts)}{more}</ul></nav>'
