"""An endpoint: one row of the method table as an aiohttp handler."""

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple, get_type_hints
from urllib.parse import quote

from aiohttp import hdrs, web

from service.errors import InvalidArgument
from service.http.bodies import BodyBudget
from service.http.conditions import entity_tag, entity_tag_in_slices, not_modified, precondition_of, state_of
from service.http.header_lists import has_directive
from service.http.public_address import PublicAddresses
from service.http.reader import Reader
from service.http.responses import NO_HEADERS, EncodedResponse, encode
from service.http.routes import Route
from service.http.unsent import PIECE, LongResponse, UnsentBudget
from service.operations.call import Outcome, Precondition, no_precondition
from service.operations.dispatcher import Dispatcher
from service.schemas.pages import Page
from service.slices import in_slices


class EncodedAnswer(NamedTuple):
    """An encoded answer: what a response is made of, and what is cached."""

    body: bytes
    tag: str | None = None
    """The entity tag of the body, if it has one."""
    status: int = 200
    headers: Mapping[str, str] = NO_HEADERS


def authorization_of(request: web.Request) -> str | None:
    """Return the Authorization header.

    Raises:
        InvalidArgument: there are several, and parts on the way could each believe another one.
    """
    values = request.headers.getall(hdrs.AUTHORIZATION, None)
    if values is None:
        return None
    if len(values) > 1:
        raise InvalidArgument("The header Authorization is given more than once.")
    return values[0]


class Endpoint:
    """The HTTP binding of one method: credentials, request and conditions in, an answer out."""

    def __init__(
        self,
        route: Route,
        dispatcher: Dispatcher,
        bodies: BodyBudget,
        unsent: UnsentBudget,
        addresses: PublicAddresses,
    ) -> None:
        self.method: Final = route
        self._dispatcher = dispatcher
        self._unsent = unsent
        self._addresses = addresses
        self._bodies = bodies
        self._reader = Reader(route, bodies)
        shown = next(iter(get_type_hints(route.etag_of).values())) if route.etag_of else None
        self._shown = shown if isinstance(shown, type) and not route.only_reads else None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        if self.method.only_reads:
            return self._respond(request, await self._dispatcher.dispatch(self, request))
        try:
            answer: EncodedAnswer = await self._dispatcher.dispatch(self, request)
        finally:
            self._bodies.release(request)
        response = _changed(answer)
        if hdrs.LOCATION in answer.headers:
            response.headers[hdrs.LOCATION] = self._addresses.of(request).prefix + answer.headers[hdrs.LOCATION]
        return response

    def _respond(self, request: web.Request, answer: EncodedAnswer) -> web.StreamResponse:
        return _read(request, answer, self._unsent)

    credentials = staticmethod(authorization_of)

    def cacheable(self, request: web.Request) -> bool:
        """Return whether the request has no query, which could filter the answer, and does not want it made anew."""
        headers = request.headers
        if hdrs.CACHE_CONTROL in headers and has_directive(headers, hdrs.CACHE_CONTROL, "no-cache"):
            return False
        return "?" not in request.raw_path

    def receive(self, request: web.Request) -> Awaitable[Any]:
        """Wait for the body, if there is one that matters."""
        return self._reader.receive(request)

    def read(self, request: web.Request, received: Any) -> Any:
        """Return what the operation takes, from path, query and body."""
        return self._reader.read(request, received)

    def precondition(self, request: web.Request) -> Precondition:
        """Return the precondition of a write; reads have none."""
        route = self.method
        return no_precondition if route.only_reads else precondition_of(request, route.etag_of, route.passing)

    def answer(self, request: web.Request, result: Any) -> EncodedAnswer:
        """Encode what the operation gave, and say where it is if it is new."""
        route = self.method
        if route.only_reads:
            shown = route.dump(result)
            body = encode(shown)
            state = None if route.passing is None else encode(state_of(shown, route.passing))
            return EncodedAnswer(body, entity_tag(body, state))
        created, location = route.location is not None, route.location
        if isinstance(result, Outcome):
            result, created, location = result.value, result.created, request.path
        answer = route.dump(result)
        body = encode(answer)
        headers = {"Location": quote(location.format(**answer), safe=_IN_PATHS)} if created and location else {}
        if route.tells_secret:
            headers[hdrs.CACHE_CONTROL] = "no-store"
        tag = entity_tag(body) if route.dump is route.etag_of else self._tag(result)
        return EncodedAnswer(body, tag, 201 if created else 200, headers)

    def _tag(self, result: Any) -> str | None:
        """Return the tag of what reading the changed thing would answer, if the change answers that and more."""
        if self._shown is None or not isinstance(result, self._shown):
            return None
        assert self.method.etag_of is not None  # noqa: S101 - it is what tells the type
        return entity_tag(encode(self.method.etag_of(result)))

    async def answer_large(self, request: web.Request, result: Page[Any]) -> EncodedAnswer:
        """Encode a page of many items in slices, to the bytes that `answer` gives.

        An empty page shows what stands before and behind the items, as the dump function has it.
        """
        empty = encode(self.method.dump(Page([])))
        before, behind = empty[:_BEHIND], encode(self.method.dump(replace(result, items=[])))[len(empty[:_BEHIND]) :]

        def encoded(items: list[Any]) -> list[bytes]:
            return [encode(self.method.dump(Page(items)))[len(before) : _BEHIND]]

        body = before + b",".join(await in_slices(encoded, result.items)) + behind
        return EncodedAnswer(body, await entity_tag_in_slices(body))


_IN_PATHS: Final = "/!$&'()*+,;=:@~"
"""The characters that need no escape in a path (RFC 3986 §3.3), beside letters and digits."""

_BEHIND: Final = -len(b"]}")


def _read(request: web.Request, answer: EncodedAnswer, unsent: UnsentBudget) -> web.StreamResponse:
    """Make the response to a read, or say that the client has the answer already."""
    assert answer.tag is not None  # noqa: S101 - the answer to a read has one
    headers = {hdrs.ETAG: answer.tag, hdrs.CACHE_CONTROL: "private, no-cache"}
    if not_modified(request, answer.tag):
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_TYPE] = "application/json"
    if len(answer.body) > PIECE:
        return LongResponse(request, unsent, answer.body, headers)
    return EncodedResponse(body=answer.body, headers=headers)


def _changed(answer: EncodedAnswer) -> EncodedResponse:
    """Make the response to a change."""
    headers = {**answer.headers, hdrs.CONTENT_TYPE: "application/json"}
    if answer.tag is not None:
        headers[hdrs.ETAG] = answer.tag
    return EncodedResponse(body=answer.body, status=answer.status, headers=headers)
