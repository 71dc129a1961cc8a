"""Hypothesis strategies for requests that are well framed, and as wrong as can be in all else."""

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from hypothesis import strategies as st

from service.http.routes import ROUTES, Route
from tests.api.sample import sample_body, sample_path


@dataclass(frozen=True)
class Target:
    """The service under attack, its data and its tokens. Requests may change everything in it but the tokens."""

    address: tuple[str, int]
    tokens: tuple[str, ...]
    """The tokens of an administrator and of a member, and one whose scopes only allow reading."""
    throwaway: str
    """The token of an administrator of another organization, for clients that may revoke it or disable that user."""
    names: dict[str, tuple[str, ...]]
    """The names of resources, by the parameter of paths."""
    page_tokens: tuple[str, ...]
    """Page tokens of several calls and filters, for several tokens."""
    secrets: tuple[bytes, ...]
    """Secrets that no response may contain, the tokens among them."""


@dataclass(frozen=True)
class Request:
    """One request, without its length and its X-Request-Id."""

    method: str
    target: bytes
    headers: tuple[bytes, ...]
    body: bytes
    has_request_id: bool
    """True if its headers have an X-Request-Id already."""
    has_encoded_body: bool
    """True if its headers have a Content-Encoding."""

    def bytes(self, request_id: str) -> bytes:
        lines = [
            b"%s %s HTTP/1.1" % (self.method.encode(), self.target),
            b"Host: flow",
            *self.headers,
            *([] if self.has_request_id else [b"X-Request-Id: " + request_id.encode()]),
            *([b"Content-Length: %d" % len(self.body)] if self.body or self.method not in ("GET", "HEAD") else []),
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


# A small pool, so that the number of resources created by chance is bounded.
TEXTS: Final = (
    *("", " ", "a", "A", "İ", "ß", "ﬁ", "\u212b", "e\u0301", "\u202e", "\u200b", "\ufeff", "\uffff", "😀", "x" * 256),
    *("\0", "a\0b", "\ud800", "\udfff\ud800", "\x7f", "\x1b[31m", "\r\n", "a\r\nSet-Cookie: x=1", "\t", "\x85"),
    *("'", "' OR 1=1 --", '"; DROP TABLE jobs; --', "$1", "%s", "{0}", "{{7*7}}", "${jndi:ldap://x}", "<script>"),
    *("../../etc/passwd", "..", ".", "/", "\\", "%2e%2e", "%00", "pipelines", "me", "null", "true", "NaN", "-1", "1e9"),
    *("0", "00000000-0000-0000-0000-000000000000", "{00000000-0000-4000-8000-000000000000}", "a" * 100, "a" * 101),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2024-02-30T00:00:00Z", "2024-01-01", "flow_pipeline:read"),
)
SEGMENTS: Final = (
    *(b"%00", b"%ff", b"%c0%af", b"%e0%80%af", b"%ed%a0%80", b"%f4%90%80%80", b"%2f", b"%2F..%2f", b"..", b"%2e%2e"),
    *(b"%", b"%zz", b"%2", b"%25%30%30", b"%u0041", b"a;b=c", b"a,b", b"a+b", b"~", b"a@b:c", b"%0d%0aX:y", b"%20"),
    *(b"a" * 101, b"%61" * 2000, b"a" * 7000, b"*", b"$", b"(", b"!", b"%C2%A0", b"%E2%80%AE", b"%F0%9F%98%80"),
)
NUMBERS: Final = (
    *(b"0", b"-0", b"-1", b"1e400", b"-1e400", b"1e-400", b"0.1", b"1.0", b"9223372036854775808", b"9" * 400),
    *(b"9" * 5000, b"NaN", b"Infinity", b"-Infinity", b"01", b"1.", b".5", b"0x10", b"1_000", b"+1"),
)
RAW_BODIES: Final = (
    *(b"", b" ", b"null", b"true", b"[]", b'""', b"0", b"{}", b"{", b"}", b"{}{}", b"{} x", b"\xff", b"{}\0", b"\0{}"),
    *(b'{"a": "\xff"}', b'{"name": "\xed\xa0\x80"}', b'{"name": "\xc0\xaf"}', b"\xef\xbb\xbf{}", b'{"name": "\x00"}'),
    *('{"name": "a"}'.encode("utf-16"), '{"name": "a"}'.encode("utf-16-le"), '{"name": "a"}'.encode("utf-32")),
    *(b'{"name": "\\ud800"}', b'{"name": "\\u0000"}', b'{"\\u0000": 1}', b'{"name": "a\nb"}', b"{'name': 'a'}"),
    *(b'{"name": "a", "name": "b"}', b'{"name": 1, "\\u006eame": 2}', b'{"name": "a",}', b'{"name": /**/ "a"}'),
    *(b"[" * 50_000, b'{"a":' * 20_000, b"[" * 900 + b"]" * 900, b'{"name": {"a": ' + b"[" * 500 + b"]" * 500 + b"}}"),
    *(b'{"name": "' + b"a" * 70_000 + b'"}', b'{"pipeline_ids": [' + b"1," * 20_000 + b"1]}", b"a" * 300_000),
    *(b'{"name": %s}' % number for number in NUMBERS),
)
ENCODED_BODIES: Final = (
    (b"gzip", gzip.compress(b'{"name": "a"}')),
    (b"gzip", gzip.compress(b'{"name": "a"}')[:-4]),
    (b"gzip", gzip.compress(b'{"name": "a"}') * 2),
    (b"gzip", b'{"name": "a"}'),
    (b"gzip", gzip.compress(b" " * 3_000_000)),
    (b"gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
    (b"deflate", zlib.compress(b'{"name": "a"}')),
    (b"deflate", zlib.compress(b'{"name": "a"}')[2:-4]),
    (b"deflate", b"\x78\x9c\xff\xff"),
    (b"br", b'{"name": "a"}'),
    (b"zstd", b"(\xb5/\xfd"),
    (b"identity", b"{}"),
    (b"\xff", b"{}"),
)
HEADERS: Final = (
    *(
        b"If-Match: ",
        b"If-Match: *",
        b'If-Match: "',
        b'If-Match: W/"x"',
        b"If-Match: " + b'"a",' * 1500,
        b"If-Match: \xff",
    ),
    *(b"If-None-Match: *", b"If-None-Match: ,,,", b'If-None-Match: "a" "b"', b"If-None-Match: " + b"a" * 8000),
    *(
        b"If-Modified-Since: yesterday",
        b"If-Range: x",
        b"Range: bytes=0-0",
        b"Range: bytes=-1, 5-3",
        b"Cache-Control: \x80",
    ),
    *(
        b"traceparent: 00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01",
        b"traceparent: \xff",
        b"traceparent: " + b"a" * 8000,
    ),
    *(
        b"traceparent: 00-%s-%s-01-x" % (b"a" * 32, b"b" * 16),
        b"tracestate: " + b"a=b," * 500,
        b"baggage: \xf0\x9f\x98\x80",
    ),
    *(
        b"Accept: text/plain",
        b"Accept: ;;;q=9",
        b"Accept-Encoding: gzip;q=x",
        b"Accept-Charset: utf-7",
        b"Cookie: a=b; =; ;",
    ),
    *(
        b"Content-Type: text/html; charset=utf-7",
        b"Content-Type: application/json; charset=x",
        b"Content-Type: \xff/\xfe",
    ),
    *(b"Content-Type: multipart/form-data; boundary=", b"Content-Type: application/x-www-form-urlencoded"),
    *(
        b"X-Forwarded-For: 127.0.0.1",
        b"X-Forwarded-Host: evil",
        b"X-HTTP-Method-Override: DELETE",
        b"X-Original-URL: /admin",
    ),
    *(
        b"Expect: 100-continue",
        b"Expect: 200-ok",
        b"Upgrade: websocket",
        b"Origin: null",
        b"TE: trailers",
        b"DNT: \x80",
    ),
    *(
        b"Keep-Alive: timeout=0",
        b"Date: never",
        b"From: \t",
        b"Max-Forwards: 0",
        b"X: " + b"a" * 8000,
        b"\x21#$%&'*+.^_`|~: x",
    ),
)
REQUEST_IDS: Final = (b"", b" ", b"a" * 129, b"a b", b"\xff", b"a;b", b'"', b"../..", b"\xe2\x80\xae", b"a\tb")


METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "PURGE")
PATHS: Final = (
    *(b"/", b"/healthz", b"/docs", b"/openapi.json", b"/admin/", b"/admin/..%2f..%2f", b"//", b"/metrics"),
    *(b"/api/v1", b"/api/v1/", b"/api/v1//users", b"/api/v2/users", b"/API/V1/users", b"/api/v1/users/", b"*"),
)
AUTHORIZATIONS: Final = (
    *(b"Authorization: ", b"Authorization: Bearer", b"Authorization: bearer \xff\xfe", b"Authorization: Basic YTpi"),
    *(b"Authorization: Bearer " + b"a" * 8000, b"Authorization: Bearer a b c", b"Authorization:Bearer\tx"),
    *(b"Authorization: Bearer fp_\xf0\x9f\x98\x80", b"Authorization: Bearer ' OR 1=1", b"X-Authorization: Bearer x"),
)


MUTATIONS: Final = ("flip", "cut", "double", "case", "pad", "empty")


def requests(target: Target) -> st.SearchStrategy[Request]:
    """Return a strategy for requests of every call and of none, with and without a valid token."""
    # Each strategy is built once: building one takes longer than drawing from it.
    headers, authorizations = _extra_headers(target), _authorizations(target)
    calls = [
        st.builds(_assemble, _methods(route), _paths(target, route), _bodies(target, route), authorizations, headers)
        for route in ROUTES
    ]
    unknown_calls = st.builds(
        _assemble,
        st.sampled_from(METHODS),
        st.one_of(
            st.sampled_from(PATHS),
            st.lists(st.sampled_from((*SEGMENTS, b"api", b"v1", b"", b"flow", b"admin")), max_size=6).map(
                lambda segments: b"/" + b"/".join(segments)[:8000]
            ),
        ),
        st.sampled_from(RAW_BODIES),
        authorizations,
        headers,
    )
    return st.one_of(*calls, *[unknown_calls] * (len(calls) // 4))


def _assemble(
    method: str, target: bytes, body: bytes, authorization: bytes, extra: tuple[tuple[bytes, ...], bytes | None]
) -> Request:
    headers, has_encoded_body = extra
    has_request_id = any(header.startswith(b"X-Request-Id:") for header in headers)
    if has_encoded_body is not None and method not in ("GET", "HEAD"):
        body = has_encoded_body
    return Request(method, target, (authorization, *headers), body, has_request_id, has_encoded_body is not None)


def _methods(route: Route) -> st.SearchStrategy[str]:
    return st.sampled_from([route.method] * 9 + ["HEAD" if route.method == "GET" else route.method])


def _paths(target: Target, route: Route) -> st.SearchStrategy[bytes]:
    names = [name for name in target.names if f"{{{name}}}" in route.path]
    segments = st.tuples(*(_segments(target, name) for name in names))
    return st.builds(
        lambda values, query: (
            sample_path(route.path, **dict(zip(names, values, strict=True))).encode("latin-1") + query
        ),
        segments,
        _queries(target, route),
    )


def _segments(target: Target, name: str) -> st.SearchStrategy[str]:
    texts = [quote(text, safe="", errors="surrogatepass") for text in TEXTS if text]
    hostile = [*texts, *(segment.decode("latin-1") for segment in SEGMENTS)]
    return st.one_of(st.sampled_from(target.names[name]), st.sampled_from(target.names[name]), st.sampled_from(hostile))


def _queries(target: Target, route: Route) -> st.SearchStrategy[bytes]:
    known = [key for key, place in route.places.items() if place == "query"]
    names = st.sampled_from((*known, *known, *known, "page_token", "page_size", "unknown", "", "a[b]", "\ud800"))
    values = st.one_of(
        st.sampled_from((*TEXTS, "1", "2", "1000", "true", "flow_pipeline:execute", "9" * 400)),
        st.sampled_from(target.page_tokens),
        _mutations(target.page_tokens),
    )
    pairs = st.lists(st.tuples(names, values), min_size=1, max_size=3)
    plain = st.sampled_from((b"", b"", b"", b"", b"?", b"?&&=", b"?%", b"?page_size=%ff", b"?a=%00"))
    return st.one_of(plain, plain, pairs.map(_query))


def _query(pairs: list[tuple[str, str]]) -> bytes:
    has_encoded_body = "&".join(
        f"{quote(name, errors='surrogatepass')}={quote(value, errors='surrogatepass')}" for name, value in pairs
    )
    return f"?{has_encoded_body}".encode()


def _mutations(texts: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Return a strategy for mutations of some texts."""
    return st.builds(_mutate, st.sampled_from(texts), st.sampled_from(MUTATIONS), st.integers(0, 200))


def _mutate(text: str, mutation: str, place: int) -> str:
    place %= len(text)
    match mutation:
        case "flip":
            return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        case "cut":
            return text[:place]
        case "double":
            return text + text
        case "case":
            return text.swapcase()
        case "pad":
            return text + "="
    return ""


def _bodies(target: Target, route: Route) -> st.SearchStrategy[bytes]:
    sample = sample_body(route)
    if sample is None:
        return st.sampled_from((*[b""] * len(RAW_BODIES), *RAW_BODIES))
    names = sorted(key for key, place in route.places.items() if place == "body")
    known = [name for values in target.names.values() for name in values]
    plain = st.sampled_from((*TEXTS, *known, None, True, False, 0, -1, 2**63, 2**70, 0.5, 1e300, -1e-300))
    values = st.one_of(
        plain, plain, st.lists(plain, max_size=4), st.dictionaries(st.sampled_from(TEXTS), plain, max_size=2)
    )
    objects = st.dictionaries(st.sampled_from((*names, *names, *names, "unknown", "", "__proto__")), values, max_size=4)
    return st.one_of(
        objects.map(lambda given: json.dumps({**sample, **given}).encode()),
        objects.map(lambda given: json.dumps(given).encode()),
        st.sampled_from(RAW_BODIES),
    )


def _authorizations(target: Target) -> st.SearchStrategy[bytes]:
    """Return a strategy in which three of four tokens are valid."""
    right = [b"Authorization: Bearer " + token.encode() for token in target.tokens]
    mutants = [_mutate(token, mutation, 20) for token in target.tokens for mutation in MUTATIONS]
    wrong = [*AUTHORIZATIONS, *(b"Authorization: Bearer " + token.encode() for token in mutants)]
    return st.sampled_from([*right * len(wrong), *wrong])


def _extra_headers(target: Target) -> st.SearchStrategy[tuple[tuple[bytes, ...], bytes | None]]:
    """Return a strategy for additional headers, and a body that replaces another one."""
    none: tuple[tuple[bytes, ...], bytes | None] = ((), None)
    some = [
        *(((header,), None) for header in HEADERS),
        *(((HEADERS[place], HEADERS[-place]), None) for place in range(1, len(HEADERS) - 1)),
        *((tuple(b"X-%d: %s" % (n, b"v" * 20) for n in range(count)), None) for count in (90, 124, 125, 126, 127, 500)),
        *(((b"Authorization: Bearer " + token.encode(),), None) for token in target.tokens),
        *(((b"X-Request-Id: " + request_id,), None) for request_id in REQUEST_IDS),
        *(((b"Content-Encoding: " + coding,), body) for coding, body in ENCODED_BODIES),
    ]
    return st.sampled_from([*[none] * len(some), *some])
