"""Strategies for requests of each row of the method table: path, query, headers and body."""

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from hypothesis import strategies as st
from marshmallow import fields

from service.http.routes import ROUTES, Route
from service.schemas import fields as kinds
from service.schemas.request import schema_of
from service.values.names import DESCRIPTION, JOB_ID, RESERVED
from tests.fuzz import values

Draw = st.DrawFn

ROWS: Final = {f"{route.method} {route.path}": route for route in ROUTES}

KNOWN: Final = {
    "pipeline_id": "$pipeline",
    "token_id": "$token",
    "job_id": "job-1",
    "username": "carol",
    "owner": "carol",
    "name": "reviewers",
    "user": "carol",
    "group": "reviewers",
    "permission": "flow_pipeline:read",
}
"""By field, what there is in each scene; ids are put in when the request is sent."""

_BY_TYPE: Final[tuple[tuple[type, values.Value], ...]] = (
    (kinds.StrictUUID, values.ANY_IDS),
    (kinds.Flag, st.one_of(st.booleans(), st.sampled_from(["true", "false", "1", "TRUE", None, 1]))),
    (kinds.WholeNumber, values.NUMBERS),
    (kinds.End, values.ENDS),
    (kinds.Instant, values.INSTANTS),
    (kinds.Choice, values.ROLES),
)
_USUAL_BY_TYPE: Final[tuple[tuple[type, values.Value], ...]] = (
    (kinds.Flag, st.booleans()),
    (kinds.WholeNumber, st.integers(1, 1000)),
    (kinds.Instant, values.TIMES),
    (kinds.Choice, st.just("member")),
)
_USUAL: Final = {
    "permissions": ["flow_pipeline:execute"],
    "scopes": ["tokens"],
    "pipeline_ids": ["$pipeline"],
    "add": ["carol"],
    "remove": [],
}
_BY_KEY: Final = {"permissions": values.PERMISSIONS, "scopes": values.SCOPES, "page_token": values.texts(2000)}


def values_of(key: str, kind: fields.Field[Any]) -> values.Value:
    """Return a strategy for odd values of one field of a request: mostly of its kind."""
    known = st.just(KNOWN[key]) if key in KNOWN else st.nothing()
    of_kind = _of_kind(key, kind)
    return st.one_of(known, of_kind, of_kind, of_kind, values.JSON)


def usual_of(key: str, kind: fields.Field[Any]) -> values.Value:
    """Return a strategy for values of one field that are accepted, where something is free of that name."""
    if key in KNOWN and (isinstance(kind, kinds.Reference) or not isinstance(kind, kinds.Ruled)):
        return st.just(KNOWN[key])
    if isinstance(kind, kinds.Objects):
        return st.lists(_objects_of(kind, usual=True), max_size=3)
    for each, strategy in _USUAL_BY_TYPE:
        if isinstance(kind, each):
            return strategy
    return st.just(_USUAL[key]) if key in _USUAL else values.WORDS


def _of_kind(key: str, kind: fields.Field[Any]) -> values.Value:
    if key in _BY_KEY:
        return _BY_KEY[key]
    if isinstance(kind, kinds.Objects):
        return st.one_of(st.lists(_objects_of(kind), max_size=3), st.just([{}] * 1001), values.JSON)
    if key == "pipeline_ids":
        ids = st.one_of(st.just("$pipeline"), st.just("$pipeline"), values.ANY_IDS)
        return st.one_of(st.lists(ids, max_size=4), st.just(["$pipeline"] * 1001), values.ANY_IDS)
    for each, strategy in _BY_TYPE:
        if isinstance(kind, each):
            return strategy
    if isinstance(kind, kinds.Ruled):
        if kind.rule is DESCRIPTION:
            return values.DESCRIPTIONS
        if kind.rule is JOB_ID:
            return values.JOB_IDS
        return values.NAMES if kind.rule.in_address else values.SHOWN
    return values.SHOWN


