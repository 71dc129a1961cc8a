"""Operations on a server, as the user of a token: by the Python client, which sends them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from flow_pipelines_client import ApiError, AsyncClient, JsonAnswer, Retries
from service.client.address import Address
from service.client.answer import Answer, Follower, Operation, Operations, Result
from service.client.failures import failure_of
from service.client.following import TrailFollower
from service.client.network import open_http
from service.client.requests import check_names, read_beside, route_of, values_of
from service.client.selection import Server
from service.client.sso.source import TokenSource
from service.errors import NotFound, PreconditionFailed, StartupError
from service.http.routes import Route

TIMEOUT: Final = 120.0
"""Seconds that a call may take, with all that is waited for."""
MAX_WAIT: Final = 60
"""Seconds that all waiting for a server takes which asked for it, in one command."""
REPLACEMENTS: Final = 5
"""Attempts at replacing what others keep changing."""


class OnServer:
    """Runs operations by calls to a server."""

    def __init__(self, client: AsyncClient, address: Address) -> None:
        self._client, self._address = client, address

    async def run(self, operation: Operation, request: Any) -> Answer:
        """Run an operation; see `Operations`."""
        answer = await self._call(route_of(operation), values_of(request))
        return Answer({**answer.body}, answer.created)

    async def replace(self, operation: Operation, request: Any) -> Answer:
        """Run an operation that puts something in a place, on the condition that what was there is what was read."""
        route, values = route_of(operation), values_of(request)
        reading = read_beside(route)
        assert reading is not None  # noqa: S101 - what is put somewhere can be read there
        in_path = {key: value for key, value in values.items() if route.places[key] == "path"}
        for attempt in range(REPLACEMENTS):
            former: dict[str, Any] | None = None
            condition: tuple[str | None, str | None] = (None, "*")
            try:
                found = await self._call(reading, in_path)
                former, condition = {**found.body}, (found.etag or "*", None)
            except NotFound:
                pass
            try:
                answer = await self._call(route, values, *condition)
            except PreconditionFailed:
                if attempt < REPLACEMENTS - 1:
                    continue
                raise
            return Answer({**answer.body}, answer.created, former)
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

    async def _call(
        self, route: Route, values: Mapping[str, Any], if_match: str | None = None, if_none_match: str | None = None
    ) -> JsonAnswer:
        """Call the server.

        Raises:
            ServiceError: it refused, or can't be reached.
        """
        check_names(route, values)
        try:
            name = route.operation.__name__
            return await self._client.call(name, values, if_match=if_match, if_none_match=if_none_match)
        except ApiError as error:
            raise failure_of(self._address, error) from None


class _Patience:
    """Waits for a server as long as that asks for, and tells a person so."""

    def __init__(self, address: Address, tell: Callable[[str], None]) -> None:
        self._address, self._tell, self._waited = address, tell, 0

    def begin(self, error: ApiError, seconds: float) -> None:
        """Tell of a wait, unless that is too much for one command.

        Raises:
            ApiError: it is.
        """
        self._waited += round(seconds)
        if self._waited > MAX_WAIT:
            raise error
        self._tell(f"{failure_of(self._address, error).message} This tries again in {seconds:.0f} s.")


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
    tokens, address = TokenSource(server), server.address
    retries = Retries(
        attempts=MAX_WAIT,
        longest_wait=MAX_WAIT,
        budget=MAX_WAIT,
        unasked=False,
        before_wait=_Patience(address, tell).begin,
    )

    async def run() -> Result:
        async with open_http(address) as http:
            try:
                client = AsyncClient(address.url, tokens.current, timeout=TIMEOUT, retries=retries, http=http)
            except ValueError as error:
                raise StartupError(str(error)) from None
            return await work(OnServer(client, address))

    return asyncio.run(run())
