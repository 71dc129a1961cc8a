"""Operations on a server, as the user of a token."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from service import __version__
from service.client.answer import Answer, Follower, Operation, Operations, Result
from service.client.failures import failure_of, is_answer, parse_body, too_large, unreachable
from service.client.following import TrailFollower
from service.client.proxies import proxy_of
from service.client.requests import HttpCall, call_of, read_beside, route_of, values_of
from service.client.selection import Server
from service.client.sso.source import TokenSource
from service.errors import Aborted, NotFound, PreconditionFailed, ServiceError
from service.http.responses import encode
from service.http.routes import Route

LARGEST_ANSWER: Final = 256 * 2**20
"""Bytes of one answer: more than a page of a thousand of anything has."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=120, sock_connect=15)
MAX_WAIT: Final = 60
"""Seconds that all waiting for a server takes which asked for it, in one command."""
REPLACEMENTS: Final = 5
"""Attempts at replacing what others keep changing."""


class _Received(NamedTuple):
    status: int
    headers: CIMultiDictProxy[str]
    body: dict[str, Any]
    """Empty if what came is no JSON object."""

    @property
    def is_success(self) -> bool:
        """True if it was done; an installation may tell failures by status 200."""
        return self.status in {HTTPStatus.OK, HTTPStatus.CREATED} and self.body.get("status") == "OK"


class OnServer:
    """Runs operations by calls to a server."""

    def __init__(self, session: aiohttp.ClientSession, server: Server, tell: Callable[[str], None]) -> None:
        """Take what tells a person why it takes long."""
        self._session, self._url, self._tell = session, server.address.url, tell
        self._proxy = proxy_of(server.address)
        self._tokens = TokenSource(server)
        self._waited = 0.0

    async def run(self, operation: Operation, request: Any) -> Answer:
        """Run an operation; see `Operations`."""
        received = await self._call(route_of(operation), values_of(request), {})
        return Answer(received.body, received.status == HTTPStatus.CREATED)

    async def replace(self, operation: Operation, request: Any) -> Answer:
        """Run an operation that puts something in a place, on the condition that what was there is what was read."""
        route, values = route_of(operation), values_of(request)
        reading = read_beside(route)
        assert reading is not None  # noqa: S101 - what is put somewhere can be read there
        in_path = {key: value for key, value in values.items() if route.places[key] == "path"}
        for attempt in range(REPLACEMENTS):
            former, condition = None, {"If-None-Match": "*"}
            try:
                found = await self._call(reading, in_path, {})
                former, condition = found.body, {"If-Match": found.headers.get("ETag", "*")}
            except NotFound:
                pass
            try:
                received = await self._call(route, values, condition)
            except PreconditionFailed:
                if attempt < REPLACEMENTS - 1:
                    continue
                raise
            return Answer(received.body, received.status == HTTPStatus.CREATED, former)
        raise AssertionError  # the last attempt returns or raises

    async def together(self, work: Callable[[Operations], Awaitable[Result]]) -> Result:
        """Run several operations, each by itself: no transaction spans several calls."""
        return await work(self)

    async def undo(self, operation: Operation, request: Any) -> None:
        """Take back what an operation has done before another one failed."""
        await self.run(operation, request)

    async def follow_audit(self, request: Any) -> Follower:
        """Begin to follow the audit trail, by the feed of changes."""
        follower = TrailFollower(self, request)
        await follower.begin()
        return follower

    async def _call(self, route: Route, values: Mapping[str, Any], headers: Mapping[str, str]) -> _Received:
        """Call the server, and again where it asks for that and doing it twice does it once.

        Raises:
            ServiceError: it refused, or can't be reached.
        """
        call = call_of(route, values)
        while True:
            received = await self._send(call, headers)
            if received.is_success and is_answer(route, received.body):
                return received
            error = failure_of(self._url, received.status, received.headers, received.body)
            if not _may_repeat(route, received.status, error) or not await self._wait(error):
                raise error

    async def _wait(self, error: ServiceError) -> bool:
        """Wait as long as the server asks for; return whether it has asked, and not for too long."""
        wait = None if error.retry_after is None else max(error.retry_after, 1)
        if wait is None or self._waited + wait > MAX_WAIT:
            return False
        self._waited += wait
        self._tell(f"{error.message} This tries again in {wait} s.")
        await asyncio.sleep(wait)
        return True

    async def _send(self, call: HttpCall, headers: Mapping[str, str]) -> _Received:
        body = None if call.body is None else encode(call.body)
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        headers = {**headers, "Authorization": f"Bearer {await self._tokens.current()}"}
        url = URL(self._url + call.target, encoded=True)
        try:
            async with self._session.request(
                call.method, url, headers=headers, data=body, allow_redirects=False, proxy=self._proxy
            ) as response:
                return _Received(response.status, response.headers, parse_body(await self._content(response)))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(self._url, error) from None

    async def _content(self, response: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > LARGEST_ANSWER:
                raise too_large(self._url)
        return bytes(content)


def _may_repeat(route: Route, status: int, error: ServiceError) -> bool:
    """Return whether a call may be sent again: it reads, or the failure says that nothing was done."""
    return route.only_reads or status == HTTPStatus.TOO_MANY_REQUESTS or isinstance(error, Aborted)


def run_on_server(
    server: Server, work: Callable[[Operations], Awaitable[Result]], tell: Callable[[str], None]
) -> Result:
    """Run a command's work on a server.

    Args:
        server: the one, with a token.
        work: what is to be done there.
        tell: tells a person what is waited for.

    Raises:
        StartupError: there is no token to send.
    """
    server.require_token()

    async def run() -> Result:
        headers = {"User-Agent": f"flow-pipelines/{__version__}"}
        async with aiohttp.ClientSession(
            headers=headers,
            timeout=TIMEOUT,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context()),
        ) as session:
            return await work(OnServer(session, server, tell))

    return asyncio.run(run())
