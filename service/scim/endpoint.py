"""An endpoint of SCIM: one call's route as an aiohttp handler, through the dispatcher that every transport uses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from aiohttp import hdrs, web

from service.errors import InvalidArgument
from service.http.bodies import BodyBudget
from service.http.endpoint import authorization_of
from service.http.public_address import PublicAddresses
from service.http.reader import parse_object
from service.operations.call import Call, Precondition, no_precondition
from service.operations.dispatcher import Dispatcher
from service.scim.incoming import PREFIX, Incoming


@dataclass(frozen=True, slots=True)
class ScimRoute:
    """One call: what it is asked by, and what answers it."""

    method: str
    path: str
    operation: Callable[[Call, Any], Awaitable[Any]]
    read: Callable[[Incoming], Any]
    """Makes the operation's request, without looking at the body."""
    respond: Callable[[Incoming, Any], web.Response]
    has_body: bool = False
    optimistic: None = None
    cached: bool = False

    @property
    def only_reads(self) -> bool:
        """True if it changes nothing; a search whose body is to be received counts as one that does."""
        return self.method == hdrs.METH_GET


class Endpoint:
    """The binding of one call: credentials and request in, an answer out."""

    def __init__(
        self, route: ScimRoute, dispatcher: Dispatcher, bodies: BodyBudget, addresses: PublicAddresses
    ) -> None:
        self.method: Final = route
        self._dispatcher, self._bodies, self._addresses = dispatcher, bodies, addresses

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        try:
            response: web.Response = await self._dispatcher.dispatch(self, request)
        finally:
            self._bodies.release(request)
        return response

    credentials = staticmethod(authorization_of)

    def cacheable(self, _: web.Request) -> bool:
        """Return False: no answer is cached."""
        return False

    async def receive(self, request: web.Request) -> Any:
        """Wait for the body, if one is wanted; what is wrong with it is told once the caller may provision."""
        if not self.method.has_body:
            return None
        try:
            return await self._bodies.receive(request, parse_object)
        except InvalidArgument as error:
            return error.with_traceback(None)

    def read(self, request: web.Request, received: Any) -> Any:
        """Return what the operation takes."""
        return self.method.read(self._incoming(request, received))

    def _incoming(self, request: web.Request, received: Any = None) -> Incoming:
        address = self._addresses.of(request)
        origin = address.origin or f"{request.scheme}://{request.host}"
        return Incoming(request, f"{origin}{address.prefix}{PREFIX}", partial(_body, received))

    def precondition(self, _: web.Request) -> Precondition:
        """Return no precondition: those of a change are held against the version of what is there, by the change."""
        return no_precondition

    def answer(self, request: web.Request, result: Any) -> web.Response:
        """Make the response."""
        return self.method.respond(self._incoming(request), result)

    async def answer_large(self, request: web.Request, result: Any) -> web.Response:
        """Make the response: no result is larger than others."""
        return self.answer(request, result)


def _body(received: Any) -> dict[str, Any]:
    if isinstance(received, InvalidArgument):
        raise received
    body: dict[str, Any] = received
    return body