@st.composite
def _objects_of(draw: Draw, kind: kinds.Objects[Any], *, usual: bool = False) -> dict[str, Any]:
    """Draw an item of a list of objects, with odd values in its fields, or such as are accepted."""
    of_key = usual_of if usual else values_of
    return {
        key: draw(of_key(key, each))
        for key, each in kind.schema.by_key.items()
        if each.required or draw(st.integers(0, 2)) == 0
    }


@dataclass(frozen=True)
class Request:
    """A request as it goes out, but for ids and the credentials."""

    row: str
    """Of the method table, as method and path."""
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    credentials: str
    """The value of the header Authorization, in which $secret stands for the caller's token."""
    body: bytes
    plain: bool
    """Whether it is the call that the row names, without what makes another one of it."""

    @property
    def route(self) -> Route:
        return ROWS[self.row]

    def encode(self, token: str, ids: dict[str, str]) -> bytes:
        lines = [
            ("Host", "here"),
            ("Connection", "close"),
            ("Authorization", self.credentials.replace("$secret", token)),
            *self.headers,
        ]
        target, body = self.target, self.body
        for name, value in ids.items():
            target = target.replace(quote(name, safe=""), value).replace(name, value)
            body = body.replace(name.encode(), value.encode())
        if self.method not in ("GET", "HEAD") or body:
            lines.append(("Content-Length", str(len(body))))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines)
        return f"{self.method} {target} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogatepass") + body


def _one_line(text: str) -> str:
    return "".join(f"%{ord(each):02X}" if each in "\r\n" else each for each in text)


@st.composite
def _escaped(draw: Draw, value: Any, *, usual: bool) -> str:
    """Escape a value for an address: as it should be, or mostly."""
    text = value if isinstance(value, str) else json.dumps(value)
    how = "all" if usual else draw(st.sampled_from(["all", "all", "all", "all", "raw", "twice", "every"]))
    if how == "raw":
        return _one_line(text)
    if how == "every":
        return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
    once = quote(text, safe="", errors="surrogatepass")
    return quote(once, safe="") if how == "twice" else once


