"""The worst requests of each row of the method table: largest, deepest, most repeated, longest, dearest to look at."""

import gzip
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple
from urllib.parse import quote

from service.http.reader import MAX_VALUES
from service.http.routes import Route
from tests.api.sample import sample_path

BODY_BYTES: Final = 2**20
"""Of the largest body that is taken by default."""
TARGET_LENGTH: Final = 7_500
"""Characters of a request's target that a head has room for."""
LONGEST_TEXTS: Final = (
    "\ufdfa",
    "\u0390",
    "a\u0301\u0323",
    "\u0f71\u0f72\u0f74",
    "\U0001f600",
    "x",
    " ",
    "9",
    "%",
    "_",
    "\\",
)
"""Characters to repeat: of eighteen in their compatibility form, of three, of marks to be put in order, and plain."""


class Worst(NamedTuple):
    """One request, and what is bad about it."""

    kind: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None = None


def field_names(route: Route) -> list[bytes]:
    """Return the names of the fields in a route's body."""
    return [key.encode() for key, place in route.places.items() if place == "body"]


@cache
def worst_bodies(name: bytes) -> dict[str, bytes]:
    """Return the worst body of each kind for a field: as large as it may be, or as small as it takes."""
    size = BODY_BYTES - 100
    ones, texts, deep = b"1," * (size // 2 - 10), b'"\xef\xb7\xba",' * (size // 6 - 10), b"[" * 972 + b"]" * 972
    keys = b",".join(b'"k%d":0' % number for number in range(95_000))
    few = b",".join(b'"k%d":0' % number for number in range(MAX_VALUES - 2))
    return {
        "a list of numbers": b'{"%s":[%s1]}' % (name, ones),
        "a list of the longest texts": b'{"%s":[%s1]}' % (name, texts),
        "a list as long as is parsed": b'{"%s":[%s1]}' % (name, b"1," * (MAX_VALUES - 10)),
        "a list as long as is read": b'{"%s":[%s1]}' % (name, b"1," * 999),
        "unknown keys": b"{%s}" % keys,
        "as many unknown keys as are parsed": b"{%s}" % few,
        "a key twice": b'{%s,"k1":0}' % keys,
        "a key twice among as many as are parsed": b'{%s,"k1":0}' % few,
        "one key again and again": b"{%s}" % b",".join([b'"a":0'] * (MAX_VALUES - 1)),
        "a key of a megabyte": b'{"%s":0}' % (b"k" * size),
        "a text of a megabyte": b'{"%s":"%s"}' % (name, b"x" * (size - 100)),
        "a text of a megabyte of blanks": b'{"%s":"%s"}' % (name, b" " * (size - 100)),
        "a text of a megabyte that takes four bytes each": b'{"%s":"%s"}'
        % (name, b"x" * (size - 200) + "\U0001f600".encode()),
        "a number of a megabyte": b'{"%s":%s}' % (name, b"9" * (size - 100)),
        "numbers of thousands of digits": b'{"%s":[%s1]}' % (name, (b"9" * 4_000 + b",") * 250),
        "fractions of thousands of digits": b'{"%s":[%s1]}' % (name, (b"9." + b"9" * 4_000 + b",") * 250),
        "empty objects": b'{"%s":[%s1]}' % (name, b"{}," * (size // 3 - 100)),
        "updates as many as are read": b'{"%s":[%s1]}'
        % (name, b'{"job_id":"7","pipeline_ids":[1,1,1,1,1,1,1]},' * 499),
        "grants as many as are read": b'{"%s":[%s1]}'
        % (name, b'{"user":"a b","permissions":["x","x"],"expires_at":"x"},' * 999),
        "deep": b'{"a": %s}' % deep,
        "deep, with what has to be looked for": b'{"a": %s}' % deep.replace(b"[]", b'["\\u0041"]'),
        "as deep as bytes": b'{"a": %s' % (b"[" * size),
        "a lone surrogate at the end": b'{"%s":"%s\\ud800"}' % (name, b"x" * (size - 100)),
        "escapes": b'{"%s":"%s"}' % (name, b"\\ufdfa" * (size // 6 - 100)),
        "line ends": b"{" + b"\n" * size,
        "not UTF-8": b'{"%s":"%s\xff"}' % (name, b"x" * (size - 100)),
    }


def worst_requests(route: Route, **names: str) -> Iterator[Worst]:
    """Yield the worst requests of a row, about things of these names, that are there or not."""
    path = sample_path(route.path, **names)
    everything = {"page_size": "1000"} if "page_size" in route.places else {}
    yield Worst("everything", route.method, _target(path, everything), {"Cache-Control": "no-cache"})
    tags = {"If-Match" if route.etag_of else "If-None-Match": ('"x",' * 2_000)[:7_900]}
    yield Worst("a list of tags", route.method, path, tags)
    yield from _worst_queries(route, path, everything)
    for key, place in route.places.items():
        for character in ("\ufdfa", "x", ".") if place == "path" else ():
            longest = sample_path(route.path, **{**names, key: quote(character * 800, safe="")})
            yield Worst(f"{key} in the path", route.method, longest, {})
    for name in field_names(route):
        for kind, body in worst_bodies(name).items():
            yield Worst(f"{name.decode()}: {kind}", route.method, path, {}, body)
    yield Worst("a body too large", route.method, path, {}, b" " * (BODY_BYTES + 1))
    for kind, coded in worst_coded((*field_names(route), b"name")[0]).items():
        yield Worst(kind, route.method, path, {"Content-Encoding": "gzip"}, coded)


def _worst_queries(route: Route, path: str, everything: dict[str, str]) -> Iterator[Worst]:
    for key in [*(key for key, place in route.places.items() if place == "query"), "unknown"]:
        for character in LONGEST_TEXTS:
            for length in (255, TARGET_LENGTH):
                text = quote(character * length, safe="")[: TARGET_LENGTH - len(path)]
                text = text.rsplit("%", 1)[0] if "%" in text[-8:] else text
                yield Worst(
                    f"{key}: {length} x {character!r}", route.method, _target(path, {**everything, key: text}), {}
                )
    again = "&".join(["a"] * ((TARGET_LENGTH - len(path)) // 2))
    yield Worst("one parameter again and again", route.method, f"{path}?{again}", {})
    many = "&".join(f"{number:x}" for number in range(TARGET_LENGTH // 5))[: TARGET_LENGTH - len(path)]
    yield Worst("unknown parameters", route.method, f"{path}?{many}", {})


@cache
def worst_coded(name: bytes) -> dict[str, bytes]:
    """Return the worst coded bodies: small ones of large ones."""
    return {
        "a list of numbers, coded": gzip.compress(worst_bodies(name)["a list of numbers"]),
        "unknown keys, coded": gzip.compress(worst_bodies(name)["unknown keys"]),
        "a bomb": gzip.compress(b" " * 100 * 2**20),
    }


def _target(path: str, query: dict[str, str]) -> str:
    return f"{path}?{'&'.join(f'{key}={value}' for key, value in query.items())}" if query else path
