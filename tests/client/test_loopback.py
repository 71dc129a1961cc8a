"""The port that a sign-in by the browser comes back to, which every page that the browser shows can ask, too."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.client.sso.discovery import Endpoints, SignInOffer
from service.client.sso.endpoints import Refused
from service.client.sso.loopback import sign_in_by_browser

ODD = (
    "//[",
    "/signed-in?" + "a=1&" * 60,
    "/signed-in?state=%ff",
    "/signed-in?state=a&state=b",
    "/",
    "//[::1/signed-in?",
)
"""Targets of requests that are no answers to the sign-in."""


async def ask(port: int, target: str) -> bytes:
    """Return the first line of the answer to a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return line


async def test_odd_requests_are_refused_and_the_sign_in_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.sso.loopback.has_browser", lambda: False)
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    told: asyncio.Queue[str] = asyncio.Queue()
    offer = SignInOffer("https://acme.example", "Acme", "cli", "openid")
    endpoints = Endpoints("https://acme.example/auth", "https://acme.example/token", None, None, names_issuer=False)
    signing_in = asyncio.create_task(sign_in_by_browser(offer, endpoints, 0, told.put_nowait))
    query = parse_qs(urlsplit((await told.get()).rpartition(" ")[2]).query)
    port = urlsplit(query["redirect_uri"][0]).port
    assert port is not None

    answers = [await ask(port, target) for target in ODD]
    assert (answers, failures) == ([b"HTTP/1.1 400 Bad Request\r\n"] * len(ODD), [])
    assert await ask(port, f"/signed-in?error=access_denied&state={query['state'][0]}") == b"HTTP/1.1 200 OK\r\n"
    with pytest.raises(Refused, match="Acme refused: access_denied"):
        await signing_in