_HEADER_VALUES: Final = st.one_of(
    st.sampled_from(
        [
            "*",
            '"',
            '""',
            'W/""',
            '"a", W/"b",,',
            '"abc"',
            "no-cache",
            "max-age=1e999",
            "gzip;q=NaN",
            "identity;q=0, *;q=0",
        ]
    ),
    values.texts(200),
    values.TIMES,
).map(lambda text: "".join(each for each in text if each not in "\r\n"))
_HEADER_NAMES: Final = st.sampled_from(
    [
        *(
            "If-Match",
            "If-None-Match",
            "If-Modified-Since",
            "Cache-Control",
            "Accept",
            "Accept-Encoding",
            "Content-Type",
        ),
        *("X-Request-Id", "traceparent", "tracestate", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Prefix"),
        *(
            "Forwarded",
            "Origin",
            "Referer",
            "Range",
            "Cookie",
            "User-Agent",
            "Accept-Language",
            "X-HTTP-Method-Override",
        ),
    ]
)
HEADERS: Final = st.lists(st.tuples(_HEADER_NAMES, _HEADER_VALUES), max_size=2).map(tuple)
_ODD_CREDENTIALS: Final = st.one_of(
    st.sampled_from(
        ["bearer $secret", "Bearer  $secret", "Bearer $secret ", "Bearer", "Basic Og==", "Bearer $secret, x"]
    ),
    values.texts(100).map("Bearer fp_{}".format),
).map(lambda text: "".join(each for each in text if each not in "\r\n"))
CREDENTIALS: Final = values.mostly(
    st.just("Bearer $secret"), values.mostly(st.just("Bearer $secret"), _ODD_CREDENTIALS, 5), 9
)
FEW_HEADERS: Final = values.mostly(st.just(()), HEADERS, 7)

_ODD_BODIES: Final = st.one_of(
    st.sampled_from(
        [
            *(
                b"",
                b"null",
                b"[]",
                b'""',
                b"0",
                b"{",
                b"{}{}",
                b"\xff\xfe{\x00}\x00",
                b"\xef\xbb\xbf{}",
                b"{'a': 1}",
                b"\x00",
            ),
            *(
                b'{"name": NaN}',
                b'{"name": 1e999}',
                b'{"a": -0}',
                b'{"a": ' + b"9" * 5000 + b"}",
                b'{"a": 1' + b"0" * 21 + b"}",
            ),
            *(
                b'{"name": "\\ud800"}',
                b'{"\\u0000": 1}',
                b'{"name": "\xed\xa0\x80"}',
                b'{"name": "\xc0\x80"}',
                b'{"a":\x01}',
            ),
            *(
                b"[" * 3000,
                b'{"a":' * 5000,
                b'{"a":' * 40 + b"1" + b"}" * 40,
                b"[" * 40 + b"]" * 40,
                b"{" + b'"a":1,' * 200 + b'"b":1}',
            ),
            *(b'{"' + b"k" * 70_000 + b'": 1}', b"{" + b",".join(b'"%d":1' % each for each in range(13_000)) + b"}"),
        ]
    ),
    st.binary(max_size=40),
)


@st.composite
def _bodies(draw: Draw, fields_in_it: dict[str, Any]) -> bytes:
    if draw(st.integers(0, 14)) == 0:
        return draw(_ODD_BODIES)
    if draw(st.integers(0, 14)) == 0:
        fields_in_it = {**fields_in_it, draw(st.sampled_from(values.SPECIAL)): draw(values.JSON)}
    text = json.dumps(fields_in_it, ensure_ascii=draw(st.booleans()))
    change = draw(st.sampled_from([*["as it is"] * 12, "twice", "cut", "behind"]))
    if change == "twice" and fields_in_it:
        key = draw(st.sampled_from([*fields_in_it]))
        text = f"{{{json.dumps(key)}: {json.dumps(fields_in_it[key])}, {text[1:]}"
    content = text.encode("utf-8", "surrogatepass")
    return {"cut": content[:-1], "behind": content + b" \x0b{"}.get(change, content)


@st.composite
def requests(draw: Draw) -> Request:
    """Draw a request of any row."""
    row = draw(st.sampled_from([*ROWS]))
    route = ROWS[row]
    schema = schema_of(route.request)
    places: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "body": {}}
    odd = draw(st.sampled_from(["", *schema.by_key, *schema.by_key, "*"]))  # none, one or all of its fields
    for key, kind in schema.by_key.items():
        left_out = route.places[key] != "path" and draw(st.integers(0, 19 if kind.required else 1)) == 0
        if not left_out:
            places[route.places[key]][key] = draw((values_of if odd in (key, "*") else usual_of)(key, kind))
    target = route.path
    for key, value in places["path"].items():
        target = target.replace(f"{{{key}}}", draw(_escaped(value, usual=odd not in (key, "*"))))
    pairs = [f"{key}={draw(_escaped(value, usual=odd != key))}" for key, value in places["query"].items()]
    if pairs and draw(st.integers(0, 19)) == 0:
        pairs.append(pairs[0])
    if draw(st.integers(0, 19)) == 0:
        pairs.append(_one_line(draw(st.sampled_from(values.SPECIAL))))
    if pairs:
        target += "?" + "&".join(pairs)
    body = draw(_bodies(places["body"])) if route.has_body else b""
    method = (
        route.method if draw(st.integers(0, 19)) else draw(st.sampled_from(["HEAD", "OPTIONS", "PUT", "get", "TRACE"]))
    )
    named = [value for value in places["path"].values() if isinstance(value, str)]
    leads_elsewhere = any(value in ("", *RESERVED) or {*value} & {*"/?#%"} for value in named)
    plain = method == route.method and "#" not in target and not leads_elsewhere
    return Request(row, method, target, draw(FEW_HEADERS), draw(CREDENTIALS), body, plain)
