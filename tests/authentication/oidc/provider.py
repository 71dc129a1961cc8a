"""A provider of identities for tests: it publishes its keys on a port of its own, and signs whatever it is told to."""

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

AUDIENCE = "flow-pipelines"

Key = RSAKey | ECKey | OKPKey


def rsa(key_id: str = "first", **parameters: str) -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": key_id, "use": "sig", **parameters})  # type: ignore[arg-type] # a TypedDict, whose names vary here


@dataclass
class IdentityProvider:
    """What a provider publishes, and what it was asked."""

    issuer: str = ""
    keys: list[Key] = field(default_factory=lambda: [rsa()])
    asked: list[str] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)
    """What its document says otherwise."""
    instead: Any = None
    """A handler that answers in its place."""

    def claims(self, subject: str, **more: Any) -> dict[str, Any]:
        now = int(time.time())
        standard = {"iss": self.issuer, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 300}
        return {name: value for name, value in (standard | more).items() if value is not None}

    def token(self, subject: str, key: Key | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        key = key or self.keys[0]
        said = {"alg": "RS256", "kid": key.kid, "typ": "at+jwt"} | (header or {})
        return sign(said, self.claims(subject, **claims), key)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path.removeprefix(urlsplit(self.issuer).path))
        if self.instead is not None:
            answer: web.StreamResponse = await self.instead(request)
            return answer
        if request.path.endswith("openid-configuration"):
            return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"} | self.document)
        return web.json_response({"keys": [key.as_dict(private=False) for key in self.keys]})


def sign(header: dict[str, Any], claims: dict[str, Any], key: Any) -> str:
    named = {name: value for name, value in header.items() if value is not None}
    registry = JWSRegistry(algorithms=[named["alg"]], strict_check_header=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # an old name of an algorithm, and a short key
        return jwt.encode(named, claims, key, registry=registry)


@asynccontextmanager
async def running_provider() -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider()
    app = web.Application()
    app.router.add_get("/{path:.*}", provider.answer)
    async with TestServer(app) as server:
        # A port is used again by later providers, whose subjects would be this one's in a database that tests share.
        provider.issuer = f"http://127.0.0.1:{server.port}/{uuid4().hex}"
        yield provider


@contextmanager
def provider_in_a_thread() -> Iterator[IdentityProvider]:
    """Run a provider in an event loop of its own, for services that are started from outside of one."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(20)

    running = running_provider()
    try:
        yield run(running.__aenter__())
    finally:
        run(running.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
