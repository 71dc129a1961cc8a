"""Requests with ambiguous framing, as in request smuggling: wrong, duplicated, hidden, or just about valid.

Each is followed by a request that must not be answered if it was part of the first, and must be answered if it was not.
"""

from dataclasses import dataclass
from typing import Final, Literal

FOLLOW_UP: Final = b"GET /bait HTTP/1.1\r\nHost: flow\r\n\r\n"
"""The request after each case, which is answered 404."""


@dataclass(frozen=True)
class FramingCase:
    """A request's bytes, and how they must be parsed."""

    name: str
    bytes: bytes
    expected: Literal["refused", "accepted", "closed"]
    """The expected parsing: as an error, which closes the connection; as a whole request, followed by FOLLOW_UP; or as
    the last request of its connection."""


def framing_cases(token: str) -> tuple[FramingCase, ...]:
    """Return all cases, with that token."""
    authorized = b"Host: flow\r\nAuthorization: Bearer " + token.encode() + b"\r\n"
    get, post = (
        b"GET /api/v1/users/me HTTP/1.1\r\n" + authorized,
        b"POST /api/v1/jobs/pipelines HTTP/1.1\r\n" + authorized,
    )
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    refused = {
        **{f"length {value!r}": post + b"Content-Length: " + value + b"\r\n\r\n{}" for value in BAD_LENGTHS},
        **{f"coding {value!r}": post + b"Transfer-Encoding: " + value + b"\r\n\r\n0\r\n\r\n" for value in BAD_CODINGS},
        **{f"chunk {value[:20]!r}": chunked + value for value in BAD_CHUNKS},
        **{f"header {value[:20]!r}": post + value + b"Content-Length: 2\r\n\r\n{}" for value in BAD_HEADERS},
        **{f"request line {line[:30]!r}": line + b"\r\n" + authorized + b"\r\n" for line in BAD_LINES},
        "length and coding": post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "coding and length": post + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "coding in HTTP/1.0": post.replace(b"1.1", b"1.0", 1) + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "lines without CR": get.replace(b"\r\n", b"\n") + b"\n",
        "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
        "an unknown expectation": post + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}",
        "no gzip": post + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 200,
    }
    understood = {
        "no body": get + b"\r\n",
        "a body that is not read": get + b"Content-Length: 2\r\n\r\n{}",
        "an empty line before": b"\r\n" + get + b"\r\n",
        "in HTTP/1.0, kept open": get.replace(b"1.1", b"1.0", 1) + b"Connection: keep-alive\r\n\r\n",
        "a declined upgrade": get + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "an upgrade with a body": post + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n{}",
        "another header with that name": post + b"Transfer_Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
        **{f"length {value!r}": post + b"Content-Length: " + value + b"\r\n\r\n{}" for value in GOOD_LENGTHS},
        **{f"coding {value!r}": post + b"Transfer-Encoding:" + value + b"\r\n\r\n0\r\n\r\n" for value in GOOD_CODINGS},
        **{f"chunk {value[:20]!r}": chunked + value for value in GOOD_CHUNKS},
    }
    return (
        *(FramingCase(name, sent, "refused") for name, sent in refused.items()),
        *(FramingCase(name, sent, "accepted") for name, sent in understood.items()),
        FramingCase("an upgrade to HTTP/2", get + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "closed"),
    )


BAD_LENGTHS: Final = (
    *(b"+2", b"-2", b"0x2", b"2, 2", b"2,3", b"1_0", b"", b"2.0", b"2;", b"\xc2\xb2", b"2 2", b"18446744073709551618"),
    *(b"9" * 40, b"2\r\nContent-Length: 2", b"2\r\nContent-Length: 40", b"40\r\nContent-Length: 2", b"2\r\n , 3"),
)
GOOD_LENGTHS: Final = (b"2", b" 2", b"2 ", b"2\t", b"002")
BAD_CODINGS: Final = (
    *(
        b"xchunked",
        b"identity",
        b"identity, chunked",
        b"chunked, identity",
        b"chunked, chunked",
        b'"chunked"',
        b"chunked;q=1",
        b"",
        b"chunked,",
    ),
    *(b"chun\x0bked", b"\x0bchunked", b"chunked\x00", b"chunked\r\nTransfer-Encoding: identity", b"chunked\xa0"),
    *(b"identity\r\nTransfer-Encoding: chunked", b"chunked\r\nTransfer-Encoding: chunked", b"\r\n chunked", b"gzip"),
)
GOOD_CODINGS: Final = (b"chunked", b" Chunked", b"\tchunked")
BAD_CHUNKS: Final = (
    *(b"-2\r\n{}\r\n0\r\n\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"2 \r\n{}\r\n0\r\n\r\n", b" 2\r\n{}\r\n0\r\n\r\n"),
    *(b"FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n", b"\r\n{}\r\n0\r\n\r\n", b"zz\r\n", b"2\n{}\n0\n\n", b"2\r\n{}0\r\n\r\n"),
    *(b"2\r\n{}\r0\r\n\r\n", b"2\r\n{}}\r\n0\r\n\r\n", b'2;a="\r\n"\r\n{}\r\n0\r\n\r\n', b"2;a\n\r\n{}\r\n0\r\n\r\n"),
    *(b"2\r\n{}\r\n0\r\nContent-Length: 40\r\n\r\n", b"2\r\n{}\r\n0\r\nX\r\n\r\n", b"\xb2\r\n{}\r\n0\r\n\r\n"),
)
GOOD_CHUNKS: Final = (
    *(
        b"2\r\n{}\r\n0\r\n\r\n",
        b"02\r\n{}\r\n000\r\n\r\n",
        b"2;a=b\r\n{}\r\n0;c\r\n\r\n",
        b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    ),
    *(b"2\r\n{}\r\n0\r\nX: y\r\n\r\n", b"0" * 100 + b"2\r\n{}\r\n0\r\n\r\n"),
)
BAD_HEADERS: Final = (
    *(b"Transfer-Encoding : chunked\r\n", b"Content-Length : 2\r\n", b"X: a\r\n folded: b\r\n", b"X: a\rY: b\r\n"),
    *(b"X: \0\r\n", b"X\xff: a\r\n", b"X Y: a\r\n", b": a\r\n", b"no colon\r\n", b"X: a\nY: b\r\n", b"(X): a\r\n"),
    *(b"Host: other\r\n", b"X: " + b"a" * 20_000 + b"\r\n", b"".join(b"X%d: a\r\n" % n for n in range(200))),
)
BAD_LINES: Final = (
    *(b"GET /healthz", b"GET /healthz HTTP/0.9", b"GET /healthz HTTP/2.0", b"GET /healthz HTTP/1.2", b"PRI * HTTP/2.0"),
    *(
        b"GET /healthz HTTP/11",
        b"GET /healthz http/1.1",
        b"GET /a b HTTP/1.1",
        b"GET  HTTP/1.1",
        b"GET healthz HTTP/1.1",
    ),
    *(
        b"get /healthz HTTP/1.1",
        b"FOO /healthz HTTP/1.1",
        b"F\xffO / HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET /\0 HTTP/1.1",
    ),
    *(b"GET http://[::/ HTTP/1.1", b"GET http://a:99999999/ HTTP/1.1", b"CONNECT a:b HTTP/1.1", b" GET / HTTP/1.1"),
    *(b"GET /" + b"a" * 20_000 + b" HTTP/1.1", b"GET /healthz HTTP/1.1 x", b"", b"GET\t/healthz\tHTTP/1.1"),
)
