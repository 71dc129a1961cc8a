import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.http.responses import EncodedResponse

BODY = b'{"id":"7"}'
Head = tuple[str, dict[str, str]]


async def head_and_body(kind: Callable[..., web.StreamResponse], request: str) -> tuple[Head, bytes]:
    """The answer of a server that responds to every request by a response of this kind, to raw HTTP."""

    async def respond(_: web.Request) -> web.StreamResponse:
        return kind(body=BODY, status=201, headers={"Content-Type": "application/json", "Server": "here"})

    app = web.Application()
    app.router.add_route("*", "/", respond)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(request.encode() + b"Host: here\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        body = b"" if request.startswith("HEAD") else await reader.readexactly(len(BODY))
        writer.close()
    status, *lines = head.decode().strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert headers.pop("Date")
    return (status, headers), body


@pytest.mark.parametrize(
    "request_line",
    [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nConnection: close\r\n",
        "GET / HTTP/1.0\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n",
        "HEAD / HTTP/1.1\r\n",
    ],
)
async def test_encoded_response_is_sent_as_any_other(request_line: str) -> None:
    assert await head_and_body(EncodedResponse, request_line) == await head_and_body(web.Response, request_line)


async def test_encoded_response_runs_hooks() -> None:
    async def add_header(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Hook"] = "ran"

    async def respond(_: web.Request) -> web.StreamResponse:
        return EncodedResponse(body=b"{}")

    app = web.Application()
    app.on_response_prepare.append(add_header)
    app.router.add_get("/", respond)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert b"X-Hook: ran\r\n" in answer
