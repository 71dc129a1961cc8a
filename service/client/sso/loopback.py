"""Sign-in by the browser of this machine, which comes back to a port that this program listens on (RFC 8252, 7.3)."""

import asyncio
import base64
import hashlib
import os
import re
import secrets
import sys
import webbrowser
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from service.client.sso.discovery import Endpoints, SignInOffer
from service.client.sso.endpoints import Refused
from service.client.sso.kept import KeptSignIn, request_tokens
from service.errors import StartupError

PATH: Final = "/signed-in"
PATIENCE: Final = 300.0
"""Seconds that a person has to sign in."""
_LARGEST: Final = 16 * 1024
"""Bytes of a request's head."""
_TARGET: Final = re.compile(rb"GET (/[!-~]*) HTTP/1\.[01]\r\n")

_PAGE: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Flow Pipelines</title>'
    '<meta name="color-scheme" content="light dark"><p>{} Close this window, and go on at the command line.</p></html>'
)


def challenge_of(verifier: str) -> dict[str, str]:
    """Return the parameters of PKCE for a verifier."""
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return {"code_challenge": challenge, "code_challenge_method": "S256"}


def has_browser() -> bool:
    """Return whether this machine seems to have a browser that a person sees."""
    if not os.environ.get("BROWSER"):
        shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if sys.platform.startswith("linux") and not shown:
            return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


async def sign_in_by_browser(
    offer: SignInOffer, endpoints: Endpoints, port: int, tell: Callable[[str], None]
) -> KeptSignIn:
    """Have a person sign in, and return what the provider grants.

    Args:
        offer: the provider.
        endpoints: its addresses.
        port: to come back to; 0: any free one.
        tell: tells the person where to go.

    Raises:
        Refused: the provider does not let them in.
        StartupError: the port is not free, the answer does not fit, or there is none in time.
    """
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    async with _listening(port, state) as (listened, answered):
        back = f"http://127.0.0.1:{listened}{PATH}"
        query = urlencode({
            "response_type": "code",
            "client_id": offer.client_id,
            "redirect_uri": back,
            "scope": offer.scope,
            "state": state,
            **challenge_of(verifier),
        })  # fmt: skip
        url = f"{endpoints.authorization}{'&' if '?' in endpoints.authorization else '?'}{query}"
        tell(f"Sign in with {offer.name} in the browser. If none opens, open {url}")
        opening = asyncio.create_task(asyncio.to_thread(_open, url))
        try:
            answer = await asyncio.wait_for(answered, PATIENCE)
        except TimeoutError:
            raise StartupError(f"Nobody signed in within {PATIENCE / 60:g} minutes: begin again.") from None
        await opening
    _check(offer, endpoints, answer)
    form = {"grant_type": "authorization_code", "redirect_uri": back, "code_verifier": verifier}
    return await request_tokens(offer, endpoints, {**form, "code": answer.get("code", "")})


def _open(url: str) -> None:
    if has_browser():
        webbrowser.open(url)


def _check(offer: SignInOffer, endpoints: Endpoints, answer: Mapping[str, str]) -> None:
    issuer = answer.get("iss")
    if issuer != offer.issuer and (issuer is not None or endpoints.names_issuer):
        raise StartupError(f"The answer is not from {offer.name}, and was not taken: begin again.")
    if "error" in answer:
        raise Refused(offer.name, answer, 400)


@asynccontextmanager
async def _listening(port: int, state: str) -> AsyncIterator[tuple[int, "asyncio.Future[Mapping[str, str]]"]]:
    """Listen on this machine alone; yield the port, and what an answer of the right state has in its query."""
    answered: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = _read(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10))
            fits = answer is not None and secrets.compare_digest(answer.get("state", "").encode(), state.encode())
            sentence = "You are signed in." if fits else "This is no answer to a sign-in that was begun here."
            if answer is not None and "error" in answer:
                sentence = "You are not signed in."
            writer.write(_response(200 if fits else 400, _PAGE.format(sentence)))
            await writer.drain()
            if fits and answer is not None and not answered.done():
                answered.set_result(answer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
            pass  # what connects is not a browser that comes back
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(serve, "127.0.0.1", port, limit=_LARGEST)
    except OSError as error:
        raise StartupError(f"Port {port} of this machine can't be listened on: {error.strerror}.") from error
    async with server:
        yield server.sockets[0].getsockname()[1], answered


def _read(head: bytes) -> Mapping[str, str] | None:
    """Return the query of a request for the address to come back to; None for any other."""
    found = _TARGET.match(head)
    if found is None:
        return None
    try:
        target = urlsplit(found[1].decode("ascii"))
        pairs = parse_qsl(target.query, keep_blank_values=True, max_num_fields=50)
    except ValueError:  # half an IPv6 address, or too many parameters: any page that the browser shows may ask so
        return None
    if target.path != PATH:
        return None
    return dict(pairs) if len(dict(pairs)) == len(pairs) else None


def _response(status: int, page: str) -> bytes:
    head = (
        f"HTTP/1.1 {status} {'OK' if status == 200 else 'Bad Request'}\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(page.encode())}\r\nContent-Security-Policy: default-src 'none'\r\n"
        "Referrer-Policy: no-referrer\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return (head + page).encode()
