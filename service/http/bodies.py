"""Bodies of requests, and the bytes that all of them under way may take at once.

A body takes memory from its first byte on, however slowly it comes, and several times as much in the moment in which it
is parsed. So what is beyond the budget is refused before it is read.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, TypeVar

from aiohttp import hdrs, web
from multidict import CIMultiDictProxy
from prometheus_client.metrics_core import Metric

from service.database.fair_queue import FairQueue, Presence
from service.errors import Unavailable
from service.http.freed_memory import FreedMemory
from service.http.header_lists import list_of
from service.http.responses import CODINGS, UnsupportedCoding
from service.telemetry.metrics import gauge
from service.telemetry.request_record import Asking, current_request

Value = TypeVar("Value")

UNCOUNTED: Final = 16_384
"""Bytes of a body that is always taken: its request is counted, and those who send large ones do not keep it out."""
PARSED_AT_ONCE: Final = 4_096
"""Bytes of a body that is parsed as it comes, in 0.1 ms; larger ones are parsed in turn."""


_UNCOUNTED: Final = nullcontext()

_TAKEN: Final = web.RequestKey("taken", int)
"""The bytes of the budget that a request's body has taken, and what it was parsed as has still."""


class BodyBudget:
    """Receives bodies, all of them within a budget of bytes."""

    def __init__(self, max_bytes: int) -> None:
        """Start with nothing under way.

        Args:
            max_bytes: of bodies under way; one that is alone may be larger.
        """
        self.max_bytes: Final = max_bytes
        self.bytes = 0
        """Of bodies whose requests are under way; those that are always taken are not counted."""
        self.awaited = 0
        """Requests whose body has not come yet: they take none of the process's time meanwhile."""
        self.freed: Final = FreedMemory()
        """Gives back what bodies, and messages by gRPC, have taken."""
        self._parsing: Final = FairQueue(1, Presence())

    async def receive(self, request: web.Request, parse: Callable[[bytes | bytearray], Value]) -> Value:
        """Return what a whole body is parsed as.

        Meanwhile the request's record says that its body is waited for: if the deadline comes, the caller is late.

        Raises:
            Unavailable: there is no room for it now.
            web.HTTPRequestEntityTooLarge: it is over the limit of one body.
            web.RequestPayloadError: it is not coded as the headers say.
            UnsupportedCoding: it is coded in a way that is not decoded.
        """
        record, length, headers = current_request(), request.content_length, request.headers
        if hdrs.CONTENT_ENCODING in headers:
            _refuse_unknown_coding(headers)
        record.reading_body = True
        plain = hdrs.CONTENT_ENCODING not in headers and hdrs.TRANSFER_ENCODING not in headers
        if plain and (length or 0) <= UNCOUNTED:
            body = self._received(request) if request.content.is_eof() else await self._whole(request)
            record.reading_body = False
            return parse(body) if len(body) <= PARSED_AT_ONCE else await self._parse_in_turn(request, body, parse)
        reserved = length if plain and length is not None else 0
        if reserved > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size, reserved)
        taken, received = 0, bytearray()
        try:
            taken = self._take(reserved)
            with self.awaiting():
                while chunk := await request.content.readany():
                    received += chunk
                    if len(received) > request.client_max_size:
                        raise web.HTTPRequestEntityTooLarge(request.client_max_size, len(received))
                    if len(received) > max(taken, UNCOUNTED):
                        taken += self._take(len(received) - taken)
            record.reading_body = False
            parsed = await self._parse_in_turn(request, received, parse)
        except BaseException:
            self.freed.note(len(received))
            received.clear()  # its bytes are given back, while the traceback holds it until the failure is answered
            self.bytes -= taken
            raise
        self.freed.note(len(received))
        request[_TAKEN] = taken
        return parsed

    @contextmanager
    def awaiting(self) -> Iterator[None]:
        """Count a request whose body has still to come."""
        self.awaited += 1
        try:
            yield
        finally:
            self.awaited -= 1

    async def _whole(self, request: web.Request) -> bytes:
        with self.awaiting():
            return await request.read()

    @staticmethod
    def _received(request: web.Request) -> bytes:
        """Return a body that has come with its head, as nearly all do: to wait for it would take twice the time."""
        body = request.content.read_nowait()
        if len(body) > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size, len(body))
        return body

    async def parse_received(self, request: Any, body: bytes, parse: Callable[[bytes | bytearray], Value]) -> Value:
        """Return what a body is parsed as that is here already, whole; the request is one of any transport."""
        return parse(body) if len(body) <= PARSED_AT_ONCE else await self._parse_in_turn(request, body, parse)

    def reserved(self, size: int) -> AbstractContextManager[None]:
        """Return a context that takes the bytes of a body out of the budget for as long as it lasts.

        Raises:
            Unavailable: on entering it, there is no room for them now.
        """
        return _UNCOUNTED if size <= UNCOUNTED else self._reserved(size)

    @contextmanager
    def _reserved(self, size: int) -> Iterator[None]:
        taken = self._take(size)
        try:
            yield
        finally:
            self.bytes -= taken

    def release(self, request: web.Request) -> None:
        """Give back the bytes of a request that is done with: until then, there is what its body was parsed as."""
        if _TAKEN in request:
            self.bytes -= request[_TAKEN]
            del request[_TAKEN]

    async def _parse_in_turn(
        self, request: web.Request, body: bytes | bytearray, parse: Callable[[bytes | bytearray], Value]
    ) -> Value:
        """Parse a large body, one in each turn of the event loop, whose others it would hold up for 10 ms at most.

        The callers, who are not authenticated yet, come in turn by what they say they are.
        """
        credentials = request.headers.get(hdrs.AUTHORIZATION)
        await self._parsing.turn(Asking(credentials, credentials))
        return parse(body)

    def _take(self, size: int) -> int:
        """Take some bytes out of the budget, and return how many."""
        if self.bytes and self.bytes + size > self.max_bytes:
            raise Unavailable(
                "More bodies are on their way to this service right now than it takes; try again.", reason="bodies"
            )
        self.bytes += size
        return size

    def collect(self) -> Iterator[Metric]:
        """Yield the bytes of bodies under way, and their limit."""
        yield gauge("flow_pipelines_body_bytes", "Bytes of large bodies under way.", self.bytes)
        yield gauge("flow_pipelines_body_limit_bytes", "Limit of the bytes of large bodies.", self.max_bytes)


def _refuse_unknown_coding(headers: CIMultiDictProxy[str]) -> None:
    """Refuse a body that aiohttp hands on as it came: more than one coding, or one that it does not know."""
    codings = [each.lower() for each in list_of(headers, hdrs.CONTENT_ENCODING)]
    if len(codings) > 1 or not CODINGS.issuperset(set(codings) - {"identity"}):
        raise UnsupportedCoding
